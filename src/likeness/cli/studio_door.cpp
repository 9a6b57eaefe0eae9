// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/studio_door.h"

#include <charconv>
#include <cstdio>
#include <iostream>

#include <termios.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/server/password.h"
#include "likeness/trust/keys.h"

namespace likeness::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kHowTls =
    "give --tls-cert and --tls-key, or --tls-self-signed to let the studio make a certificate";

/// "1.2.3.4:80", "[::1]:80", "::1", "localhost".
void split_listen(const std::string& text, server::ServerOptions& out) {
  std::string address = text, port;
  const size_t close = text.find(']'), colon = text.rfind(':');
  if (!text.empty() && text[0] == '[' && close != std::string::npos) {
    address = text.substr(1, close - 1);
    if (close + 1 < text.size()) port = text.substr(close + 1);
  } else if (colon != std::string::npos && text.find(':') == colon) {
    address = text.substr(0, colon);
    port = text.substr(colon);
  }
  out.address = address == "localhost" ? "127.0.0.1" : address;
  if (port.empty()) return;
  const auto [end, ec] = std::from_chars(port.data() + 1, port.data() + port.size(), out.port);
  if (port[0] != ':' || ec != std::errc() || end != port.data() + port.size() || out.port < 0 ||
      out.port > 65535)
    throw Error(ErrorCode::kUsage, "'" + text + "' is not an address with a port",
                "like 192.168.1.20:8443 or [2001:db8::5]:8443");
}

std::string first_line(std::istream& in) {
  std::string line;
  std::getline(in, line);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.pop_back();
  return line;
}

/// Typed on the terminal, unseen.
std::string ask(const char* prompt) {
  termios before{};
  ::tcgetattr(STDIN_FILENO, &before);
  termios unseen = before;
  unseen.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  std::fputs(prompt, stderr);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
  const std::string line = first_line(std::cin);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  std::fputs("\n", stderr);
  return line;
}

std::string ask_twice() {
  const std::string password = ask("a password for the studio (12 characters or more): ");
  if (password != ask("once more: "))
    throw Error(ErrorCode::kUsage, "the two differ", "start again and type the same twice");
  return password;
}

/// The hash of the password. What is new is kept, and ends the sessions of the old one.
std::string password_hash(const DoorArgs& a) {
  const fs::path folder = trust::private_folder(""), file = folder / "studio-password";
  std::error_code ec;
  const bool known = fs::exists(file, ec);
  const std::string kept = known ? trust::read_private_file(file, 4096) : "";
  std::string password;
  if (a.password_file == "-") {
    password = ::isatty(STDIN_FILENO) ? ask_twice() : first_line(std::cin);
  } else if (!a.password_file.empty()) {
    const std::string text = trust::read_private_file(a.password_file, 4096);
    password = text.substr(0, text.find_first_of("\r\n"));
  } else if (known) {
    return kept;
  } else if (::isatty(STDIN_FILENO)) {
    password = ask_twice();
  } else {
    throw Error(
        ErrorCode::kUsage, "other machines may only ask with a password, and none is set",
        "give --password-file FILE (mode 0600, its first line), or - to read it from stdin");
  }
  if (known && server::password_matches(kept, password)) return kept;
  const std::string hash = server::hash_password(password);
  trust::write_private_file(file, hash, true);
  fs::remove(folder / "studio-sessions-tls.json", ec);
  return hash;
}

server::Certificate certificate(const DoorArgs& a, const server::ServerOptions& options) {
  if (!a.tls_cert.empty()) return server::read_certificate(a.tls_cert, a.tls_key);
  std::vector<std::string> names = options.names;
  if (options.address != "0.0.0.0" && options.address != "::")
    names.insert(names.begin(), options.address);
  return server::own_certificate(trust::private_folder(""), names);
}

}  // namespace

void add_door_flags(CLI::App* c, DoorArgs& a) {
  const std::string group = "Other machines";
  c->add_option("--listen", a.listen,
                "ADDRESS[:PORT] to listen on [default: 127.0.0.1]; another one needs TLS and a "
                "password")
      ->group(group);
  c->add_option("--host", a.hosts, "a name under which browsers open it, beside the address")
      ->group(group);
  auto* cert = c->add_option("--tls-cert", a.tls_cert, "certificate chain, PEM")->group(group);
  auto* key = c->add_option("--tls-key", a.tls_key, "its key, PEM, mode 0600")->group(group);
  cert->needs(key);
  key->needs(cert);
  c->add_flag("--tls-self-signed", a.tls_self_signed,
              "a certificate of its own, made on first use; compare the printed fingerprint with "
              "what the browser shows")
      ->group(group)
      ->excludes(cert);
  c->add_option(
       "--password-file", a.password_file,
       "file with mode 0600 whose first line becomes the password; - reads stdin [default: "
       "the one set last]")
      ->group(group);
}

server::ServerOptions door_of(const DoorArgs& a, int port) {
  server::ServerOptions out;
  if (!a.listen.empty()) split_listen(a.listen, out);
  if (out.port == 0) out.port = port;
  out.names = a.hosts;
  for (const auto& name : out.names)
    if (!server::is_host_name(name))
      throw Error(ErrorCode::kUsage, "--host '" + name + "' is no name of a machine",
                  "like studio.example.org, without https:// and port");
  const bool tls = a.tls_self_signed || !a.tls_cert.empty();
  const bool asked = tls || !a.password_file.empty() || !a.hosts.empty();
  if (!server::needs_protection(out.address) && !asked) return out;
  if (!tls)
    throw Error(ErrorCode::kUsage, "other machines may only ask over TLS, and there is none",
                kHowTls);
  if (out.names.empty() && (out.address == "0.0.0.0" || out.address == "::"))
    throw Error(ErrorCode::kUsage, "every address of this machine, but under which name?",
                "say with --host what browsers will open, or give one address");
  out.password = password_hash(a);
  out.tls = certificate(a, out);
  return out;
}

}  // namespace likeness::cli
