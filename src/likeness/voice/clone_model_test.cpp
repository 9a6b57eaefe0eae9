// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/audio/pitch.h"
#include "likeness/base/error.h"
#include "likeness/nets/voice_nets.h"
#include "likeness/voice/clone.h"
#include "likeness/voice/content.h"
#include "likeness/voice/net_file_model.h"
#include "likeness/voice/pretrain_model.h"
#include "likeness/voice/spoken_pieces.h"
#include "likeness/voice/vocoder.h"
#include "likeness/voice/voice.h"

namespace likeness::voice {
namespace {
namespace fs = std::filesystem;

const std::vector<std::string> kTexts = {
    "The birch canoe slid on the smooth planks.", "Glue the sheet to the dark blue background.",
    "These days a chicken leg is a rare dish.",   "Rice is often served in round bowls.",
    "The juice of lemons makes fine punch.",      "The box was thrown beside the parked truck."};

AudioClip said(const std::string& voice, const std::string& text) {
  return open_voice(voice)->speak(as_one_sentence(text)).clip;
}
double height(const AudioClip& clip) {
  const auto mono = to_voice_rate(clip);
  return audio::median_f0_hz(audio::track_pitch(mono, kRate));
}
/// Share of frames, not silent, whose most likely sound is the same.
double same_sounds(const AudioClip& a, const AudioClip& b) {
  const ContentEncoder encoder(voice_weights("content"));
  const auto heard = [&](const AudioClip& c) {
    return encoder.encode(analyse(to_voice_rate(c), false).content);
  };
  const Content x = heard(a), y = heard(b);
  size_t same = 0, all = 0;
  for (size_t t = 0; t < std::min(x.frames, y.frames); ++t) {
    const auto best = [&](const Content& c) {
      const auto at = c.log_phones.begin() + static_cast<long>(t * kPhoneClasses);
      return std::max_element(at, at + kPhoneClasses) - at;
    };
    if (best(x) == 0) continue;
    same += best(x) == best(y);
    ++all;
  }
  return static_cast<double>(same) / static_cast<double>(std::max<size_t>(all, 1));
}

struct Folder {
  fs::path path = fs::temp_directory_path() / ("likeness-clone-" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

TEST(VoiceNets, TorchHearsTheSameBandsAsTheFeatures) {
  const auto sound = to_voice_rate(said("slt", kTexts[0]));
  const Features f = analyse(sound, false);
  const auto n = static_cast<int64_t>(sound.size());
  const auto filters = tensor_of(mel_band_filters(), {kMel, nets::VocoderNet::kBins}).t();
  const auto mel = nets::log_mel(tensor_of(sound, {1, n}), filters);
  const auto ours = tensor_of(f.mel, {1, static_cast<int64_t>(f.frames), kMel});
  ASSERT_EQ(mel.sizes(), ours.sizes());
  EXPECT_LT((mel - ours).abs().mean().item<float>(), 0.02);
}

TEST(VoiceNets, SeeOnlySoFarAhead) {
  torch::manual_seed(1);
  nets::ContentNet net({});
  net.eval();
  torch::NoGradGuard no_grad;
  const auto x = torch::randn({1, 60, nets::kContentBands}) * 2 - 5;
  auto y = x.clone();
  y.narrow(1, 40, 20).fill_(-3);
  const auto moved = (net.forward(x).logits - net.forward(y).logits).abs().amax({0, 2});
  EXPECT_LT(moved.narrow(0, 0, 40 - nets::ContentNet::kLookahead).max().item<float>(), 1e-5);
  EXPECT_GT(moved.narrow(0, 40, 20).min().item<float>(), 1e-4);
}

TEST(VoiceNets, ABlockThatTrainsGivesAlmostWhatItGivesLater) {
  torch::manual_seed(2);
  nets::TimeBlock block(64, 160, 7, 1);
  const auto x = torch::randn({2, 30, 64});
  const auto training = block.forward(x);
  block.eval();
  const auto later = block.forward(x);
  EXPECT_GT((later - x).abs().mean().item<float>(), 1e-3);
  EXPECT_LT((training - later).abs().max().item<float>(), 0.02);
}

TEST(MelCritic, PullsHalfAsHardAsAMeanDifferenceAndLearnsToTellBoth) {
  torch::manual_seed(3);
  MelCritic critic;
  const auto real = torch::randn({4, 40, kMel}) * 2 - 5;
  const auto made = torch::full({4, 40, kMel}, -5.0).set_requires_grad(true);
  const auto pull = critic.pull(made, real);
  EXPECT_EQ(pull.item<float>(), 0.0f);
  pull.backward();
  const double usual = 1 / std::sqrt(static_cast<double>(made.numel()));
  EXPECT_NEAR(made.grad().norm().item<double>(), 0.5 * usual, 0.01 * usual);
  for (const auto& p : critic.net().parameters()) EXPECT_FALSE(p.grad().defined());
  torch::optim::Adam optimiser(critic.net().parameters(), 1e-3);
  double first = 0, last = 0;
  for (int i = 0; i < 20; ++i) {
    critic.pull(made, real);
    const auto loss = critic.loss();
    ASSERT_TRUE(loss.defined());
    EXPECT_FALSE(critic.loss().defined());
    (i == 0 ? first : last) = loss.item<double>();
    optimiser.zero_grad();
    loss.backward();
    optimiser.step();
  }
  EXPECT_LT(last, 0.7 * first);
}

TEST(Vocoder, GivesARecordingBackFromItsBandsAndPitch) {
  const Vocoder vocoder(voice_weights("vocoder"));
  const AudioClip clip = said("rms", kTexts[1]);
  const Features f = analyse(to_voice_rate(clip));
  const auto made = vocoder.render(f.mel, f.f0_hz);
  ASSERT_EQ(made.size(), (f.frames - 1) * kHop);
  EXPECT_EQ(made, vocoder.render(f.mel, f.f0_hz));
  const Features again = analyse(made);
  double sum = 0;
  for (size_t i = 0; i < again.mel.size(); ++i)
    sum += static_cast<double>(std::abs(std::max(again.mel[i], -7.0f) - std::max(f.mel[i], -7.0f)));
  EXPECT_LT(sum / static_cast<double>(again.mel.size()), 0.45);
  EXPECT_NEAR(height({kRate, 1, made}) / height(clip), 1, 0.05);
}

TEST(Clone, KeepsLengthAndWordsAndTakesThePersonsHeight) {
  const Folder folder;
  std::vector<CloneClip> clips;
  for (const auto& t : kTexts) clips.push_back({said("slt", t), ""});  // a woman, about 180 Hz
  SpeakerVector speaker(256, 1.0f / 16);
  Progress progress;
  Cancel cancel;
  CloneOptions options;
  options.learn.minutes = 0.05;
  const fs::path model = folder.path / "model.safetensors";
  const auto report = train_clone(clips, speaker, options, folder.path / "work", model,
                                  {{"identity", "slt"}}, progress, cancel);
  EXPECT_GT(report["steps"].get<int>(), 0);
  const Clone clone(model);
  EXPECT_EQ(clone.metadata().at("identity"), "slt");
  EXPECT_EQ(clone.voice(), nullptr);
  const AudioClip take = said("rms", "Four hours of steady work faced us.");  // a man
  const AudioClip made = clone.convert(take);
  EXPECT_EQ(made.rate_hz, kRate);
  EXPECT_NEAR(made.duration_s(), take.duration_s(), 1e-3);
  EXPECT_NEAR(height(made) / height(clips[0].clip), 1, 0.2);
  EXPECT_GT(same_sounds(take, made), 0.5);
  EXPECT_EQ(made.samples, clone.convert(take).samples);
  EXPECT_THROW(clone.convert({16000, 1, std::vector<float>(16000, 0.0f)}), Error);
  EXPECT_THROW(clone.convert(take, {.retrieval = 2}), Error);
}

TEST(Clone, AFileThatIsNoVoiceIsRefused) {
  EXPECT_THROW(Clone(voice_weights("content")), Error);
  EXPECT_THROW(Vocoder(voice_weights("content")), Error);
  EXPECT_THROW(ContentEncoder(voice_weights("vocoder")), Error);
}

}  // namespace
}  // namespace likeness::voice
