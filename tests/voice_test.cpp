// SPDX-License-Identifier: Apache-2.0
// Speech through the program: what is written is what was asked for, verifies, and survives a kill.
#include "program.h"

#include "likeness/audio/activity.h"
#include "likeness/base/atomic_file.h"
#include "likeness/media/audio_file.h"
#include "likeness/tasks/voice_bank.h"

namespace likeness::tests {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class Voice : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    options_.environment = {"LIKENESS_HOME=" + (folder_ / "home").string()};
    ok({"project", "new", "film"}, options_);
  }
  json verified(const std::string& file, int status) const {
    const Outcome o = likeness({"verify", file, "--json"}, options_);
    EXPECT_EQ(o.status, status) << o.out << o.err;
    return o.json()["files"][0];
  }
  RunOptions options_;
};

TEST_F(Voice, SpeaksListsAndVerifies) {
  bool has_slt = false;
  for (const auto& v : ok({"voice", "list", "film"}, options_)) {
    EXPECT_FALSE(v["licence"].get<std::string>().empty()) << v;
    has_slt = has_slt || v["name"] == "slt";
  }
  EXPECT_TRUE(has_slt);
  const json j =
      ok({"speak", "film", "The birch canoe slid on the smooth planks.", "--voice", "slt", "-o",
          "line.wav", "--timings", "line.json", "--rate", "0.9", "--pitch", "+1st"},
         options_);
  EXPECT_EQ(j["voice"], "slt");
  EXPECT_EQ(j["voice_was"], "asked for");
  EXPECT_EQ(j["timing"], "exact");
  const json v = verified("line.wav", 0);
  EXPECT_EQ(v["verdict"], "synthetic-verified");
  EXPECT_EQ(v["claims_ai"], true);
  // The words are where the times say: sound inside, silence at the ends.
  const auto sound = media::read_audio(folder_ / "line.wav").clip;
  const json t = json::parse(read_file(folder_ / "line.json"));
  const auto activity = audio::find_activity(sound.samples, sound.rate_hz);
  const auto& words = t["sentences"][0]["words"];
  ASSERT_EQ(words.size(), 8u);
  EXPECT_NEAR(words.front()["begin_s"].get<double>(), activity.speech.front().begin_s, 0.12);
  EXPECT_NEAR(words.back()["end_s"].get<double>(), activity.speech.back().end_s, 0.12);
  const Outcome short_one = likeness(
      {"speak", "film", "Two seconds, no more.", "--voice", "rms", "-o", "two.wav", "--json"},
      options_);
  EXPECT_EQ(short_one.status, 0) << short_one.err;
  EXPECT_EQ(verified("two.wav", 0)["verdict"], "synthetic-verified");
  EXPECT_TRUE(leftovers(folder_).empty());
}

/// The weights that are shipped: what is said is heard.
TEST_F(Voice, OurOwnVoiceSpeaksWhenNoneIsNamed) {
  const std::vector<std::string> texts = {
      "It is easy to tell the depth of a well.", "Rice is often served in round bowls.",
      "The box was thrown beside the parked truck.", "These days a chicken leg is a rare dish."};
  size_t right = 0, heard = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string file = "line" + std::to_string(i) + ".wav";
    const json j = ok({"speak", "film", texts[i], "-o", file, "--timings", "t.json"}, options_);
    EXPECT_EQ(j["voice"], "kathleen");
    EXPECT_EQ(j["engine"], "likeness");
    EXPECT_EQ(j["voice_was"], "default");
    EXPECT_NE(j["licence"].get<std::string>().find("CC0"), std::string::npos) << j;
    EXPECT_EQ(json::parse(read_file(folder_ / "t.json"))["timing"], "exact");
    EXPECT_EQ(verified(file, 0)["verdict"], "synthetic-verified");
    const auto check =
        tasks::check_take(folder_ / file, {.id = "t", .text = texts[i], .phones = {}});
    heard += check.words == "right" || check.words == "wrong";
    right += check.words == "right";
  }
  if (!heard) GTEST_SKIP() << "no recogniser is installed: scripts/install-packages check";
  EXPECT_GE(right, 3u);
}

TEST_F(Voice, ANeuralVoiceSpeaksWhenItIsInstalled) {
  for (const auto& v : ok({"voice", "list", "film"}, options_))
    if (v["name"] == "joe" && v["works"].get<bool>()) {
      const json j =
          ok({"speak", "film", "Dr. Smith paid $3.50 in 1984.", "--voice", "joe", "-o", "joe.wav"},
             options_);
      EXPECT_EQ(j["voice"], "joe");
      EXPECT_EQ(j["voice_was"], "asked for");
      EXPECT_EQ(j["words"], 12);
      EXPECT_EQ(verified("joe.wav", 0)["verdict"], "synthetic-verified");
      const json same = ok({"voice", "compare", "joe.wav", "joe.wav"}, options_);
      EXPECT_EQ(same["verdict"], "same");
      ok({"speak", "film", "Four hours of steady work faced us before the storm.", "--voice", "slt",
          "-o", "slt.wav"},
         options_);
      const json other = ok({"voice", "compare", "joe.wav", "slt.wav"}, options_);
      EXPECT_LT(other["cosine"].get<double>(), 0.74);
      return;
    }
  GTEST_SKIP()
      << "the voice joe cannot speak here: scripts/install-onnxruntime, scripts/install-voices";
}

TEST_F(Voice, BadInputIsAClearError) {
  fails({"speak", "film", "", "-o", "a.wav"}, "usage", "no text", options_);
  fails({"speak", "film", "... !", "-o", "a.wav"}, "usage", "no word", options_);
  write_file_atomic(folder_ / "big.txt", std::string(1 << 20, 'a'));
  fails({"speak", "film", "--file", "big.txt", "-o", "a.wav"}, "usage", "at most", options_);
  write_file_atomic(folder_ / "bytes.txt", "\xff\xfe\x00text");
  fails({"speak", "film", "--file", "bytes.txt", "-o", "a.wav"}, "bad_input", "UTF-8", options_);
  fails({"speak", "film", "привет", "-o", "a.wav"}, "unsupported", "English", options_);
  fails({"speak", "film", "hello", "--voice", "nobody", "-o", "a.wav"}, "not_found", "nobody",
        options_);
  fails({"speak", "film", "hello", "--voice", "slt", "-o", "a.ogg"}, "usage", ".wav", options_);
  fails({"speak", "film", "<speak><voice/></speak>", "--voice", "slt", "-o", "a.wav"}, "bad_input",
        "voice", options_);
  fails({"voice", "compare", "big.txt", "big.txt"}, "unsupported", "text", options_);
  write_file_atomic(folder_ / "empty.wav", "");
  fails({"voice", "compare", "empty.wav", "empty.wav"}, "bad_input", "empty", options_);
  // A voice without a card is listed with its problem and refused.
  fs::create_directories(folder_ / "film/voices/eve");
  write_file_atomic(folder_ / "film/voices/eve/eve.onnx", "not a model");
  write_file_atomic(folder_ / "film/voices/eve/eve.onnx.json", "{}");
  fails({"speak", "film", "hello", "--voice", "eve", "-o", "a.wav"}, "refused", "licence",
        options_);
  EXPECT_FALSE(fs::exists(folder_ / "a.wav"));
  EXPECT_TRUE(leftovers(folder_).empty());
}

TEST_F(Voice, AKillLosesNothing) {
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += "This is sentence number " + std::to_string(i) + ", said aloud. ";
  write_file_atomic(folder_ / "long.txt", text);
  const std::vector<std::string> args = {"speak",   "film", "--file", "long.txt",
                                         "--voice", "slt",  "-o",     "long.wav"};
  for (const double after_s : {0.3, 0.8}) {
    RunOptions kill = options_;
    kill.kill_after_s = after_s;
    const Outcome o = likeness(args, kill);
    // Whole or absent; a fast machine may be done before the kill.
    EXPECT_EQ(fs::exists(folder_ / "long.wav"), o.status == 0);
    if (o.status == 0) fs::remove(folder_ / "long.wav");
  }
  const json j = ok(args, options_);
  EXPECT_EQ(j["sentences"], 40);
  EXPECT_EQ(verified("long.wav", 0)["verdict"], "synthetic-verified");
}

}  // namespace
}  // namespace likeness::tests
