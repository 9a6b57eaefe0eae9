// SPDX-License-Identifier: Apache-2.0
// Progress on stderr (a bar on a terminal, plain lines elsewhere), colours off, and signals.
#pragma once

#include "likeness/base/run.h"

namespace likeness::cli {

/// `quiet` gives a listener that says nothing.
Progress::Listener progress_listener(bool quiet);
/// Log lines go to stderr without breaking the bar.
void install_log_sink(bool quiet);
/// Ctrl-C (or SIGTERM) once asks `cancel` to stop; twice ends the process with status 130. Writing
/// to a closed pipe or over a file size limit becomes an error instead of a signal.
void install_signals(Cancel& cancel);

}  // namespace likeness::cli
