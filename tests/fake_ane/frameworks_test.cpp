// Opening the frameworks as libraries: what is missing is said, and costs only the route that it
// belongs to.
#include <gmock/gmock.h>

#include "anemone/base/file.h"
#include "tests/fake_ane/route_testing.h"

namespace anemone::fake_ane {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

// The fake's libraries in a folder of their own, one of them changed.
class ChangedLibraries {
 public:
  ChangedLibraries() {
    for (const auto& entry : fs::directory_iterator(library_folder())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("libfake_") && name != "libfake_ane_core.so") {
        fs::copy_file(entry.path(), folder_.path() / name);
      }
    }
  }
  // Gives a symbol another name: its last letter changes.
  void remove_symbol(const std::string& library, const std::string& symbol) {
    const fs::path path = folder_.path() / library;
    std::string bytes = read_file(path);
    const std::string named = std::string(1, '\0') + symbol + std::string(1, '\0');
    size_t at = bytes.find(named);
    ASSERT_NE(at, std::string::npos) << symbol;
    for (; at != std::string::npos; at = bytes.find(named, at)) bytes[at + symbol.size()] = '_';
    write_file(path, bytes);
  }
  void remove(const std::string& library) { fs::remove(folder_.path() / library); }
  Frameworks load() { return load_frameworks(FrameworkPaths::of_fake(folder_.path().string())); }

 private:
  ScratchFolder folder_{fs::temp_directory_path(), "fake-libraries"};
};

TEST(FakeLibraries, HaveEverythingThatTheRoutesNeed) {
  const Frameworks frameworks = load_frameworks(FrameworkPaths::of_fake(library_folder()));
  EXPECT_THAT(frameworks.espresso_problem, IsEmpty());
  EXPECT_THAT(frameworks.in_memory_problem, IsEmpty());
  EXPECT_TRUE(frameworks.espresso && frameworks.in_memory);
}

TEST(FakeLibraries, ThatAreNotThereAreNamed) {
  const Frameworks frameworks = load_frameworks(FrameworkPaths::of_fake("/nowhere"));
  EXPECT_FALSE(frameworks.espresso || frameworks.in_memory);
  EXPECT_THAT(frameworks.espresso_problem, HasSubstr("/nowhere/libfake_espresso.so: cannot open"));
  EXPECT_THAT(frameworks.in_memory_problem,
              HasSubstr("/nowhere/libfake_foundation.so: cannot open"));
}

TEST(FakeLibraries, OfOneRouteMayBeMissingWhereTheOtherIsUsed) {
  ChangedLibraries without_espresso, without_surfaces;
  without_espresso.remove("libfake_espresso.so");
  EXPECT_TRUE(without_espresso.load().in_memory);
  without_surfaces.remove("libfake_io_surface.so");
  const Frameworks frameworks = without_surfaces.load();
  EXPECT_TRUE(frameworks.espresso);
  EXPECT_FALSE(frameworks.in_memory);
  EXPECT_THAT(frameworks.in_memory_problem, HasSubstr("libfake_io_surface.so"));
}

TEST(FakeLibraries, WithoutOneSymbolOfE5rtNameIt) {
  std::vector<std::string> symbols = {"e5rt_get_last_error_message"};
#define ANEMONE_NAME(name, parameters) symbols.push_back("e5rt_" #name);
  ANEMONE_E5RT_FUNCTIONS(ANEMONE_NAME)
#undef ANEMONE_NAME
  for (const std::string& symbol : symbols) {
    ChangedLibraries libraries;
    libraries.remove_symbol("libfake_espresso.so", symbol);
    const Frameworks frameworks = libraries.load();
    EXPECT_FALSE(frameworks.espresso) << symbol;
    EXPECT_TRUE(frameworks.in_memory) << symbol;
    EXPECT_THAT(frameworks.espresso_problem, HasSubstr("libfake_espresso.so has no " + symbol));
  }
}

TEST(FakeLibraries, WithoutOneSymbolOfTheOtherRouteNameIt) {
  const std::pair<const char*, std::vector<const char*>> symbols[] = {
      {"objc",
       {"objc_getClass", "sel_registerName", "objc_msgSend", "class_getInstanceMethod",
        "class_getClassMethod", "method_getTypeEncoding", "objc_autoreleasePoolPush",
        "objc_autoreleasePoolPop", "objc_retain", "objc_release", "object_getClass"}},
      {"core_foundation",
       {"CFRelease", "CFStringCreateWithCString", "CFStringGetLength",
        "CFStringGetMaximumSizeForEncoding", "CFStringGetCString", "CFDataCreate", "CFNumberCreate",
        "CFDictionaryCreate", "CFArrayCreate", "CFErrorGetCode", "CFErrorCopyDescription",
        "kCFTypeDictionaryKeyCallBacks", "kCFTypeDictionaryValueCallBacks",
        "kCFTypeArrayCallBacks"}},
      {"io_surface",
       {"IOSurfaceCreate", "IOSurfaceLock", "IOSurfaceUnlock", "IOSurfaceGetBaseAddress",
        "IOSurfaceGetAllocSize"}}};
  for (const auto& [name, missing] : symbols) {
    for (const char* symbol : missing) {
      const std::string library = std::string("libfake_") + name + ".so";
      ChangedLibraries libraries;
      libraries.remove_symbol(library, symbol);
      const Frameworks frameworks = libraries.load();
      EXPECT_FALSE(frameworks.in_memory) << symbol;
      EXPECT_TRUE(frameworks.espresso) << symbol;
      EXPECT_THAT(frameworks.in_memory_problem, HasSubstr(library + " has no " + symbol));
    }
  }
}

}  // namespace
}  // namespace anemone::fake_ane
