// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/g2p_model.h"

#include <fstream>
#include <functional>

#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/nets/g2p.h"
#include "likeness/tensor/checkpoint_model.h"
#include "likeness/tensor/torch_io_model.h"
#include "likeness/voice/voice_test_util.h"

namespace likeness::voice {
namespace {
namespace fs = std::filesystem;

/// A made-up language: every letter is a sound, "ph" is F, and an e at the end is silent. Stress is
/// on the first vowel.
std::vector<Sound> said(const std::string& letters) {
  std::vector<std::string> out;
  bool stressed = false;
  for (size_t i = 0; i < letters.size(); ++i) {
    const char c = letters[i];
    if (c == 'e' && i > 0 && i + 1 == letters.size()) continue;
    if (c == 'p' && i + 1 < letters.size() && letters[i + 1] == 'h') {
      out.push_back("F");
      ++i;
    } else if (c == 'a' || c == 'e') {
      out.push_back(std::string(c == 'a' ? "AA" : "EH") + (stressed ? "0" : "1"));
      stressed = true;
    } else {
      out.push_back(c == 'p' ? "P" : c == 'h' ? "HH" : c == 't' ? "T" : "S");
    }
  }
  return sounds_of_arpabet(out);
}

std::vector<G2pExample> toy(uint64_t seed, size_t count) {
  Rng rng(seed, 0, "toy words");
  std::vector<G2pExample> out;
  while (out.size() < count) {
    std::string word;
    for (size_t n = 1 + rng.below(6); n > 0; --n) word += "aephts"[rng.below(6)];
    G2pExample e{word, said(word), true};
    if (!e.sounds.empty()) out.push_back(std::move(e));
  }
  return out;
}

G2pTraining tiny() {
  G2pTraining o;
  o.epochs = 24;
  o.batch = 16;
  o.rate = 0.01;
  o.dropout = 0;
  o.smoothing = 0;
  o.encoder_dims = o.decoder_dims = o.hidden_dims = 24;
  return o;
}

class G2pTrainingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("g2p-test-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
  Progress progress_;
  Cancel cancel_;
};

TEST_F(G2pTrainingTest, LearnsALanguageAndReadsNewWordsOfIt) {
  ASSERT_TRUE(
      train_g2p(tiny(), toy(1, 600), folder_, folder_ / "toy.safetensors", progress_, cancel_));
  const G2p network(folder_ / "toy.safetensors");
  const G2pScore score = score_g2p(network, toy(2, 200));
  EXPECT_LT(score.phoneme_error_rate(), 0.05);
  EXPECT_LT(score.stress_error_rate(), 0.1);
  EXPECT_GT(score.stressed, 100u);
}

TEST_F(G2pTrainingTest, TheSameWithAndWithoutLibtorch) {
  G2pTraining o = tiny();
  o.epochs = 1;
  ASSERT_TRUE(train_g2p(o, toy(1, 200), folder_, folder_ / "g2p.safetensors", progress_, cancel_));
  const G2p network(folder_ / "g2p.safetensors");
  nets::G2pShape shape;
  shape.encoder_dims = shape.decoder_dims = shape.hidden_dims = 24;
  nets::G2pNet net(shape);
  tensor::load_module(*net, tensor::SafeTensors(folder_ / "g2p.safetensors"));
  net->eval();
  const torch::NoGradGuard no_grad;
  for (const auto& e : toy(3, 20)) {
    const auto n = static_cast<int64_t>(e.sounds.size());
    auto before = torch::ones({1, n + 1}, torch::kInt64);
    auto wanted = torch::zeros({1, n + 1}, torch::kInt64);
    for (int64_t k = 0; k < n; ++k)
      before[0][k + 1] = wanted[0][k] = e.sounds[static_cast<size_t>(k)].phoneme;
    const auto letters = torch::tensor(g2p_letter_numbers(e.letters), torch::kInt64).unsqueeze(0);
    const auto out = net->forward(letters, before, wanted);
    const double expected =
        torch::log_softmax(out.sounds, 2).gather(2, wanted.unsqueeze(2)).sum().item<double>();
    EXPECT_NEAR(network.log_probability(e.letters, e.sounds), expected, 1e-3) << e.letters;
  }
}

TEST_F(G2pTrainingTest, StoppedAndResumedIsTheSameRun) {
  G2pTraining o = tiny();
  o.epochs = 3;
  o.dropout = 0.1;
  const auto words = toy(1, 200);
  ASSERT_TRUE(train_g2p(o, words, folder_ / "whole", folder_ / "whole" / "g2p.safetensors",
                        progress_, cancel_));
  o.steps = 20;
  ASSERT_FALSE(train_g2p(o, words, folder_ / "parts", folder_ / "parts" / "g2p.safetensors",
                         progress_, cancel_));
  Cancel stop;
  stop.request();
  EXPECT_EQ(code_of([&] {
              train_g2p(o, words, folder_ / "parts", folder_ / "parts" / "g2p.safetensors",
                        progress_, stop);
            }),
            ErrorCode::kCancelled);
  o.steps = 0;
  ASSERT_FALSE(fs::exists(folder_ / "parts" / "g2p.safetensors"));
  // A torn newer checkpoint does not hinder it.
  std::ofstream(tensor::checkpoint_path(folder_ / "parts", 99999)) << "torn";
  ASSERT_TRUE(train_g2p(o, words, folder_ / "parts", folder_ / "parts" / "g2p.safetensors",
                        progress_, cancel_));
  const G2p whole(folder_ / "whole" / "g2p.safetensors");
  const G2p parts(folder_ / "parts" / "g2p.safetensors");
  for (const auto& e : toy(4, 20))
    EXPECT_NEAR(whole.log_probability(e.letters, e.sounds),
                parts.log_probability(e.letters, e.sounds), 1e-2);
  o.rate = 0.02;
  EXPECT_EQ(code_of([&] {
              train_g2p(o, words, folder_ / "parts", folder_ / "parts" / "g2p.safetensors",
                        progress_, cancel_);
            }),
            ErrorCode::kBadInput);
}

TEST_F(G2pTrainingTest, ThePartOfPretrainingLearnsFromTheDictionary) {
  if (CmuDict::get().size() == 0) GTEST_SKIP() << "pocketsphinx-en-us is not installed";
  G2pTraining o = tiny();
  o.steps = 2;
  const auto report =
      pretrain_g2p(o, folder_, folder_ / "g2p.safetensors", progress_, cancel_, 1000);
  EXPECT_FALSE(report.at("done"));
  EXPECT_GT(report.at("words"), 100000);
  ASSERT_EQ(tensor::list_checkpoints(folder_).size(), 1u);
  EXPECT_EQ(tensor::list_checkpoints(folder_)[0].first, 2);
}

TEST_F(G2pTrainingTest, RefusesWhatCannotBeLearnt) {
  EXPECT_EQ(code_of([&] {
              train_g2p(tiny(), {}, folder_, folder_ / "g2p.safetensors", progress_, cancel_);
            }),
            ErrorCode::kUsage);
  EXPECT_EQ(code_of([&] {
              train_g2p(tiny(), {{"", said("a"), true}}, folder_, folder_ / "g2p.safetensors",
                        progress_, cancel_);
            }),
            ErrorCode::kUsage);
  G2pTraining o = tiny();
  o.batch = 0;
  EXPECT_EQ(code_of([&] {
              train_g2p(o, toy(1, 4), folder_, folder_ / "g2p.safetensors", progress_, cancel_);
            }),
            ErrorCode::kUsage);
}

}  // namespace
}  // namespace likeness::voice
