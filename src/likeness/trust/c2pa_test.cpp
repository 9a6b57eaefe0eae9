// SPDX-License-Identifier: Apache-2.0
// Signing and reading with the real library: what is signed is valid, trusted under its own root,
// and one changed byte is found.
#include "likeness/trust/c2pa.h"

#include <cstdlib>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/rng.h"
#include "likeness/trust/certificates.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/ledger.h"
#include "likeness/trust/manifest_store.h"
#include "likeness/trust/oracle_test_util.h"
#include "likeness/trust/provenance.h"

namespace likeness::trust {
namespace {
namespace fs = std::filesystem;

class C2paTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("likeness-c2pa-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    ::setenv("LIKENESS_HOME", (folder_ / "home").c_str(), 1);
    for (const char* name : {"LIKENESS_SIGN_CERT", "LIKENESS_SIGN_KEY", "LIKENESS_TIME_AUTHORITY",
                             "LIKENESS_PASSPHRASE_FILE"})
      ::unsetenv(name);
    project_ = std::make_unique<project::Project>(project::Project::create(folder_ / "film"));
    project_->add_subject({.name = "ben"});
    write_picture(folder_ / "in.png");
  }
  void TearDown() override {
    project_.reset();
    fs::remove_all(folder_);
  }
  static Image8 picture(int width = 320, int height = 256) {
    Image8 image(width, height, 3);
    Rng rng(3);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (int c = 0; c < 3; ++c)
          image.at(x, y, c) = static_cast<uint8_t>(x / 2 + y / 3 + 20 * c + rng.below(4));
    return image;
  }
  static void write_picture(const fs::path& path) { media::write_image(path, picture()); }
  static void write_clip(const fs::path& path, const std::string& codec = "h264", int frames = 12) {
    media::VideoInfo like;
    like.width = 320;
    like.height = 256;
    like.frame_rate = {24, 1};
    like.time_base = {1, 24};
    media::WriterOptions options;
    options.codec = codec;
    options.chroma = "420";
    if (codec == "png" || codec == "tiff" || codec == "prores") options.chroma = "source";
    media::VideoWriter writer(path, like, options);
    for (int i = 0; i < frames; ++i)
      writer.write(media::Frame::from_rgb8(picture(), i, like.frame_rate));
    writer.finish();
  }
  Grant grant(Operation operation = Operation::kSwap) {
    return authorise(
        *project_,
        {.task = "swap", .operation = operation, .subjects = {{"ben", Role::kIdentity}}});
  }
  std::vector<Input> inputs() {
    const fs::path model = folder_ / "m.safetensors";
    write_file_atomic(model, "weights");
    return {{folder_ / "in.png", sha256_file(folder_ / "in.png")}, {model, sha256_file(model)}};
  }
  /// Through finish(), as the runner does it.
  Finished finished(const std::string& kind, const fs::path& temporary, const fs::path& path,
                    uint64_t watermark = 0x1234567890abcdefull) {
    return finish(*project_, grant(), 1, inputs(), {kind, temporary, path}, watermark);
  }
  static c2pa::Reading reading(const fs::path& path, const std::string& manifest = "") {
    auto r = c2pa::read(path, c2pa::sniff(path).mime, trusted_roots_pem(), manifest);
    EXPECT_TRUE(r.has_value()) << path;
    return r ? *r : c2pa::Reading{};
  }
  static std::string state(const fs::path& path) {
    try {
      return reading(path).json.value("validation_state", "none");
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kDamaged) << e.what();
      return "broken";
    }
  }
  fs::path folder_;
  std::unique_ptr<project::Project> project_;
};

TEST_F(C2paTest, TheLibraryIsThePinnedOne) {
  EXPECT_EQ(c2pa::library_version(), "c2pa-c-ffi/0.91.3 c2pa-rs/0.91.3");
}

TEST_F(C2paTest, EveryContainerIsSignedTrustedAndStaysTheSamePicture) {
  struct Case {
    const char *name, *codec;
  };
  for (const Case c : {Case{"a.mp4", "h264"}, Case{"a.mov", "prores"}, Case{"a.mkv", "ffv1"}}) {
    const fs::path temporary = folder_ / (std::string(".t.tmp.") + c.name), path = folder_ / c.name;
    write_clip(temporary, c.codec);
    const Finished f = finished("video", temporary, path);
    const bool beside = std::string(c.codec) == "ffv1";
    EXPECT_EQ(fs::exists(path.string() + ".c2pa"), beside);
    const auto r = reading(path, beside ? read_file(path.string() + ".c2pa") : "");
    EXPECT_EQ(r.json["validation_state"], "Trusted") << c.name << r.json.dump(1);
    EXPECT_EQ(r.json["active_manifest"], f.manifest);
    EXPECT_EQ(f.hash, sha256_file(path));
    EXPECT_EQ(media::VideoReader(path).count_frames(), 12);
  }
  for (const char* name : {"b.png", "b.jpg", "b.tiff"}) {
    const fs::path temporary = folder_ / (std::string(".t.tmp.") + name), path = folder_ / name;
    if (std::string(name) == "b.tiff")
      media::write_image16(temporary, to_float(picture()));
    else
      media::write_image(temporary, picture());
    const Image8 before = media::read_image(temporary);
    finished("image", temporary, path);
    EXPECT_EQ(state(path), "Trusted") << name;
    EXPECT_EQ(media::read_image(path).data, before.data) << name;
  }
  const std::vector<std::string> inside = {"a.mp4", "a.mov", "b.png", "b.jpg", "b.tiff"};
  std::vector<fs::path> all, changed;
  for (const auto& name : inside) all.push_back(folder_ / name);
  for (const auto& said : oracle_says(folder_, all)) expect_oracle_trusts(said);
  for (const auto& name : inside) {  // one byte of the picture; in a tiff it lies in front
    std::string bytes = read_file(folder_ / name);
    const size_t at = name == "b.tiff"                     ? 5000
                      : name == "a.mp4" || name == "a.mov" ? bytes.rfind("mdat") + 400
                                                           : bytes.size() - 400;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    changed.push_back(folder_ / ("bad-" + name));
    write_file_atomic(changed.back(), bytes);
    EXPECT_EQ(state(changed.back()), "Invalid") << name;
  }
  for (const auto& said : oracle_says(folder_, changed))
    EXPECT_EQ(said["state"], "Invalid") << said.dump(1);
}

TEST_F(C2paTest, SoundIsSigned) {
  // 1 s of 8 kHz mono.
  const auto number = [](uint32_t n, int bytes) {
    std::string s;
    for (int i = 0; i < bytes; ++i, n >>= 8) s += static_cast<char>(n & 255);
    return s;
  };
  std::string samples;
  for (int i = 0; i < 8000; ++i) samples += number(static_cast<uint32_t>(i * 37 % 9000), 2);
  const std::string wav = "RIFF" + number(36 + 16000, 4) + "WAVEfmt " + number(16, 4) +
                          number(1, 2) + number(1, 2) + number(8000, 4) + number(16000, 4) +
                          number(2, 2) + number(16, 2) + "data" + number(16000, 4) + samples;
  const fs::path temporary = folder_ / ".t.tmp.wav", path = folder_ / "a.wav";
  write_file_atomic(temporary, wav);
  finished("audio", temporary, path, 0);
  EXPECT_EQ(state(path), "Trusted");
  const std::string bytes = read_file(path);
  ASSERT_NE(bytes.find(samples), std::string::npos);
  std::string bad = bytes;
  bad[bytes.find(samples) + 99] ^= 1;
  write_file_atomic(path, bad);
  EXPECT_EQ(state(path), "Invalid");
  if (std::system("command -v ffmpeg > /dev/null 2>&1") != 0) GTEST_SKIP() << "no ffmpeg for m4a";
  write_file_atomic(folder_ / "in.wav", wav);
  const fs::path m4a = folder_ / ".t.tmp.m4a";
  ASSERT_EQ(std::system(("ffmpeg -v error -y -i " + (folder_ / "in.wav").string() + " -c:a aac " +
                         m4a.string())
                            .c_str()),
            0);
  finished("audio", m4a, folder_ / "a.m4a", 0);
  EXPECT_EQ(state(folder_ / "a.m4a"), "Trusted");
  write_file_atomic(path, bytes);
  for (const auto& said : oracle_says(folder_, {path, folder_ / "a.m4a"}))
    expect_oracle_trusts(said);
}

TEST_F(C2paTest, AnUnknownRootIsValidButNotTrusted) {
  const fs::path temporary = folder_ / ".t.tmp.png", path = folder_ / "o.png";
  write_picture(temporary);
  finished("image", temporary, path);
  ::setenv("LIKENESS_HOME", (folder_ / "other").c_str(), 1);
  const auto r = reading(path);
  EXPECT_EQ(r.json["validation_state"], "Valid");
  std::vector<std::string> codes;
  for (const auto& f : r.json["validation_results"]["activeManifest"]["failure"])
    codes.push_back(f["code"]);
  EXPECT_EQ(codes, std::vector<std::string>{"signingCredential.untrusted"});
}

TEST_F(C2paTest, OneChangedByteIsFound) {
  const fs::path temporary = folder_ / ".t.tmp.mp4", path = folder_ / "o.mp4";
  write_clip(temporary);
  finished("video", temporary, path);
  const std::string good = read_file(path);
  ASSERT_EQ(state(path), "Trusted");
  const auto changed = [&](size_t at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    write_file_atomic(path, bad);
    return state(path);
  };
  const size_t media = good.rfind("mdat") + 40, assertion = good.find("compositeWithTrained"),
               claim = good.find("specVersion"), consent = good.find("synthetic-declared");
  ASSERT_NE(assertion, std::string::npos);
  ASSERT_NE(claim, std::string::npos);
  ASSERT_NE(consent, std::string::npos);
  for (size_t at : {media, assertion, claim, consent})
    EXPECT_TRUE(changed(at) == "Invalid" || changed(at) == "broken") << at << changed(at);
  write_file_atomic(path, good.substr(0, good.size() - 100));
  EXPECT_NE(state(path), "Trusted");
}

TEST_F(C2paTest, TheManifestSaysWhatWasDoneAndNamesNobody) {
  const fs::path temporary = folder_ / ".t.tmp.mp4", path = folder_ / "o.mp4";
  write_clip(temporary);
  finished("video", temporary, path);
  const auto r = reading(path);
  const auto& m = r.json["manifests"][r.json["active_manifest"].get<std::string>()];
  std::map<std::string, nlohmann::json> by_label;
  for (const auto& a : m["assertions"]) by_label[a["label"]] = a["data"];
  if (by_label.count("org.likeness.consent"))  // the report leaves ".v1" out
    by_label[kConsentLabel] = by_label["org.likeness.consent"];
  for (const char* label : {"c2pa.actions.v2", "c2pa.ai-disclosure", "cawg.training-mining",
                            "c2pa.soft-binding", kConsentLabel})
    EXPECT_TRUE(by_label.count(label)) << label;
  const auto& actions = by_label["c2pa.actions.v2"]["actions"];
  ASSERT_EQ(actions.size(), 3u);
  EXPECT_EQ(actions[0]["action"], "c2pa.opened");
  EXPECT_FALSE(actions[0].contains("digitalSourceType"));
  EXPECT_EQ(actions[0]["parameters"]["ingredients"].size(), 1u);
  EXPECT_EQ(actions[1]["action"], "c2pa.edited");
  EXPECT_EQ(actions[1]["parameters"]["ingredients"].size(), 1u);
  EXPECT_NE(actions[1]["digitalSourceType"].get<std::string>().find("compositeWithTrained"),
            std::string::npos);
  EXPECT_EQ(actions[2]["action"], "c2pa.watermarked.bound");
  EXPECT_EQ(by_label["c2pa.actions.v2"]["allActionsIncluded"], true);
  EXPECT_EQ(by_label["c2pa.soft-binding"]["blocks"][0]["value"], "1234567890abcdef");
  EXPECT_EQ(m["claim_generator_info"][0]["specVersion"], "2.4");
  EXPECT_EQ(by_label[kConsentLabel]["identities"][0]["basis"], "synthetic-declared");
  const std::string bytes = read_file(path);
  for (const char* secret : {"ben", "in.png", "film", "PRIVATE KEY"})
    EXPECT_EQ(r.json.dump().find(std::string("\"") + secret), std::string::npos) << secret;
  EXPECT_EQ(bytes.find("PRIVATE KEY"), std::string::npos);
  EXPECT_LT(r.json.dump().size(), 60'000u);
}

TEST_F(C2paTest, TheInputsOwnManifestIsCarriedAlong) {
  const fs::path first = folder_ / "first.png", temporary = folder_ / ".t.tmp.png",
                 path = folder_ / "o.png";
  write_picture(temporary);
  const Finished before = finished("image", temporary, first);
  write_picture(temporary);
  finish(*project_, grant(), 2, {{first, sha256_file(first)}}, {"image", temporary, path}, 7);
  auto r = reading(path);
  EXPECT_EQ(r.json["validation_state"], "Trusted");
  EXPECT_TRUE(r.json["manifests"].contains(before.manifest)) << r.json.dump(1);

  // A changed input: its state is recorded, and the work goes on.
  std::string bad = read_file(first);
  bad[bad.find("compositeWithTrained")] = 'C';
  write_file_atomic(first, bad);
  write_picture(temporary);
  finish(*project_, grant(), 3, {{first, sha256_file(first)}}, {"image", temporary, path}, 7);
  r = reading(path);
  EXPECT_NE(r.json["validation_state"], "Invalid") << r.json["validation_results"].dump(1);
}

TEST_F(C2paTest, EveryImageOfASequenceIsSignedInItsPlace) {
  for (const char* codec : {"png", "tiff"}) {
    const fs::path temporary = folder_ / (std::string(".s.tmp.") + codec), path = folder_ / codec;
    write_clip(temporary, codec, 5);
    finished("video", temporary, path);
    int n = 0;
    for (const auto& f : media::list_media(path)) {
      const auto r = reading(f);
      EXPECT_EQ(r.json["validation_state"], "Trusted") << f;
      const auto& m = r.json["manifests"][r.json["active_manifest"].get<std::string>()];
      int places = 0;
      for (const auto& a : m["assertions"])
        if (a["label"].get<std::string>().rfind("org.likeness.sequence", 0) == 0) {
          EXPECT_EQ(a["data"]["index"], n);
          EXPECT_EQ(a["data"]["count"], 5);
          ++places;
        }
      EXPECT_EQ(places, 1);
      ++n;
    }
    EXPECT_EQ(n, 5);
  }
}

TEST_F(C2paTest, TheManifestIsFoundByTheMark) {
  const fs::path temporary = folder_ / ".t.tmp.png", path = folder_ / "o.png";
  write_picture(temporary);
  const Finished f = finished("image", temporary, path, 0xfeed0000beef0001ull);
  for (const auto& store :
       {ManifestStore::of_user(), ManifestStore::of_project(folder_ / "film")}) {
    ASSERT_EQ(store.find(0xfeed0000beef0001ull).size(), 1u);
    ASSERT_EQ(store.find_short(static_cast<uint32_t>(0xfeed0000u ^ 0xbeef0001u)).size(), 1u);
    EXPECT_TRUE(store.find(1).empty());
    const auto found = store.find(0xfeed0000beef0001ull)[0];
    EXPECT_EQ(found.about["label"], f.manifest);
    // The stored manifest fits the file it was made for, and no other.
    EXPECT_EQ(reading(path, read_file(found.path)).json["validation_state"], "Trusted");
    EXPECT_EQ(reading(folder_ / "in.png", read_file(found.path)).json["validation_state"],
              "Invalid");
  }
}

TEST_F(C2paTest, KeysAreForTheirOwnerOnly) {
  SigningIdentity::open();
  const fs::path signing = folder_ / "home/signing";
  for (const char* name : {"root.key", "leaf.key"}) {
    struct stat st {};
    ASSERT_EQ(::stat((signing / name).c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u) << name;
  }
  struct stat st {};
  ASSERT_EQ(::stat(signing.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
  // The second time nothing new is made.
  const std::string chain = SigningIdentity::open().chain_pem();
  EXPECT_EQ(SigningIdentity::open().chain_pem(), chain);
}

TEST_F(C2paTest, APassphraseIsNeededWhereOneWasSet) {
  write_file_atomic(folder_ / "phrase", "correct horse\n");
  ::setenv("LIKENESS_PASSPHRASE_FILE", (folder_ / "phrase").c_str(), 1);
  ::chmod((folder_ / "phrase").c_str(), 0600);
  SigningIdentity::open();
  EXPECT_NE(read_file(folder_ / "home/signing/leaf.key").find("ENCRYPTED"), std::string::npos);
  ::unsetenv("LIKENESS_PASSPHRASE_FILE");
  try {
    SigningIdentity::open();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kMissing);
    EXPECT_EQ(std::string(e.what()).find("horse"), std::string::npos);
  }
}

TEST_F(C2paTest, OwnCertificatesAreCheckedBeforeTheySign) {
  SigningIdentity::open();
  const fs::path s = folder_ / "home/signing";
  // The leaf of another installation is as good as any bought one.
  EXPECT_EQ(SigningIdentity::from_files(s / "leaf.pem", (s / "leaf.key").string(), "").algorithm(),
            "es256");
  const auto refused = [&](const fs::path& chain, const fs::path& key) {
    try {
      SigningIdentity::from_files(chain, key.string(), "");
    } catch (const Error& e) {
      EXPECT_FALSE(e.hint().empty());
      return e.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(refused(s / "root.pem", s / "root.key"), ErrorCode::kRefused);  // an authority
  EXPECT_EQ(refused(s / "leaf.pem", s / "root.key"), ErrorCode::kRefused);  // not its key
  write_file_atomic(folder_ / "text.pem", "no certificate");
  EXPECT_EQ(refused(folder_ / "text.pem", s / "leaf.key"), ErrorCode::kDamaged);
}

TEST_F(C2paTest, WithoutASigningKeyNothingIsDelivered) {
  write_file_atomic(folder_ / "home", "a file where the folder should be");
  const fs::path temporary = folder_ / ".t.tmp.png", path = folder_ / "o.png";
  write_picture(temporary);
  EXPECT_THROW(finished("image", temporary, path), Error);
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace likeness::trust
