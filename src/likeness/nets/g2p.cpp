// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/g2p.h"

#include <cmath>

namespace likeness::nets {
namespace nn = torch::nn;

G2pNetImpl::G2pNetImpl(G2pShape shape) : shape_(shape) {
  const int64_t memory = 2 * shape.encoder_dims, state = shape.decoder_dims;
  letter_ = register_module("letter", nn::Embedding(shape.letters, shape.letter_dims));
  sound_ = register_module("sound", nn::Embedding(shape.sounds, shape.sound_dims));
  encoder_ =
      register_module("encoder", nn::GRU(nn::GRUOptions(shape.letter_dims, shape.encoder_dims)
                                             .num_layers(shape.encoder_layers)
                                             .bidirectional(true)
                                             .dropout(shape.encoder_layers > 1 ? shape.dropout : 0)
                                             .batch_first(true)));
  first_ =
      register_module("first", nn::GRU(nn::GRUOptions(shape.sound_dims, state).batch_first(true)));
  query1_ = register_module("query1", nn::Linear(state, memory));
  context_ = register_module("context", nn::Linear(memory, state));
  second_ = register_module("second", nn::GRU(nn::GRUOptions(2 * state, state).batch_first(true)));
  query2_ = register_module("query2", nn::Linear(state, memory));
  hidden_ = register_module("hidden", nn::Linear(state + memory, shape.hidden_dims));
  out_ = register_module("out", nn::Linear(shape.hidden_dims, shape.sounds));
  stressed_ = register_module("stressed", nn::Embedding(shape.sounds, shape.hidden_dims));
  stress_ = register_module("stress", nn::Linear(shape.hidden_dims, shape.stresses));
}

torch::Tensor G2pNetImpl::ask(nn::Linear& query, const torch::Tensor& state,
                              const torch::Tensor& memory) const {
  const double scale = 1 / std::sqrt(static_cast<double>(memory.size(2)));
  const auto scores = torch::bmm(query->forward(state), memory.transpose(1, 2)) * scale;
  return torch::bmm(torch::softmax(scores, 2), memory);
}

G2pNetImpl::Output G2pNetImpl::forward(const torch::Tensor& letters, const torch::Tensor& before,
                                       const torch::Tensor& wanted) {
  const auto drop = [&](const torch::Tensor& x) {
    return torch::dropout(x, shape_.dropout, is_training());
  };
  const auto memory = drop(std::get<0>(encoder_->forward(drop(letter_->forward(letters)))));
  const auto first = drop(std::get<0>(first_->forward(drop(sound_->forward(before)))));
  const auto heard = torch::relu(context_->forward(ask(query1_, first, memory)));
  const auto second = drop(std::get<0>(second_->forward(torch::cat({first, heard}, 2))));
  const auto answer = ask(query2_, second, memory);
  const auto hidden = hidden_->forward(torch::cat({second, answer}, 2));
  return {out_->forward(drop(torch::relu(hidden))),
          stress_->forward(drop(torch::relu(hidden + stressed_->forward(wanted))))};
}

}  // namespace likeness::nets
