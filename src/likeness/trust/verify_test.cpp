// SPDX-License-Identifier: Apache-2.0
// The conflict matrix, foreign manifests, and what verify says of real files of ours.
#include "likeness/trust/verify.h"

#include <cmath>
#include <cstdlib>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/rng.h"
#include "likeness/trust/c2pa.h"
#include "likeness/trust/certificates.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/project_test_util.h"
#include "likeness/trust/verify_parts.h"
#include "likeness/trust/watermark_still.h"

namespace likeness::trust {
namespace {
namespace fs = std::filesystem;
using Manifest = Evidence::Manifest;

TEST(Judge, ConflictMatrix) {
  const uint64_t id = 0x0123456789abcdefull;
  Evidence e;
  EXPECT_EQ(judge(e), Verdict::kNothing);
  e.mark = id;
  EXPECT_EQ(judge(e), Verdict::kSyntheticByWatermark);
  e.manifest = Manifest::kValid;  // says nothing of AI
  EXPECT_EQ(judge(e), Verdict::kConflict);
  e.trusted = true;  // not even then
  EXPECT_EQ(judge(e), Verdict::kConflict);
  e.claims_ai = true;  // but names no mark, or another one
  EXPECT_EQ(judge(e), Verdict::kConflict);
  e.named_mark = id + 1;
  EXPECT_EQ(judge(e), Verdict::kConflict);
  e.named_mark = id;
  EXPECT_EQ(judge(e), Verdict::kSyntheticVerified);
  e.mark.reset();
  EXPECT_EQ(judge(e), Verdict::kSyntheticDeclared);
  e.short_mark = still_id(id);
  EXPECT_EQ(judge(e), Verdict::kSyntheticVerified);
  e.short_mark = still_id(id) + 1;
  EXPECT_EQ(judge(e), Verdict::kConflict);
  e.short_mark.reset();
  e.claims_ai = false;
  e.named_mark.reset();
  EXPECT_EQ(judge(e), Verdict::kAuthentic);
  e.trusted = false;
  EXPECT_EQ(judge(e), Verdict::kNothing);
  e.claims_ai = true;
  EXPECT_EQ(judge(e), Verdict::kSyntheticDeclared);
  // The manifest says itself that nothing can be read; but what is read must be what it names.
  e.no_mark_stated = true;
  EXPECT_EQ(judge(e), Verdict::kSyntheticVerified);
  e.short_mark = still_id(id);
  EXPECT_EQ(judge(e), Verdict::kConflict);
  e.named_mark = id;
  EXPECT_EQ(judge(e), Verdict::kSyntheticVerified);
  e.named_mark = id + 1;
  EXPECT_EQ(judge(e), Verdict::kConflict);
  e.short_mark.reset();
  e.named_mark.reset();
  e.claims_ai = false;  // "no mark" alone is no claim
  EXPECT_EQ(judge(e), Verdict::kNothing);
  e.no_mark_stated = false;
  e.has_pixels = false;
  EXPECT_EQ(judge(e), Verdict::kSignedDocument);
  e.claims_ai = true;
  EXPECT_EQ(judge(e), Verdict::kSignedDocument);
  e.has_sound = true;
  EXPECT_EQ(judge(e), Verdict::kSyntheticDeclared);
  e.claims_ai = false;
  EXPECT_EQ(judge(e), Verdict::kNothing);
  // A changed file is a changed file, whatever else is true.
  e.manifest = Manifest::kInvalid;
  for (int bits = 0; bits < 16; ++bits) {
    e.trusted = bits & 1;
    e.claims_ai = bits & 2;
    e.mark = bits & 4 ? std::optional<uint64_t>(id) : std::nullopt;
    e.named_mark = bits & 8 ? std::optional<uint64_t>(id) : std::nullopt;
    EXPECT_EQ(judge(e), Verdict::kChanged);
  }
}

TEST(DescribeManifest, OddContentIsNoProblem) {
  using nlohmann::json;
  for (
      const char* text :
      {"null", "1", "{}", "[]", R"({"active_manifest":7})", R"({"active_manifest":"a"})",
       R"({"active_manifest":"a","manifests":[]})",
       R"({"active_manifest":"a","manifests":{"a":3}})",
       R"({"active_manifest":"a","manifests":{"a":{"assertions":{"x":1},"ingredients":"y"}}})",
       R"({"active_manifest":"a","manifests":{"a":{"assertions":[1,{"label":2},{"label":"c2pa.actions"},
            {"label":"c2pa.actions.v2","data":{"actions":[null,{"action":3},"z"]}},
            {"label":"org.likeness.sequence.v1","data":{"index":"a"}},
            {"label":"org.likeness.consent.v1","data":{"identities":[1,null,{"consentId":7}]}},
            {"label":"c2pa.soft-binding","data":{"alg":"org.likeness.vwm.1","blocks":[]}}],
            "ingredients":[4,{"active_manifest":"a"}]}}})"}) {
    const json described = describe_manifest(json::parse(text));
    EXPECT_EQ(described["state"], "invalid");
    EXPECT_TRUE(described["watermark"].is_null());
    check_consents(described, {});
  }
}

class VerifyTest : public ProjectFixture {
 protected:
  /// Something with texture, like a picture.
  static Image8 picture(int seed, int width = 480, int height = 320) {
    Image8 image(width, height, 3);
    Rng rng(static_cast<uint64_t>(seed));
    const float fx = rng.uniform(0.02f, 0.06f), fy = rng.uniform(0.02f, 0.06f);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        const float v =
            120 + 50 * std::sin(fx * static_cast<float>(x)) * std::cos(fy * static_cast<float>(y));
        for (int c = 0; c < 3; ++c)
          image.at(x, y, c) =
              static_cast<uint8_t>(v + static_cast<float>(10 * c) + 12 * rng.uniform());
      }
    return image;
  }
  Grant grant() {
    return authorise(
        *project_,
        {.task = "swap", .operation = Operation::kSwap, .subjects = {{"ben", Role::kIdentity}}});
  }
  fs::path still(const std::string& name, uint64_t id) {
    const fs::path path = folder_ / name, temporary = temporary_name(path);
    write_output_image(grant(), id, temporary, picture(1));
    finish(*project_, grant(), 1, {}, {"image", temporary, path}, id);
    return path;
  }
  fs::path clip(const std::string& name, const std::string& codec, uint64_t id, int frames) {
    const fs::path path = folder_ / name, temporary = temporary_name(path);
    media::VideoInfo like;
    like.width = 480;
    like.height = 320;
    like.frame_rate = {24, 1};
    like.time_base = {1, 24};
    media::WriterOptions options;
    options.codec = codec;
    OutputVideo video(grant(), id, temporary, like, options);
    for (int i = 0; i < frames; ++i)
      video.write(media::Frame::from_rgb8(picture(1 + i % 3), i, like.frame_rate));
    video.finish();
    finish(*project_, grant(), 1, {}, {"video", temporary, path}, id);
    return path;
  }
};

TEST_F(VerifyTest, AStillOfOursIsVerifiedAndEachWayToBreakItIsFound) {
  const uint64_t id = 0xabcdef0012345678ull;
  const fs::path png = still("o.png", id);
  auto v = verify(png, {.projects = {folder_ / "film"}});
  EXPECT_EQ(v.verdict, Verdict::kSyntheticVerified) << v.json.dump(1);
  EXPECT_EQ(v.json["manifest"]["state"], "trusted");
  EXPECT_EQ(v.json["consent"][0]["state"], "no-person");
  ASSERT_EQ(v.json["ledger"].size(), 1u);
  EXPECT_EQ(v.json["ledger"][0]["same_bytes"], true);

  // A changed byte.
  std::string bad = read_file(png);
  bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 4);
  write_file_atomic(folder_ / "bad.png", bad);
  EXPECT_EQ(verify(folder_ / "bad.png").verdict, Verdict::kChanged);

  // Encoded again: the mark leads back to the manifest.
  media::write_image(folder_ / "copy.jpg", media::read_image(png));
  v = verify(folder_ / "copy.jpg");
  EXPECT_EQ(v.verdict, Verdict::kSyntheticByWatermark) << v.json.dump(1);
  ASSERT_EQ(v.json["recovered"].size(), 1u);
  EXPECT_EQ(v.json["recovered"][0]["manifest"]["holds"], true) << v.json.dump(1);
  EXPECT_EQ(v.json["recovered"][0]["manifest"]["actions"].size(), 2u);

  // A picture that has nothing to do with it.
  media::write_image(folder_ / "plain.png", picture(9));
  EXPECT_EQ(verify(folder_ / "plain.png").verdict, Verdict::kNothing);

  // The manifest of one output on the pixels of another: the mark contradicts it.
  const fs::path other = folder_ / "other.png", temporary = temporary_name(other);
  write_output_image(grant(), id + 99, temporary, picture(1));
  finish(*project_, grant(), 1, {}, {"image", temporary, other}, id);
  v = verify(other);
  EXPECT_EQ(v.verdict, Verdict::kConflict) << v.json.dump(1);
}

TEST_F(VerifyTest, AVideoASidecarAndASequenceAreVerified) {
  const uint64_t id = 0x7777000011112222ull;
  EXPECT_EQ(verify(clip("v.mp4", "h264", id, 96)).verdict, Verdict::kSyntheticVerified);
  const fs::path mkv = clip("v.mkv", "ffv1", id, 96);
  auto v = verify(mkv);
  EXPECT_EQ(v.verdict, Verdict::kSyntheticVerified) << v.json.dump(1);
  EXPECT_EQ(v.json["manifest"]["place"], "sidecar");
  std::string bytes = read_file(mkv);
  bytes[bytes.size() - 50] = static_cast<char>(bytes[bytes.size() - 50] ^ 1);
  write_file_atomic(mkv, bytes);
  const VerifyOptions quick{.projects = {}, .read_watermark = false};
  EXPECT_EQ(verify(mkv, quick).verdict, Verdict::kChanged);

  const fs::path frames = clip("frames", "png", id, 96);
  v = verify(frames);
  EXPECT_EQ(v.verdict, Verdict::kSyntheticVerified) << v.json["summary"];
  fs::remove(media::list_media(frames)[30]);
  v = verify(frames, quick);
  EXPECT_EQ(v.verdict, Verdict::kChanged) << v.json["summary"];
}

TEST_F(VerifyTest, AManifestOfHumanWorkOverAMarkIsAConflict) {
  // Somebody with a signer that is trusted here says "photograph" over pixels with our mark
  // ("Integrity Clash", arXiv 2603.02378), and over pixels without.
  const auto signed_as_photo = [&](const std::string& name, bool marked) {
    const fs::path plain = folder_ / ("plain-" + name), path = folder_ / name;
    if (marked)
      write_output_image(grant(), 0x1111222233334444ull, plain, picture(1));
    else
      media::write_image(plain, picture(1));
    c2pa::Order order;
    order.mime = "image/png";
    order.definition = {
        {"claim_version", 2},
        {"claim_generator_info", {{{"name", "Camera"}, {"version", "1"}, {"specVersion", "2.4"}}}},
        {"format", "image/png"},
        {"title", "photograph"},
        {"assertions",
         {{{"label", "c2pa.actions.v2"},
           {"created", true},
           {"data",
            {{"actions",
              {{{"action", "c2pa.created"},
                {"digitalSourceType",
                 "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"}}}}}}}}}};
    c2pa::sign(order, plain, path, SigningIdentity::open());
    return verify(path);
  };
  auto v = signed_as_photo("washed.png", true);
  EXPECT_EQ(v.verdict, Verdict::kConflict) << v.json.dump(1);
  v = signed_as_photo("photo.png", false);
  EXPECT_EQ(v.verdict, Verdict::kAuthentic) << v.json.dump(1);
}

TEST_F(VerifyTest, AReportIsSignedBesideIt) {
  const fs::path html = folder_ / "r.html", temporary = temporary_name(html);
  write_file_atomic(temporary, "<html>scores</html>");
  finish(*project_, grant(), 1, {}, {"report", temporary, html}, 5);
  const auto v = verify(html);
  EXPECT_EQ(v.verdict, Verdict::kSyntheticVerified) << v.json.dump(1);  // it shows made faces
  EXPECT_EQ(v.json["manifest"]["mark_state"]["state"], "none");
  write_file_atomic(html, "<html>better scores</html>");
  EXPECT_EQ(verify(html).verdict, Verdict::kChanged);
}

TEST_F(VerifyTest, WhereNoMarkCanBeReadTheManifestSaysSo) {
  const uint64_t id = 0x1020304050607080ull;
  const fs::path small = folder_ / "small.png", temporary = temporary_name(small);
  write_output_image(grant(), id, temporary, picture(2, 100, 80));
  finish(*project_, grant(), 1, {}, {"image", temporary, small}, id);
  struct {
    fs::path path;
    const char* state;
  } const files[] = {{clip("short.mp4", "h264", id, 4), "unreadable"}, {small, "none"}};
  for (const auto& [path, state] : files) {
    const auto v = verify(path);
    EXPECT_EQ(v.verdict, Verdict::kSyntheticVerified) << path << v.json.dump(1);
    EXPECT_EQ(v.json["manifest"]["mark_state"]["state"], state) << path;
    EXPECT_EQ(v.json["manifest"]["watermark"].is_string(), std::string(state) == "unreadable");
  }
  // A file whose mark was read again says nothing of the kind: there its absence would be told.
  const auto v = verify(still("o.png", id));
  EXPECT_TRUE(v.json["manifest"]["mark_state"].is_null());
}

TEST_F(VerifyTest, WhatNoJobMakesIsSignedToo) {
  const fs::path source = still("made.png", 0x77ull);
  const auto put = [&](const std::string& name) {
    media::write_image(folder_ / name, picture(3, 300, 300));
    return folder_ / name;
  };
  const fs::path crop = put("crop.png"), of_made = put("of-made.jpg"), sheet = put("sheet.png"),
                 page = folder_ / "page.html";
  const Input unknown{"take.mp4", std::string(64, '7')}, made{source, sha256_file(source)};
  EXPECT_TRUE(carries_manifest(source));
  EXPECT_FALSE(carries_manifest(crop));
  const Grant g = grant();
  deliver({{{"crop", crop, crop}, {unknown}}, {{"crop", of_made, of_made}, {made}}}, &g);
  deliver({{{"sheet", sheet, sheet}, {unknown}}});
  write_file_atomic(temporary_name(page), "<p>two sounds</p>");
  deliver({{{"page", temporary_name(page), page}, {made}}});
  deliver_text(folder_ / "list.json", "{}\n");
  deliver_text(folder_ / "readme.txt", "Words that FFmpeg would draw.\n");
  const struct {
    const char* name;
    Verdict verdict;
    bool ai;
  } files[] = {{"crop.png", Verdict::kAuthentic, false},
               {"of-made.jpg", Verdict::kSyntheticVerified, true},
               {"sheet.png", Verdict::kAuthentic, false},
               {"page.html", Verdict::kSyntheticVerified, true},
               {"list.json", Verdict::kSignedDocument, false},
               {"readme.txt", Verdict::kSignedDocument, false}};
  for (const auto& [name, verdict, ai] : files) {
    const fs::path path = folder_ / name;
    const auto v = verify(path);
    EXPECT_EQ(v.verdict, verdict) << name << v.json.dump(1);
    EXPECT_EQ(v.json["manifest"]["state"], "trusted") << name;
    EXPECT_EQ(v.json["claims_ai"], ai) << name;
    std::string bytes = read_file(path);
    bytes[bytes.size() - 3] = static_cast<char>(bytes[bytes.size() - 3] ^ 1);
    write_file_atomic(path, bytes);
    EXPECT_EQ(verify(path).verdict, Verdict::kChanged) << name;
  }
  EXPECT_EQ(verify(folder_ / "crop.png").json["manifest"]["actions"][1]["action"], "c2pa.cropped");
}

TEST_F(VerifyTest, WhatStaysInTheProjectIsKnownByItsLedger) {
  const fs::path set = folder_ / "film/facesets/ben.faces", temporary = temporary_name(set);
  write_file_atomic(temporary, "faces");
  finish(*project_, grant(), 1, {}, {"faceset", temporary, set});
  const VerifyOptions options{.projects = {project_->folder()}};
  EXPECT_EQ(verify(set, options).verdict, Verdict::kRecorded) << verify(set, options).json.dump(1);
  EXPECT_EQ(verify(set).verdict, Verdict::kNothing);  // nobody to ask
  write_file_atomic(set, "other faces");
  EXPECT_EQ(verify(set, options).verdict, Verdict::kChanged);
}

TEST_F(VerifyTest, DamagedFilesAreAVerdictNotACrash) {
  const std::string good = read_file(still("o.png", 3));
  Rng rng(11);
  int found = 0;
  for (int round = 0; round < 40; ++round) {
    std::string bad = good;
    if (round % 4 == 0) bad.resize(rng.below(bad.size()));
    for (int i = 0; i < 8 && !bad.empty(); ++i)
      bad[rng.below(bad.size())] = static_cast<char>(rng.next());
    write_file_atomic(folder_ / "bad.png", bad);
    const auto v = verify(folder_ / "bad.png", {.projects = {}, .read_watermark = false});
    found += v.verdict == Verdict::kChanged || v.verdict == Verdict::kNothing;
    EXPECT_FALSE(v.json["summary"].get<std::string>().empty());
  }
  EXPECT_EQ(found, 40);
  for (const char* name : {"empty.mp4", "text.mp4"}) {
    write_file_atomic(folder_ / name, name[0] == 'e' ? "" : "not a video");
    EXPECT_EQ(verify(folder_ / name).verdict, Verdict::kNothing) << name;
  }
  EXPECT_THROW(verify(folder_ / "not-there.mp4"), Error);
}

}  // namespace
}  // namespace likeness::trust
