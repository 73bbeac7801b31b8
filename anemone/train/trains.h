// Which parameters of a model a run trains.
#pragma once

#include "anemone/train/parameters.h"
#include "anemone/train/train_options.h"

namespace anemone {

// By --train and --freeze, patterns of fnmatch(3); with LoRA the adapters. Throws Error for a
// pattern that matches no parameter of the model, and where nothing is left to train.
Trains trains_of(const TrainOptions& options, const TransformerConfig& config);

// The same by name, for freeze().
std::function<bool(const std::string& parameter)> trains_by_name(const ParameterSet& parameters);

}  // namespace anemone
