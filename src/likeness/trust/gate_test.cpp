// SPDX-License-Identifier: Apache-2.0
// Every way around the gate that we could think of, one by one.
#include <thread>

#include "likeness/trust/consent_test_util.h"
#include "likeness/trust/finish.h"

namespace likeness::trust {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class Gate : public ConsentFixture {
 protected:
  void config(const std::string& text) const {
    std::ofstream(project_->folder() / "project.toml", std::ios::app) << "\n" << text << "\n";
  }
  fs::path record_file(const Made& m) const {
    return consent_folder(*project_, m.id) / "record.json";
  }
  Ledger ledger() const { return Ledger(ledger_path(*project_)); }
  /// The last ledger line says this digest, as a signed line may.
  void ledger_knows(const Made& m, const std::string& subject) const {
    ledger().append("consent-recorded", {{"subject", subject},
                                         {"consent", m.id},
                                         {"digest", record_digest(m.record)},
                                         {"basis", "statement"},
                                         {"key", subject_history(ledger().read(), subject).key}});
  }
};

TEST_F(Gate, NoRecord) { swap_refused("person-needs-consent-record"); }

TEST_F(Gate, Performer) {
  refused([&] { ask(Operation::kSwap, "ben", "mary"); }, "person-needs-consent-record");
}

TEST_F(Gate, OneOfTwoPersons) {
  make("mary", terms());
  refused([&] { ask(Operation::kSwap, "mary", "tom"); }, "person-needs-consent-record");
}

TEST_F(Gate, Expired) {
  auto t = terms();
  t.valid_from = "2020-01-01T00:00:00Z";
  t.valid_until = "2021-01-01T00:00:00Z";
  make("mary", t);
  swap_refused("consent-expired");
}

TEST_F(Gate, ExpiresWhileInUse) {
  auto t = terms();
  t.valid_until = utc_plus(project::now_utc(), 2);
  make("mary", t);
  EXPECT_NO_THROW(ask(Operation::kSwap, "mary"));
  std::this_thread::sleep_for(std::chrono::milliseconds(3100));
  swap_refused("consent-expired");
}

TEST_F(Gate, NotYetValid) {
  auto t = terms();
  t.valid_from = utc_plus(project::now_utc(), 3600);
  make("mary", t);
  swap_refused("consent-not-yet-valid");
}

TEST_F(Gate, TurnedBackClock) {
  // The ledger has seen a later time than the clock shows: that time counts.
  EXPECT_EQ(gate_time({LedgerEntry{.at = "2999-01-01T00:00:00Z"}}), "2999-01-01T00:00:00Z");
}

TEST_F(Gate, WrongOperation) {
  auto t = terms();
  t.operations = {"train"};
  make("mary", t);
  EXPECT_NO_THROW(ask(Operation::kTrain, "mary"));
  refused([&] { ask(Operation::kSwap, "mary"); }, "consent-operation");
}

TEST_F(Gate, WrongModality) {
  auto t = terms();
  t.modalities = {"voice"};
  make("mary", t);
  swap_refused("consent-modality");
}

TEST_F(Gate, UsesExclusionsLanguagesAndTerritories) {
  auto t = terms();
  t.uses = {"film"};
  t.languages = {"en"};
  t.territories = {"EU"};
  make("mary", t);
  auto with = [&](Request r) {
    r.task = std::string("t");
    r.operation = Operation::kSwap;
    r.subjects = {{"mary", Role::kIdentity}};
    return authorise(*project_, r);
  };
  EXPECT_NO_THROW(with({.uses = {"film"}, .languages = {"en"}, .territories = {"EU"}}));
  refused([&] { with({.uses = {"ads"}}); }, "consent-use");
  refused([&] { with({.uses = {"political"}}); }, "consent-use");
  refused([&] { with({.languages = {"de"}}); }, "consent-language");
  refused([&] { with({.territories = {"US"}}); }, "consent-territory");
  config("[consent]\nuses = [\"ads\"]");
  refused([&] { with({}); }, "consent-use");
}

TEST_F(Gate, AdvertisementsNeedAVisibleLabel) {
  auto t = terms();
  t.uses = {"ads"};
  make("mary", t);
  Request r{.task = "t", .operation = Operation::kSwap, .uses = {"ads"}};
  r.subjects = {{"mary", Role::kIdentity}};
  refused([&] { authorise(*project_, r); }, "label-for-ads");
  r.label = "eu";
  EXPECT_NO_THROW(authorise(*project_, r));
}

TEST_F(Gate, APreviewOfAnAdvertisementNeedsNoLabelAndIsNoOutput) {
  auto t = terms();
  t.uses = {"ads"};
  make("mary", t);
  config("[consent]\nuses = [\"ads\"]");
  Request r{.task = "preview", .operation = Operation::kSwap, .preview = true};
  r.subjects = {{"mary", Role::kIdentity}};
  const Grant grant = authorise(*project_, r);
  EXPECT_EQ(grant.record().at("preview"), true);
  refused([&] { finish(*project_, grant, 1, {}, {}, {}); }, "preview-is-no-output");
  // Every other rule is asked as for a render, and the refusal says what was tried.
  r.uses = {"sexual"};
  refused([&] { authorise(*project_, r); }, "consent-use");
  r.uses = {};
  r.subjects = {{"mary", Role::kPerformer}};
  try {
    authorise(*project_, r);
    FAIL() << "a preview of nobody was allowed";
  } catch (const Error& e) {
    EXPECT_EQ(
        std::string(e.what()).rfind("the preview of a swap is refused (identity-not-named)", 0), 0u)
        << e.what();
  }
}

TEST_F(Gate, ExcludedUseWhereEverythingElseIsAllowed) {
  make("mary", terms());
  config("[consent]\nuses = \"sexual\"");
  swap_refused("consent-use");
}

TEST_F(Gate, NotOfAge) {
  make("mary", terms(), [](json& r) { r["credentialSubject"]["adult"] = false; });
  // Changed before the phrase was checked: either rule is right, none lets it pass.
  refused([&] { ask(Operation::kSwap, "mary"); }, "consent-adult");
}

TEST_F(Gate, RecordEditedAfterSigning) {
  const Made m = make("mary", terms());
  json r = m.record;
  r["credentialSubject"]["operations"].push_back("avatar");
  write_file_atomic(record_file(m), r.dump());
  swap_refused("consent-record-changed");
}

TEST_F(Gate, RecordEditedAndLedgerTold) {
  Made m = make("mary", terms());
  m.record["validUntil"] = "2030-01-01T00:00:00Z";
  write_file_atomic(record_file(m), m.record.dump());
  ledger_knows(m, "mary");
  swap_refused("consent-signature");
}

TEST_F(Gate, EditedAndSignedAgainByTheStudioAlone) {
  Made m = make("mary", terms());
  m.record["validUntil"] = utc_plus(project::now_utc(), 86400 * 900);
  m.record["proof"] = json::array();
  add_proof(m.record, studio_key(), project::now_utc());
  write_file_atomic(record_file(m), m.record.dump());
  ledger_knows(m, "mary");
  swap_refused("consent-signature");
}

TEST_F(Gate, SignedByAnotherStudio) {
  const SigningKey foreign = SigningKey::generate();
  Made m = make("mary", terms());
  m.record["proof"].erase(1);
  add_proof(m.record, foreign, project::now_utc());
  write_file_atomic(record_file(m), m.record.dump());
  ledger_knows(m, "mary");
  swap_refused("consent-studio");
  trust_studio(foreign.public_key().did());
  EXPECT_NO_THROW(ask(Operation::kSwap, "mary"));
}

TEST_F(Gate, WordsOfOtherTerms) {
  make("mary", terms(), [](json& r) { r["credentialSubject"]["terms"]["description"] = "more"; });
  swap_refused("consent-evidence");
}

TEST_F(Gate, WithoutEvidence) {
  make("mary", terms(), [](json& r) { r.erase("evidence"); });
  swap_refused("consent-evidence");
}

TEST_F(Gate, RecordOfAnotherPerson) {
  const Made tom = make("tom", terms());
  make("mary", terms());
  ledger_knows(tom, "mary");
  swap_refused("consent-other-subject");
}

TEST_F(Gate, RecordOfAnotherProject) {
  make("mary", terms(), [](json& r) {
    r["credentialSubject"]["scope"]["project"] = "other";
    const std::string nonce = r["evidence"][0]["nonce"];
    r["evidence"][0]["phrase"] = phrase_of(terms_text(r), nonce);
  });
  swap_refused("consent-other-project");
}

TEST_F(Gate, EvidenceExchanged) {
  const Made mary = make("mary", terms()), tom = make("tom", terms());
  fs::copy_file(consent_folder(*project_, tom.id) / "evidence.sealed",
                consent_folder(*project_, mary.id) / "evidence.sealed",
                fs::copy_options::overwrite_existing);
  swap_refused("consent-evidence-changed");
}

TEST_F(Gate, TemplateExchanged) {
  const Made mary = make("mary", terms());
  const SealKey key = vault_key(subject_history(ledger().read(), "mary").key, "mary");
  PrivatePart p = load_private(*project_, mary.id, key);
  p.face[3] += 0.5f;
  write_file_atomic(consent_folder(*project_, mary.id) / "private.sealed",
                    seal_bytes(p.to_json().dump(), {key}, "x"));
  swap_refused("consent-face");
}

TEST_F(Gate, RecordTakenAway) {
  const Made m = make("mary", terms());
  fs::remove_all(consent_folder(*project_, m.id));
  swap_refused("consent-record-missing");
}

TEST_F(Gate, RevokedInTheLedger) {
  const Made m = make("mary", terms());
  ledger().append("consent-revoked", {{"subject", "mary"}, {"consent", m.id}});
  swap_refused("consent-revoked");
}

TEST_F(Gate, RevocationStatementBesideTheRecord) {
  const Made m = make("mary", terms());
  write_file_atomic(consent_folder(*project_, m.id) / "revocation.json",
                    make_revocation(m.record, m.person, "no", project::now_utc()).dump());
  swap_refused("consent-revoked");
}

TEST_F(Gate, KeyDestroyed) {
  make("mary", terms());
  const std::string id = subject_history(ledger().read(), "mary").key;
  vault_destroy(id);
  EXPECT_FALSE(vault_has(id));
  swap_refused("consent-key-destroyed");
}

TEST_F(Gate, KeyOfSomebodyElse) {
  make("mary", terms());
  make("tom", terms());
  const std::string mary = subject_history(ledger().read(), "mary").key,
                    tom = subject_history(ledger().read(), "tom").key;
  const fs::path vault = home_folder() / "vault";
  std::string text = read_file(vault / (tom + ".json"));
  write_private_file(vault / (mary + ".json"), text, true);
  swap_refused("consent-key-other-subject");
}

TEST_F(Gate, KindEditedInTheDatabase) {
  // What an edit of project.db would do.
  project_->remove_subject("mary");
  project_->add_subject({.name = "mary", .kind = project::SubjectKind::kSynthetic});
  swap_refused("declaration-changed");
  refused([&] { ask(Operation::kAnalyse, "mary"); }, "declaration-changed");
  EXPECT_THROW(declare_subject(*project_, project_->subject("mary")), Error);
}

TEST_F(Gate, LedgerLinesRemoved) {
  make("mary", terms());
  const std::string text = read_file(ledger_path(*project_));
  // The revocation cut off the end: here simply the last line.
  const size_t last = text.rfind('\n', text.size() - 2);
  write_file_atomic(ledger_path(*project_), text.substr(0, last + 1));
  swap_refused("ledger-changed");
}

TEST_F(Gate, LedgerAndHeadRemoved) {
  make("mary", terms());
  const bool remembers = !fs::is_empty(home_folder() / "ledgers");
  fs::remove(ledger_path(*project_));
  fs::remove(project_->folder() / "ledger.head.json");
  if (!remembers) GTEST_SKIP() << "this file system knows no time of birth";
  swap_refused("ledger-changed");
}

TEST_F(Gate, LedgerEdited) {
  make("mary", terms());
  std::string text = read_file(ledger_path(*project_));
  const size_t at = text.find("material-key");
  text.replace(at, 12, "material-kez");
  write_file_atomic(ledger_path(*project_), text);
  EXPECT_THROW(ask(Operation::kSwap, "mary"), Error);
  EXPECT_THROW(ask(Operation::kSwap, "ben", "ben"), Error);
}

TEST_F(Gate, LedgerWrittenAnewByAnotherKey) {
  make("mary", terms());
  const auto entries = ledger().read();
  const fs::path home = folder_ / "attacker";
  ::setenv("LIKENESS_HOME", home.c_str(), 1);
  fs::remove(ledger_path(*project_));
  for (const auto& e : entries) ledger().append(e.type, e.body);
  ::setenv("LIKENESS_HOME", (folder_ / "home").c_str(), 1);
  swap_refused("ledger-changed");
}

TEST_F(Gate, AnotherStudioCannotSpoilTheLedger) {
  make("mary", terms());
  const std::string before = read_file(ledger_path(*project_));
  ::setenv("LIKENESS_HOME", (folder_ / "stranger").c_str(), 1);
  refused([&] { ledger().append("note", json::object()); }, "ledger-changed");
  refused([&] { add_declared_subject(*project_, {.name = "zoe"}); }, "ledger-changed");
  EXPECT_THROW(project_->subject("zoe"), Error);
  ::setenv("LIKENESS_HOME", (folder_ / "home").c_str(), 1);
  EXPECT_EQ(read_file(ledger_path(*project_)), before);
  EXPECT_NO_THROW(add_declared_subject(*project_, {.name = "zoe"}));
  EXPECT_NO_THROW(ask(Operation::kSwap, "mary"));
}

TEST_F(Gate, NoIdentityNamed) {
  refused(
      [&] {
        authorise(
            *project_,
            {.task = "t", .operation = Operation::kSwap, .subjects = {{"ben", Role::kPerformer}}});
      },
      "identity-not-named");
}

TEST_F(Gate, OutputsUsedUp) {
  auto t = terms();
  t.max_outputs = 2;
  make("mary", t);
  for (int i = 0; i < 2; ++i)
    ledger().append("output", {{"grant", ask(Operation::kSwap, "mary").record()},
                               {"output", {{"kind", "video"}, {"path", "o"}, {"sha256", "x"}}}});
  refused([&] { ask(Operation::kSwap, "mary"); }, "consent-outputs");
  EXPECT_NO_THROW(ask(Operation::kTrain, "mary"));
}

// --- sealed material

TEST_F(Gate, MaterialOpensOnlyUnderAGrantOfItsPersons) {
  make("mary", terms());
  make("tom", terms());
  const fs::path model = project_->model_folder("m") / "model.safetensors";
  const std::string secret(700'000, 'm');
  {
    const Grant g = ask(Operation::kTrain, "mary", "tom");
    g.seal_folder(project_->model_folder("m"));
    write_file_atomic(model, secret);
    write_file_atomic(project_->model_folder("m") / "model.toml", "name = \"m\"");
    EXPECT_EQ(read_file(model), secret);
  }
  EXPECT_EQ(read_file(project_->model_folder("m") / "model.toml"), "name = \"m\"");
  const auto info = sealed_info(model);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->key_ids.size(), 2u) << "both persons are in the model";
  refused([&] { read_file(model); }, "sealed-material");
  {
    const Grant g = ask(Operation::kSwap, "mary");  // tom is in it too
    refused([&] { MappedFile m(model); }, "sealed-material");
  }
  {
    const Grant g = ask(Operation::kSwap, "ben", "ben");
    refused([&] { MappedFile m(model); }, "sealed-material");
  }
  const Grant g = ask(Operation::kSwap, "mary", "tom");
  EXPECT_EQ(read_file(model), secret);
  // Copied to another name: the same keys are needed, so it makes nobody else.
  fs::create_directories(project_->model_folder("n"));
  fs::copy_file(model, project_->model_folder("n") / "model.safetensors");
  EXPECT_EQ(sealed_info(project_->model_folder("n") / "model.safetensors")->key_ids, info->key_ids);
}

TEST_F(Gate, FacesetOfAPersonIsSealedAndOthersAreNot) {
  const auto write = [&](const std::string& name) {
    const Grant g = authorise(*project_, {.task = "extract",
                                          .operation = Operation::kAnalyse,
                                          .subjects = {{name, Role::kFootage}}});
    const fs::path path = project_->faceset_path(name);
    write_file_atomic(temporary_name(path), "faces of " + name);  // as extract does
    commit_file(temporary_name(path), path);
    EXPECT_EQ(read_file(path), "faces of " + name);
    return sealed_info(path).has_value();
  };
  EXPECT_TRUE(write("mary"));
  EXPECT_FALSE(write("ben"));
  refused([&] { read_file(project_->faceset_path("mary")); }, "sealed-material");
  EXPECT_EQ(read_file(project_->faceset_path("ben")), "faces of ben");
}

TEST_F(Gate, AnyChangedByteOfASealedFileIsFound) {
  make("mary", terms());
  const Grant g = ask(Operation::kTrain, "mary");
  g.seal_folder(project_->model_folder("m"));
  const fs::path model = project_->model_folder("m") / "model.safetensors";
  write_file_atomic(model, std::string(600'000, 'x') + "end");
  std::string sealed(fs::file_size(model), '\0');
  std::ifstream(model, std::ios::binary).read(sealed.data(), static_cast<long>(sealed.size()));
  const fs::path copy = folder_ / "copy";
  auto try_bytes = [&](const std::string& bytes) {
    std::ofstream(copy, std::ios::binary | std::ios::trunc) << bytes;
    try {
      const MappedFile m(copy);
      return is_sealed(m.bytes()) || m.bytes().size() != 600'003 ? std::string("other") : "opened";
    } catch (const Error&) {
      return std::string("refused");
    }
  };
  EXPECT_EQ(try_bytes(sealed), "opened");
  for (size_t at = 0; at < sealed.size(); at += at < 400 ? 1 : 7919) {
    std::string bad = sealed;
    bad[at] ^= 4;
    EXPECT_NE(try_bytes(bad), "opened") << at;
  }
  for (size_t cut : {size_t{1}, size_t{16}, size_t{20}, size_t{262'160}, size_t{500'000}})
    EXPECT_NE(try_bytes(sealed.substr(0, sealed.size() - cut)), "opened") << cut;
  // Chunks exchanged.
  const size_t head = sealed.size() % (262'144 + 16);
  (void)head;
  std::string swapped = sealed;
  const size_t start = sealed.size() - (600'003 + 3 * 16);
  std::swap_ranges(swapped.begin() + static_cast<long>(start),
                   swapped.begin() + static_cast<long>(start) + 262'160,
                   swapped.begin() + static_cast<long>(start) + 262'160);
  EXPECT_EQ(try_bytes(swapped), "refused");
}

TEST_F(Gate, SecretsAppearInNothingThatIsWrittenOrSaid) {
  make("mary", terms());
  const std::string id = subject_history(ledger().read(), "mary").key;
  const json stored = json::parse(read_file(home_folder() / "vault" / (id + ".json")));
  const std::string key_hex = stored["data"];
  std::string pem = read_file(home_folder() / "keys" / "studio.pem");
  const std::string key_base64 = pem.substr(pem.find('\n') + 1, 60);
  for (const auto& f : fs::recursive_directory_iterator(project_->folder())) {
    if (!f.is_regular_file()) continue;
    std::ifstream in(f.path(), std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    EXPECT_EQ(text.find(key_hex), std::string::npos) << f.path();
    EXPECT_EQ(text.find(key_base64), std::string::npos) << f.path();
    EXPECT_EQ(text.find("Mary Doe"), std::string::npos) << f.path();
  }
  vault_destroy(id);
  EXPECT_EQ(ask(Operation::kSwap, "ben", "ben").record().dump().find(key_hex), std::string::npos);
}

}  // namespace
}  // namespace likeness::trust
