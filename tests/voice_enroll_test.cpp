// SPDX-License-Identifier: Apache-2.0
// Enrolling, banking and the listening test through the program, and a kill in the middle.
#include <algorithm>
#include <cmath>

#include "program.h"

#include "likeness/audio/resample.h"
#include "likeness/base/atomic_file.h"
#include "likeness/media/audio_file.h"
#include "likeness/trust/watermark_audio.h"
#include "likeness/voice/lexicon.h"
#include "likeness/voice/speaker.h"

namespace likeness::tests {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class VoiceEnrolment : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    if (!voice::SpeakerEncoder::is_installed())
      GTEST_SKIP() << "the speaker encoder is not installed: run scripts/install-voices";
    options_.environment = {"LIKENESS_HOME=" + (folder_ / "home").string()};
    ok({"project", "new", "film"}, options_);
    ok({"subject", "add", "film", "ada", "--kind", "synthetic"}, options_);
  }
  void say(const std::string& file, const std::string& text, const std::string& voice = "slt") {
    fs::create_directories((folder_ / file).parent_path());
    ok({"speak", "film", text, "--voice", voice, "-o", file}, options_);
  }
  void speak_live();
  RunOptions options_;
};

TEST_F(VoiceEnrolment, EnrolsListsAndAddsOnlyWhatIsNew) {
  say("in/one.wav", "The birch canoe slid on the smooth planks by the river.");
  say("in/two.wav", "Glue the sheet to the dark blue background and wait.");
  write_file_atomic(folder_ / "texts/one.txt",
                    "The birch canoe slid on the smooth planks by the river.");
  const json first =
      ok({"voice", "enroll", "film", "ada", "in", "--transcripts", "texts"}, options_);
  EXPECT_EQ(first["added"], 2);
  EXPECT_EQ(first["clips_with_text"], 1);
  EXPECT_EQ(ok({"voice", "enroll", "film", "ada", "in"}, options_)["added"], 0);
  bool listed = false;
  for (const auto& v : ok({"voice", "list", "film"}, options_))
    if (v["name"] == "ada") {
      listed = true;
      EXPECT_EQ(v["clips"], 2);
      EXPECT_EQ(v["trained"], false);
    }
  EXPECT_TRUE(listed);
  write_file_atomic(folder_ / "text.wav", "this is not sound");
  fails({"voice", "enroll", "film", "ada", "text.wav"}, "bad_input", "text.wav", options_);
  fails({"voice", "enroll", "film", "nobody", "in"}, "not_found", "nobody", options_);
  say("in2/other.wav", "A large size in stockings is hard to sell in a small town.", "rms");
  fails({"voice", "enroll", "film", "ada", "in2"}, "refused", "other.wav", options_);
  ok({"subject", "add", "film", "eve", "--kind", "person"}, options_);
  fails({"voice", "enroll", "film", "eve", "in"}, "refused", "person-needs-consent-record",
        options_);
  EXPECT_TRUE(leftovers(folder_).empty());
}
/// Raw sound in, raw sound of the same length out, with a mark; what was said is kept and verifies.
void VoiceEnrolment::speak_live() {
  const AudioClip take = audio::resample(media::read_audio(folder_ / "take.wav").clip, 24000);
  std::string raw;
  for (int round = 0; round < 3; ++round)
    for (const float x : take.samples) {
      const auto v = static_cast<int16_t>(std::lround(std::clamp(x, -1.0f, 0.999f) * 32768));
      raw += {static_cast<char>(v & 0xff), static_cast<char>(v >> 8)};
    }
  write_file_atomic(folder_ / "in.raw", raw);
  RunOptions piped = options_;
  piped.stdin_from = (folder_ / "in.raw").string();
  const Outcome live = likeness(
      {"voice", "stream", "film", "--voice", "ada", "-o", "said.wav", "--json", "--quiet"}, piped);
  ASSERT_EQ(live.status, 0) << live.err;
  EXPECT_EQ(live.out.size(), raw.size());
  const json report = json::parse(live.err);
  EXPECT_LT(report["delay_ms"].get<double>(), 250);
  EXPECT_GT(report["mark_snr_db"].get<double>(), 28);
  EXPECT_EQ(report["mark"], "whole");
  AudioClip heard{24000, 1, {}};
  for (size_t i = 0; i + 1 < live.out.size(); i += 2)
    heard.samples.push_back(
        static_cast<float>(static_cast<int16_t>(static_cast<uint8_t>(live.out[i]) |
                                                static_cast<uint8_t>(live.out[i + 1]) << 8)) /
        32768);
  EXPECT_TRUE(trust::read_audio_watermark(heard).found);
  const json said = ok({"verify", "said.wav"}, options_)["files"][0];
  EXPECT_EQ(said["verdict"], "synthetic-verified") << said.dump(1);
  EXPECT_EQ(said["manifest"]["actions"][0]["action"], "c2pa.created");
  write_file_atomic(folder_ / "in.raw", "");
  fails({"voice", "stream", "film", "--voice", "ada", "-o", "none.wav"}, "bad_input",
        "no sound came in", piped);
  fails({"voice", "stream", "film", "--voice", "nobody", "-o", "none.wav"}, "not_found", "nobody",
        piped);
}

TEST_F(VoiceEnrolment, TrainsConvertsAndSpeaksInTheEnrolledVoice) {
  say("in/one.wav",
      "The birch canoe slid on the smooth planks by the river, and nobody said a word.");
  say("in/two.wav", "Glue the sheet to the dark blue background and wait until the evening comes.");
  say("in/three.wav",
      "Rice is often served in round bowls, with a little fish and a lot of pepper.");
  say("in/four.wav",
      "The box was thrown beside the parked truck, where it lay for the whole week.");
  fails({"voice", "train", "film", "ada"}, "not_found", "is enrolled", options_);
  ok({"voice", "enroll", "film", "ada", "in"}, options_);
  fails({"speak", "film", "Hello.", "--voice", "ada", "-o", "a.wav"}, "not_found", "not trained",
        options_);
  const json trained = ok({"voice", "train", "film", "ada", "--minutes", "0.05"}, options_);
  EXPECT_GT(trained["steps"].get<int>(), 0);
  say("take.wav", "Four hours of steady work faced us.", "rms");
  const json made =
      ok({"voice", "convert", "film", "take.wav", "--voice", "ada", "-o", "as-ada.wav"}, options_);
  EXPECT_NEAR(made["duration_s"].get<double>(), media::probe_audio(folder_ / "take.wav").duration_s,
              0.02);
  const json spoken =
      ok({"speak", "film", "Good evening, and welcome.", "--voice", "ada", "-o", "line.wav"},
         options_);
  EXPECT_EQ(spoken["voice"], "ada");
  EXPECT_NE(spoken["spoken_by"], "ada");
  for (const char* file : {"as-ada.wav", "line.wav"})
    EXPECT_EQ(ok({"verify", file}, options_)["files"][0]["verdict"], "synthetic-verified") << file;
  // A converted take is an edit of the take, whose own manifest goes along; speech is new.
  const json take = ok({"verify", "take.wav"}, options_)["files"][0]["manifest"],
             edit = ok({"verify", "as-ada.wav"}, options_)["files"][0]["manifest"],
             line = ok({"verify", "line.wav"}, options_)["files"][0]["manifest"];
  EXPECT_EQ(edit["actions"][0]["action"], "c2pa.opened") << edit.dump(1);
  EXPECT_EQ(edit["actions"][1]["action"], "c2pa.edited");
  EXPECT_NE(edit["actions"][1].dump().find("compositeWithTrainedAlgorithmicMedia"),
            std::string::npos);
  EXPECT_NE(edit["ingredients"].dump().find("parentOf"), std::string::npos) << edit.dump(1);
  EXPECT_NE(read_file(folder_ / "as-ada.wav").find(take["label"].get<std::string>()),
            std::string::npos);
  EXPECT_EQ(line["actions"][0]["action"], "c2pa.created");
  EXPECT_NE(line["ingredients"].dump().find("inputTo"), std::string::npos) << line.dump(1);
  speak_live();
  write_file_atomic(folder_ / "text.wav", "this is not sound");
  fails({"voice", "convert", "film", "text.wav", "--voice", "ada", "-o", "b.wav"}, "bad_input",
        "text.wav", options_);
  fails({"voice", "convert", "film", "take.wav", "--voice", "ada", "-o", "take.wav"}, "usage",
        "take.wav", options_);
  EXPECT_TRUE(leftovers(folder_).empty());
}
TEST_F(VoiceEnrolment, PretrainingThatStopsEarlySaysSoAndLeavesItsCheckpoint) {
  if (voice::CmuDict::get().size() == 0) GTEST_SKIP() << "CMUdict is not installed";
  const json j =
      ok({"voice", "pretrain", ".", "--part", "g2p", "--minutes", "0.01", "-o", "g2p.safetensors"},
         options_);
  EXPECT_EQ(j["done"], false);
  EXPECT_FALSE(fs::exists(folder_ / "g2p.safetensors"));
  EXPECT_FALSE(fs::is_empty(folder_ / "g2p.safetensors.work"));
  const Outcome again = likeness(
      {"voice", "pretrain", ".", "--part", "g2p", "--minutes", "0.01", "-o", "g2p.safetensors"},
      options_);
  EXPECT_EQ(again.status, 0);
  EXPECT_NE(again.out.find("goes on"), std::string::npos) << again.out;
  fails({"voice", "pretrain", ".", "--part", "vocoder", "-o", "v.safetensors"}, "usage", "licence",
        options_);
  fails({"voice", "pretrain", ".", "--part", "soul", "--licence", "CC0", "-o", "v.safetensors"},
        "usage", "soul", options_);
}
TEST_F(VoiceEnrolment, AKillLosesNothing) {
  for (int i = 0; i < 6; ++i)
    say("in/" + std::to_string(i) + ".wav",
        "This is recording number " + std::to_string(i) + ", which is said aloud for a while.");
  for (const double after_s : {0.4, 1.0}) {
    RunOptions kill = options_;
    kill.kill_after_s = after_s;
    likeness({"voice", "enroll", "film", "ada", "in"}, kill);
  }
  const json j = ok({"voice", "enroll", "film", "ada", "in"}, options_);
  EXPECT_EQ(j["added"].get<int>() + j["known"].get<int>(), 6);
  EXPECT_EQ(j["clips"], 6);
}
TEST_F(VoiceEnrolment, TheBankGrowsFromDayToDay) {
  const json empty = ok({"voice", "bank", "film", "ada", "--next", "3"}, options_);
  EXPECT_EQ(empty["sentences_read"], 0);
  ASSERT_EQ(empty["next"].size(), 3u);
  const std::string id = empty["next"][0]["id"], text = empty["next"][0]["text"];
  say("takes/" + id + ".wav", text);
  const json one =
      ok({"voice", "bank", "film", "ada", "--add", "takes/" + id + ".wav", "--words-confirmed"},
         options_);
  EXPECT_EQ(one["sentences_read"], 1);
  EXPECT_EQ(one["takes"][0]["enrolled"], true);
  EXPECT_NE(one["next"][0]["id"], id);
  EXPECT_GT(one["coverage"]["speech_share"].get<double>(), 0.02);
  fails({"voice", "bank", "film", "ada", "--add", "takes/" + id + ".wav", "--sentence", "b999"},
        "usage", "b999", options_);
  // A take that is not good is said to be so, and nothing is enrolled.
  media::write_wav(folder_ / "takes/b002.wav", {24000, 1, std::vector<float>(48000)});
  const Outcome bad =
      likeness({"voice", "bank", "film", "ada", "--add", "takes/b002.wav", "--json"}, options_);
  EXPECT_NE(bad.status, 0);
  EXPECT_EQ(bad.json()["takes"][0]["enrolled"], false);
  EXPECT_EQ(bad.json()["takes"][0]["check"]["findings"][0]["rule"], "silent");
  EXPECT_EQ(bad.json()["sentences_read"], 1);
}
TEST_F(VoiceEnrolment, TheListeningTestIsOnePageWithoutNames) {
  for (const char* dir : {"a", "b"})
    for (int i = 0; i < 2; ++i)
      say(std::string(dir) + "/" + std::to_string(i) + ".wav", "Sentence " + std::to_string(i),
          dir[0] == 'a' ? "slt" : "rms");
  const json j = ok({"voice", "abx", "a", "b", "-o", "page.html"}, options_);
  EXPECT_EQ(j["trials"], 2);
  const std::string page = read_file(folder_ / "page.html");
  EXPECT_EQ(page.find("@DATA@"), std::string::npos);
  EXPECT_EQ(page.find("http:"), std::string::npos);
  EXPECT_EQ(page.find("https:"), std::string::npos);
  EXPECT_NE(page.find("data:audio/wav;base64,UklGR"), std::string::npos);
  fails({"voice", "abx", "a", "none", "-o", "page.html"}, "not_found", "none", options_);
  fails({"voice", "abx", "a", "b", "-o", "page.txt"}, "usage", ".html", options_);
  fs::create_directories(folder_ / "c");
  fs::copy_file(folder_ / "a/0.wav", folder_ / "c/other.wav");
  fails({"voice", "abx", "a", "c", "-o", "page2.html"}, "bad_input", "same name", options_);
  EXPECT_FALSE(fs::exists(folder_ / "page2.html"));
}

}  // namespace
}  // namespace likeness::tests
