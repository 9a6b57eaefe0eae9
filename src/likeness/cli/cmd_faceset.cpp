// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/option_flags.h"
#include "likeness/cli/session.h"
#include "likeness/tasks/faceset_ops.h"

namespace likeness::cli {
namespace {
using project::Project;

struct Args {
  std::string folder, subject, key = "sharpness", sheet, out, format = "jpg";
  std::vector<std::string> ids;
  bool descending = false, write = false, dry_run = false;
};

CLI::App* verb(Session& s, CLI::App* group, Args& a, const std::string& name,
               const std::string& help, const std::vector<std::string>& examples) {
  auto* c = s.command(group, name, help, examples);
  c->add_option("project", a.folder, "project folder")->required();
  c->add_option("subject", a.subject, "whose faceset")->required();
  return c;
}

std::string spread_text(const nlohmann::json& v) {
  return v.is_null() ? "-"
                     : short_text(v["mean"]) + "  (" + short_text(v["min"]) + " to " +
                           short_text(v["max"]) + ")";
}

std::string show_text(const nlohmann::json& j) {
  std::vector<std::vector<std::string>> rows = {
      {j["subject"], j["crops"].dump() + " crops, " + j["excluded"].dump() + " excluded"}};
  rows.push_back({"crop", j["crop"].get<std::string>() + ", " + j["size_px"].dump() + " px"});
  for (const char* key :
       {"sharpness", "face_size_px", "exposure", "occlusion", "yaw_deg", "pitch_deg"})
    rows.push_back({key, spread_text(j[key])});
  for (const auto& [source, n] : j["sources"].items())
    rows.push_back({"from", source + ": " + n.dump()});
  if (j.contains("sheet")) rows.push_back({"sheet", j["sheet"]});
  return table(rows);
}

void add_list(Session& s, CLI::App* group) {
  auto* c = s.command(group, "list", "the facesets of a project",
                      {"likeness faceset list film", "likeness faceset list film --json"});
  auto folder = std::make_shared<std::string>();
  c->add_option("project", *folder, "project folder")->required();
  s.on_run(c, [&s, folder] {
    const auto j = tasks::faceset_list(Project::open(*folder));
    std::vector<std::vector<std::string>> rows = {
        {"subject", "crops", "excluded", "size", "kind", "MB"}};
    for (const auto& f : j) {
      if (f.contains("error"))
        rows.push_back({f["subject"], f["error"]});
      else
        rows.push_back({f["subject"], f["crops"].dump(), f["excluded"].dump(),
                        f["size_px"].dump() + " px", f["crop"],
                        short_text(f["bytes"].get<double>() / 1e6)});
    }
    s.print(j, table(rows));
    return 0;
  });
}

void add_show(Session& s, CLI::App* group) {
  auto a = std::make_shared<Args>();
  auto* c = verb(
      s, group, *a, "show", "what a faceset is like, and a contact sheet over the range of yaw",
      {"likeness faceset show film ben", "likeness faceset show film ben --sheet ben.png --json"});
  c->add_option("--sheet", a->sheet, "write a contact sheet (PNG or JPEG)");
  s.on_run(c, [&s, a] {
    const auto j = tasks::faceset_show(Project::open(a->folder), a->subject, a->sheet);
    s.print(j, show_text(j));
    return 0;
  });
}

void add_sort(Session& s, CLI::App* group) {
  auto a = std::make_shared<Args>();
  auto* c = verb(s, group, *a, "sort",
                 "crops in the order of a property; --write puts the file in this order",
                 {"likeness faceset sort film ben --by sharpness --descending --sheet best.png",
                  "likeness faceset sort film ben --by yaw --write"});
  std::string keys;
  for (const auto& k : faceset::sort_keys()) keys += (keys.empty() ? "" : ", ") + k;
  c->add_option("--by", a->key, keys + " [default sharpness]");
  c->add_flag("--descending", a->descending, "highest first");
  c->add_flag("--write", a->write, "store the crops in this order");
  c->add_option("--sheet", a->sheet, "write a contact sheet of the first 384");
  s.on_run(c, [&s, a] {
    const auto j = tasks::faceset_sort(Project::open(a->folder), a->subject, a->key, a->descending,
                                       a->write, a->sheet);
    std::vector<std::vector<std::string>> rows = {
        {"id", "source", "frame", "sharpness", "size", "yaw", "pitch"}};
    for (const auto& r : j["order"])
      rows.push_back({r["id"], r["source"], r["frame"].dump(), short_text(r["sharpness"]),
                      short_text(r["size_px"]), short_text(r["yaw_deg"]),
                      short_text(r["pitch_deg"])});
    s.print(j, table(rows));
    return 0;
  });
}

void add_filter(Session& s, CLI::App* group) {
  auto a = std::make_shared<Args>();
  auto flags = std::make_shared<OptionFlags<faceset::Filter>>("filter");
  auto* c = verb(s, group, *a, "filter",
                 "exclude what these rules do not let pass (restore brings it back)",
                 {"likeness faceset filter film ben --min-sharpness 0.05 --max-occlusion 0.3",
                  "likeness faceset filter film ben --best 2000 --near-duplicate 0.02 --dry-run"});
  c->add_flag("--dry-run", a->dry_run, "only tell");
  flags->add(c, false);
  s.on_run(c, [&s, a, flags] {
    const auto p = Project::open(a->folder);
    const auto j = tasks::faceset_filter(p, a->subject, flags->resolve(&p), a->dry_run);
    s.print(j, j["excluded"].dump() + (a->dry_run ? " would be excluded, " : " excluded, ") +
                   j["crops"].dump() + " crops left\n");
    return 0;
  });
}

void add_exclude_restore(Session& s, CLI::App* group) {
  auto a = std::make_shared<Args>();
  auto* exclude = verb(s, group, *a, "exclude", "exclude single crops",
                       {"likeness faceset exclude film ben 3f2a90c1d4e5b677",
                        "likeness faceset restore film ben 3f2a90c1d4e5b677"});
  exclude->add_option("ids", a->ids, "of the crops, as `faceset sort` shows them")->required();
  s.on_run(exclude, [&s, a] {
    const auto j = tasks::faceset_exclude(Project::open(a->folder), a->subject, a->ids);
    s.print(j, j["excluded"].dump() + " excluded, " + j["crops"].dump() + " crops left\n");
    return 0;
  });
  auto b = std::make_shared<Args>();
  auto* restore = verb(
      s, group, *b, "restore", "bring excluded crops back (all without ids)",
      {"likeness faceset restore film ben", "likeness faceset restore film ben 3f2a90c1d4e5b677"});
  restore->add_option("ids", b->ids, "of the crops");
  s.on_run(restore, [&s, b] {
    const auto j = tasks::faceset_restore(Project::open(b->folder), b->subject, b->ids);
    s.print(j, j["restored"].dump() + " restored, " + j["crops"].dump() + " crops\n");
    return 0;
  });
}

void add_export(Session& s, CLI::App* group) {
  auto a = std::make_shared<Args>();
  auto* c = verb(s, group, *a, "export", "write the crops as images, with faceset.json beside them",
                 {"likeness faceset export film ben ben-crops/",
                  "likeness faceset export film ben ben-png/ --format png"});
  c->add_option("folder", a->out, "new or empty folder")->required();
  c->add_option("--format", a->format, "jpg (the stored bytes) | png [default jpg]");
  s.on_run(c, [&s, a] {
    const auto j = tasks::faceset_export(Project::open(a->folder), a->subject, a->out, a->format);
    s.print(j, "wrote " + j["crops"].dump() + " crops to " + a->out + "\n");
    return 0;
  });
}

void add_compact_delete(Session& s, CLI::App* group) {
  auto a = std::make_shared<Args>();
  auto* compact = verb(s, group, *a, "compact", "leave excluded crops out of the file for good",
                       {"likeness faceset compact film ben", "likeness faceset list film"});
  s.on_run(compact, [&s, a] {
    const auto j = tasks::faceset_compact(Project::open(a->folder), a->subject);
    s.print(j, j["removed"].dump() + " removed, " + j["crops"].dump() + " crops\n");
    return 0;
  });
  auto b = std::make_shared<Args>();
  auto* remove = verb(s, group, *b, "delete", "move a faceset to the trash",
                      {"likeness faceset delete film ben", "likeness project restore film ID"});
  s.on_run(remove, [&s, b] {
    auto p = Project::open(b->folder);
    const auto j = tasks::faceset_delete(p, b->subject);
    s.print(j, "moved to the trash; back with: likeness project restore " + b->folder + " " +
                   j["trash"].get<std::string>() + "\n");
    return 0;
  });
}

}  // namespace

void add_faceset_commands(Session& s) {
  auto* group = s.command(&s.app(), "faceset", "look at the crops of a subject and prune them",
                          {"likeness faceset show film ben --sheet ben.png",
                           "likeness faceset filter film ben --best 2000"});
  group->require_subcommand(1);
  add_list(s, group);
  add_show(s, group);
  add_sort(s, group);
  add_filter(s, group);
  add_exclude_restore(s, group);
  add_export(s, group);
  add_compact_delete(s, group);
}

}  // namespace likeness::cli
