// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/verify.h"

#include <algorithm>

#include "likeness/base/error.h"
#include "likeness/evaluate/chart.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

/// Control characters of foreign text would reach the terminal.
std::string plain(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    out += (u < 0x20 && c != '\n') || u == 0x7f ? '?' : c;
  }
  return out;
}
std::string escaped(const std::string& text) { return evaluate::html_escape(plain(text)); }
std::string word(const json& j, const char* key) {
  return j.is_object() && j.contains(key) && j[key].is_string() ? j[key].get<std::string>() : "";
}

struct Line {
  int depth;
  std::string name, text;
};

void add_story(const json& manifest, int depth, std::vector<Line>& out) {
  if (!manifest.is_object()) return;
  if (const std::string by = word(manifest, "signer"); !by.empty())
    out.push_back({depth, "signed by",
                   "\"" + by + "\"" +
                       (manifest.value("signer_known", true) ? "" : " (not known here)") +
                       (word(manifest, "signed_at").empty()
                            ? ""
                            : ", time-stamped " + word(manifest, "signed_at"))});
  if (const std::string with = word(manifest, "generator"); with.size() > 1)
    out.push_back({depth, "made with", with});
  for (const auto& a : manifest.value("actions", json::array()))
    out.push_back(
        {depth, "done",
         word(a, "words") + (word(a, "when").empty() ? "" : " (" + word(a, "when") + ")")});
  for (const auto& i : manifest.value("ingredients", json::array())) {
    out.push_back({depth, "from",
                   "\"" + word(i, "title") + "\"" +
                       (i.value("has_manifest", false) ? ", with a manifest of its own"
                                                       : ", without a manifest")});
    if (i.value("has_manifest", false)) {
      if (word(i, "state") == "invalid")
        out.push_back({depth + 1, "warning", "it did not fit its manifest when it was used"});
      add_story(i, depth + 1, out);
    }
  }
}

std::vector<Line> lines_of(const json& j) {
  std::vector<Line> out;
  for (const auto& p : j.value("problems", json::array()))
    if (p.is_string()) out.push_back({0, "problem", p});
  const json m = j.value("manifest", json::object());
  const std::string state = word(m, "state"), place = word(m, "place");
  out.push_back(
      {0, "manifest",
       state == "none" ? "none" : state + (place == "sidecar" ? ", in a file beside it" : "")});
  add_story(m, 1, out);
  for (const auto& c : j.value("consent", json::array()))
    out.push_back({0, "consent",
                   word(c, "role") + ": " + word(c, "why") +
                       (word(c, "consentId").empty() ? "" : " (" + word(c, "consentId") + ")")});
  const json w = j.value("watermark", json::object());
  out.push_back({0, "mark",
                 w.value("found", false) ? "found, number " + word(w, "id")
                                         : "not found: " + word(w, "reason")});
  for (const auto& r : j.value("recovered", json::array())) {
    out.push_back(
        {0, "recovered",
         "a manifest with this number, made " + word(r.value("about", json::object()), "made_at") +
             (r.value("manifest", json::object()).value("holds", false) ? "; its signature holds"
                                                                        : "")});
    add_story(r.value("manifest", json::object()), 1, out);
  }
  for (const auto& l : j.value("ledger", json::array()))
    out.push_back({0, "ledger",
                   l.contains("problem")
                       ? word(l, "problem")
                       : "line " + l["line"].dump() + " of " + word(l, "project") + ": " +
                             word(l, "task") + ", " + word(l, "at")});
  if (!word(j, "advice").empty()) out.push_back({0, "note", word(j, "advice")});
  return out;
}

/// The project a file lies in, if any.
void add_own_project(const fs::path& file, std::vector<fs::path>& projects) {
  std::error_code ec;
  for (fs::path p = fs::absolute(file).lexically_normal().parent_path(); !p.empty();
       p = p.parent_path()) {
    if (fs::is_regular_file(p / "project.toml", ec) &&
        std::find(projects.begin(), projects.end(), p) == projects.end())
      projects.push_back(p);
    if (p == p.parent_path()) break;
  }
}

}  // namespace

json VerifyReport::to_json() const {
  json j = {{"files", json::array()}, {"exit_status", exit_status}};
  for (const auto& v : files) j["files"].push_back(v.json);
  return j;
}

std::string VerifyReport::to_text() const {
  std::string out;
  for (const auto& v : files) {
    out += plain(word(v.json, "path")) + "\n  " + plain(word(v.json, "summary")) + "\n";
    for (const Line& l : lines_of(v.json)) {
      std::string name = l.name;
      name.resize(std::max<size_t>(name.size(), 10), ' ');
      out += std::string(static_cast<size_t>(2 + 2 * l.depth), ' ') + name + " " + plain(l.text) +
             "\n";
    }
  }
  return out;
}

std::string VerifyReport::to_html() const {
  std::string out =
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Likeness: what these files "
      "are</title><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'\"><style>body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;"
      "margin:2rem auto;padding:0 1rem;color:#222;background:#fff}h2{overflow-wrap:anywhere}"
      "td{padding:.2rem .8rem .2rem 0;vertical-align:top}td:first-child{color:#666;"
      "white-space:nowrap}.ok{border-left:.4rem solid #27724a}.open{border-left:.4rem solid "
      "#a06a00}"
      ".bad{border-left:.4rem solid #a32020}section{padding-left:1rem;margin:2rem 0}</style>"
      "<h1>What these files are</h1>";
  for (const auto& v : files) {
    const int status = trust::verdict_exit_status(v.verdict);
    out += std::string("<section class=\"") +
           (status == 0    ? "ok"
            : status == 22 ? "bad"
                           : "open") +
           "\"><h2>" + escaped(word(v.json, "path")) + "</h2><p><strong>" +
           escaped(word(v.json, "summary")) + "</strong></p><table>";
    for (const Line& l : lines_of(v.json))
      out += "<tr><td>" + escaped(l.name) +
             "</td><td style=\"padding-left:" + std::to_string(l.depth * 20) + "px\">" +
             escaped(l.text) + "</td></tr>";
    out += "</table></section>";
  }
  return out + "</html>\n";
}

VerifyReport verify_files(const VerifyRequest& request, Progress& progress, const Cancel& cancel) {
  if (request.files.empty())
    throw Error(ErrorCode::kUsage, "no file was named", "name one: likeness verify video.mp4");
  VerifyReport out;
  progress.begin("verify", static_cast<double>(request.files.size()), "files");
  for (const fs::path& file : request.files) {
    cancel.check();
    trust::VerifyOptions options{request.projects, request.read_watermark};
    add_own_project(file, options.projects);
    out.files.push_back(trust::verify(file, options));
    out.exit_status =
        std::max(out.exit_status, trust::verdict_exit_status(out.files.back().verdict));
    progress.advance();
  }
  progress.end();
  return out;
}

}  // namespace likeness::tasks
