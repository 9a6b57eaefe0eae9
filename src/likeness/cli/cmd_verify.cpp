// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/session.h"
#include "likeness/tasks/verify.h"
#include "likeness/trust/finish.h"

namespace likeness::cli {

void add_verify_command(Session& s) {
  auto* c = s.command(&s.app(), "verify", "say what a file is: origin, consent, mark",
                      {"likeness verify out.mp4", "likeness verify frames/ --project film",
                       "likeness verify *.mp4 --html report.html",
                       "exit status: 0 proven, 20 nothing found, 21 synthetic but the proof is "
                       "incomplete, 22 changed or contradictory"});
  struct Args {
    std::vector<std::string> files, projects;
    std::string html;
    bool no_watermark = false;
  };
  auto a = std::make_shared<Args>();
  c->add_option("file", a->files, "media files, or folders of an image sequence")->required();
  c->add_option("--project", a->projects, "whose consents, manifests and ledger may be asked");
  c->add_option("--html", a->html, "write a page about it");
  c->add_flag("--no-watermark", a->no_watermark, "do not look for the invisible mark (faster)");
  s.on_run(c, [&s, a] {
    tasks::VerifyRequest request;
    request.files.assign(a->files.begin(), a->files.end());
    for (const auto& p : a->projects)
      request.projects.push_back(project::Project::open(p).folder());
    request.read_watermark = !a->no_watermark;
    const auto report = tasks::verify_files(request, s.progress(), Session::cancel());
    if (!a->html.empty()) trust::deliver_text(a->html, report.to_html());
    s.print(report.to_json(), report.to_text());
    return report.exit_status;
  });
}

}  // namespace likeness::cli
