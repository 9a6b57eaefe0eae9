// SPDX-License-Identifier: Apache-2.0
#include "likeness/tensor/model_card.h"

#include <map>
#include <mutex>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/file_facts.h"
#include "likeness/base/hash.h"
#include "likeness/base/options.h"

namespace likeness::tensor {
namespace {

std::string text(const nlohmann::json& table, const char* key, const std::string& name,
                 bool required) {
  const auto it = table.find(key);
  if (it != table.end() && it->is_string()) return it->get<std::string>();
  if (it != table.end() || required)
    throw Error(ErrorCode::kDamaged,
                name + ": the model card lacks '" + key + "' or it is not text",
                "run scripts/install-models again");
  return "";
}

std::string quoted(const std::string& value) {
  std::string out = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\')
      out += '\\', out += c;
    else if (c == '\n')
      out += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20)
      out += ' ';
    else
      out += c;
  }
  return out + "\"";
}

}  // namespace

ModelCard parse_model_card(const std::string& toml, const std::string& name) {
  const nlohmann::json json = parse_toml(toml, name);
  ModelCard card;
  card.name = text(json, "name", name, true);
  card.licence = text(json, "licence", name, true);
  card.title = text(json, "title", name, false);
  card.task = text(json, "task", name, false);
  card.origin = text(json, "origin", name, false);
  card.training_data = text(json, "training_data", name, false);
  card.input = text(json, "input", name, false);
  card.output = text(json, "output", name, false);
  card.limits = text(json, "limits", name, false);
  const auto files = json.find("files");
  if (files == json.end() || !files->is_array() || files->empty())
    throw Error(ErrorCode::kDamaged, name + ": the model card names no files",
                "run scripts/install-models again");
  for (const auto& f : *files) {
    ModelFile file{text(f, "file", name, true), text(f, "sha256", name, true),
                   text(f, "npm", name, false)};
    if (file.file.empty() || file.file.find('/') != std::string::npos || file.file[0] == '.' ||
        file.sha256.size() != 64)
      throw Error(ErrorCode::kDamaged,
                  name + ": a file name or hash in the model card is not valid",
                  "run scripts/install-models again");
    card.files.push_back(std::move(file));
  }
  return card;
}

ModelCard read_model_card(const std::filesystem::path& path) {
  return parse_model_card(read_file(path, 1 << 20), path.string());
}

namespace {

/// Hashing 100 MB takes a moment, and lists of voices and models are asked for often: a file that
/// the file system calls unchanged keeps its hash while the process lives.
std::string remembered_hash(const std::filesystem::path& path) {
  static std::mutex mutex;
  static std::map<std::string, std::pair<std::string, std::string>> known;  // path: stamp, hash
  const std::string stamp = file_stamp(path);
  {
    std::lock_guard lock(mutex);
    const auto it = known.find(path.string());
    if (it != known.end() && it->second.first == stamp) return it->second.second;
  }
  std::string hash = sha256_file(path);
  if (file_stamp(path) == stamp) {  // else it was written meanwhile
    std::lock_guard lock(mutex);
    known[path.string()] = {stamp, hash};
  }
  return hash;
}

}  // namespace

void verify_model(const ModelCard& card, const std::filesystem::path& folder) {
  for (const ModelFile& f : card.files) {
    const auto path = folder / f.file;
    if (!std::filesystem::is_regular_file(path))
      throw Error(ErrorCode::kMissing, "the model file " + path.string() + " is not installed",
                  "run scripts/install-models, or set LIKENESS_MODELS to the folder that has it");
    const std::string got = remembered_hash(path);
    if (got != f.sha256)
      throw Error(ErrorCode::kDamaged,
                  path.string() + " is damaged: its hash is " + got.substr(0, 16) +
                      "..., the model card says " + f.sha256.substr(0, 16) + "...",
                  "run scripts/install-models, which replaces damaged files");
  }
}

void write_model_card(const std::filesystem::path& path, const ModelCard& card) {
  std::string out;
  const auto line = [&](const char* key, const std::string& value) {
    if (!value.empty()) out += std::string(key) + " = " + quoted(value) + "\n";
  };
  line("name", card.name), line("title", card.title), line("task", card.task);
  line("licence", card.licence), line("origin", card.origin),
      line("training_data", card.training_data);
  line("input", card.input), line("output", card.output), line("limits", card.limits);
  for (const ModelFile& f : card.files) {
    out += "\n[[files]]\n";
    line("file", f.file), line("sha256", f.sha256), line("npm", f.source);
  }
  write_file_atomic(path, out);
}

}  // namespace likeness::tensor
