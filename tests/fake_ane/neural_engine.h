// Models and requests of AppleNeuralEngine.framework, and their evaluation.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "tests/fake_ane/foundation_objects.h"
#include "tests/fake_ane/mil_compiler.h"
#include "tests/fake_ane/objc_runtime.h"

namespace anemone::fake_ane {

struct Model : Tracked {
  Model() : Tracked("_ANEInMemoryModel") {}
  void bury() override;
  // Where the framework looks for its files.
  std::filesystem::path folder() const;

  Tracked* descriptor = nullptr;  // held
  std::string hex;
  std::shared_ptr<const CompiledProgram> program;
  bool loaded = false;
  uint32_t stats_mask = 0;  // that it was told
  bool counts = false;      // loaded with the options for statistics
};

// Its arrays never change again.
struct Request : Tracked {
  Request() : Tracked("_ANERequest") {}
  void bury() override;
  // Takes a new object, null for none, and gives up the old one.
  static void replace(Tracked*& slot, Tracked* value);

  std::vector<Tracked*> held;
  std::vector<Surface*> inputs, outputs;
  Tracked *perf_stats = nullptr, *perf_stats_array = nullptr;
};

struct SurfaceObject : Tracked {
  SurfaceObject() : Tracked("_ANEIOSurfaceObject") {}
  void bury() override { world().release(surface); }
  Surface* surface = nullptr;
};

// What a method throws to answer NO with an NSError.
struct Refusal {
  int64_t code;
  std::string text;
};

// Calls `body`, which throws Refusal, and hands that out as an NSError.
template <typename Body>
bool answer(ObjcId* error, Body&& body) {
  try {
    body();
    return true;
  } catch (const Refusal& problem) {
    if (error) {
      *error = objc::to_id(objc::autorelease(make_error(problem.code, problem.text)));
    }
    return false;
  }
}

uint64_t digest(const std::string& bytes);

// What every call of this kind must hand in.
void check_quality(const char* user, uint32_t qos);
void check_no_options(const char* user, ObjcId options);
void check_error_place(const char* user, ObjcId* error);

// Makes a model ready to run, and no more. Throw Refusal.
void load_program(Model& model);
void unload_program(Model& model);
// Runs it. Throws Refusal.
void evaluate_request(const Model& model, ObjcId request, const char* user);

// -[_ANEInMemoryModel evaluateWithQoS:options:request:error:]
bool evaluate_model(ObjcId self, uint32_t qos, ObjcId options, ObjcId request, ObjcId* error);

// Options are those of statistics, both and as the class gave them. Returns false for none at all.
bool check_load_options(const Model& model, const NsDictionary& options);
// What a run of a model that counts leaves in its request.
void leave_statistics(Request& request);

void define_request_classes();     // _ANEIOSurfaceObject and _ANERequest
void define_statistics_classes();  // _ANEPerformanceStats, and what others have for it
void define_client_classes();      // _ANEClient, _ANEModel and what makes chains
void define_foundation_classes();  // methods of NSNumber and NSArray

}  // namespace anemone::fake_ane
