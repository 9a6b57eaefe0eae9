// SPDX-License-Identifier: Apache-2.0
// The card (TOML) that lies beside every weight file: what it is, whose, under which licence, and
// the hash that its files must have. Cards in the repository: models/.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace likeness::tensor {

struct ModelFile {
  std::string file;  ///< name beside the card
  std::string sha256;
  std::string source;  ///< package@version, or empty for models of our own
};

struct ModelCard {
  std::string name, title, task, licence, origin, training_data, input, output, limits;
  std::vector<ModelFile> files;
};

/// Throws kBadInput with the line, or kDamaged when a required field is missing.
ModelCard parse_model_card(const std::string& toml, const std::string& name_for_errors);
ModelCard read_model_card(const std::filesystem::path& path);
/// Throws kMissing (a file of the card is not in `folder`) or kDamaged (its hash differs). A file
/// with the same inode, size and time as before is not read again by this process.
void verify_model(const ModelCard& card, const std::filesystem::path& folder);
/// Atomic.
void write_model_card(const std::filesystem::path& path, const ModelCard& card);

}  // namespace likeness::tensor
