// SPDX-License-Identifier: Apache-2.0
// Results of bench_watermark: one line of JSON each, on disk as soon as they are known, so that a
// run that is stopped loses nothing and the next one goes on.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace likeness::bench {

class Results {
 public:
  /// `path` may be empty: then results live in memory only. A last line cut short is left out.
  explicit Results(const std::filesystem::path& path) {
    if (path.empty()) return;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
      const auto j = nlohmann::json::parse(line, nullptr, false);
      if (j.is_object()) all_.push_back(j);
    }
    out_.open(path, std::ios::app);
    out_ << "\n";  // ends a line that was cut short
  }

  bool has(const std::string& part, const std::string& clip, const std::string& change) const {
    for (const auto& j : all_)
      if (j.value("part", "") == part && j.value("clip", "") == clip &&
          j.value("change", "") == change)
        return true;
    return false;
  }

  void add(const std::string& part, const std::string& clip, const std::string& change,
           nlohmann::json result) {
    result["part"] = part;
    result["clip"] = clip;
    result["change"] = change;
    if (out_.is_open()) out_ << result.dump() << std::endl;
    all_.push_back(std::move(result));
  }

  const std::vector<nlohmann::json>& all() const { return all_; }

 private:
  std::vector<nlohmann::json> all_;
  std::ofstream out_;
};

}  // namespace likeness::bench
