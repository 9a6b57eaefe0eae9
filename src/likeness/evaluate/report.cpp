// SPDX-License-Identifier: Apache-2.0
#include "likeness/evaluate/report.h"

#include <cmath>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/text.h"
#include "likeness/evaluate/chart.h"
#include "likeness/media/video.h"

namespace likeness::evaluate {
namespace {

using nlohmann::json;

struct Row {
  const char *key, *label, *unit, *meaning;
  int digits;
};
// The table's rows, in order of importance to a reader.
constexpr Row kRows[] = {
    {"closer_to_identity_pct", "Closer to the identity", "% of frames",
     "frames in which a face recogniser finds the result nearer to the identity than to the "
     "performer",
     1},
    {"distance_to_identity", "Distance to the identity", "",
     "of face embeddings, mean; photos of one person lie below about 0.5", 3},
    {"distance_to_performer", "Distance to the performer", "", "the same, to the person who acted",
     3},
    {"identity_to_performer", "Identity to performer", "",
     "how far apart the two people are to begin with", 3},
    {"psnr_truth", "PSNR inside the face", "dB", "against the truth; higher is better", 2},
    {"psnr_untouched", "PSNR of doing nothing", "dB", "the untouched footage against the truth", 2},
    {"ssim_truth", "SSIM inside the face", "", "likeness of structure to the truth; 1 = equal", 3},
    {"ssim_untouched", "SSIM of doing nothing", "", "the untouched footage against the truth", 3},
    {"ssim_outside", "SSIM outside the face", "",
     "against the footage: what must not change; 1 = equal", 4},
    {"landmark_error_pct", "Expression error", "% of eye distance",
     "mean distance of 68 face points to the truth, else to the footage", 2},
    {"pose_error_deg", "Head pose error", "degrees", "angle between the head poses", 2},
    {"jitter_px", "Jitter", "px", "shaking of face points that the footage does not have", 3},
    {"flicker", "Flicker", "levels of 255", "change of the face's mean colour from frame to frame",
     3},
    {"frames", "Frames", "", "in the clip", 0},
    {"frames_swapped", "Frames swapped", "", "with a changed face", 0},
    {"frames_passed", "Frames passed", "", "unchanged: no face, somebody else, or not swapped", 0},
    {"faces_missed_result", "Faces lost", "frames",
     "the footage shows a face and the result none that is found", 0}};

constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;--paper:#fff;--panel:#f5f6f8;--ink:#1b1f24;--ink-2:#5b6470;--rule:#d9dde3;--grid:#e4e7ec;
--good:#137333;--bad:#b3261e;--s1:#2563c9;--s2:#d2691e;--s3:#2e8b57;--s4:#8e4ec6}
@media(prefers-color-scheme:dark){:root{--paper:#14171b;--panel:#1d2127;--ink:#e7eaee;--ink-2:#9aa4b1;--rule:#323943;--grid:#2a3039;
--good:#6fcf8b;--bad:#ff8a80;--s1:#7fb0ff;--s2:#ffb070;--s3:#7fd8a4;--s4:#cfa4ff}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 20px 64px}h1{font-size:28px;line-height:1.2;margin:0 0 4px}
h2{font-size:19px;margin:40px 0 12px}p{margin:0 0 12px;max-width:70ch}.sub,small,.unit,td.why{color:var(--ink-2)}
.verdict{display:inline-block;margin:14px 0 0;padding:6px 14px;border-radius:6px;background:var(--panel);border-left:4px solid var(--ink-2)}
.verdict.good{border-color:var(--good)}.verdict.bad{border-color:var(--bad)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;min-width:760px;font-size:15px}th{text-align:left;font-weight:600;color:var(--ink-2);font-size:13px}
td:first-child{white-space:nowrap}td:nth-child(3){min-width:9em}
th,td{padding:7px 12px 7px 0;border-bottom:1px solid var(--rule);vertical-align:top}td.n{font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap;font-weight:600}
th.n{text-align:right}td.goal{white-space:nowrap}.ok{color:var(--good);font-weight:600}.no{color:var(--bad);font-weight:600}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:16px}
figure{margin:0;background:var(--panel);border-radius:8px;padding:12px 14px}figcaption{margin-bottom:4px}
svg{display:block;width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:var(--ink-2)}
.grid{stroke:var(--grid);stroke-width:1}.axis{stroke:var(--ink-2);stroke-width:1}.reference{stroke:var(--ink-2);stroke-width:1.5;stroke-dasharray:5 4}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}path.s1{stroke:var(--s1)}path.s2{stroke:var(--s2)}path.s3{stroke:var(--s3)}path.s4{stroke:var(--s4)}
circle.s1{fill:var(--s1)}circle.s2{fill:var(--s2)}circle.s3{fill:var(--s3)}circle.s4{fill:var(--s4)}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;color:var(--ink-2)}.legend i{display:inline-block;width:14px;height:3px;margin:0 6px 3px 0;vertical-align:middle}
i.s1{background:var(--s1)}i.s2{background:var(--s2)}i.s3{background:var(--s3)}i.s4{background:var(--s4)}i.dash{border-top:2px dashed var(--ink-2);height:0}
img{display:block;max-width:100%;height:auto;border-radius:6px}dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:0}
dt{color:var(--ink-2)}dd{margin:0;overflow-wrap:anywhere}code{font:14px ui-monospace,monospace}
)css";

double number(const json& j, const char* key) {
  const auto it = j.find(key);
  return it != j.end() && it->is_number() ? it->get<double>() : std::nan("");
}

const Goal* goal_for(const std::vector<Goal>& goals, const std::string& key) {
  for (const Goal& g : goals)
    if (g.key == key) return &g;
  return nullptr;
}

std::string goal_text(const Goal& goal) {
  const char* sign = goal.sense == Goal::Sense::kAtLeast  ? "≥"
                     : goal.sense == Goal::Sense::kAtMost ? "≤"
                                                          : "=";
  return fmt::format("{} {:.6g}", sign, goal.value);
}

std::string table(const ReportInputs& in) {
  std::string out =
      "<div class='scroll'><table><thead><tr><th>Measure</th><th class='n'>Value</th><th></th>"
      "<th>Goal</th><th>What it says</th></tr></thead><tbody>\n";
  for (const Row& row : kRows) {
    const double v = number(in.evaluation, row.key);
    const Goal* goal = goal_for(in.goals, row.key);
    if (!std::isfinite(v) && !goal) continue;
    std::string mark;
    if (goal) {
      const bool ok = reached(*goal, in.evaluation);
      mark = fmt::format("<span class='{}'>{} {}</span>", ok ? "ok" : "no", ok ? "✓" : "✗",
                         goal_text(*goal));
    }
    out += fmt::format(
        "<tr><td>{}</td><td class='n'>{}</td><td class='unit'>{}</td><td class='goal'>{}</td><td "
        "class='why'>{}</td></tr>\n",
        row.label, std::isfinite(v) ? fmt::format("{:.{}f}", v, row.digits) : "–", row.unit, mark,
        row.meaning);
  }
  return out + "</tbody></table></div>\n";
}

std::string verdict(const ReportInputs& in) {
  if (in.goals.empty()) return "";
  size_t ok = 0;
  for (const Goal& g : in.goals) ok += reached(g, in.evaluation);
  const bool all = ok == in.goals.size();
  return fmt::format("<p class='verdict {}'>{}</p>\n", all ? "good" : "bad",
                     all ? fmt::format("All {} goals reached.", ok)
                         : fmt::format("{} of {} goals reached.", ok, in.goals.size()));
}

Series per_frame(const json& evaluation, const char* key, const char* name) {
  Series s{name, {}, {}};
  const auto frames = evaluation.find("per_frame");
  if (frames == evaluation.end() || !frames->is_object()) return s;
  const auto column = frames->find(key);
  if (column == frames->end() || !column->is_array()) return s;
  for (const json& v : *column) {
    s.x.push_back(static_cast<double>(s.x.size()));
    s.y.push_back(v.is_number() ? v.get<double>() : std::nan(""));
  }
  return s;
}

std::string frame_charts(const ReportInputs& in) {
  const json& e = in.evaluation;
  auto chart = [&](const char* title, const char* y, std::vector<Series> series, const char* key) {
    Chart c{title, "frame", y, std::move(series)};
    if (const Goal* goal = goal_for(in.goals, key))
      c.reference = goal->value, c.reference_label = "goal";
    return svg_chart(c);
  };
  std::string out = chart("Who the result looks like", "embedding distance, lower is nearer",
                          {per_frame(e, "distance_to_identity", "to the identity"),
                           per_frame(e, "distance_to_performer", "to the performer")},
                          "distance_to_identity");
  out +=
      chart("PSNR inside the face", "dB, higher is better",
            {per_frame(e, "psnr_truth", "result"), per_frame(e, "psnr_untouched", "doing nothing")},
            "psnr_truth");
  out += chart("Expression error", "% of the eye distance",
               {per_frame(e, "landmark_error_pct", "68 points")}, "landmark_error_pct");
  out += chart("Flicker", "levels of 255, from frame to frame",
               {per_frame(e, "flicker", "mean colour")}, "flicker");
  out += chart("Jitter", "px", {per_frame(e, "jitter_px", "68 points")}, "jitter_px");
  return out;
}

void flatten(const json& j, const std::string& prefix, std::map<std::string, double>& out) {
  if (j.is_number()) out[prefix] = j.get<double>();
  if (j.is_object())
    for (auto it = j.begin(); it != j.end(); ++it)
      flatten(*it, prefix.empty() ? it.key() : prefix + "." + it.key(), out);
  if (j.is_array() && j.size() <= 8)
    for (size_t i = 0; i < j.size(); ++i) flatten(j[i], prefix + "." + std::to_string(i), out);
}

/// Every number of the log by name, over the step (else over the line's number).
std::map<std::string, Series> read_log(const std::filesystem::path& path) {
  std::map<std::string, Series> series;
  std::istringstream lines(read_file(path, 1ull << 28));
  std::string text;
  double n = 0;
  while (std::getline(lines, text)) {
    const json j = json::parse(text, nullptr, false);
    if (!j.is_object()) continue;
    std::map<std::string, double> values;
    flatten(j, "", values);
    const double x = values.count("step") ? values["step"] : n;
    n += 1;
    for (const auto& [name, value] : values) {
      Series& s = series[name];
      s.name = name;
      s.x.push_back(x);
      s.y.push_back(value < 0 && name.find("loss") == std::string::npos ? std::nan("") : value);
    }
  }
  return series;
}

std::string training_charts(const std::filesystem::path& path) {
  if (path.empty()) return "";
  Chart loss{"Loss", "step", "lower is better", {}},
      held{"Held-out frames", "step", "never trained on", {}};
  Chart likeness{"Likeness on held-out frames", "step", "higher is better", {}};
  loss.log_y = true;
  for (const auto& [name, series] : read_log(path)) {
    const std::string leaf = name.substr(name.rfind('.') + 1);
    if (leaf.find("loss") != std::string::npos)
      loss.series.push_back(series);
    else if (leaf.find("similarity") != std::string::npos)
      likeness.series.push_back(series);
    else if (leaf.starts_with("ssim") || leaf.starts_with("psnr"))
      held.series.push_back(series);
  }
  // The total first; of parts no more than three beside it, or the picture says nothing.
  std::stable_sort(loss.series.begin(), loss.series.end(),
                   [](const Series& a, const Series& b) { return a.name.size() < b.name.size(); });
  for (Chart* c : {&loss, &held, &likeness})
    if (c->series.size() > 4) c->series.resize(4);
  const std::string charts = svg_chart(loss) + svg_chart(held) + svg_chart(likeness);
  return charts.empty() ? "" : "<h2>Training</h2>\n<div class='charts'>" + charts + "</div>\n";
}

std::string pictures(const ReportInputs& in) {
  std::string out;
  for (const ReportPicture& p : in.pictures) {
    if (p.image.empty()) continue;
    out += fmt::format(
        "<figure><img alt='{0}' width='{1}' height='{2}' "
        "src='data:image/jpeg;base64,{3}'><figcaption>{0}"
        "</figcaption></figure>\n",
        html_escape(p.caption), p.image.width, p.image.height,
        base64(media::encode_jpeg(p.image, 88)));
  }
  return out.empty() ? "" : "<h2>Frames</h2>\n" + out;
}

std::string facts(const ReportInputs& in) {
  if (in.facts.empty()) return "";
  std::string out = "<h2>How it was made</h2>\n<dl>";
  for (const auto& [name, value] : in.facts)
    out += fmt::format("<dt>{}</dt><dd>{}</dd>", html_escape(name), html_escape(value));
  return out + "</dl>\n";
}

}  // namespace

std::vector<Goal> default_goals(double minutes) {
  using S = Goal::Sense;
  return {{"closer_to_identity_pct", S::kAtLeast, 100},
          {"psnr_truth", S::kAtLeast, minutes >= 20 ? 25.0 : 22.0},
          {"ssim_truth", S::kAtLeast, 0.80},
          {"landmark_error_pct", S::kAtMost, 5}};
}

bool reached(const Goal& goal, const nlohmann::json& evaluation) {
  const double v = number(evaluation, goal.key.c_str());
  switch (goal.sense) {
    case Goal::Sense::kAtLeast:
      return v >= goal.value;
    case Goal::Sense::kAtMost:
      return v <= goal.value;
    case Goal::Sense::kEqual:
      return v == goal.value;
  }
  return false;
}

std::string html_report(const ReportInputs& in) {
  std::string page =
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>\n"
      "<meta name='viewport' content='width=device-width,initial-scale=1'>\n<title>";
  page += html_escape(in.title) + "</title>\n<style>" + kStyle +
          "</style></head>\n<body><main>\n<h1>" + html_escape(in.title) + "</h1>\n";
  if (!in.note.empty()) page += "<p class='sub'>" + html_escape(in.note) + "</p>\n";
  page += verdict(in);
  page += pictures(in);
  page += "<h2>Measures</h2>\n" + table(in);
  const std::string frames = frame_charts(in);
  if (!frames.empty())
    page += "<h2>Frame by frame</h2>\n<div class='charts'>" + frames + "</div>\n";
  page += training_charts(in.train_log);
  page += facts(in);
  page +=
      "<p class='sub' style='margin-top:40px'><small>Synthetic media, made and measured by "
      "Likeness.</small></p>\n"
      "</main></body></html>\n";
  return page;
}

void write_report(const std::filesystem::path& path, const ReportInputs& inputs) {
  write_file_atomic(path, html_report(inputs));
}

}  // namespace likeness::evaluate
