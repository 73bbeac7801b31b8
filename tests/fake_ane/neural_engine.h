// Models of AppleNeuralEngine.framework, and their evaluation.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

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
};

uint64_t digest(const std::string& bytes);

// -[_ANEInMemoryModel evaluateWithQoS:options:request:error:]
bool evaluate_model(ObjcId self, uint32_t qos, ObjcId options, ObjcId request, ObjcId* error);

// _ANEIOSurfaceObject and _ANERequest.
void define_request_classes();

}  // namespace anemone::fake_ane
