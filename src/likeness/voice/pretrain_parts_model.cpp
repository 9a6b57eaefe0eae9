// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/tensor/model_card.h"
#include "likeness/voice/g2p_model.h"
#include "likeness/voice/pretrain_model.h"

namespace likeness::voice {
namespace fs = std::filesystem;
namespace {

Corpora load(const PretrainRequest& r, const PretrainOptions& o, Progress& progress,
             const Cancel& cancel) {
  Corpora out;
  for (const fs::path& corpus : r.corpora) {
    const auto all = read_corpus(corpus);
    std::vector<Utterance> learn, keep;
    const auto held = std::min(static_cast<size_t>(o.held_out), all.size() * 6 / 100);
    for (size_t i = 0; i < all.size(); ++i)
      (is_held_out(i, all.size(), held) ? keep : learn).push_back(all[i]);
    const fs::path cache =
        r.work /
        ("corpus-" + sha256(std::string_view(fs::absolute(corpus).string())).substr(0, 12));
    for (auto* part : {&learn, &keep}) {
      auto pieces =
          load_pieces(*part, cache / (part == &learn ? "learn" : "held-out"), progress, cancel);
      auto& to = part == &learn ? out.train : out.held_out;
      std::move(pieces.begin(), pieces.end(), std::back_inserter(to));
    }
  }
  return out;
}

void write_card(const PretrainRequest& r, const nlohmann::json& report) {
  tensor::ModelCard card;
  card.name = r.out.stem().string();
  card.title = "Likeness voice: " + r.part;
  card.task = "voice " + r.part;
  card.licence = "Apache-2.0 (weights); recordings: " + r.licence;
  card.origin = "likeness voice pretrain --part " + r.part;
  for (const fs::path& c : r.corpora)
    card.training_data += (card.training_data.empty() ? "" : ", ") +
                          fs::absolute(c).lexically_normal().filename().string();
  card.limits = "measured on recordings never learned from: " + report.at("held_out").dump();
  card.files = {{r.out.filename().string(), sha256_file(r.out), ""}};
  tensor::write_model_card(fs::path(r.out).replace_extension(".toml"), card);
}

}  // namespace

const std::vector<std::string>& pretrain_parts() {
  static const std::vector<std::string> parts = {"acoustic", "content", "converter", "g2p",
                                                 "vocoder"};
  return parts;
}

nlohmann::json pretrain(const PretrainRequest& r, const PretrainOptions& o, Progress& progress,
                        const Cancel& cancel) {
  const auto& parts = pretrain_parts();
  if (std::find(parts.begin(), parts.end(), r.part) == parts.end()) {
    std::string known;
    for (const auto& p : parts) known += (known.empty() ? "" : ", ") + p;
    throw Error(ErrorCode::kUsage, "a voice has no part '" + r.part + "'", "parts: " + known);
  }
  if (r.part == "g2p") {  // its corpus is the dictionary
    G2pTraining g;
    g.minutes = o.learn.minutes;
    return pretrain_g2p(g, r.work, r.out, progress, cancel);
  }
  if (r.licence.empty())
    throw Error(ErrorCode::kUsage, "the recordings' licence is not named",
                "--licence \"CC0 1.0\": it is written into the weights' card");
  const LearningThreads threads(o.learn.threads);
  torch::manual_seed(static_cast<uint64_t>(o.learn.seed));
  Corpora data = load(r, o, progress, cancel);
  std::unique_ptr<Learner> learner;
  const fs::path content = r.part == "acoustic" || r.part == "converter"
                               ? r.content.empty() ? voice_weights("content") : r.content
                               : fs::path();
  if (r.part == "acoustic")
    learner =
        make_acoustic_learner(std::move(data), ContentEncoder(content), o.learn, progress, cancel);
  else if (r.part == "converter")
    learner = make_converter_learner(std::move(data), content, o.learn, progress, cancel);
  else if (r.part == "content")
    learner = make_content_learner(std::move(data), o.learn, progress, cancel);
  else
    learner = make_vocoder_learner(std::move(data), o.learn);
  const LoopResult done = learn(*learner, r.work, o.learn, progress, cancel);
  save_net(r.out, *learner, "likeness-voice-" + r.part);
  nlohmann::json report = {{"part", r.part},
                           {"steps", done.steps},
                           {"minutes", done.minutes},
                           {"loss", done.loss},
                           {"held_out", done.held_out},
                           {"parameters", count_parameters(learner->net())},
                           {"out", r.out.string()},
                           {"bytes", fs::file_size(r.out)}};
  write_card(r, report);
  return report;
}

}  // namespace likeness::voice
