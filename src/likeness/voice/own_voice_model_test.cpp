// SPDX-License-Identifier: Apache-2.0
// With networks that were never taught: what holds for any weights. What is said is tested with the
// shipped ones in tests/voice_test.cpp.
#include <cstdlib>
#include <filesystem>
#include <map>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/nets/voice_nets.h"
#include "likeness/tensor/model_card.h"
#include "likeness/voice/own_voice.h"
#include "likeness/voice/phonemes.h"
#include "likeness/voice/pretrain_model.h"
#include "likeness/voice/spoken_pieces.h"
#include "likeness/voice/voice_test_util.h"

namespace likeness::voice {
namespace {
namespace fs = std::filesystem;

class OwnVoiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("likeness-own-voice-" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "voice");
    if (const char* before = std::getenv("LIKENESS_ASSETS")) before_ = before;
    ::setenv("LIKENESS_ASSETS", folder_.c_str(), 1);
    torch::manual_seed(5);
    const nets::AcousticOptions acoustic{.channels = 16, .decoder = 16};
    write("acoustic", nets::AcousticNet(acoustic), options_to_json(acoustic));
    const nets::BlockOptions vocoder{.channels = 16, .hidden = 32, .blocks = 3};
    write("vocoder", nets::VocoderNet(vocoder), options_to_json(vocoder));
  }
  void TearDown() override {
    before_.empty() ? ::unsetenv("LIKENESS_ASSETS")
                    : ::setenv("LIKENESS_ASSETS", before_.c_str(), 1);
    fs::remove_all(folder_);
  }
  void write(const std::string& part, const torch::nn::Module& net, const nlohmann::json& shape) {
    const fs::path path = folder_ / "voice" / (part + ".safetensors");
    tensor::save_tensors(path, half_weights(net),
                         {{"kind", "likeness-voice-" + part}, {"shape", shape.dump()}});
    tensor::ModelCard card;
    card.name = part;
    card.licence = "CC0 1.0";
    card.origin = "a test";
    card.files = {{path.filename().string(), sha256_file(path), ""}};
    tensor::write_model_card(fs::path(path).replace_extension(".toml"), card);
  }
  fs::path folder_;
  std::string before_;
};

TEST_F(OwnVoiceTest, SaysEverySoundOnceInOrder) {
  const auto voice = open_voice("kathleen");
  EXPECT_EQ(voice->info().engine, "likeness");
  for (const char* text : {"No.", "The birch canoe slid, slowly, on the smooth planks.",
                           "Zyxwv, 12.5 kg: really? Yes!"}) {
    const Sentence sentence = as_one_sentence(text);
    const Speech s = voice->speak(sentence);
    ASSERT_EQ(s.words.size(), sentence.words.size());
    std::map<int, size_t> wanted;
    for (const PhoneUnit& u : phonemes_of(sentence))
      if (u.word >= 0) ++wanted[u.word];
    double at = 0;
    for (size_t w = 0; w < s.words.size(); ++w) {
      EXPECT_EQ(s.words[w].phones.size(), wanted[static_cast<int>(w)]) << text << " word " << w;
      for (const Phone& p : s.words[w].phones) {
        EXPECT_GE(p.begin_s, at - 1e-9);
        EXPECT_GT(p.end_s, p.begin_s);
        at = p.end_s;
      }
    }
    EXPECT_LE(at, s.clip.duration_s() + 1e-9);
    EXPECT_EQ(s.clip.samples, voice->speak(sentence).clip.samples);
  }
}

TEST_F(OwnVoiceTest, IsSlowerWhereItShallBe) {
  const auto voice = open_voice("kathleen");
  const Sentence sentence = as_one_sentence("Glue the sheet to the dark blue background.");
  const double usual = voice->speak(sentence).clip.duration_s();
  EXPECT_NEAR(voice->speak(sentence, {.rate = 0.5}).clip.duration_s() / usual, 2, 0.15);
}

TEST_F(OwnVoiceTest, SaysWhatIsWrongWithItsWeights) {
  EXPECT_EQ(code_of([] { open_voice("kathleen")->speak(as_one_sentence("\xd0\x94\xd0\xb0")); }),
            ErrorCode::kUnsupported);
  const fs::path card = folder_ / "voice" / "acoustic.toml";
  fs::rename(card, folder_ / "card");
  ASSERT_TRUE(own_voice());
  EXPECT_NE(own_voice()->problem.find("licence card"), std::string::npos);
  EXPECT_EQ(code_of([] { open_voice("kathleen"); }), ErrorCode::kRefused);
  fs::rename(folder_ / "card", card);
  fs::resize_file(folder_ / "voice" / "acoustic.safetensors", 1000);
  EXPECT_EQ(code_of([] { open_voice("kathleen"); }), ErrorCode::kDamaged);
}

}  // namespace
}  // namespace likeness::voice
