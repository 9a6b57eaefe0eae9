// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "likeness/tasks/presets.h"

namespace likeness::cli {
using tasks::embedded_presets;
using tasks::load_preset;
using tasks::Preset;
}  // namespace likeness::cli
