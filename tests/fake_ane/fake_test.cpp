// That the fake sees what it watches for: otherwise the tests of the routes could not fail.
#include <gmock/gmock.h>

#include "anemone/base/file.h"
#include "anemone/devices/ane/foundation_values.h"
#include "tests/fake_ane/mil_compiler.h"
#include "tests/fake_ane/route_testing.h"

namespace anemone::fake_ane {
namespace {

using testing::Contains;
using testing::HasSubstr;

class Fake : public testing::Test {
 protected:
  Fake() { world().reset(); }
  ~Fake() override { world().reset(); }
  static void expect_violation(const std::string& part) {
    EXPECT_THAT(world().violations(), Contains(HasSubstr(part)));
  }

  const Frameworks frameworks = fake_frameworks();
  const EspressoApi& e5 = *frameworks.espresso;
  const ObjcApi& objc = frameworks.in_memory->objc;
  const CoreFoundationApi& cf = frameworks.in_memory->core_foundation;
  const IoSurfaceApi& io = frameworks.in_memory->io_surface;
  const FoundationValues values{cf};

  ObjcId descriptor_of(ObjcId text, ObjcId weights) {
    return objc_send<ObjcId>(objc, objc.objc_getClass("_ANEInMemoryModelDescriptor"),
                             "modelWithMILText:weights:optionsPlist:", text, weights,
                             ObjcId{nullptr});
  }
};

// --- e5rt ---

TEST_F(Fake, SeesAReleaseByTheFunctionOfAnotherKind) {
  E5Handle handle = nullptr;
  e5.execution_stream_create(&handle);
  E5Handle same = handle;
  e5.e5_compiler_release(&handle);
  expect_violation("e5rt_e5_compiler_release was handed a e5rt stream");
  e5.execution_stream_release(&same);
  EXPECT_EQ(same, nullptr);
}

TEST_F(Fake, SeesASecondReleaseAndLeaks) {
  E5Handle handle = nullptr;
  e5.execution_stream_create(&handle);
  EXPECT_EQ(world().leaks(), "1 e5rt stream");
  E5Handle same = handle;
  e5.execution_stream_release(&handle);
  EXPECT_EQ(world().leaks(), "");
  e5.execution_stream_release(&same);
  expect_violation("handed a e5rt stream that was released");
}

TEST_F(Fake, SeesAMaskThatIsNotTheNeuralEngineAlone) {
  E5Handle config = nullptr, compiler = nullptr, options = nullptr, library = nullptr;
  e5.e5_compiler_config_options_create(&config);
  e5.e5_compiler_create_with_config(&compiler, config);
  e5.e5_compiler_options_create(&options);
  e5.e5_compiler_options_set_compute_device_types_mask(options, 7);
  EXPECT_EQ(e5.e5_compiler_compile(compiler, "/nowhere/model.mil", options, &library), 1);
  expect_violation("the mask of devices is not 4");
  expect_violation("there is no place for the bundle");
}

TEST_F(Fake, SeesAStreamThatRunsNothing) {
  E5Handle stream = nullptr;
  e5.execution_stream_create(&stream);
  e5.execution_stream_execute_sync(stream);
  expect_violation("a stream without operations was executed");
}

TEST_F(Fake, RefusesBuffersOfOtherKinds) {
  E5Handle buffer = nullptr;
  EXPECT_EQ(e5.buffer_object_alloc(&buffer, 64, 3), 5);
  EXPECT_STREQ(e5.get_last_error_message(), "Invalid BufferType");
}

// --- Objective-C and CoreFoundation ---

TEST_F(Fake, SeesTextThatIsNoData) {
  const AutoreleasePool pool(objc);
  const CfObject text = values.text(kSimple), weights = values.dictionary({});
  EXPECT_EQ(descriptor_of(text.id(), weights.id()), nullptr);
  expect_violation("was handed a NSString");
}

TEST_F(Fake, SeesWeightsThatAreNoDictionary) {
  const AutoreleasePool pool(objc);
  const CfObject text = values.data(kSimple);
  EXPECT_EQ(descriptor_of(text.id(), nullptr), nullptr);
  expect_violation("was handed null");
}

TEST_F(Fake, SeesThatThereIsNoPool) {
  const CfObject text = values.data(kSimple), weights = values.dictionary({});
  EXPECT_NE(descriptor_of(text.id(), weights.id()), nullptr);
  expect_violation("an autoreleased _ANEInMemoryModelDescriptor was returned without");
}

TEST_F(Fake, SeesAnotherQualityOfService) {
  const AutoreleasePool pool(objc);
  const CfObject text = values.data(kSimple), none = values.dictionary({});
  const auto model =
      objc_send<ObjcId>(objc, objc.objc_getClass("_ANEInMemoryModel"),
                        "inMemoryModelWithDescriptor:", descriptor_of(text.id(), none.id()));
  ObjcId error = nullptr;
  EXPECT_FALSE(
      objc_send<bool>(objc, model, "loadWithQoS:options:error:", uint32_t{25}, none.id(), &error));
  expect_violation("the quality of service is 25");
  EXPECT_NE(error, nullptr);
}

TEST_F(Fake, SeesPoolsThatEndInAnotherOrder) {
  void* const outer = objc.objc_autoreleasePoolPush();
  void* const inner = objc.objc_autoreleasePoolPush();
  objc.objc_autoreleasePoolPop(outer);
  expect_violation("not the innermost");
  objc.objc_autoreleasePoolPop(inner);
  objc.objc_autoreleasePoolPop(outer);
}

TEST_F(Fake, SeesCollectionsThatRetainNothing) {
  const CfObject array(cf, cf.CFArrayCreate(nullptr, nullptr, 0, nullptr));
  expect_violation("CFArrayCreate was handed other callbacks");
}

TEST_F(Fake, SeesAnObjectThatWasReleased) {
  const CfRef number = values.number(1).get();
  const CfObject array(cf, cf.CFArrayCreate(nullptr, const_cast<const void**>(&number), 1,
                                            cf.kCFTypeArrayCallBacks));
  expect_violation("CFArrayCreate was handed a NSNumber that was released");
}

// --- surfaces ---

class FakeSurface : public Fake {
 protected:
  IoSurfaceRef make(size_t bytes) {
    const char* names[] = {"IOSurfaceWidth",       "IOSurfaceHeight",    "IOSurfaceBytesPerElement",
                           "IOSurfaceBytesPerRow", "IOSurfaceAllocSize", "IOSurfacePixelFormat"};
    const size_t wanted[] = {bytes, 1, 1, bytes, bytes, 0};
    std::vector<CfObject> owned;
    std::vector<std::pair<CfRef, CfRef>> entries;
    for (size_t i = 0; i < 6; ++i) {
      owned.push_back(values.text(names[i]));
      owned.push_back(values.number(static_cast<int64_t>(wanted[i])));
      entries.emplace_back(owned[2 * i].get(), owned[2 * i + 1].get());
    }
    return io.IOSurfaceCreate(values.dictionary(entries).get());
  }
};

TEST_F(FakeSurface, SeesOtherFlagsWhenUnlocked) {
  const IoSurfaceRef surface = make(65536);
  io.IOSurfaceLock(surface, 1, nullptr);
  io.IOSurfaceUnlock(surface, 0, nullptr);
  expect_violation("unlocked with other flags");
  io.IOSurfaceUnlock(surface, 0, nullptr);
  expect_violation("unlocked that was not locked");
}

TEST_F(FakeSurface, SeesAnAddressThatIsAskedForWithoutALock) {
  io.IOSurfaceGetBaseAddress(make(65536));
  expect_violation("while it was not locked");
}

TEST_F(FakeSurface, SeesCallsWhileOneIsLocked) {
  io.IOSurfaceLock(make(65536), 0, nullptr);
  values.number(1);
  expect_violation("CFNumberCreate was called while a surface was locked");
}

TEST_F(FakeSurface, EndsWhoeverTouchesOneThatIsNotLocked) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const IoSurfaceRef surface = make(65536);
  io.IOSurfaceLock(surface, 0, nullptr);
  auto* const memory = static_cast<char*>(io.IOSurfaceGetBaseAddress(surface));
  memory[100] = 1;
  io.IOSurfaceUnlock(surface, 0, nullptr);
  EXPECT_DEATH(memory[100] = 2, "");
}

// --- the compiler ---

class FakeCompiler : public Fake {
 protected:
  // Empty if it takes the function, in dialect A; else why not.
  std::string refusal_of(const std::string& function, const std::string& build_info = kBuildInfo) {
    compile_mil("program(1.3)\n" + build_info + "\n{" + function + "}", folder.path());
    return world().refusal;
  }

  static constexpr const char* kBuildInfo =
      "[buildInfo = dict<string, string>({{\"coremlc-version\", \"3505.4.1\"}})]";
  static constexpr const char* kRelu =
      "func main<ios18>(tensor<fp16, [1, 4, 1, 16]> x) { tensor<fp16, [1, 4, 1, 16]> y = relu(x = "
      "x)[name = string(\"y\")]; } -> (y);";
  ScratchFolder folder{std::filesystem::temp_directory_path()};
};

TEST_F(FakeCompiler, TakesAPlainProgram) { EXPECT_EQ(refusal_of(kRelu), ""); }

TEST_F(FakeCompiler, RefusesAProgramWithoutBuildInfo) {
  EXPECT_THAT(refusal_of(kRelu, ""), HasSubstr("no buildInfo"));
}

TEST_F(FakeCompiler, RefusesLiteralsInPlace) {
  EXPECT_THAT(refusal_of("func main<ios18>(tensor<fp16, [1, 16]> x) { tensor<fp16, [1, 16]> y = "
                         "add(x = x, y = fp16(1))[name = string(\"y\")]; } -> (y);"),
              HasSubstr("y is a literal in place"));
}

TEST_F(FakeCompiler, RefusesWrongTypes) {
  EXPECT_NE(refusal_of("func main<ios18>(tensor<fp16, [1, 16]> x) { tensor<fp16, [1, 17]> y = "
                       "relu(x = x)[name = string(\"y\")]; } -> (y);"),
            "");
}

TEST_F(FakeCompiler, RefusesWeightsWithAWrongSize) {
  const Tensor w(DType::kFp16, {1, 16});
  std::string file(64 + 64 + 32, '\0');
  const auto put = [&](size_t at, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) file[at + i] = static_cast<char>(value >> (8 * i));
  };
  put(0, 1, 4);
  put(4, 2, 4);
  put(64, 0xDEADBEEF, 4);
  put(68, 1, 4);
  put(72, 32, 8);
  put(80, 128, 8);
  const std::string program =
      "func main<ios18>(tensor<fp16, [1, 16]> x) { tensor<fp16, [1, 16]> w = const()[name = "
      "string(\"w\"), val = tensor<fp16, [1, 16]>(BLOBFILE(path = string(\"@model_path/w.bin\"), "
      "offset = uint64(64)))]; tensor<fp16, [1, 16]> y = add(x = x, y = w)[name = string(\"y\")]; "
      "} "
      "-> (y);";
  write_file(folder.path() / "w.bin", file);
  EXPECT_EQ(refusal_of(program), "");
  put(72, 33, 8);
  write_file(folder.path() / "w.bin", file);
  EXPECT_THAT(refusal_of(program), HasSubstr("another size"));
}

}  // namespace
}  // namespace anemone::fake_ane
