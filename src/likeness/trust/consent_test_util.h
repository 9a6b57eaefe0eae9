// SPDX-License-Identifier: Apache-2.0
// For tests: a project with its own home, and records made without a camera.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/gate.h"
#include "likeness/trust/phrase.h"
#include "likeness/trust/project_test_util.h"
#include "likeness/trust/vault.h"

namespace likeness::trust {

class ConsentFixture : public ProjectFixture {
 protected:
  void SetUp() override {
    ProjectFixture::SetUp();
    for (const char* name : {"mary", "tom"}) {
      project_->add_subject({.name = name, .kind = project::SubjectKind::kPerson});
      declare_subject(*project_, project_->subject(name));
    }
  }
  void TearDown() override {
    ::unsetenv("LIKENESS_PASSPHRASE_FILE");
    ProjectFixture::TearDown();
  }

  struct Made {
    std::string id;
    nlohmann::json record;
    SigningKey person = SigningKey::generate();
  };
  static ConsentTerms terms() {
    ConsentTerms t;
    t.name = "Mary Doe";
    t.adult = true;
    t.description = "her face in one film";
    return t;
  }
  using Change = std::function<void(nlohmann::json&)>;

  /// A whole record; `before_signing` may spoil it, `after_signing` too.
  Made make(const std::string& subject, const ConsentTerms& t, const Change& before_signing = {},
            const Change& after_signing = {}) {
    Made m;
    m.id = new_uuid();
    const std::string now = project::now_utc(), salt = hex(random_bytes(32));
    PrivatePart secret{t.name, salt, std::vector<float>(128, 0.1f)};
    m.record = consent_terms_json(t, m.id, project_->name(), subject, name_hash(salt, t.name),
                                  m.person.public_key(), now);
    const std::filesystem::path evidence = folder_ / "evidence.bin";
    std::ofstream(evidence) << "video of " << subject;
    const std::string nonce = hex(random_bytes(16));
    nlohmann::json e = {{"type", "SpokenPasscodeVideo"},
                        {"sha256", sha256_file(evidence)},
                        {"nonce", nonce},
                        {"phrase", phrase_of(terms_text(m.record), nonce)},
                        {"capturedAt", now},
                        {"checks", nlohmann::json::object()},
                        {"reviewer", "J. Roe"}};
    m.record["evidence"] = nlohmann::json::array({e});
    m.record["biometricCommitment"] = {{"face", face_commitment(salt, secret.face)}};
    if (before_signing) before_signing(m.record);
    add_proof(m.record, m.person, now);
    add_proof(m.record, studio_key(), now);
    if (after_signing) after_signing(m.record);
    Ledger book(ledger_path(*project_));
    const SealKey key = material_key(*project_, subject, subject_history(book.read(), subject));
    store_consent(*project_, m.id, m.record, secret, key, evidence);
    book.append("consent-recorded", {{"subject", subject},
                                     {"consent", m.id},
                                     {"digest", record_digest(m.record)},
                                     {"basis", "statement"},
                                     {"key", key.id}});
    return m;
  }

  Grant ask(Operation operation, const std::string& identity,
            const std::string& performer = "ben") const {
    return authorise(*project_,
                     {.task = "t",
                      .operation = operation,
                      .subjects = {{identity, Role::kIdentity}, {performer, Role::kPerformer}}});
  }
  /// Expects kRefused with the rule in the message, and a hint.
  void refused(const std::function<void()>& body, const std::string& rule) const {
    try {
      body();
      ADD_FAILURE() << "was not refused, expected " << rule;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kRefused) << e.what();
      EXPECT_NE(std::string(e.what()).find("(" + rule + ")"), std::string::npos) << e.what();
      EXPECT_FALSE(e.hint().empty());
    }
  }
  void swap_refused(const std::string& rule) const {
    refused([&] { ask(Operation::kSwap, "mary"); }, rule);
    refused([&] { ask(Operation::kTrain, "mary"); }, rule);
  }
};

}  // namespace likeness::trust
