// e5rt: compiling, and programs out of bundles. Running them is espresso_run.cpp.
#include "tests/fake_ane/espresso.h"

#include <fmt/format.h>

#include "anemone/base/error.h"
#include "anemone/base/file.h"

namespace anemone::fake_ane {
namespace fs = std::filesystem;
namespace e5 {

thread_local std::string last_message;

uint64_t check_sum(std::string_view bytes) {
  uint64_t sum = 0xcbf29ce484222325;
  for (const char c : bytes) sum = (sum ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return sum;
}

namespace {

constexpr const char* kManifest = "manifest.txt";

// One line a file: its sum and its name. A file that changed or is missing spoils the bundle.
std::string manifest_of(const fs::path& bundle, const std::vector<std::string>& files) {
  std::string text;
  for (const std::string& file : files) {
    text += fmt::format("{:016x} {}\n", check_sum(read_file(bundle / file)), file);
  }
  return text;
}

// As the real ones: a bundle with another one inside for the chip.
void write_bundle(const fs::path& bundle, const std::string& text, const fs::path& source,
                  std::vector<std::string> files) {
  fs::create_directories(bundle / "H16G.bundle");
  write_file(bundle / "H16G.bundle" / "main.hwx", "not a bundle that can be opened");
  write_file(bundle / "model.mil", text);
  for (const std::string& file : files) {
    fs::create_directories((bundle / file).parent_path());
    fs::copy_file(source / file, bundle / file, fs::copy_options::overwrite_existing);
  }
  files.insert(files.begin(), {"model.mil", "H16G.bundle/main.hwx"});
  write_file(bundle / "files.txt", fmt::format("{}", fmt::join(files, "\n")));
  write_file(bundle / kManifest, manifest_of(bundle, files));
}

std::shared_ptr<const CompiledProgram> open_bundle(const fs::path& bundle) {
  std::vector<std::string> files;
  const std::string names = read_file(bundle / "files.txt");
  for (size_t begin = 0; begin < names.size();) {
    const size_t end = std::min(names.find('\n', begin), names.size());
    files.push_back(names.substr(begin, end - begin));
    begin = end + 1;
  }
  if (read_file(bundle / kManifest) != manifest_of(bundle, files)) fail(bundle, "damaged");
  return load_mil(read_file(bundle / "model.mil"), bundle);
}

void require_setting(bool given, const char* what) {
  if (!given) world().violation(std::string("e5rt_e5_compiler_compile: ") + what);
}

std::shared_ptr<const CompiledProgram> compile(const Compiler& compiler, const fs::path& path,
                                               const CompilerOptions& options) {
  require_setting(options.mask == 4, "the mask of devices is not 4, the Neural Engine alone");
  require_setting(options.segmenter == "graph", "the segmenter is not graph");
  require_setting(!compiler.cache.empty(), "there is no place for the bundle");
  std::string text;
  try {
    text = read_file(path);
  } catch (const Error&) {
    throw Failure{1, "cannot open " + path.string()};
  }
  const auto program = compile_mil(text, path.parent_path());
  if (!program) throw Failure{11, std::string("MILCompilerForANE: ") + kCompilerText};
  try {
    const std::string name = fmt::format("{:016x}.bundle", check_sum(text));
    write_bundle(fs::path(compiler.cache) / name, text, path.parent_path(), program->blob_files);
  } catch (const std::exception& error) {
    throw Failure{1, std::string("cannot write the bundle: ") + error.what()};
  }
  return program;
}

}  // namespace
}  // namespace e5

using namespace e5;

extern "C" {

const char* e5rt_get_last_error_message_of_fake() { return last_message.c_str(); }

E5(e5_compiler_config_options_create, E5Handle* out) {
  E5_CALL(e5_compiler_config_options_create, { make<CompilerConfig>(out, how); });
}
E5(e5_compiler_config_options_set_cache_bundle_location, E5Handle config, const char* folder) {
  E5_CALL(e5_compiler_config_options_set_cache_bundle_location,
          { get<CompilerConfig>(config)->cache = folder; });
}
E5(e5_compiler_config_options_release, E5Handle* config) {
  return release<CompilerConfig>("e5rt_e5_compiler_config_options_release", config);
}

E5(e5_compiler_create_with_config, E5Handle* out, E5Handle config) {
  E5_CALL(e5_compiler_create_with_config, {
    const std::string cache = get<CompilerConfig>(config)->cache;
    if (Compiler* made = make<Compiler>(out, how)) made->cache = cache;
  });
}
E5(e5_compiler_release, E5Handle* compiler) {
  return release<Compiler>("e5rt_e5_compiler_release", compiler);
}

E5(e5_compiler_options_create, E5Handle* out) {
  E5_CALL(e5_compiler_options_create, { make<CompilerOptions>(out, how); });
}
E5(e5_compiler_options_set_compute_device_types_mask, E5Handle options, uint64_t mask) {
  E5_CALL(e5_compiler_options_set_compute_device_types_mask,
          { get<CompilerOptions>(options)->mask = mask; });
}
E5(e5_compiler_options_set_segmenter, E5Handle options, const char* name) {
  E5_CALL(e5_compiler_options_set_segmenter, { get<CompilerOptions>(options)->segmenter = name; });
}
E5(e5_compiler_options_release, E5Handle* options) {
  return release<CompilerOptions>("e5rt_e5_compiler_options_release", options);
}

E5(e5_compiler_compile, E5Handle compiler, const char* mil_path, E5Handle options,
   E5Handle* out_library) {
  E5_CALL(e5_compiler_compile, {
    auto program = compile(*get<Compiler>(compiler), mil_path, *get<CompilerOptions>(options));
    if (Library* made = make<Library>(out_library, how)) made->program = std::move(program);
  });
}

E5(program_library_create, E5Handle* out, const char* bundle_path) {
  E5_CALL(program_library_create, {
    std::shared_ptr<const CompiledProgram> program;
    try {
      program = open_bundle(bundle_path);
    } catch (const Error&) {
    }
    if (!program) throw Failure{1, std::string("invalid E5 path ") + bundle_path};
    if (Library* made = make<Library>(out, how)) made->program = std::move(program);
  });
}
E5(program_library_retain_program_function, E5Handle library, const char* name,
   E5Handle* out_function) {
  E5_CALL(program_library_retain_program_function, {
    Library* from = get<Library>(library);
    if (std::string_view(name) != "main") throw Failure{1, std::string("no function ") + name};
    if (ProgramFunction* made = make<ProgramFunction>(out_function, how)) {
      made->program = from->program;
      made->needs = {from};
    }
  });
}
E5(program_library_release, E5Handle* library) {
  return release<Library>("e5rt_program_library_release", library);
}
E5(program_function_release, E5Handle* function) {
  return release<ProgramFunction>("e5rt_program_function_release", function);
}

}  // extern "C"

}  // namespace anemone::fake_ane
