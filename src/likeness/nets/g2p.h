// SPDX-License-Identifier: Apache-2.0
// Letters of a word to its sounds: a bidirectional GRU reads the letters, two GRU layers with
// attention write the sounds (Bahdanau et al. 2015; for this task Yao and Zweig 2015).
//
// The first decoder layer reads only the sounds so far, so that in training all steps of a word run
// as one operation; it asks the letters, the second layer reads the answer and asks again. Stress
// is a second output, of the sound that is being written: a word whose stress is not known still
// teaches its sounds. The same network without libtorch: voice/g2p.h.
#pragma once

#include <torch/torch.h>

namespace likeness::nets {

struct G2pShape {
  int64_t letters = 28;  ///< 0 is padding
  int64_t sounds = 41;   ///< 0 ends a word, 1 begins it
  int64_t stresses = 3;
  int64_t letter_dims = 64, sound_dims = 64;
  int64_t encoder_dims = 128;  ///< of each direction
  int64_t encoder_layers = 2;
  int64_t decoder_dims = 192, hidden_dims = 128;
  double dropout = 0.15;
};

class G2pNetImpl : public torch::nn::Module {
 public:
  explicit G2pNetImpl(G2pShape shape);
  struct Output {
    torch::Tensor sounds;    ///< logits [B][U][sounds]
    torch::Tensor stresses;  ///< logits [B][U][stresses], of the sounds in `wanted`
  };
  /// All int64. letters [B][T], words of one length; before [B][U]: 1 and the sounds; wanted
  /// [B][U]: the sounds and 0.
  Output forward(const torch::Tensor& letters, const torch::Tensor& before,
                 const torch::Tensor& wanted);
  const G2pShape& shape() const { return shape_; }

 private:
  torch::Tensor ask(torch::nn::Linear& query, const torch::Tensor& state,
                    const torch::Tensor& memory) const;
  G2pShape shape_;
  torch::nn::Embedding letter_{nullptr}, sound_{nullptr}, stressed_{nullptr};
  torch::nn::GRU encoder_{nullptr}, first_{nullptr}, second_{nullptr};
  torch::nn::Linear query1_{nullptr}, query2_{nullptr}, context_{nullptr}, hidden_{nullptr},
      out_{nullptr}, stress_{nullptr};
};
TORCH_MODULE(G2pNet);

}  // namespace likeness::nets
