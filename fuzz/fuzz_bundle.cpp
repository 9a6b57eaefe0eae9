// SPDX-License-Identifier: Apache-2.0
// A consent exported elsewhere (`consent import`). Most damage is found by the record's signatures,
// so what lies behind them, the key and the private part, is also read without them.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "fuzz.h"

#include "likeness/tasks/consent_ops.h"
#include "likeness/trust/consent_store.h"
#include "likeness/trust/jcs.h"
#include "likeness/trust/vault.h"

namespace {
using namespace likeness;

struct World {
  std::filesystem::path folder = std::filesystem::temp_directory_path() /
                                 ("likeness-fuzz-bundle-" + std::to_string(::getpid()));
  project::Project project = make();

  project::Project make() const {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    ::setenv("LIKENESS_HOME", (folder / "home").c_str(), 1);
    auto p = project::Project::create(folder / "film");
    p.add_subject({"mary", project::SubjectKind::kPerson, "", ""});
    return p;
  }
  ~World() { std::filesystem::remove_all(folder); }
};

template <typename F>
void expect_error_at_most(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    if (e.code() == ErrorCode::kInternal) std::terminate();
  }
}

}  // namespace

LIKENESS_FUZZ_TARGET(bytes) {
  static World world;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto file = world.folder / "input.json";
  std::ofstream(file, std::ios::binary)
      .write(text.data(), static_cast<std::streamsize>(text.size()));
  expect_error_at_most([&] { tasks::consent_import(world.project, "mary", file, ""); });
  const auto json = trust::parse_json(text, "bundle");
  expect_error_at_most([&] { trust::PrivatePart::from_json(json); });
  if (json.is_object() && json.contains("key"))
    expect_error_at_most([&] { trust::vault_import_key(json["key"]); });
}
