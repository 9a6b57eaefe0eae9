// SPDX-License-Identifier: Apache-2.0
// Jobs that have no room of their own: a form made from their row here is all they need.
#include "likeness/faceset/faceset_options.h"
#include "likeness/jobs/catalogue_kinds.h"
#include "likeness/tasks/consent_ops.h"
#include "likeness/tasks/demo.h"
#include "likeness/tasks/faceset_ops.h"
#include "likeness/tasks/media_library.h"
#include "likeness/tasks/output_library.h"
#include "likeness/tasks/verify.h"
#include "likeness/tasks/voice_ops.h"
#include "likeness/voice/pretrain.h"

namespace likeness::jobs {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

// A file is written as work/files/SET/NAME (uploaded), outputs/ID or media/NUMBER.

struct GivenFile {
  fs::path path;
  bool uploaded = false;
  /// What it is called where it came from.
  std::string name() const { return uploaded ? path.filename().string() : path.string(); }
};
GivenFile file_of(const project::Project& p, const json& a, const char* name) {
  const std::string text = text_of(a, name);
  const auto rest = [&](const char* folder) { return text.substr(std::string(folder).size()); };
  if (text.rfind("outputs/", 0) == 0) return {tasks::output_row(p, rest("outputs/")).path, false};
  if (text.rfind("media/", 0) == 0) {
    const std::string id = rest("media/");
    if (id.empty() || id.size() > 12 || id.find_first_not_of("0123456789") != std::string::npos)
      throw Error(ErrorCode::kUsage, std::string("argument ") + name + " names no clip",
                  "see the list of the project's media");
    return {tasks::media_file(p, tasks::media_row(p, std::stoll(id))), false};
  }
  return {uploaded_path(p, text, name, "files"), true};
}

/// Uploaded together; gives their folder.
fs::path folder_of(const project::Project& p, const json& a, const char* name) {
  const json given = a.value(name, json::array());
  fs::path folder;
  for (const json& one : given.is_array() ? given : json::array({given})) {
    if (!one.is_string())
      throw Error(ErrorCode::kUsage,
                  std::string("argument ") + name + " must be a list of uploaded files",
                  "upload them first");
    const fs::path file = uploaded_path(p, one, name, "files");
    if (file.empty() || (!folder.empty() && file.parent_path() != folder))
      throw Error(ErrorCode::kUsage,
                  std::string("argument ") + name + " has files that were not uploaded together",
                  "upload them again");
    folder = file.parent_path();
  }
  return folder;
}

std::string name_of(const json& a, const std::string& proposed) {
  const std::string name = text_of(a, "name", false);
  return tasks::safe_file_name(name.empty() ? proposed : name);
}
fs::path named(const fs::path& folder, const std::string& name, const char* extension) {
  return folder / (fs::path(name).extension() == extension ? name : name + extension);
}

Work simple(std::string title, bool light, std::function<json(Progress&, const Cancel&)> run) {
  Work work{.title = std::move(title), .light = light};
  work.run = std::move(run);
  return work;
}

// verify ------------------------------------------------------------------------------------------

struct VerifyOptions {
  bool watermark = true;
};
template <typename V>
void visit(VerifyOptions& o, V&& f) {
  f("watermark", o.watermark, OptionInfo{.help = "look for the invisible mark; off is faster"});
}
template <typename O>
O read_options(const json& given) {
  O options;
  options_from_json(options, given);
  return options;
}

Work make_verify(project::Project& p, const json& a, const json& o) {
  const GivenFile file = file_of(p, a, "file");
  const auto options = read_options<VerifyOptions>(o);
  Work work = simple(
      "Is " + file.path.filename().string() + " real?", true,
      [&p, file, options](Progress& progress, const Cancel& cancel) {
        const auto report = tasks::verify_files(
            {.files = {file.path}, .projects = {p.folder()}, .read_watermark = options.watermark},
            progress, cancel);
        json out = report.to_json()["files"][0];
        out["exit_status"] = report.exit_status;
        return out;
      });
  if (file.uploaded) remove_after(work, {file.path});
  return work;
}
Command command_verify(project::Project& p, const json& a) {
  Command c{{"verify", file_of(p, a, "file").name()}};
  c.add("--project", p.folder().string());
  return c;
}

// voice compare, voice abx, voice pretrain --------------------------------------------------------

Work make_compare(project::Project& p, const json& a, const json&) {
  const GivenFile first = file_of(p, a, "first"), second = file_of(p, a, "second");
  const std::string names =
      first.path.filename().string() + " with " + second.path.filename().string();
  Work work =
      simple("Compare the voices of " + names, true, [first, second](Progress&, const Cancel&) {
        json out = tasks::compare_speakers(first.path, second.path);
        for (json& file : out["files"])  // not where it lay for a moment
          file["path"] = fs::path(file["path"].get<std::string>()).filename().string();
        return out;
      });
  std::vector<fs::path> uploaded;
  for (const GivenFile* file : {&first, &second})
    if (file->uploaded) uploaded.push_back(file->path);
  remove_after(work, uploaded);
  return work;
}
Command command_compare(project::Project& p, const json& a) {
  return {{"voice", "compare", file_of(p, a, "first").name(), file_of(p, a, "second").name()}};
}

struct AbxOptions {
  std::string ask = "same";
  int rounds = 1;
};
template <typename V>
void visit(AbxOptions& o, V&& f) {
  f("ask", o.ask,
    OptionInfo{.help = "same: can the two be told apart; prefer: which is more natural",
               .choices = {"same", "prefer"}});
  f("rounds", o.rounds, OptionInfo{.help = "how often each sentence comes", .min = 1, .max = 20});
}
fs::path abx_output(const project::Project& p, const json& a) {
  return named(p.outputs_folder(), name_of(a, "listening-test"), ".html");
}
Work make_abx(project::Project& p, const json& a, const json& o) {
  const auto options = read_options<AbxOptions>(o);
  tasks::AbxRequest request;
  request.a = folder_of(p, a, "a");
  request.b = folder_of(p, a, "b");
  request.reference = folder_of(p, a, "reference");
  if (request.a.empty() || request.b.empty())
    throw Error(ErrorCode::kUsage, "argument a or b has no recordings", "choose files for both");
  request.a_name = text_of(a, "a_name", false);
  request.b_name = text_of(a, "b_name", false);
  request.mode = options.ask;
  request.rounds = options.rounds;
  request.out = abx_output(p, a);
  Work work = simple("Make the listening test " + request.out.filename().string(), true,
                     [request](Progress& progress, const Cancel& cancel) {
                       return tasks::make_abx_page(request, progress, cancel);
                     });
  std::vector<fs::path> sent = {request.a / "x", request.b / "x"};
  if (!request.reference.empty()) sent.push_back(request.reference / "x");
  remove_after(work, sent);
  return work;
}
Command command_abx(project::Project& p, const json& a) {
  const auto folder = [&](const char* name, const char* otherwise) {
    const std::string given = text_of(a, name, false);
    return given.empty() ? std::string(otherwise) : given;
  };
  Command c{{"voice", "abx", folder("a_name", "A"), folder("b_name", "B")}};
  if (!folder_of(p, a, "reference").empty()) c.add("--reference", "REFERENCE");
  c.add("--out", abx_output(p, a).string());
  return c;
}

/// Folders of recordings below corpora/ of the project, and what is made of them in pretrained/.
voice::PretrainRequest pretrain_request(const project::Project& p, const json& a) {
  voice::PretrainRequest request;
  request.part = text_of(a, "part");
  request.licence = text_of(a, "licence", false);
  const json given = a.value("corpora", json::array());
  for (const json& one : given.is_array() ? given : json::array({given})) {
    const std::string name = one.is_string() ? one.get<std::string>() : "";
    const fs::path inside = fs::path(name).lexically_normal();
    if (name.empty() || inside.is_absolute() || *inside.begin() == "..")
      throw Error(ErrorCode::kUsage, "argument corpora must name folders",
                  "put them into " + (p.folder() / "corpora").string());
    request.corpora.push_back(p.folder() / "corpora" / inside);
  }
  const std::string name = name_of(a, request.part);
  request.out = named(p.folder() / "pretrained", name, ".safetensors");
  request.work = p.folder() / "pretrained" / (fs::path(name).stem().string() + ".work");
  return request;
}
Work make_pretrain(project::Project& p, const json& a, const json& o) {
  const auto request = pretrain_request(p, a);
  std::error_code ec;
  for (const fs::path& corpus : request.corpora)
    if (request.part != "g2p" && !fs::is_directory(corpus, ec))
      throw Error(ErrorCode::kUsage, "argument corpora: there is no folder " + corpus.string(),
                  "put the recordings there, with metadata.csv (id|text) or NAME.txt");
  const auto options = resolve<voice::PretrainOptions>(p, "voice_pretrain", o);
  return simple("Pretrain the " + request.part, false,
                [request, options](Progress& progress, const Cancel& cancel) {
                  std::error_code made;
                  fs::create_directories(request.out.parent_path(), made);
                  json out = voice::pretrain(request, options, progress, cancel);
                  if (cancel.requested()) out["stopped_by"] = "cancel";
                  return out;
                });
}
Command command_pretrain(project::Project& p, const json& a) {
  const auto request = pretrain_request(p, a);
  Command c{{"voice", "pretrain"}};
  for (const fs::path& corpus : request.corpora) c.words.push_back(corpus.string());
  c.add("--part", request.part);
  if (!request.licence.empty()) c.add("--licence", request.licence);
  c.add("--out", request.out.string());
  c.add("--work", request.work.string());
  return c;
}

// faceset filter, sort, compact, export -----------------------------------------------------------

Work make_filter(project::Project& p, const json& a, const json& o) {
  const std::string subject = text_of(a, "subject");
  const bool dry = a.value("dry_run", false);
  const auto rules = resolve<faceset::Filter>(p, "filter", o);
  return simple((dry ? "Try a filter on the faces of " : "Filter the faces of ") + subject, true,
                [&p, subject, rules, dry](Progress&, const Cancel&) {
                  return tasks::faceset_filter(p, subject, rules, dry);
                });
}
Command command_filter(project::Project& p, const json& a) {
  Command c{{"faceset", "filter", p.folder().string(), text_of(a, "subject")}};
  if (a.value("dry_run", false)) c.words.push_back("--dry-run");
  return c;
}

struct SortOptions {
  std::string by = "sharpness";
  bool descending = false;
};
template <typename V>
void visit(SortOptions& o, V&& f) {
  f("by", o.by, OptionInfo{.help = "property", .choices = faceset::sort_keys()});
  f("descending", o.descending, OptionInfo{.help = "highest first"});
}
Work make_sort(project::Project& p, const json& a, const json& o) {
  const std::string subject = text_of(a, "subject");
  const auto options = read_options<SortOptions>(o);
  return simple("Store the faces of " + subject + " by " + options.by, true,
                [&p, subject, options](Progress&, const Cancel&) {
                  const json done =
                      tasks::faceset_sort(p, subject, options.by, options.descending, true, {});
                  return json{{"subject", subject}, {"sorted", done["order"].size()}};
                });
}
Command command_sort(project::Project& p, const json& a) {
  return {{"faceset", "sort", p.folder().string(), text_of(a, "subject"), "--write"}};
}

Work make_compact(project::Project& p, const json& a, const json&) {
  const std::string subject = text_of(a, "subject");
  return simple("Compact the faces of " + subject, true, [&p, subject](Progress&, const Cancel&) {
    return tasks::faceset_compact(p, subject);
  });
}
Command command_compact(project::Project& p, const json& a) {
  return {{"faceset", "compact", p.folder().string(), text_of(a, "subject")}};
}

struct ExportOptions {
  std::string format = "jpg";
};
template <typename V>
void visit(ExportOptions& o, V&& f) {
  f("format", o.format,
    OptionInfo{.help = "jpg: the bytes as they are stored", .choices = {"jpg", "png"}});
}
fs::path export_folder(const project::Project& p, const json& a) {
  return p.folder() / "exports" / name_of(a, text_of(a, "subject") + "-crops");
}
Work make_export(project::Project& p, const json& a, const json& o) {
  const std::string subject = text_of(a, "subject");
  const auto options = read_options<ExportOptions>(o);
  const fs::path folder = export_folder(p, a);
  return simple("Export the faces of " + subject, true,
                [&p, subject, options, folder](Progress&, const Cancel&) {
                  return tasks::faceset_export(p, subject, folder, options.format);
                });
}
Command command_export(project::Project& p, const json& a) {
  return {{"faceset", "export", p.folder().string(), text_of(a, "subject"),
           export_folder(p, a).string()}};
}

// consent verify FILE, consent import -------------------------------------------------------------

Work make_consent_verify(project::Project& p, const json& a, const json&) {
  const GivenFile file = file_of(p, a, "file");
  const std::string studio = text_of(a, "studio", false);
  Work work = simple("Check the record " + file.path.filename().string(), true,
                     [file, studio](Progress&, const Cancel&) {
                       return tasks::consent_verify_file(file.path, studio);
                     });
  if (file.uploaded) remove_after(work, {file.path});
  return work;
}
Command command_consent_verify(project::Project& p, const json& a) {
  Command c{{"consent", "verify", file_of(p, a, "file").name()}};
  if (const auto studio = text_of(a, "studio", false); !studio.empty()) c.add("--studio", studio);
  return c;
}

Work make_consent_import(project::Project& p, const json& a, const json&) {
  const std::string subject = text_of(a, "subject"), studio = text_of(a, "trust_studio", false);
  p.subject(subject);
  const GivenFile file = file_of(p, a, "file");
  Work work = simple("Take over the consent of " + subject, true,
                     [&p, subject, file, studio](Progress&, const Cancel&) {
                       return tasks::consent_import(p, subject, file.path, studio);
                     });
  if (file.uploaded) remove_after(work, {file.path});
  return work;
}
Command command_consent_import(project::Project& p, const json& a) {
  Command c{{"consent", "import", p.folder().string(), text_of(a, "subject"),
             file_of(p, a, "file").name()}};
  if (const auto studio = text_of(a, "trust_studio", false); !studio.empty())
    c.add("--trust-studio", studio);
  return c;
}

// demo --------------------------------------------------------------------------------------------

struct DemoOptions {
  double minutes = 3;
  std::string preset = "quick";
};
template <typename V>
void visit(DemoOptions& o, V&& f) {
  f("minutes", o.minutes,
    OptionInfo{.help = "training time", .unit = "min", .min = 0.01, .max = 1e4});
  f("preset", o.preset, OptionInfo{.help = "of the training"});
}
Work make_demo(project::Project& p, const json&, const json& o) {
  const auto options = read_options<DemoOptions>(o);
  tasks::TrainTaskOptions train;
  options_from_json(train, tasks::load_preset(options.preset).value("train", json::object()));
  train.train.minutes = options.minutes;
  return simple("The whole program on the built-in performers", false,
                [&p, train](Progress& progress, const Cancel& cancel) {
                  return tasks::run_demo(p.folder() / "demo", train, progress, cancel);
                });
}
Command command_demo(project::Project& p, const json&) {
  Command c{{"demo"}};
  c.add("--out", (p.folder() / "demo").string());
  return c;
}

json no_options() {
  return {{"type", "object"}, {"properties", json::object()}, {"additionalProperties", false}};
}
json list_argument(const char* kind, const char* help) {
  json out = argument("array", kind, help);
  out["items"] = {{"type", "string"}};
  return out;
}
/// A text that is one of these.
json choice_argument(const std::vector<std::string>& choices, const char* help) {
  json out = argument("string", "choice", help);
  out["enum"] = choices;
  return out;
}

std::vector<Kind> sound_kinds() {
  const json name = argument("string", "file-name", "of the file that is made");
  return {
      {"voice-compare", "how alike two recordings' speakers sound",
       arguments_schema(
           {{"first", argument("string", "file", "a recording, or a video with sound")},
            {"second", argument("string", "file", "another")}},
           {"first", "second"}),
       no_options(), make_compare, command_compare, true},
      {"voice-abx", "make a page for a blind listening test",
       arguments_schema(
           {{"a", list_argument("files", "recordings, one sentence each")},
            {"a_name", argument("string", "name", "what A is called at the end")},
            {"b", list_argument("files", "others; the same names are the same sentences")},
            {"b_name", argument("string", "name", "what B is called at the end")},
            {"reference",
             list_argument("files", "of the speaker: which of A and B is more like them?")},
            {"name", name}},
           {"a", "b"}),
       schema_of<AbxOptions>(), make_abx, command_abx, true},
      {"voice-pretrain", "make the base weights of a part of the voice from recordings",
       arguments_schema({{"part", choice_argument(voice::pretrain_parts(), "what to train")},
                         {"corpora", list_argument("folders",
                                                   "folders in corpora/ of the project, with "
                                                   "metadata.csv (id|text) or NAME.txt")},
                         {"licence", argument("string", "name",
                                              "of the recordings; written into the weights' card")},
                         {"name", name}},
                        {"part", "corpora"}),
       schema_of<voice::PretrainOptions>(), make_pretrain, command_pretrain},
  };
}

}  // namespace

std::vector<Kind> tool_kinds() {
  const json subject = argument("string", "subject", "whose faces");
  std::vector<Kind> all = {
      {"verify", "say what a file is: origin, consent, mark",
       arguments_schema({{"file", argument("string", "file", "any picture, video or sound")}},
                        {"file"}),
       schema_of<VerifyOptions>(), make_verify, command_verify, true},
      {"faceset-filter", "exclude faces that these rules do not let pass",
       arguments_schema(
           {{"subject", subject}, {"dry_run", argument("boolean", "flag", "only tell how many")}},
           {"subject"}),
       schema_of<faceset::Filter>(), make_filter, command_filter, true},
      {"faceset-sort", "store the faces in another order",
       arguments_schema({{"subject", subject}}, {"subject"}), schema_of<SortOptions>(), make_sort,
       command_sort, true},
      {"faceset-compact", "leave excluded faces out of the file for good",
       arguments_schema({{"subject", subject}}, {"subject"}), no_options(), make_compact,
       command_compact, true},
      {"faceset-export", "write the faces as pictures into exports/ of the project",
       arguments_schema(
           {{"subject", subject}, {"name", argument("string", "file-name", "of the folder")}},
           {"subject"}),
       schema_of<ExportOptions>(), make_export, command_export, true},
      {"consent-verify", "check every rule of a consent record in a file",
       arguments_schema(
           {{"file", argument("string", "file", "an exported record")},
            {"studio", argument("string", "name", "did:key that must have counter-signed it")}},
           {"file"}),
       no_options(), make_consent_verify, command_consent_verify, true},
      {"consent-import", "take over a consent that was exported in full",
       arguments_schema(
           {{"subject", argument("string", "subject", "who agreed")},
            {"file", argument("string", "file", "the bundle")},
            {"trust_studio", argument("string", "name", "did:key of a studio you know")}},
           {"subject", "file"}),
       no_options(), make_consent_import, command_consent_import, true},
      {"demo", "the whole program on the built-in performers, into demo/ of the project",
       arguments_schema(json::object(), json::array()), schema_of<DemoOptions>(), make_demo,
       command_demo},
  };
  for (Kind& kind : sound_kinds()) all.push_back(std::move(kind));
  return all;
}

}  // namespace likeness::jobs
