// SPDX-License-Identifier: Apache-2.0
// TOML: presets, project.toml, and the card beside every model.
#include "fuzz.h"

#include "likeness/base/options.h"
#include "likeness/tensor/model_card.h"

LIKENESS_FUZZ_TARGET(bytes) {
  const std::string text(bytes.begin(), bytes.end());
  likeness::parse_toml(text, "preset");
  likeness::tensor::parse_model_card(text, "card");
}
