#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include "anemone/base/error.h"
#include "anemone/base/process.h"

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace anemone {
namespace {

// How the first byte of an answer says what follows.
constexpr char kResult = 'R', kError = 'E';

void write_all(int descriptor, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t written = ::write(descriptor, text.data() + at, text.size() - at);
    if (written < 0 && errno != EINTR) ::_exit(1);
    if (written > 0) at += static_cast<size_t>(written);
  }
}

std::string read_all(int descriptor) {
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = ::read(descriptor, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer, static_cast<size_t>(count));
  }
}

std::string packed(const Error& error) {
  std::string text(1, kError);
  text += static_cast<char>(error.code());
  for (const std::string& part : {error.where(), error.message(), error.hint()}) {
    text += part + '\0';
  }
  return text;
}

Error unpacked(const std::string& text) {
  std::string parts[3];
  size_t begin = 2;
  for (std::string& part : parts) {
    const size_t end = text.find('\0', begin);
    part = text.substr(begin, end - begin);
    begin = end + 1;
  }
  return {static_cast<ErrorCode>(text[1]), parts[0], parts[1], parts[2]};
}

std::string answer_of(const std::string& where, const std::function<std::string()>& work) {
  try {
    return kResult + work();
  } catch (const Error& error) {
    return packed(error);
  } catch (const std::bad_alloc&) {
    return packed({ErrorCode::kInvalidInput, where, "out of memory"});
  } catch (const std::exception& error) {
    return packed({ErrorCode::kInternal, where, error.what()});
  }
}

[[noreturn]] void be_child(int answer, const std::string& where,
                           const std::function<std::string()>& work) {
#ifdef __linux__
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int standard = 0; nowhere >= 0 && standard < 3; ++standard) ::dup2(nowhere, standard);
  write_all(answer, answer_of(where, work));
  // Not exit(): what is buffered and what waits for the end belongs to the parent.
  ::_exit(0);
}

// "ended with status 1", "was ended by signal 6 (Aborted)".
std::string ending(int status) {
  if (!WIFSIGNALED(status)) return "ended with status " + std::to_string(WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  return "was ended by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
}

}  // namespace

std::string run_in_child(const std::string& where, const std::function<std::string()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) fail_io(where, "make a pipe", errno);
  const pid_t child = ::fork();
  if (child < 0) {
    const int error = errno;
    ::close(ends[0]);
    ::close(ends[1]);
    fail_io(where, "start a process", error);
  }
  if (child == 0) {
    ::close(ends[0]);
    be_child(ends[1], where, work);
  }
  ::close(ends[1]);
  const std::string answer = read_all(ends[0]);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0 || answer.empty()) fail(where, "the process that worked on it " + ending(status));
  if (answer[0] == kError) throw unpacked(answer);
  return answer.substr(1);
}

}  // namespace anemone
