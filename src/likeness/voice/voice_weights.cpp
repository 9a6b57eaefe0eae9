// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "likeness/base/error.h"
#include "likeness/tensor/model_card.h"
#include "likeness/voice/pretrain.h"

#ifndef LIKENESS_ASSETS_DIR
#define LIKENESS_ASSETS_DIR ""
#endif

namespace likeness::voice {
namespace fs = std::filesystem;

tensor::ModelCard weights_card(const fs::path& weights) {
  const fs::path card = fs::path(weights).replace_extension(".toml");
  std::error_code ec;
  if (!fs::is_regular_file(card, ec))
    throw Error(ErrorCode::kRefused, weights.string() + " has no licence card",
                "put " + card.filename().string() + " beside it");
  return tensor::read_model_card(card);
}

void check_weights(const fs::path& weights) {
  tensor::verify_model(weights_card(weights), weights.parent_path());
}

std::optional<fs::path> find_voice_weights(const std::string& part) {
  std::error_code ec;
  const char* named = std::getenv("LIKENESS_ASSETS");
  for (const char* folder : {named, LIKENESS_ASSETS_DIR, "/usr/share/likeness/assets"}) {
    if (!folder || !*folder) continue;
    const fs::path weights = fs::path(folder) / "voice" / (part + ".safetensors");
    if (fs::is_regular_file(weights, ec)) return weights;
  }
  return std::nullopt;
}

fs::path voice_weights(const std::string& part) {
  const auto weights = find_voice_weights(part);
  if (!weights)
    throw Error(
        ErrorCode::kMissing, "the weights of our own voice are not here: " + part,
        "restore assets/voice of the source tree, or make them with likeness voice pretrain "
        "--part " +
            part);
  check_weights(*weights);
  return *weights;
}

}  // namespace likeness::voice
