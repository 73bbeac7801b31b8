// Results that others wrote, in the schemas that they use.
#pragma once

#include "anemone/report/result.h"

namespace anemone {

// {"schema_version": 1, "system": …, "benchmarks": {"sram_probe": […], "inmem_peak": […], …}}
bool is_community_result(const nlohmann::json& json);
std::vector<BenchResult> parse_community_result(const nlohmann::json& json,
                                                const std::string& where);

// A table of results/published: {"source": …, "chip": …, "kind": "conv", "rows": […]}.
bool is_published_table(const nlohmann::json& json);
std::vector<BenchResult> parse_published_table(const nlohmann::json& json,
                                               const std::string& where);

}  // namespace anemone
