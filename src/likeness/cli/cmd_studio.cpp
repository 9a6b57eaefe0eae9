// SPDX-License-Identifier: Apache-2.0
// `likeness studio`: the program in a browser.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "likeness/cli/session.h"
#include "likeness/cli/studio_door.h"
#include "likeness/jobs/catalogue.h"
#include "likeness/server/server.h"
#include "likeness/tasks/doctor.h"
#include "likeness/tasks/presets.h"
#include "likeness/tasks/swap_preview.h"
#include "likeness/tasks/voice_stream.h"
#include "likeness/trust/keys.h"

extern char** environ;

namespace likeness::cli {
namespace fs = std::filesystem;
namespace {

fs::path studio_home() {
  if (const char* home = std::getenv("LIKENESS_STUDIO_HOME")) return home;
  const char* user = std::getenv("HOME");
  return fs::path(user ? user : ".") / "Likeness";
}

/// Where there is a screen. Arguments of a process can be read by every user of the machine, the
/// token must not be: the browser gets a private file that sends it on.
void open_browser(const std::string& url) {
  if (!std::getenv("DISPLAY") && !std::getenv("WAYLAND_DISPLAY")) return;
  const fs::path page = trust::private_folder("") / "studio-open.html";
  trust::write_private_file(page,
                            "<!doctype html><meta charset=\"utf-8\"><title>Likeness</title>"
                            "<meta http-equiv=\"refresh\" content=\"0; url=" +
                                url + "\"><p><a href=\"" + url + "\">Open the studio</a></p>\n",
                            true);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd : {1, 2}) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
  std::string program = "xdg-open", address = page.string();
  char* argv[] = {program.data(), address.data(), nullptr};
  pid_t child = 0;
  if (::posix_spawnp(&child, "xdg-open", &actions, nullptr, argv, environ) != 0)
    log_info("no browser could be opened; open the address yourself");
  posix_spawn_file_actions_destroy(&actions);
}

/// `likeness voice stream` between two sockets, with what it tells as JSON.
nlohmann::json speak_live(const server::LiveRequest& r) {
  const auto options =
      tasks::resolve_options<tasks::VoiceStreamOptions>("voice_stream", r.project.get(), r.options);
  const fs::path record = r.rehearsal ? fs::path() : tasks::live_record(*r.project, r.voice);
  tasks::VoiceStreamTask task(*r.project, r.voice, record, options, r.in, r.out,
                              {.ready =
                                   [&r] {
                                     r.tell({{"type", "ready"}});
                                   },
                               .stats =
                                   [&r](const tasks::VoiceStreamStats& s) {
                                     r.tell({{"type", "stats"},
                                             {"heard_s", s.heard_s},
                                             {"waiting_ms", s.waiting_ms},
                                             {"computing_ms", s.computing_ms},
                                             {"behind_ms", s.behind_ms},
                                             {"pieces", s.pieces},
                                             {"late", s.late}});
                                   }});
  Progress silent;
  const Cancel never;  // the end of its sound ends it
  return tasks::run_task(task, *r.project, silent, never).report;
}

server::AppParts parts_of_app() {
  auto previews = std::make_shared<tasks::SwapPreviews>();
  server::AppParts parts;
  parts.version = tasks::program_version();
  parts.home = studio_home();
  parts.settings = trust::private_folder("") / "studio.json";
  parts.tasks = jobs::task_catalogue();
  parts.make_work = jobs::make_work;
  parts.command_line = jobs::command_line;
  parts.doctor = tasks::doctor;
  parts.live = speak_live;
  parts.forget_models = [previews] { previews->forget(); };
  parts.preview = [previews](const server::PreviewRequest& r, server::FrameStore& frames) {
    const tasks::SwapPreview p = previews->render(
        {.project = r.project,
         .media = r.media,
         .frame = r.frame,
         .model = r.model,
         .map = r.map,
         .options = r.options,
         .polygons = r.polygons,
         .mask = r.mask,
         .width = r.width},
        [&](const fs::path& clip, FrameIndex index) { return frames.frame(clip, index); });
    return server::PreviewAnswer{p.jpeg, p.why, p.faces};
  };
  return parts;
}

/// What the library says goes to stderr as always, and to the log of the job it is about.
void forward_log(server::App& app) {
  set_log_sink([&app](LogLevel level, const std::string& text) {
    if (level == LogLevel::kDebug) return;
    if (level != LogLevel::kInfo)
      std::fprintf(stderr, "%s: %s\n", jobs::log_level_name(level), text.c_str());
    app.queue().on_log(level, text);
  });
}

struct Args {
  std::string project;
  int port = 0;
  bool no_browser = false;
  DoorArgs door;
};

int run_studio(Session& s, const Args& a) {
  std::signal(SIGPIPE, SIG_IGN);  // a listener that goes away ends a live stream, not the program
  const fs::path state = trust::private_folder("");
  server::ServerOptions options = door_of(a.door, a.port);
  const std::string suffix = options.tls ? "-tls" : "";
  options.sessions = state / ("studio-sessions" + suffix + ".json");
  options.last_port = state / ("studio-port" + suffix);
  server::App app(parts_of_app());
  forward_log(app);
  server::Server server(app, options);
  if (!a.project.empty()) server.set_project(app.open(a.project).id);
  nlohmann::json said = {{"url", server.url()}, {"port", server.port()}, {"pid", ::getpid()}};
  if (options.tls)
    said["fingerprint"] = options.tls->fingerprint;
  else
    said["token"] = server.token();
  s.print(said, server.url() + "\n");
  if (options.tls && !s.json())
    std::fprintf(stderr, "log in with the password; SHA-256 of the certificate:\n  %s\n",
                 options.tls->fingerprint.c_str());
  if (!s.json()) std::fprintf(stderr, "the studio is running; Ctrl-C saves and ends it\n");
  if (!a.no_browser) open_browser(server.url());
  server.run([&s] { return s.cancel().requested(); });
  app.request_stop();
  app.close();
  set_log_sink({});
  return 0;
}

}  // namespace

void add_studio_command(Session& s) {
  auto* c = s.command(&s.app(), "studio", "everything in a browser, on this machine",
                      {"likeness studio", "likeness studio film --no-browser --json",
                       "likeness studio --listen 192.168.1.20:8443 --tls-self-signed"});
  auto a = std::make_shared<Args>();
  c->add_option("project", a->project, "project folder to show first");
  c->add_option("--port", a->port, "port to listen on [default: the one used last, or a free one]")
      ->check(CLI::Range(0, 65535));
  c->add_flag("--no-browser", a->no_browser, "only print the address");
  add_door_flags(c, a->door);
  s.on_run(c, [&s, a] { return run_studio(s, *a); });
}

}  // namespace likeness::cli
