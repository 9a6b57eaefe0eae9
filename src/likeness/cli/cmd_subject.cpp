// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/session.h"
#include "likeness/trust/consent_store.h"

namespace likeness::cli {
namespace {
using project::Project;

nlohmann::json subject_json(const project::Subject& s) {
  return {{"name", s.name},
          {"kind", project::subject_kind_name(s.kind)},
          {"licence", s.licence},
          {"declared_by", s.declared_by},
          {"declared_at", s.declared_at}};
}

void add_add(Session& s, CLI::App* group) {
  auto* c = s.command(group, "add", "name somebody, and declare whose face it is",
                      {"likeness subject add film ben --kind synthetic",
                       "likeness subject add film s1 --kind licensed --licence \"CC BY 4.0, GRID "
                       "corpus, doi 10.1121/1.2229005\""});
  struct Args {
    std::string folder, name, kind, licence;
  };
  auto a = std::make_shared<Args>();
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("name", a->name, "of the subject")->required();
  c->add_option("--kind", a->kind, "synthetic (nobody real) | licensed (dataset or stock) | person")
      ->required();
  c->add_option("--licence", a->licence, "reference to the licence document, for licensed");
  s.on_run(c, [&s, a] {
    auto p = Project::open(a->folder);
    const auto subject = trust::add_declared_subject(
        p, {.name = a->name, .kind = project::subject_kind(a->kind), .licence = a->licence});
    s.print(subject_json(subject), "added " + subject.name + " (" + a->kind + "), declared by " +
                                       subject.declared_by + "\n");
    if (subject.kind == project::SubjectKind::kPerson)
      log_info("train and swap of a person need a consent record: likeness consent request " +
               a->folder + " " + a->name);
    return 0;
  });
}

void add_list(Session& s, CLI::App* group) {
  auto* c = s.command(group, "list", "the subjects of a project",
                      {"likeness subject list film", "likeness subject list film --json"});
  auto folder = std::make_shared<std::string>();
  c->add_option("project", *folder, "project folder")->required();
  s.on_run(c, [&s, folder] {
    nlohmann::json j = nlohmann::json::array();
    std::vector<std::vector<std::string>> rows = {{"subject", "kind", "licence", "declared"}};
    for (const auto& subject : Project::open(*folder).subjects()) {
      j.push_back(subject_json(subject));
      rows.push_back({subject.name, project::subject_kind_name(subject.kind),
                      subject.licence.empty() ? "-" : subject.licence,
                      subject.declared_at + " by " + subject.declared_by});
    }
    s.print(j, table(rows));
    return 0;
  });
}

void add_remove(Session& s, CLI::App* group) {
  auto* c = s.command(group, "remove", "move a subject and its faceset to the trash",
                      {"likeness subject remove film ben",
                       "likeness project trash film   # and back: likeness project restore"});
  auto folder = std::make_shared<std::string>(), name = std::make_shared<std::string>();
  c->add_option("project", *folder, "project folder")->required();
  c->add_option("name", *name, "of the subject")->required();
  s.on_run(c, [&s, folder, name] {
    auto p = Project::open(*folder);
    tasks::ProjectLock lock(p, "faceset-" + p.subject(*name).name);
    p.remove_subject(*name);
    s.print({{"removed", *name}}, "moved " + *name + " to the trash\n");
    return 0;
  });
}

}  // namespace

void add_subject_commands(Session& s) {
  auto* group =
      s.command(&s.app(), "subject", "the people of a project",
                {"likeness subject add film ben --kind synthetic", "likeness subject list film"});
  group->require_subcommand(1);
  add_add(s, group);
  add_list(s, group);
  add_remove(s, group);
}

}  // namespace likeness::cli
