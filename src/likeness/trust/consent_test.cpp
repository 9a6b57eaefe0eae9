// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "likeness/base/rng.h"
#include "likeness/trust/consent_test_util.h"
#include "likeness/trust/jcs.h"
#include "likeness/trust/provenance.h"

namespace likeness::trust {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

// --- RFC 8785

TEST(Jcs, NumbersAsEcmaScriptPrintsThem) {
  // RFC 8785, appendix B.
  const std::pair<uint64_t, const char*> kCases[] = {
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"}};
  for (const auto& [bits, text] : kCases) {
    double v;
    std::memcpy(&v, &bits, 8);
    EXPECT_EQ(ecmascript_number(v), text);
  }
}

TEST(Jcs, KeysInUtf16OrderAndStringsAsTheRfcSays) {
  // RFC 8785 3.2.3: the emoji sorts by its surrogates, before U+FB33.
  const json j = parse_json(
      R"({"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",)"
      R"("1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"o"})",
      "test");
  EXPECT_EQ(
      canonical_json(j),
      "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\",\"\xc3\xb6\":\"o\","
      "\"\xe2\x82\xac\":\"Euro Sign\",\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\","
      "\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
  EXPECT_EQ(canonical_json(parse_json(R"({"b":[1.50,true,null,"\u000f\"\\/"],"a":{}})", "t")),
            R"({"a":{},"b":[1.5,true,null,"\u000f\"\\/"]})");
}

TEST(Jcs, RefusesWhatTwoReadersCouldReadDifferently) {
  for (const std::string bad :
       {R"({"a":1,"a":2})", R"({"a":{"b":1,"b":2}})", R"({"a":9007199254740993})", R"({"a":1e400})",
        "{\"a\":\"\xff\"}", R"({"a":01})", R"({"a":1}x)", "", "{", R"({"a":NaN})"})
    EXPECT_THROW(parse_json(bad, "t"), Error) << bad;
  EXPECT_THROW(parse_json(std::string(100, '[') + std::string(100, ']'), "t"), Error);
}

// --- keys

TEST_F(ConsentFixture, KeysSignAndAreFilesOnlyTheOwnerReads) {
  const auto key = SigningKey::generate();
  const auto did = key.public_key().did();
  EXPECT_EQ(did.rfind("did:key:z6Mk", 0), 0u) << did;
  EXPECT_EQ(PublicKey::from_did(did), key.public_key());
  auto signature = key.sign("hello");
  EXPECT_TRUE(key.public_key().verify("hello", signature));
  EXPECT_FALSE(key.public_key().verify("hellp", signature));
  signature[5] ^= 1;
  EXPECT_FALSE(key.public_key().verify("hello", signature));

  const auto path = folder_ / "k.pem";
  EXPECT_TRUE(key.save(path));
  EXPECT_FALSE(SigningKey::generate().save(path)) << "a key is never overwritten";
  EXPECT_EQ(fs::status(path).permissions() & fs::perms::mask, fs::perms(0600));
  EXPECT_EQ(SigningKey::load(path).public_key(), key.public_key());
  fs::permissions(path, fs::perms(0644));
  EXPECT_THROW(SigningKey::load(path), Error);
}

TEST_F(ConsentFixture, PassphraseLocksKeys) {
  const auto pass = folder_ / "pass";
  std::ofstream(pass) << "correct horse battery\n";
  ::setenv("LIKENESS_PASSPHRASE_FILE", pass.c_str(), 1);
  const auto key = SigningKey::generate();
  key.save(folder_ / "k.pem");
  const std::string id = vault_make_key("film", "mary");
  EXPECT_NE(read_file(folder_ / "k.pem").find("ENCRYPTED"), std::string::npos);
  EXPECT_EQ(SigningKey::load(folder_ / "k.pem").public_key(), key.public_key());
  EXPECT_EQ(vault_key(id, "mary").id, id);
  std::ofstream(pass) << "something else\n";
  EXPECT_THROW(SigningKey::load(folder_ / "k.pem"), Error);
  EXPECT_THROW(vault_key(id, "mary"), Error);
  ::unsetenv("LIKENESS_PASSPHRASE_FILE");
  EXPECT_THROW(SigningKey::load(folder_ / "k.pem"), Error);
  EXPECT_THROW(vault_key(id, "mary"), Error);
}

TEST(Base58, RoundTripsAndKnowsItsAlphabet) {
  // From the draft (draft-msporny-base58): "Hello World!" and leading zeros.
  const std::string text = "Hello World!";
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  EXPECT_EQ(base58(bytes), "2NEpo7TZRRrLZSi2U");
  const std::vector<uint8_t> zeros = {0, 0, 0x28, 0x7f, 0xb4, 0xcd};
  EXPECT_EQ(base58(zeros), "11233QC4");
  Rng rng(3);
  for (int i = 0; i < 200; ++i) {
    std::vector<uint8_t> v(rng.below(40));
    for (auto& b : v) b = static_cast<uint8_t>(rng.next());
    EXPECT_EQ(base58_decode(base58(v)), v);
  }
  for (const char* bad : {"0", "O", "I", "l", "a b", "+"}) EXPECT_FALSE(base58_decode(bad)) << bad;
}

// --- phrase

TEST(Phrase, DependsOnEveryByteOfTheTerms) {
  EXPECT_EQ(phrase_words().size(), 256u);
  EXPECT_EQ(std::set<std::string>(phrase_words().begin(), phrase_words().end()).size(), 256u);
  const std::string a = phrase_of("terms", "00"), b = phrase_of("termt", "00"),
                    c = phrase_of("terms", "01");
  EXPECT_EQ(a, phrase_of("terms", "00"));
  EXPECT_NE(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(std::count(a.begin(), a.end(), ' '), kPhraseWords - 1);
}

// --- the record

TEST_F(ConsentFixture, RoundTripGivesAGrantThatNamesTheConsent) {
  const Made m = make("mary", terms());
  check_record(m.record);
  for (const auto& f : examine_record(m.record, project::now_utc(), trusted_studios()))
    EXPECT_TRUE(f.ok) << f.rule << " " << f.text;
  const Grant g = ask(Operation::kSwap, "mary");
  ASSERT_EQ(g.consents().size(), 1u);
  EXPECT_EQ(g.consents()[0].id, "urn:uuid:" + m.id);
  EXPECT_EQ(g.consents()[0].digest, record_digest(m.record));
  const json& s = g.record()["subjects"][0];
  EXPECT_EQ(s["rule"], "consent-record");
  EXPECT_EQ(s["consent"]["digest"], record_digest(m.record));
  EXPECT_EQ(g.faces().at("mary").size(), 128u);
  // What leaves the house names the consent and whose key signed it, not the person.
  bool named = false;
  const std::vector<Input> none;
  const auto order = manifest_order({&g, none, "video", "video/mp4", "", "", {}, "", {}}, false);
  for (const auto& a : order.definition["assertions"]) {
    if (a["label"] != kConsentLabel) continue;
    named = true;
    const json& one = a["data"]["identities"][0];
    EXPECT_EQ(one["consentId"], "urn:uuid:" + m.id);
    EXPECT_EQ(one["digest"], record_digest(m.record));
    EXPECT_EQ(one["validUntil"], m.record["validUntil"]);
    EXPECT_EQ(one["subjectKeyThumbprint"], PublicKey::from_did(m.record["issuer"]).thumbprint());
    EXPECT_FALSE(one.contains("name"));
  }
  EXPECT_TRUE(named);
  const std::string all = g.record().dump() + m.record.dump();
  EXPECT_EQ(all.find("Mary Doe"), std::string::npos) << "the name stays in the private part";
  // As performer the same consent is needed, and enough.
  EXPECT_EQ(ask(Operation::kSwap, "ben", "mary").consents().size(), 1u);
}

/// Every scalar inside a JSON value, as pointers.
void leaves(const json& v, const json::json_pointer& at, std::vector<json::json_pointer>& out) {
  if (v.is_structured())
    for (const auto& [key, child] : v.items())
      leaves(child, v.is_array() ? at / std::stoul(key) : at / key, out);
  else
    out.push_back(at);
}

TEST_F(ConsentFixture, AChangedByteInAnyFieldIsFound) {
  const Made m = make("mary", terms());
  std::vector<json::json_pointer> all;
  leaves(m.record, json::json_pointer(), all);
  ASSERT_GT(all.size(), 40u);
  Rng rng(11);
  const auto file = consent_folder(*project_, m.id) / "record.json";
  const std::string good = read_file(file);
  for (const auto& at : all) {
    json changed = m.record;
    json& v = changed[at];
    if (v.is_string()) {
      auto& text = v.get_ref<std::string&>();
      if (text.empty())
        text = "x";
      else
        text[rng.below(text.size())] ^= 1;
    } else if (v.is_boolean()) {
      v = !v.get<bool>();
    } else {
      v = v.get<int64_t>() + 1;
    }
    bool found = false;
    try {
      check_record(changed);
      for (const auto& f : examine_record(changed, project::now_utc(), trusted_studios()))
        found = found || !f.ok;
    } catch (const Error& e) {
      found = e.code() == ErrorCode::kBadInput;
    }
    EXPECT_TRUE(found) << at.to_string();
    write_file_atomic(file, changed.dump());
    EXPECT_THROW(ask(Operation::kSwap, "mary"), Error) << at.to_string();
  }
  // The bytes of the file: whatever is changed, the gate refuses or the record is the same.
  for (int i = 0; i < 200; ++i) {
    std::string bad = good;
    bad[rng.below(bad.size())] ^= static_cast<char>(1 << rng.below(7));
    write_file_atomic(file, bad);
    bool same = false;
    try {
      same = canonical_json(parse_json(bad, "t")) == canonical_json(m.record);
    } catch (const Error&) {
    }
    if (!same) {
      EXPECT_THROW(ask(Operation::kSwap, "mary"), Error) << i;
    }
  }
  write_file_atomic(file, good);
  EXPECT_NO_THROW(ask(Operation::kSwap, "mary"));
}

TEST_F(ConsentFixture, AFieldMoreOrLessIsRefused) {
  const Made m = make("mary", terms());
  for (const auto& [key, value] : m.record.items()) {
    json less = m.record;
    less.erase(key);
    bool found = false;
    try {
      check_record(less);
      for (const auto& f : examine_record(less, project::now_utc(), trusted_studios()))
        found = found || !f.ok;
      // Without the commitment the signature fails, so nothing can be left out.
    } catch (const Error&) {
      found = true;
    }
    EXPECT_TRUE(found) << key;
  }
  json more = m.record;
  more["credentialSubject"]["scope"]["anything"] = true;
  EXPECT_THROW(check_record(more), Error);
}

TEST_F(ConsentFixture, TermsThatNobodyCanAgreeTo) {
  auto bad = [&](const std::function<void(ConsentTerms&)>& change) {
    ConsentTerms t = terms();
    change(t);
    EXPECT_THROW(make("mary", t), Error);
  };
  bad([](auto& t) { t.adult = false; });
  bad([](auto& t) { t.description.clear(); });
  bad([](auto& t) { t.capacity = "guardian"; });
  bad([](auto& t) { t.operations.clear(); });
  bad([](auto& t) { t.valid_until = "2020-01-01T00:00:00Z"; });
  bad([](auto& t) { t.valid_until = "2099-01-01T00:00:00Z"; });
  bad([](auto& t) { t.valid_until = "2027-02-30T00:00:00Z"; });
}

TEST(Times, OnlyRealDaysInUtc) {
  for (const char* good : {"2026-01-31T12:00:00Z", "2028-02-29T23:59:59Z"})
    EXPECT_TRUE(is_utc(good)) << good;
  for (const char* bad : {"", "2026-01-31", "2026-1-31T12:00:00Z", "2026-02-29T00:00:00Z",
                          "2026-01-31T24:00:01Z", "2026-01-31T12:00:00+00:00"})
    EXPECT_FALSE(is_utc(bad)) << bad;
  EXPECT_EQ(utc_plus("2026-12-31T23:59:59Z", 1), "2027-01-01T00:00:00Z");
}

TEST_F(ConsentFixture, RevocationsAreSignedByThePersonOrTheStudio) {
  const Made m = make("mary", terms());
  const auto studios = trusted_studios();
  const std::string now = project::now_utc();
  EXPECT_TRUE(revocation_holds(make_revocation(m.record, m.person, "r", now), m.record, studios));
  EXPECT_TRUE(
      revocation_holds(make_revocation(m.record, studio_key(), "r", now), m.record, studios));
  EXPECT_FALSE(revocation_holds(make_revocation(m.record, SigningKey::generate(), "r", now),
                                m.record, studios));
  auto changed = make_revocation(m.record, m.person, "r", now);
  changed["reason"] = "s";
  EXPECT_FALSE(revocation_holds(changed, m.record, studios));
  const Made other = make("tom", terms());
  EXPECT_FALSE(
      revocation_holds(make_revocation(m.record, m.person, "r", now), other.record, studios));
}

}  // namespace
}  // namespace likeness::trust
