// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/faceset/faceset.h"
#include "likeness/tasks/model_history.h"
#include "likeness/tasks/train.h"
#include "likeness/train/prepare.h"
#include "likeness/train/trainer.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
namespace {

faceset::Faceset open_faceset(const project::Project& project, const std::string& subject) {
  const fs::path path = project.faceset_path(subject);
  std::error_code ec;
  if (!fs::exists(path, ec))
    throw Error(ErrorCode::kNotFound, "there is no faceset of '" + subject + "' to train from",
                "make it with: likeness extract PROJECT VIDEO --subject " + subject);
  return faceset::Faceset::open(path);
}

nlohmann::json held_out_json(const train::HeldOutMetrics& m) {
  auto value = [](double v) { return v < 0 ? nlohmann::json() : nlohmann::json(v); };
  return {{"ssim_identity", value(m.ssim[0])},
          {"ssim_performer", value(m.ssim[1])},
          {"l1_identity", value(m.l1[0])},
          {"l1_performer", value(m.l1[1])},
          {"identity_similarity", value(m.identity_similarity)}};
}

nlohmann::json report_json(const train::TrainReport& r) {
  return {{"step", r.step},
          {"elapsed_s", r.elapsed_s},
          {"ms_per_step", r.ms_per_step},
          {"loader_wait_pct", r.loader_wait_pct},
          {"loss", r.loss},
          {"held_out", held_out_json(r.held_out)},
          {"nan_recoveries", r.nan_recoveries},
          {"stopped_by", r.stopped_by}};
}

}  // namespace

TrainTask::TrainTask(std::string model, std::string identity, std::string performer,
                     TrainTaskOptions options)
    : model_(std::move(model)),
      identity_(std::move(identity)),
      performer_(std::move(performer)),
      options_(std::move(options)) {
  project::check_name("model", model_);
  validate_options(options_);
  if (options_.train.steps == 0 && options_.train.minutes == 0 &&
      options_.train.plateau_minutes == 0)
    throw Error(ErrorCode::kUsage, "training needs to know when to stop",
                "say --minutes, --steps or --plateau-minutes, or choose a preset: --preset quick");
  if (identity_ == performer_)
    throw Error(ErrorCode::kUsage, "identity and performer are the same subject",
                "name two subjects");
}

nlohmann::json TrainTask::options() const {
  nlohmann::json j = options_to_json(options_);
  j.update({{"model", model_}, {"identity", identity_}, {"performer", performer_}});
  return j;
}
trust::Request TrainTask::request() const {
  return {.task = "train",
          .operation = trust::Operation::kTrain,
          .subjects = {{identity_, trust::Role::kIdentity}, {performer_, trust::Role::kPerformer}}};
}
std::vector<trust::Input> TrainTask::inputs(project::Project& project) const {
  std::vector<trust::Input> out;
  for (const auto& subject : {identity_, performer_}) {
    open_faceset(project, subject);  // a clear error before anything is hashed
    out.push_back({project.faceset_path(subject), sha256_file(project.faceset_path(subject))});
  }
  return out;
}

std::vector<Chunk> TrainTask::plan(Run&) {
  return {{"trained", ".json", "train " + model_, nullptr}};
}

void TrainTask::run(const Chunk&, const fs::path& out, Run& run) {
  run.grant.require(request());
  const auto identity = open_faceset(run.project, identity_),
             performer = open_faceset(run.project, performer_);
  auto prepared = train::prepare(identity, performer, options_.train, options_.max_faces,
                                 run.progress, run.cancel);
  auto& about = prepared.extras.metadata;
  about.update({{"name", model_},
                {"title", identity_ + "'s face, " + performer_ + "'s performance"},
                {"identity", identity_},
                {"performer", performer_},
                {"grant", run.grant.record()},
                {"training_data", "facesets of " + identity_ + " and " + performer_}});
  for (const auto& s : {run.project.subject(identity_)})
    if (!s.licence.empty()) about["licence"] = "footage: " + s.licence;
  const fs::path folder = run.project.model_folder(model_);
  run.grant.seal_folder(folder);  // checkpoints hold a person as the model does
  train::TrainHooks hooks;
  hooks.write_preview = [&run, seen = inputs(run.project)](const fs::path& path,
                                                           const Image8& image) {
    trust::write_preview_image(run.grant, seen, run.watermark, path, image);
  };
  std::unique_ptr<train::Trainer> trainer;
  if (train::Trainer::has_checkpoint(folder))
    trainer = train::Trainer::resume(options_.train, std::move(prepared.data), folder, hooks);
  else
    trainer = std::make_unique<train::Trainer>(options_.train, std::move(prepared.data), folder,
                                               prepared.extras, hooks);
  const auto& known = trainer->extras().metadata;
  if (known.value("identity", "") != identity_ || known.value("performer", "") != performer_)
    throw Error(ErrorCode::kUsage,
                "the model '" + model_ + "' was trained for " + known.value("identity", "?") +
                    " on " + known.value("performer", "?"),
                "choose another --model name");
  const train::TrainReport report = trainer->run(run.progress, run.cancel);
  trainer->export_model(run.work / "model.safetensors");
  write_file_atomic(out, report_json(report).dump());
}

Result TrainTask::join(const std::vector<fs::path>& parts, Run& run) {
  Result result;
  result.report = nlohmann::json::parse(read_file(parts.at(0)));
  const fs::path folder = run.project.model_folder(model_);
  result.report.update({{"model", model_},
                        {"identity", identity_},
                        {"performer", performer_},
                        {"folder", folder.string()}});
  result.outputs = {{"card", run.work / "model.toml", folder / "model.toml"},
                    {"model", run.work / "model.safetensors", folder / "model.safetensors"}};
  // What stays in the model's folder: its checkpoints and its log.
  for (const auto& kept : model_checkpoints(run.project, model_))
    result.outputs.push_back({"checkpoint", kept.path, kept.path});
  if (const fs::path log = folder / "log.jsonl"; fs::exists(log))
    result.outputs.push_back({"log", log, log});
  return result;
}

}  // namespace likeness::tasks
