// SPDX-License-Identifier: Apache-2.0
// For tests: what the independent reader of tests/oracle makes of signed files.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "likeness/base/atomic_file.h"

namespace likeness::trust {

/// One report a file (tests/oracle/read.mjs); empty, and said, where the reader is not installed.
/// `folder` is for its answer; the root under which it trusts is that of folder/home.
inline std::vector<nlohmann::json> oracle_says(const std::filesystem::path& folder,
                                               const std::vector<std::filesystem::path>& files) {
  const std::filesystem::path source = LIKENESS_SOURCE_DIR;
  if (std::system("command -v node > /dev/null 2>&1") != 0 ||
      !std::filesystem::exists(source / ".cache/oracle/0.13.3/package/pkg/c2pa.js")) {
    std::puts("the independent reader is not installed (tests/oracle/install): not asked");
    return {};
  }
  const auto answer = folder / "oracle.jsonl";
  std::string command = "CRJSON=1 node '" + (source / "tests/oracle/read.mjs").string() + "' '" +
                        (folder / "home/signing/root.pem").string() + "'";
  for (const auto& f : files) command += " '" + f.string() + "'";
  EXPECT_EQ(std::system((command + " > '" + answer.string() + "' 2>&1").c_str()), 0);
  std::vector<nlohmann::json> out;
  std::istringstream lines(read_file(answer));
  for (std::string line; std::getline(lines, line);) {
    out.push_back(nlohmann::json::parse(line, nullptr, false));
    EXPECT_TRUE(out.back().is_object()) << line;
  }
  EXPECT_EQ(out.size(), files.size());
  return out;
}

/// Trusted under the test's own root, nothing wrong, and every requirement of the conformance
/// program kept.
inline void expect_oracle_trusts(const nlohmann::json& said) {
  EXPECT_EQ(said["state"], "Trusted") << said["file"] << said["failures"].dump(1);
  EXPECT_EQ(said["failures"], nlohmann::json::array()) << said["file"];
  EXPECT_GE(said["checks"].size(), 34u) << said["file"];
  EXPECT_EQ(said["rubric"]["of"], 31) << said["file"];
  EXPECT_EQ(said["rubric"]["kept"], 31) << said["file"] << said["rubric"]["broken"];
  if (said.contains("official"))  // LIKENESS_RUBRIC names one of the program's own
    EXPECT_EQ(said["official"]["kept"], said["official"]["of"]) << said["file"] << said["official"];
  for (const auto& [name, what] : said["checks"].items())
    EXPECT_EQ(what, "ok") << said["file"] << " " << name;
}

}  // namespace likeness::trust
