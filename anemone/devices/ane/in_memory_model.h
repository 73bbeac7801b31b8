// A program as _ANEInMemoryModel has it: made, compiled, loaded, evaluated on requests, unloaded.
#pragma once

#include <memory>
#include <string>

#include "anemone/base/scratch_folder.h"
#include "anemone/devices/ane/compile_gate.h"
#include "anemone/devices/ane/foundation_values.h"
#include "anemone/devices/ane/frameworks.h"
#include "anemone/devices/ane/program_files.h"

namespace anemone {

class InMemoryModel {
 public:
  // Makes it and writes its files below `temporary`. Callers of the members other than this and the
  // destructor have an autorelease pool.
  InMemoryModel(const Frameworks::InMemory& api, const ProgramFiles& files, std::string name,
                const std::filesystem::path& temporary);
  ~InMemoryModel();
  InMemoryModel(const InMemoryModel&) = delete;
  InMemoryModel& operator=(const InMemoryModel&) = delete;

  // Throws Error(kInvalidInput) where the compiler refuses it.
  void compile(CompileGate& gate, uint32_t qos = kAneQos);
  // These answer with nothing, or with why it did not work.
  std::string load(ObjcId options, uint32_t qos = kAneQos);
  std::string evaluate(ObjcId request, uint32_t qos = kAneQos) const;
  std::string unload();  // nothing to do where it is not loaded

  const Frameworks::InMemory& api() const { return api_; }
  const FoundationValues& values() const { return values_; }
  const std::string& name() const { return name_; }
  ObjcId id() const { return model_.get(); }

 private:
  void make(const ProgramFiles& files);
  CfObject weight_dictionary(const ProgramFiles& files) const;
  std::string identifier() const;
  template <typename... Arguments>
  std::string problem_of(const char* selector, Arguments... arguments) const;

  const Frameworks::InMemory& api_;
  const std::string name_;
  FoundationValues values_;
  ObjcObjectRef model_;
  std::unique_ptr<SharedFolder> folder_;
  bool loaded_ = false;
  uint32_t loaded_qos_ = kAneQos;
};

}  // namespace anemone
