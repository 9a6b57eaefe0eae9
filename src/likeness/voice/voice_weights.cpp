// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "likeness/base/error.h"
#include "likeness/voice/pretrain.h"

#ifndef LIKENESS_ASSETS_DIR
#define LIKENESS_ASSETS_DIR "/usr/share/likeness/assets"
#endif

namespace likeness::voice {

std::filesystem::path voice_weights(const std::string& part) {
  std::error_code ec;
  const char* named = std::getenv("LIKENESS_ASSETS");
  for (const char* folder : {named, LIKENESS_ASSETS_DIR, "/usr/share/likeness/assets"})
    if (folder && *folder)
      if (auto p = std::filesystem::path(folder) / "voice" / (part + ".safetensors");
          std::filesystem::exists(p, ec))
        return p;
  throw Error(ErrorCode::kMissing, "the weights of our own voice are not here: " + part,
              "restore assets/voice of the source tree, or make them with likeness voice pretrain "
              "--part " +
                  part);
}

}  // namespace likeness::voice
