// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/evaluate_task.h"

#include <algorithm>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/evaluate/contact_sheet.h"
#include "likeness/faceset/faceset.h"
#include "likeness/media/writer_options.h"
#include "likeness/tasks/media_inputs.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
namespace {

face::Embedding embedding_of(const project::Project& project, const std::string& subject) {
  const fs::path path = project.faceset_path(subject);
  std::error_code ec;
  if (!fs::exists(path, ec))
    throw Error(ErrorCode::kNotFound, "there is no faceset of '" + subject + "' to compare with",
                "make it with: likeness extract PROJECT VIDEO --subject " + subject);
  const auto set = faceset::Faceset::open(path);
  if (std::none_of(set.items().begin(), set.items().end(),
                   [](const auto& i) { return i.has_embedding; }))
    throw Error(ErrorCode::kNoFace, "the faceset of '" + subject + "' has no recognisable face",
                "extract from better footage");
  return faceset::mean_embedding(set);
}

}  // namespace

EvaluateTask::EvaluateTask(evaluate::Inputs inputs, std::string identity, std::string performer,
                           EvaluateFiles files, EvaluateTaskOptions options, fs::path train_log,
                           std::vector<std::pair<std::string, std::string>> facts)
    : videos_(std::move(inputs)),
      identity_(std::move(identity)),
      performer_(std::move(performer)),
      files_(std::move(files)),
      options_(options),
      train_log_(std::move(train_log)),
      facts_(std::move(facts)) {
  validate_options(options_);
  for (const fs::path& out : {files_.html, files_.sheet, files_.side_by_side})
    refuse_overwriting(out, {videos_.result, videos_.target, videos_.truth, videos_.mask});
  if (!files_.side_by_side.empty()) media::check_output(files_.side_by_side, {});
}

nlohmann::json EvaluateTask::options() const {
  nlohmann::json j = options_to_json(options_);
  j.update({{"identity", identity_},
            {"performer", performer_},
            {"html", files_.html.string()},
            {"sheet", files_.sheet.string()},
            {"side_by_side", files_.side_by_side.string()}});
  return j;
}
trust::Request EvaluateTask::request() const {
  return {.task = "evaluate",
          .operation = trust::Operation::kAnalyse,
          .subjects = {{identity_, trust::Role::kFootage}, {performer_, trust::Role::kFootage}}};
}
std::vector<trust::Input> EvaluateTask::inputs(project::Project&) const {
  std::vector<trust::Input> out;
  for (const fs::path& p : {videos_.result, videos_.target, videos_.truth, videos_.mask}) {
    if (p.empty()) continue;
    media::probe(p);
    out.push_back({fs::absolute(p).lexically_normal(), hash_media(p)});
  }
  return out;
}
std::vector<Chunk> EvaluateTask::plan(Run&) {
  return {{"evaluation", ".json", "evaluate", nullptr}};
}

void EvaluateTask::run(const Chunk&, const fs::path& out, Run& run) {
  const auto identity = embedding_of(run.project, identity_),
             performer = embedding_of(run.project, performer_);
  const face::FaceNets nets;
  const auto e = evaluate::evaluate(videos_, identity, performer, nets, run.progress, run.cancel,
                                    {.per_frame = true, .worst = options_.worst});
  nlohmann::json j = e.to_json(true);
  j["worst_frames"] = e.worst_frames;
  write_file_atomic(out, j.dump());
}

void EvaluateTask::side_by_side(const fs::path& temporary, Run& run) const {
  std::shared_ptr<trust::OutputVideo> video;
  evaluate::side_by_side(
      videos_,
      [&](const media::VideoInfo& like, const media::WriterOptions& options,
          const fs::path& sound) {
        video = std::make_shared<trust::OutputVideo>(run.grant, run.watermark, temporary, like,
                                                     options);
        if (!sound.empty()) video->copy_audio_from(sound);
        return evaluate::VideoSink{[video](const media::Frame& f) { video->write(f); },
                                   [video] { video->finish(); }};
      },
      run.progress, run.cancel);
}

Result EvaluateTask::join(const std::vector<fs::path>& parts, Run& run) {
  Result result;
  result.report = nlohmann::json::parse(read_file(parts.at(0)));
  nlohmann::json& j = result.report;
  Image8 sheet;
  if (!files_.sheet.empty() || !files_.html.empty()) {
    const auto worst = j.value("worst_frames", std::vector<int64_t>{});
    const std::vector<int64_t> also(
        worst.begin(), worst.begin() + static_cast<long>(std::min<size_t>(2, worst.size())));
    sheet = evaluate::contact_sheet(
        videos_, evaluate::choose_frames(j.at("frames").get<int64_t>(), 8, also));
  }
  if (!files_.sheet.empty()) {
    const fs::path temporary = temporary_name(files_.sheet);
    trust::write_output_image(run.grant, run.watermark, temporary, sheet);
    result.outputs.push_back({"image", temporary, files_.sheet});
  }
  if (!files_.side_by_side.empty()) {
    const fs::path temporary = temporary_name(files_.side_by_side);
    side_by_side(temporary, run);
    result.outputs.push_back({"video", temporary, files_.side_by_side});
  }
  if (!files_.html.empty()) {
    evaluate::ReportInputs page;
    page.title = identity_ + "'s face, " + performer_ + "'s performance";
    page.evaluation = j;
    if (options_.goals_minutes > 0) page.goals = evaluate::default_goals(options_.goals_minutes);
    std::error_code ec;
    if (fs::exists(train_log_, ec)) page.train_log = train_log_;
    page.pictures.push_back({"target, result" +
                                 std::string(videos_.truth.empty() ? "" : ", truth") +
                                 " and their difference",
                             sheet});
    page.facts = facts_;
    page.note = "Synthetic media: the face in the result was generated.";
    const fs::path temporary = temporary_name(files_.html);
    evaluate::write_report(temporary, page);
    result.outputs.push_back({"report", temporary, files_.html});
  }
  if (!options_.per_frame) j.erase("per_frame");
  j["identity"] = identity_;
  j["performer"] = performer_;
  return result;
}

}  // namespace likeness::tasks
