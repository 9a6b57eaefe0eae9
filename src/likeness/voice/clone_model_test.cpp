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
#include "likeness/voice/convert_stream.h"
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
  auto run = [&] {
    auto all = nets::StreamMemory::whole();
    return block.forward(x, all);
  };
  const auto training = run();
  block.eval();
  const auto later = run();
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

/// Cuts T frames into pieces of changing lengths, the last with nothing in it.
std::vector<std::pair<int64_t, int64_t>> pieces_of(int64_t frames) {
  std::vector<std::pair<int64_t, int64_t>> out;
  const int64_t lengths[] = {1, 1, 3, 0, 7, 1, 20, 2};
  int64_t at = 0;
  for (size_t i = 0; at < frames; ++i) {
    const int64_t n = std::min(lengths[i % std::size(lengths)], frames - at);
    out.emplace_back(at, n);
    at += n;
  }
  out.emplace_back(frames, 0);
  return out;
}

TEST(VoiceNets, PiecesGiveWhatTheWholeGives) {
  torch::manual_seed(4);
  torch::NoGradGuard no_grad;
  nets::ContentNet content({});
  nets::ConverterNet converter({});
  content.eval(), converter.eval();
  constexpr int64_t kFrames = 90;
  const auto mel = torch::randn({1, kFrames, nets::kContentBands}) * 2 - 5;
  const auto f0 = torch::randn({1, kFrames}) * 0.2, voiced = torch::ones({1, kFrames}),
             level = torch::randn({1, kFrames}), speaker = torch::randn({1, 256}) / 16;
  const auto heard = content.forward(mel).bottleneck;
  const auto said = converter.forward(heard, f0, voiced, level, speaker);
  nets::StreamMemory first, second;
  std::vector<torch::Tensor> a, b;
  int64_t given = 0;
  for (const auto& [at, n] : pieces_of(kFrames)) {
    first.last = second.last = at == kFrames;
    a.push_back(content.forward(mel.narrow(1, at, n), first).bottleneck);
    given += a.back().size(1);
    if (at < kFrames) {
      EXPECT_EQ(given, std::max<int64_t>(0, at + n - nets::ContentNet::kLookahead));
    }
    const auto part = [&](const torch::Tensor& t) { return t.narrow(1, at, n); };
    b.push_back(
        converter.forward(part(heard), part(f0), part(voiced), part(level), speaker, second));
  }
  ASSERT_EQ(torch::cat(a, 1).sizes(), heard.sizes());
  ASSERT_EQ(torch::cat(b, 1).sizes(), said.sizes());
  EXPECT_LT((torch::cat(a, 1) - heard).abs().max().item<float>(), 1e-4);
  EXPECT_LT((torch::cat(b, 1) - said).abs().max().item<float>(), 1e-4);
}

TEST(Features, BandsOfPiecesAreThoseOfTheWhole) {
  const auto sound = to_voice_rate(said("slt", kTexts[0]));
  const Features whole = analyse(sound, false);
  BandStream stream;
  std::vector<float> mel, content;
  size_t at = 0, frames = 0;
  for (size_t n : {100, 256, 256, 700, 5000, 1, 256}) {
    const Features f = stream.push({sound.data() + at, n}, false);
    at += n;
    frames += f.frames;
    mel.insert(mel.end(), f.mel.begin(), f.mel.end());
    content.insert(content.end(), f.content.begin(), f.content.end());
    EXPECT_EQ(frames, at < 512 ? 0 : (at - 512) / kHop + 1);
  }
  const Features f = stream.push({sound.data() + at, sound.size() - at}, true);
  mel.insert(mel.end(), f.mel.begin(), f.mel.end());
  content.insert(content.end(), f.content.begin(), f.content.end());
  ASSERT_EQ(mel.size(), whole.mel.size());
  for (size_t i = 0; i < mel.size(); ++i) ASSERT_NEAR(mel[i], whole.mel[i], 1e-3) << i / kMel;
  ASSERT_EQ(content.size(), whole.content.size());
}

TEST(Vocoder, PiecesGiveTheSamplesOfTheWholeAndEachFrameCanBeTouched) {
  const Vocoder vocoder(voice_weights("vocoder"));
  const Features f = analyse(to_voice_rate(said("rms", kTexts[1])));
  const auto whole = vocoder.render(f.mel, f.f0_hz, 5);
  std::vector<size_t> touched;
  VocoderStream stream(vocoder, 5, [&](std::span<std::complex<float>> s, size_t frame) {
    EXPECT_EQ(s.size(), 513u);
    touched.push_back(frame);
  });
  std::vector<float> made;
  for (const auto& [at, n] : pieces_of(static_cast<int64_t>(f.frames))) {
    const auto begin = static_cast<size_t>(at), count = static_cast<size_t>(n);
    const auto part = stream.push({f.mel.data() + begin * kMel, count * kMel},
                                  {f.f0_hz.data() + begin, count}, begin == f.frames);
    made.insert(made.end(), part.begin(), part.end());
    if (begin < f.frames && begin + count > 20) {
      EXPECT_EQ(made.size(), (begin + count - VocoderStream::kDelay) * kHop);
    }
  }
  ASSERT_EQ(made.size(), whole.size());
  for (size_t i = 0; i < made.size(); ++i) ASSERT_NEAR(made[i], whole[i], 2e-4) << i;
  ASSERT_EQ(touched.size(), f.frames);
  EXPECT_EQ(touched.back(), f.frames - 1);
  VocoderStream mute(vocoder, 5, [](std::span<std::complex<float>> s, size_t) {
    std::fill(s.begin(), s.end(), 0.0f);
  });
  for (const float x : mute.push(f.mel, f.f0_hz, true)) ASSERT_EQ(x, 0);
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
  // As it comes: as long, late by what it says, the same words, nearly the same height.
  ConvertStream stream(clone, {});
  AudioClip live{kRate, 1, {}};
  const auto sound = to_voice_rate(take);
  for (size_t at = 0; at < sound.size(); at += kHop) {
    const size_t n = std::min<size_t>(kHop, sound.size() - at);
    const auto part = stream.push({sound.data() + at, n}, at + n == sound.size());
    live.samples.insert(live.samples.end(), part.begin(), part.end());
    if (at + n < sound.size()) {
      EXPECT_EQ(live.samples.size(),
                at + n - std::min<size_t>(at + n, ConvertStream::kDelay_samples));
    }
  }
  EXPECT_EQ(live.samples.size(), sound.size());
  EXPECT_GT(same_sounds(take, live), 0.5);
  EXPECT_NEAR(height(live) / height(made), 1, 0.1);
  EXPECT_NEAR(stream.speaker_hz() / height(take), 1, 0.15);
  EXPECT_THROW(ConvertStream(clone, {.convert = {.retrieval = 2}}), Error);
  EXPECT_THROW(ConvertStream(clone, {.speaker_hz = 5}), Error);
  // Silence, too, comes out as long as it went in, and quiet.
  ConvertStream silence(clone, {});
  const auto quiet = silence.push(std::vector<float>(9000, 0.0f), true);
  ASSERT_EQ(quiet.size(), 9000u);
  for (const float x : quiet) ASSERT_LT(std::abs(x), 0.02f);
  EXPECT_TRUE(ConvertStream(clone, {}).push({}, true).empty());
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
