// SPDX-License-Identifier: Apache-2.0
// HTTP and WebSocket on one port of this machine, for the studio's page. On another address than
// 127.0.0.1 only with TLS and a password.
//
// One thread does the sockets; handlers run on small pools, one per Lane, so that a slow one never
// holds up the events or a frame. Limits: 16 KB of headers, 8 MiB of body, 5 s for a TLS
// handshake, 5 s for the first request of a connection, 75 s for the next, 30 s for a body, 128
// connections.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "likeness/server/app.h"
#include "likeness/server/certificate.h"
#include "likeness/server/security.h"

namespace likeness::server {

struct ServerOptions {
  std::string address = "127.0.0.1";  ///< IPv4 or IPv6; another one needs `tls` and `password`
  std::vector<std::string> names;     ///< under which browsers may ask, beside the address
  std::optional<Certificate> tls;
  std::string password;             ///< of hash_password(); together with `tls` or not at all
  int port = 0;                     ///< 0: the one used last when it is free, else a free one
  std::filesystem::path sessions;   ///< file of the sessions; empty = they are not kept
  std::filesystem::path last_port;  ///< file that remembers the port; empty = not
};

/// True for an IP address other than 127.0.0.1. Throws kUsage when it is no IP address.
bool needs_protection(const std::string& address);
/// True for what may stand in an address bar: letters, digits, dots and hyphens, at most 253.
bool is_host_name(std::string_view text);

class Server {
 public:
  /// Listens. Throws kIo when the port is taken or the address is none of this machine's, kUsage
  /// when other machines could ask without TLS or without a password.
  Server(App& app, const ServerOptions& options);
  ~Server();
  int port() const;
  const std::string& token() const;
  std::string url() const;                  ///< with the token, where there is one
  void set_project(const std::string& id);  ///< that a new session is told to show
  /// Until `stop` gives true (asked five times a second).
  void run(const std::function<bool()>& stop);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What answers one request that was read completely: security, routes, static files. Used by the
/// connections, the tests and the fuzzer.
class Front {
 public:
  Front(App& app, Gatekeeper& gate);
  /// Before the body is read: who asks, and what for. Null: a static file, /v1/session or the
  /// events. Throws HttpError.
  const Route* admit(Request& request) const;
  bool is_events(const Request& request) const;
  bool is_live(const Request& request) const;
  /// Runs the handler; never throws.
  Response answer(const Route* route, Request& request) const;
  void set_project(const std::string& id) { project_ = id; }
  const Router& router() const { return router_; }

 private:
  Response session(const Request& request) const;
  App& app_;
  Gatekeeper& gate_;
  Router router_;
  std::string project_;
};

}  // namespace likeness::server
