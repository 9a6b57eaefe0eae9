// SPDX-License-Identifier: Apache-2.0
// Inside `voice` only: the loop all parts share, and what a part gives it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <torch/torch.h>

#include "likeness/base/rng.h"
#include "likeness/nets/optimiser.h"
#include "likeness/nets/voice_nets.h"
#include "likeness/tensor/checkpoint_model.h"
#include "likeness/tensor/torch_io_model.h"
#include "likeness/voice/content.h"
#include "likeness/voice/corpus.h"
#include "likeness/voice/pretrain.h"
#include "likeness/voice/speaker.h"

namespace likeness::voice {

/// What a part of the voice is while it learns.
class Learner {
 public:
  virtual ~Learner() = default;
  virtual torch::nn::Module& net() = 0;
  /// Loss of one batch. `fraction` is how much of the run is done.
  virtual torch::Tensor loss(double fraction, Rng rng) = 0;
  /// A second net that judges the first, and its loss on the batch that loss() saw; undefined while
  /// it does not take part.
  virtual torch::nn::Module* critic() { return nullptr; }
  virtual torch::Tensor critic_loss() { return {}; }
  /// On recordings that were never learned from, with the weights in net().
  virtual nlohmann::json measure() = 0;
  virtual nlohmann::json shape() const = 0;  ///< options of the net, kept with its weights
};

struct LoopResult {
  int64_t steps = 0;
  double minutes = 0, loss = 0;
  nlohmann::json held_out;
};
/// Adam with warm-up and cosine decay, averaged weights, gradient clipping, steps with a gradient
/// that is not finite left out, checkpoints in `folder`. Leaves the averaged weights in net().
LoopResult learn(Learner& learner, const std::filesystem::path& folder, const LearnOptions& options,
                 Progress& progress, const Cancel& cancel);

inline constexpr const char* kCriticPrefix = "critic/";
/// Weights as float16, with the net's shape and `kind` in the metadata; those of the net that
/// judges it too, so that what is fine-tuned later is judged from the first step.
void save_net(const std::filesystem::path& path, Learner& learner, const std::string& kind);
int64_t count_parameters(const torch::nn::Module& net);
/// What all nets of ours are kept as: names and float16 copies.
tensor::NamedTensors half_weights(const torch::nn::Module& net, const std::string& prefix = "");

/// The optimiser's state in a checkpoint, under names that begin with `prefix`, and back. Throws
/// kDamaged when a part is missing.
void put_state(tensor::Checkpoint& checkpoint, const std::string& prefix,
               const nets::Optimiser& optimiser);
void take_state(const tensor::Checkpoint& checkpoint, const std::string& prefix,
                nets::Optimiser& optimiser, int64_t steps);

/// The judge of nets that make mel bands.
class MelCritic {
 public:
  nets::MelDiscriminator& net() { return net_; }
  /// A term for the loss of the net that made `made` (N x T x 80). Its value is 0; its gradient
  /// pulls towards what the judge takes for real and has half the size of that of a mean L1,
  /// whatever the judge's is, so that neither drowns the other.
  torch::Tensor pull(const torch::Tensor& made, const torch::Tensor& real);
  /// The judge's own, on what pull() saw last; undefined when it saw nothing since.
  torch::Tensor loss();

 private:
  nets::MelDiscriminator net_;
  torch::Tensor made_, real_;
};

/// A net that makes mel bands and is judged from `adversarial_from` on.
class MelLearner : public Learner {
 public:
  explicit MelLearner(const LearnOptions& o) : o_(o) {}
  torch::nn::Module* critic() override {
    return o_.adversarial_from < 1 ? &critic_.net() : nullptr;
  }
  torch::Tensor critic_loss() override { return critic_.loss(); }

 protected:
  bool is_judged(double fraction) { return critic() != nullptr && fraction >= o_.adversarial_from; }
  LearnOptions o_;
  MelCritic critic_;
};

/// While it lives libtorch and OpenBLAS have so many threads: with more than one, recurrent nets
/// are ten times slower. Then they have what they had.
class LearningThreads {
 public:
  explicit LearningThreads(int threads);
  ~LearningThreads();
  LearningThreads(const LearningThreads&) = delete;
  LearningThreads& operator=(const LearningThreads&) = delete;

 private:
  int torch_, blas_;
};

struct Corpora {
  std::vector<Piece> train, held_out;
};
std::unique_ptr<Learner> make_vocoder_learner(Corpora data, const LearnOptions& options);
std::unique_ptr<Learner> make_content_learner(Corpora data, const LearnOptions& options,
                                              Progress& progress, const Cancel& cancel);

std::unique_ptr<Learner> make_acoustic_learner(Corpora data, const ContentEncoder& content,
                                               const LearnOptions& options, Progress& progress,
                                               const Cancel& cancel);
/// With `one_speaker` all recordings are that person's; else each gets its own speaker vector.
std::unique_ptr<Learner> make_converter_learner(Corpora data, const std::filesystem::path& content,
                                                const LearnOptions& options, Progress& progress,
                                                const Cancel& cancel,
                                                const SpeakerVector* one_speaker = nullptr);

/// Content bands as another person in another room would have them: vocal tract up to 18 % longer
/// or shorter, equalisation, level, noise.
void vary_voice(std::span<const float> from, std::span<float> to, Rng& rng);

}  // namespace likeness::voice
