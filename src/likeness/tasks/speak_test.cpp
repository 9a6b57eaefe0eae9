// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/speak.h"

#include <cmath>
#include <cstdlib>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/audio/loudness.h"
#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/media/audio_file.h"
#include "likeness/tasks/runner.h"
#include "likeness/tasks/voice_ops.h"
#include "likeness/trust/verify.h"

namespace likeness::tasks {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class Speak : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("speak-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    project_.emplace(project::Project::create(folder_ / "film"));
  }
  void TearDown() override {
    project_.reset();
    fs::remove_all(folder_);
  }
  JobResult say(SpeakRequest request, SpeakTaskOptions options = {}) {
    if (request.out.empty()) request.out = folder_ / "line.wav";
    if (request.voice.empty()) request.voice = "rms";
    SpeakTask task(*project_, request, options);
    return run_task(task, *project_, progress_, cancel_);
  }
  ErrorCode code(const SpeakRequest& request, const SpeakTaskOptions& options = {}) {
    try {
      say(request, options);
      return ErrorCode::kInternal;
    } catch (const Error& e) {
      EXPECT_FALSE(e.hint().empty()) << e.what();
      return e.code();
    }
  }
  fs::path folder_;
  std::optional<project::Project> project_;
  Progress progress_;
  Cancel cancel_;
};

const char* const kLong =
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. "
    "It is easy to tell the depth of a well. Four hours of steady work faced us.";

TEST_F(Speak, WritesWhatVerifiesWithItsMark) {
  const JobResult done = say({.text = kLong, .timings = folder_ / "line.json"});
  EXPECT_EQ(done.report["voice"], "rms");
  EXPECT_EQ(done.report["sentences"], 4);
  EXPECT_EQ(done.report["mark"], "whole");
  EXPECT_TRUE(done.report["warnings"].empty());
  const auto v = trust::verify(folder_ / "line.wav");
  EXPECT_EQ(v.verdict, trust::Verdict::kSyntheticVerified) << v.json.dump(1);
  EXPECT_TRUE(v.json["claims_ai"].get<bool>());
  EXPECT_TRUE(v.json["watermark"]["found"].get<bool>());
  const media::DecodedAudio sound = media::read_audio(folder_ / "line.wav");
  EXPECT_EQ(sound.clip.rate_hz, 48000);
  const audio::Loudness l = audio::measure_loudness(sound.clip);
  EXPECT_NEAR(l.integrated_lufs, -19, 0.7);
  EXPECT_LE(l.true_peak_db, -1.0);
  const json t = json::parse(read_file(folder_ / "line.json"));
  EXPECT_EQ(t["timing"], "exact");
  EXPECT_EQ(t["sentences"].size(), 4u);
  EXPECT_NEAR(t["duration_s"].get<double>(), sound.clip.duration_s(), 1e-3);
  double last = 0;
  size_t words = 0;
  for (const auto& s : t["sentences"])
    for (const auto& w : s["words"]) {
      EXPECT_GE(w["begin_s"].get<double>(), last - 1e-4);
      last = w["end_s"].get<double>();
      ++words;
    }
  EXPECT_EQ(words, 33u);
  // The copy without its manifest is still known by its mark.
  AudioClip copy = sound.clip;
  media::write_wav(folder_ / "copy.wav", copy);
  EXPECT_EQ(trust::verify(folder_ / "copy.wav").verdict, trust::Verdict::kSyntheticByWatermark);
}
TEST_F(Speak, AShortClipVerifiesByItsManifestAndSaysSo) {
  const JobResult two = say({.text = "Two seconds, no more."});
  EXPECT_LT(two.report["duration_s"].get<double>(), 3.5);
  EXPECT_EQ(two.report["mark"], "whole");
  EXPECT_EQ(trust::verify(folder_ / "line.wav").verdict, trust::Verdict::kSyntheticVerified);
  // A sound too short for the mark is told by its manifest, and the report says that it is so.
  SpeakTaskOptions fast;
  fast.rate = 4;
  const JobResult done = say({.text = "A", .out = folder_ / "a.wav"}, fast);
  EXPECT_LT(done.report["duration_s"].get<double>(), 0.5);
  const bool whole = done.report["mark"] == "whole";
  EXPECT_EQ(done.report["warnings"].size(), whole ? 0u : 1u);
  const auto v = trust::verify(folder_ / "a.wav");
  EXPECT_EQ(v.verdict, trust::Verdict::kSyntheticVerified) << v.json.dump(1);
  EXPECT_TRUE(v.json["manifest"]["watermark"].is_string());      // it is in the sound, ...
  EXPECT_EQ(v.json["manifest"]["mark_state"].is_null(), whole);  // ... readable or not
  EXPECT_EQ(v.json["summary"].get<std::string>().find("too short") != std::string::npos, !whole);
  trust::Evidence e;
  e.manifest = trust::Evidence::Manifest::kValid;
  e.claims_ai = e.short_sound = true;
  e.has_pixels = false;
  EXPECT_EQ(trust::judge(e), trust::Verdict::kSyntheticVerified);
  e.named_mark = 5;  // names one that is not there
  EXPECT_NE(trust::judge(e), trust::Verdict::kSyntheticVerified);
  std::string bytes = read_file(folder_ / "line.wav");
  for (size_t i = bytes.size() / 2; i < bytes.size() / 2 + 64; ++i) bytes[i] = 0;
  write_file_atomic(folder_ / "line.wav", bytes);
  EXPECT_EQ(trust::verify(folder_ / "line.wav").verdict, trust::Verdict::kChanged);
}
TEST_F(Speak, TheSameJobGivesTheSameSamplesAndResumes) {
  say({.text = kLong, .out = folder_ / "a.wav"});
  say({.text = kLong, .out = folder_ / "b.wav"});
  EXPECT_EQ(media::read_audio(folder_ / "a.wav").clip.samples,
            media::read_audio(folder_ / "b.wav").clip.samples);
  // Stopped after the second sentence, then run again: the parts that are there are not made again.
  Progress stop([&](const ProgressState& s, bool) {
    if (s.done >= 2) cancel_.request();
  });
  SpeakTask first(*project_, {.text = kLong, .voice = "slt", .out = folder_ / "c.wav"}, {});
  try {
    run_task(first, *project_, stop, cancel_);
    // The listener is called at most every 100 ms: a fast machine may be done before it is.
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kCancelled);
    EXPECT_FALSE(fs::exists(folder_ / "c.wav"));
  }
  Cancel go;
  SpeakTask again(*project_, {.text = kLong, .voice = "slt", .out = folder_ / "c.wav"}, {});
  run_task(again, *project_, progress_, go);
  SpeakTask whole(*project_, {.text = kLong, .voice = "slt", .out = folder_ / "d.wav"}, {});
  run_task(whole, *project_, progress_, go);
  EXPECT_EQ(media::read_audio(folder_ / "c.wav").clip.samples,
            media::read_audio(folder_ / "d.wav").clip.samples);
}
TEST_F(Speak, TheVoiceIsDeclaredAndRecorded) {
  say({.text = "Hello there."});
  const auto s = project_->subject("voice-rms");
  EXPECT_EQ(s.kind, project::SubjectKind::kLicensed);
  EXPECT_NE(s.licence.find("flite"), std::string::npos);
  const std::string ledger = read_file(project_->folder() / "ledger.jsonl");
  EXPECT_NE(ledger.find("voice-rms"), std::string::npos);
  EXPECT_NE(ledger.find("licensed-declared"), std::string::npos);
  EXPECT_NE(ledger.find(sha256_file(folder_ / "line.wav")), std::string::npos);
  bool has_default = false;
  for (const auto& v : list_project_voices(*project_)) has_default |= v["default"].get<bool>();
  EXPECT_TRUE(has_default);
}
TEST_F(Speak, BadInputIsRefusedAndNothingIsLost) {
  EXPECT_EQ(code({}), ErrorCode::kUsage);
  EXPECT_EQ(code({.text = "   "}), ErrorCode::kUsage);
  EXPECT_EQ(code({.text = std::string(1 << 20, 'a')}), ErrorCode::kUsage);
  EXPECT_EQ(code({.text = "\xff\xfe"}), ErrorCode::kBadInput);
  EXPECT_EQ(code({.text = "мир"}), ErrorCode::kUnsupported);
  EXPECT_EQ(code({.text = "a", .voice = "nobody"}), ErrorCode::kNotFound);
  EXPECT_EQ(code({.text = "a", .out = folder_ / "a.mp3"}), ErrorCode::kUsage);
  EXPECT_EQ(code({.file = folder_ / "none.txt"}), ErrorCode::kNotFound);
  EXPECT_EQ(code({.text = "a", .lexicon = folder_ / "none.txt"}), ErrorCode::kNotFound);
  SpeakTaskOptions wild;
  wild.pitch = "+20st";
  EXPECT_EQ(code({.text = "a"}, wild), ErrorCode::kUsage);
  EXPECT_FALSE(fs::exists(folder_ / "line.wav"));
  project_->add_subject({.name = "ada", .kind = project::SubjectKind::kPerson});
  EXPECT_EQ(code({.text = "a", .voice = "ada"}), ErrorCode::kNotFound);  // nothing is enrolled
  const JobResult odd = say({.text = std::string("One\x01two \xf0\x9f\x98\x80 three.")});
  EXPECT_GE(odd.report["warnings"].size(), 2u);
}
TEST(SpeakPitch, IsRead) {
  EXPECT_DOUBLE_EQ(parse_pitch_st("+1st"), 1);
  EXPECT_DOUBLE_EQ(parse_pitch_st("-2.5"), -2.5);
  EXPECT_NEAR(parse_pitch_st("100%"), 12, 1e-9);
  for (const char* bad : {"", "high", "+", "1semi", "nan", "13st"})
    EXPECT_THROW(parse_pitch_st(bad), Error) << bad;
}

}  // namespace
}  // namespace likeness::tasks
