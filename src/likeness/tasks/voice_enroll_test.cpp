// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/voice_enroll.h"

#include <cmath>
#include <fstream>

#include <gtest/gtest.h>

#include "likeness/audio/loudness.h"
#include "likeness/audio/resample.h"
#include "likeness/base/rng.h"
#include "likeness/base/sealed_file.h"
#include "likeness/media/audio_file.h"
#include "likeness/tasks/consent_ops.h"
#include "likeness/tasks/runner.h"
#include "likeness/tasks/voice_enroll_store.h"
#include "likeness/tasks/voice_ops.h"
#include "likeness/trust/consent_test_util.h"
#include "likeness/trust/keys.h"
#include "likeness/voice/flite_voice.h"
#include "likeness/voice/text.h"

namespace likeness::tasks {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

const char* const kTexts[] = {
    "The birch canoe slid on the smooth planks, and the dog barked at it.",
    "Glue the sheet to the dark blue background before you cut the paper.",
    "It is easy to tell the depth of a well when the rope is long enough.",
    "Four hours of steady work faced us, and nobody wanted to begin.",
    "A large size in stockings is hard to sell in such a small town.",
    "The boy was there when the sun rose over the quiet green valley."};

class VoiceEnroll : public trust::ConsentFixture {
 protected:
  void SetUp() override {
    ConsentFixture::SetUp();
    if (!voice::SpeakerEncoder::is_installed())
      GTEST_SKIP() << "the speaker encoder is not installed: run scripts/install-voices";
    fs::create_directories(folder_ / "in");
  }
  static AudioClip spoken(const std::string& name, const std::string& text) {
    const auto voice = voice::open_flite(name);
    AudioClip all{24000, 1, std::vector<float>(7200)};
    for (const auto& sentence : voice::read_script(text).sentences) {
      const AudioClip c = audio::resample(voice->speak(sentence).clip, 24000);
      all.samples.insert(all.samples.end(), c.samples.begin(), c.samples.end());
      all.samples.resize(all.samples.size() + 12000);
    }
    Rng rng(5, 0, "room");  // no room is silent
    for (float& v : all.samples) v += 2e-4f * rng.normal();
    return all;
  }
  fs::path wav(const std::string& name, const AudioClip& clip) const {
    media::write_wav(folder_ / "in" / (name + ".wav"), clip);
    return folder_ / "in" / (name + ".wav");
  }
  fs::path say(const std::string& name, const std::string& voice, const std::string& text) const {
    return wav(name, spoken(voice, text));
  }
  json enroll(const std::string& subject, std::vector<fs::path> recordings,
              EnrollOptions options = {}, const fs::path& transcripts = {}) {
    EnrollTask task(
        {.subject = subject, .recordings = std::move(recordings), .transcripts = transcripts},
        options);
    Progress progress;
    Cancel cancel;
    json report = run_task(task, *project_, progress, cancel).report;
    remove_replaced_packs(*project_, report);
    return report;
  }
  Error fails(const std::function<void()>& body) const {
    try {
      body();
    } catch (const Error& e) {
      EXPECT_FALSE(e.hint().empty()) << e.what();
      return e;
    }
    ADD_FAILURE() << "nothing was thrown";
    return {ErrorCode::kInternal, "nothing"};
  }
  static std::string rules(const json& list) {
    std::string out;
    for (const auto& f : list)
      out += f["recording"].get<std::string>() + ":" + f["rule"].get<std::string>() + " ";
    return out;
  }
  /// Mary agrees with her voice, in a statement spoken by `voice`.
  Made agree(const std::string& voice) {
    trust::ConsentTerms t = terms();
    t.modalities = {"voice"};
    t.operations = {"train", "voiceclone"};
    return make("mary", t, [&](json& record) {
      const fs::path sound =
          say("statement", voice,
              "I am Mary Doe. I am of age. I agree that this studio uses my voice for "
              "the film, and I can withdraw it at any time. The words are these.");
      fs::copy_file(sound, folder_ / "evidence.bin", fs::copy_options::overwrite_existing);
      record["evidence"][0]["sha256"] = sha256_file(folder_ / "evidence.bin");
    });
  }
  trust::Grant open_mary() const {
    return trust::authorise(*project_, {.task = "t",
                                        .operation = trust::Operation::kTrain,
                                        .modality = "voice",
                                        .subjects = {{"mary", trust::Role::kIdentity}}});
  }
};

TEST_F(VoiceEnroll, RecordingsBecomeClipsWithTheirTexts) {
  EXPECT_FALSE(has_enrolled_voice(*project_, "ben"));
  EXPECT_EQ(fails([&] { open_enrolled_voice(*project_, "ben"); }).code(), ErrorCode::kNotFound);
  fs::create_directories(folder_ / "texts");
  std::vector<fs::path> in;
  for (int i = 0; i < 3; ++i) {
    in.push_back(say("t" + std::to_string(i), "slt", kTexts[i]));
    std::ofstream(folder_ / "texts" / ("t" + std::to_string(i) + ".txt")) << kTexts[i] << "\n";
  }
  const json report = enroll("ben", in, {}, folder_ / "texts");
  EXPECT_EQ(report["added"], 3) << report.dump(1);
  EXPECT_EQ(report["clips_with_text"], 3);
  EXPECT_TRUE(report["left_out"].empty()) << report.dump(1);
  const EnrolledVoice v = open_enrolled_voice(*project_, "ben");
  ASSERT_EQ(v.clips.size(), 3u);
  EXPECT_NEAR(v.speech_s, report["speech_s"].get<double>(), 0.01);
  EXPECT_GT(v.f0_median_hz, 130);  // a woman's voice
  EXPECT_LT(v.f0_median_hz, 230);
  EXPECT_EQ(v.speaker.size(), 256u);
  for (size_t i = 0; i < 3; ++i) {
    const EnrolledClip& c = v.clips[i];
    EXPECT_EQ(c.id, "t" + std::to_string(i));
    EXPECT_EQ(c.text, kTexts[i]);
    EXPECT_EQ(c.clip.rate_hz, kEnrolledRateHz);
    EXPECT_EQ(c.clip.channels, 1);
    EXPECT_GE(c.clip.duration_s(), 1);
    EXPECT_LE(c.clip.duration_s(), 12);
    EXPECT_NEAR(audio::measure_loudness(c.clip).integrated_lufs, -23, 1);
    const auto original = media::read_audio(in[i]).clip;
    const float alike = voice::cosine(voice::SpeakerEncoder::installed().embed(c.clip),
                                      voice::SpeakerEncoder::installed().embed(original));
    EXPECT_GT(alike, 0.95);
  }
  const json ledger_outputs = report["outputs"];
  EXPECT_GE(ledger_outputs.size(), 2u);
  // In the list, with its minutes.
  bool listed = false;
  for (const auto& row : list_project_voices(*project_))
    if (row["name"] == "ben") {
      listed = true;
      EXPECT_EQ(row["engine"], "enrolled");
      EXPECT_FALSE(row["trained"].get<bool>());
      EXPECT_NEAR(row["minutes"].get<double>() * 60, v.speech_s, 0.01);
    }
  EXPECT_TRUE(listed);
}
TEST_F(VoiceEnroll, AddsOnlyWhatIsNewAndReplaceStartsOver) {
  const fs::path a = say("a", "rms", kTexts[0]), b = say("b", "rms", kTexts[1]);
  enroll("ben", {a, b});
  const std::string version = enrolled_version(*project_, "ben");
  const json again = enroll("ben", {a, b});
  EXPECT_EQ(again["added"], 0);
  EXPECT_EQ(again["known"], 2);
  EXPECT_EQ(enrolled_version(*project_, "ben"), version);
  const fs::path copy = folder_ / "in" / "copy.wav";
  fs::copy_file(a, copy);  // another name, the same recording
  const json more = enroll("ben", {copy, say("c", "rms", kTexts[2])});
  EXPECT_EQ(more["added"], 1);
  EXPECT_EQ(open_enrolled_voice(*project_, "ben").clips.size(), 3u);
  EXPECT_NE(enrolled_version(*project_, "ben"), version);
  // A text that comes later is taken in.
  std::ofstream(folder_ / "metadata.csv") << "a|" << kTexts[0] << "\nb|" << kTexts[1] << "|x\n";
  const json texts = enroll("ben", {a, b}, {}, folder_ / "metadata.csv");
  EXPECT_EQ(texts["added"], 2);
  EXPECT_EQ(texts["clips_with_text"], 2);
  EXPECT_EQ(texts["clips"], 3);
  const json over = enroll("ben", {b}, {.replace = true});
  EXPECT_EQ(over["clips"], 1);
  size_t packs = 0;
  for (const auto& f : fs::directory_iterator(enrolled_folder(*project_, "ben")))
    packs += f.path().filename().string().rfind("pack-", 0) == 0;
  EXPECT_EQ(packs, 1u);
  EXPECT_EQ(open_enrolled_voice(*project_, "ben").clips.size(), 1u);
  EXPECT_EQ(open_enrolled_voice(*project_, "ben", 0.5).clips.size(), 1u);
}
TEST_F(VoiceEnroll, AnotherVoiceIsNamedAndNothingIsTakenIn) {
  std::vector<fs::path> in;
  for (int i = 0; i < 4; ++i) in.push_back(say("s" + std::to_string(i), "slt", kTexts[i]));
  in.push_back(say("intruder", "rms", std::string(kTexts[4]) + " " + kTexts[5]));
  const Error e = fails([&] { enroll("ben", in); });
  EXPECT_EQ(e.code(), ErrorCode::kRefused);
  EXPECT_NE(std::string(e.what()).find("intruder.wav"), std::string::npos) << e.what();
  EXPECT_EQ(std::string(e.what()).find("s1.wav"), std::string::npos) << e.what();
  EXPECT_FALSE(has_enrolled_voice(*project_, "ben"));
  const json report = enroll("ben", in, {.leave_out = true});
  EXPECT_EQ(report["added"], 4);
  EXPECT_EQ(rules(report["left_out"]), "intruder.wav:other-voice ");
  // Later too, against what is enrolled.
  EXPECT_EQ(fails([&] { enroll("ben", {say("late", "kal", kTexts[5])}); }).code(),
            ErrorCode::kRefused);
  EXPECT_EQ(open_enrolled_voice(*project_, "ben").clips.size(), 4u);
}
TEST_F(VoiceEnroll, APersonNeedsAGrantWithVoiceAndTheVoiceOfTheStatement) {
  const fs::path a = say("a", "slt", kTexts[0]), b = say("b", "slt", kTexts[1]);
  refused([&] { enroll("mary", {a, b}); }, "person-needs-consent-record");
  make("mary", terms());  // her face only
  refused([&] { enroll("mary", {a, b}); }, "consent-modality");
  agree("slt");
  const json report = enroll("mary", {a, b});
  EXPECT_EQ(report["added"], 2) << report.dump(1);
  EXPECT_EQ(report["match"]["against"], "the voice of the consent statement");
  const fs::path other = say("not-mary", "rms", kTexts[2]);
  const Error e = fails([&] { enroll("mary", {other}); });
  EXPECT_EQ(e.code(), ErrorCode::kRefused);
  EXPECT_NE(std::string(e.what()).find("not-mary.wav"), std::string::npos) << e.what();
  EXPECT_NE(std::string(e.what()).find("consent"), std::string::npos) << e.what();
}
TEST_F(VoiceEnroll, APersonsVoiceIsSealedAndARevocationDestroysIt) {
  agree("slt");
  enroll("mary", {say("a", "slt", kTexts[0]), say("b", "slt", kTexts[1])});
  size_t files = 0;
  for (const auto& f : fs::recursive_directory_iterator(project_->folder() / "voices"))
    if (f.is_regular_file()) {
      ++files;
      EXPECT_TRUE(sealed_info(f.path()).has_value()) << f.path();
    }
  EXPECT_GE(files, 2u);
  EXPECT_EQ(fails([&] { open_enrolled_voice(*project_, "mary"); }).code(), ErrorCode::kRefused);
  {
    const auto grant = open_mary();
    EXPECT_EQ(open_enrolled_voice(*project_, "mary").clips.size(), 2u);
  }
  const json revoked = consent_revoke(*project_, "mary", {});
  EXPECT_GE(revoked["removed"].size(), 2u) << revoked.dump(1);
  EXPECT_NE(revoked["removed"].dump().find("voices/enrolled/mary/index.safetensors"),
            std::string::npos);
  EXPECT_FALSE(has_enrolled_voice(*project_, "mary"));
  refused([&] { enroll("mary", {say("c", "slt", kTexts[2])}); }, "consent-revoked");
}
TEST_F(VoiceEnroll, BadRecordingsAreNamedAndTheOthersAreTakenIn) {
  const AudioClip good = spoken("slt", kTexts[0]);
  std::vector<fs::path> in = {wav("good", good), say("good2", "slt", kTexts[1])};
  in.push_back(wav("silent", {24000, 1, std::vector<float>(72000)}));
  std::ofstream(folder_ / "in" / "empty.wav");
  in.push_back(folder_ / "in" / "empty.wav");
  std::ofstream(folder_ / "in" / "text.wav") << std::string(5000, 'x');
  in.push_back(folder_ / "in" / "text.wav");
  AudioClip clipped = good;
  for (float& v : clipped.samples) v = std::clamp(v * 40, -0.9f, 0.9f);
  in.push_back(wav("clipped", clipped));
  AudioClip music{24000, 1, std::vector<float>(24000 * 6)};
  for (size_t i = 0; i < music.samples.size(); ++i) {
    const double t = static_cast<double>(i) / 24000;
    const double hz = 220 * std::pow(2, std::floor(t * 2) * 2 / 12.0);
    for (int k = 1; k < 5; ++k)
      music.samples[i] += static_cast<float>(0.2 / k * std::sin(2 * M_PI * hz * k * t));
  }
  in.push_back(wav("music", music));
  AudioClip two = spoken("slt", std::string(kTexts[0]) + " " + kTexts[1] + " " + kTexts[2]);
  const AudioClip second = spoken("rms", std::string(kTexts[3]) + " " + kTexts[4]);
  two.samples.insert(two.samples.end(), second.samples.begin(), second.samples.end());
  in.push_back(wav("two", two));
  AudioClip noisy = good;
  Rng rng(1, 0, "noisy");
  for (float& v : noisy.samples) v += 0.2f * rng.normal();
  in.push_back(wav("noisy", noisy));
  const json report = enroll("ben", in);
  const std::string out = rules(report["left_out"]);
  EXPECT_EQ(report["added"], 2) << report.dump(1);
  for (const char* want :
       {"silent.wav:silent", "empty.wav:unreadable", "text.wav:unreadable", "clipped.wav:clipped",
        "music.wav:music", "two.wav:two-speakers", "noisy.wav:noisy"})
    EXPECT_NE(out.find(want), std::string::npos) << want << " in " << out;
  // Nothing but bad ones: an error with the first, and what was there stays.
  const Error e = fails([&] { enroll("ben", {in[2], in[3]}); });
  EXPECT_EQ(e.code(), ErrorCode::kBadInput);
  EXPECT_NE(std::string(e.what()).find("silent.wav"), std::string::npos);
  EXPECT_EQ(open_enrolled_voice(*project_, "ben").clips.size(), 2u);
}
TEST_F(VoiceEnroll, TelephoneAndDamageAreWarnedOf) {
  const AudioClip speech = spoken("slt", std::string(kTexts[0]) + " " + kTexts[1]);
  const fs::path phone = wav("phone", audio::resample(speech, 8000));
  const fs::path whole = say("whole", "slt", kTexts[2]);
  std::string bytes = read_file(whole);
  bytes.resize(bytes.size() * 3 / 4);  // the end is missing
  write_file_atomic(folder_ / "in" / "cut.wav", bytes);
  const json report = enroll("ben", {phone, folder_ / "in" / "cut.wav"});
  EXPECT_EQ(report["added"], 2) << report.dump(1);
  EXPECT_NE(rules(report["warnings"]).find("phone.wav:narrow-band"), std::string::npos);
}
TEST_F(VoiceEnroll, WrongCallsAreRefused) {
  const fs::path a = say("a", "slt", kTexts[0]);
  EXPECT_EQ(fails([&] { enroll("ben", {}); }).code(), ErrorCode::kUsage);
  EXPECT_EQ(fails([&] { enroll("ben", {folder_ / "none.wav"}); }).code(), ErrorCode::kNotFound);
  EXPECT_EQ(fails([&] { enroll("nobody", {a}); }).code(), ErrorCode::kNotFound);
  EXPECT_EQ(fails([&] { enroll("../x", {a}); }).code(), ErrorCode::kUsage);
  EXPECT_EQ(fails([&] { enroll("ben", {a}, {}, folder_ / "none"); }).code(), ErrorCode::kNotFound);
  fs::create_directories(folder_ / "nothing");
  EXPECT_EQ(fails([&] { enroll("ben", {a}, {}, folder_ / "nothing"); }).code(), ErrorCode::kUsage);
  EXPECT_EQ(fails([&] { enroll("ben", {folder_ / "nothing"}); }).code(), ErrorCode::kBadInput);
  std::ofstream(folder_ / "bad.csv") << "a the bar is missing\n";
  EXPECT_EQ(fails([&] { enroll("ben", {a}, {}, folder_ / "bad.csv"); }).code(),
            ErrorCode::kBadInput);
  std::ofstream(folder_ / "bytes.csv") << "a|\xff\xfe\n";
  EXPECT_EQ(fails([&] { enroll("ben", {a}, {}, folder_ / "bytes.csv"); }).code(),
            ErrorCode::kBadInput);
  // A text that cannot be what is said is not used.
  std::ofstream(folder_ / "long.csv")
      << "a|" << std::string(400, 'a') << " " << std::string(400, 'b') << "\n";
  const json report = enroll("ben", {a}, {}, folder_ / "long.csv");
  EXPECT_EQ(report["clips_with_text"], 0);
  EXPECT_NE(rules(report["warnings"]).find("a.wav:text-does-not-fit"), std::string::npos);
}
TEST_F(VoiceEnroll, LongRecordingsAreCutAndResumeWhereTheyWereStopped) {
  AudioClip all{24000, 1, {}};
  std::vector<AudioClip> said;
  for (const char* text : kTexts) said.push_back(spoken("rms", text));
  for (size_t i = 0; all.duration_s() < 188; ++i)
    all.samples.insert(all.samples.end(), said[i % said.size()].samples.begin(),
                       said[i % said.size()].samples.end());
  const fs::path long_one = wav("interview", all);
  EnrollTask first({.subject = "ben", .recordings = {long_one}}, {});
  Cancel stop;
  int seen = 0;
  Progress watch([&](const ProgressState& s, bool) {
    if (s.done > 0 && ++seen == 1) stop.request();
  });
  EXPECT_EQ(fails([&] { run_task(first, *project_, watch, stop); }).code(), ErrorCode::kCancelled);
  EXPECT_FALSE(has_enrolled_voice(*project_, "ben"));
  size_t pieces = 0;
  for (const auto& f : fs::recursive_directory_iterator(project_->folder() / "work"))
    pieces += f.path().extension() == ".safetensors";
  EXPECT_GE(pieces, 1u);
  const json report = enroll("ben", {long_one});
  EXPECT_GT(report["clips"].get<int>(), 15);
  const EnrolledVoice v = open_enrolled_voice(*project_, "ben");
  double total = 0;
  for (const auto& c : v.clips) {
    EXPECT_GE(c.clip.duration_s(), 1);
    EXPECT_LE(c.clip.duration_s(), 12.01);
    total += c.clip.duration_s();
  }
  EXPECT_GT(v.speech_s, 0.9 * 188 * 0.75);
  EXPECT_LT(total, all.duration_s());
  EXPECT_EQ(v.clips.front().id, "interview.1");
  const EnrolledVoice some = open_enrolled_voice(*project_, "ben", 60);
  EXPECT_LT(some.clips.size(), v.clips.size());
  EXPECT_NEAR(some.speech_s, 55, 20);
}
TEST_F(VoiceEnroll, ARealSpeakersRecordingsMatchEachOther) {
  const fs::path data = fs::path(LIKENESS_SHARED_DIR) / "data/kathleen";
  if (!fs::exists(data)) GTEST_SKIP() << "no recordings in " << data;
  std::vector<fs::path> in;
  for (const auto& f : fs::directory_iterator(data / "flac")) in.push_back(f.path());
  std::sort(in.begin(), in.end());
  std::vector<fs::path> some;
  for (size_t i = 0; i < in.size() && some.size() < 12; i += 83) some.push_back(in[i]);
  const json report = enroll("ben", some, {}, data / "metadata.csv");
  EXPECT_EQ(report["added"], some.size()) << report.dump(1);
  EXPECT_EQ(report["clips_with_text"], some.size()) << report.dump(1);
}

}  // namespace
}  // namespace likeness::tasks
