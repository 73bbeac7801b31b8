#include "anemone/report/gnuplot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/scratch_folder.h"
#include "anemone/report/plain_text.h"

extern char** environ;

namespace anemone {
namespace fs = std::filesystem;
namespace {

// Where the standard streams of a child go.
class Streams {
 public:
  Streams(const fs::path& in, const fs::path& out, const fs::path& errors) {
    ::posix_spawn_file_actions_init(&actions_);
    constexpr int kNew = O_WRONLY | O_CREAT | O_TRUNC;
    ::posix_spawn_file_actions_addopen(&actions_, 0, in.c_str(), O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, 1, out.c_str(), kNew, 0600);
    ::posix_spawn_file_actions_addopen(&actions_, 2, errors.c_str(), kNew, 0600);
  }
  ~Streams() { ::posix_spawn_file_actions_destroy(&actions_); }
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

// Runs `program -d -`; 0, or the system's number for why it did not start. `status`: as waitpid.
int run(const std::string& program, const Streams& streams, int& status) {
  std::string name = program, defaults = "-d", from_stdin = "-";
  char* argv[] = {name.data(), defaults.data(), from_stdin.data(), nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, name.c_str(), streams.get(), nullptr, argv, environ);
  if (failed != 0) return failed;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

void erase_between(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    const size_t end = text.find(to, at);
    if (end == std::string::npos) return;
    text.erase(at, end + to.size() - at);
  }
}

// The element alone, black as the page's own colour of text, names made different from those of
// other pictures, and without titles that browsers would show under the pointer.
std::string for_page(std::string svg, const std::string& prefix) {
  svg.erase(0, svg.find("<svg"));
  erase_between(svg, "<title>", "</title>");
  erase_between(svg, "<desc>", "</desc>");
  erase_between(svg, "<filter", "</filter>");
  replace_all(svg, "id='gp", "id='" + prefix + "gp");
  replace_all(svg, "'#gp", "'#" + prefix + "gp");
  replace_all(svg, "id=\"gnuplot_", "id=\"" + prefix);
  replace_all(svg, "\"black\"", "\"currentColor\"");
  replace_all(svg, "'black'", "'currentColor'");
  replace_all(svg, "rgb(  0,   0,   0)", "currentColor");
  return svg;
}

std::string first_line(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "no reason given";
  return shortened(text.substr(begin, text.find_first_of("\r\n", begin) - begin), 120);
}

}  // namespace

Drawing draw_with_gnuplot(const Plot& plot, const std::string& prefix, const std::string& program) {
  const ScratchFolder folder(temporary_root());
  const fs::path script = folder.path() / "script", svg = folder.path() / "svg",
                 errors = folder.path() / "errors";
  write_file(script, gnuplot_script(plot));
  int status = 0;
  if (const int failed = run(program, Streams(script, svg, errors), status)) {
    return {"",
            fmt::format("not drawn: {} cannot be started ({}); install gnuplot: apt-get install "
                        "gnuplot-nox, or brew install gnuplot",
                        program, std::strerror(failed))};
  }
  std::string drawn = fs::exists(svg) ? read_file(svg) : "";
  const bool whole =
      drawn.find("<svg") != std::string::npos && drawn.find("</svg>") != std::string::npos;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || !whole) {
    return {"", fmt::format("not drawn: {} failed: {}", program,
                            first_line(fs::exists(errors) ? read_file(errors) : ""))};
  }
  return {for_page(std::move(drawn), prefix), ""};
}

}  // namespace anemone
