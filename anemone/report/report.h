// What a report of results says, in all its formats: here it is decided what is shown, and in which
// order.
#pragma once

#include <string>
#include <vector>

#include "anemone/report/document.h"
#include "anemone/report/runs.h"
#include "anemone/report/timeline_plot.h"

namespace anemone {

struct ReportInput {
  std::vector<ResultFile> results;
  std::vector<Trace> traces;
  std::vector<std::string> arguments;  // of the command that makes this report, without "anemone"
};

// Runs, figures, roofline, every benchmark with its plots and tables, timelines, fits, and how to
// make it again. Throws Error(kInvalidInput) where no result has a row.
Document report_of(const ReportInput& input);

// Sections of their own files.
Section fit_section(const std::vector<Run>& runs);
Section commands_section(const std::vector<Run>& runs, const std::vector<std::string>& arguments);

}  // namespace anemone
