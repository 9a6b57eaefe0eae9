// SPDX-License-Identifier: Apache-2.0
// Who may ask: only pages of this server, with its cookie, from this machine.
//
// - Host must be one of ours (a foreign name that resolves to 127.0.0.1 is refused).
// - Origin, where sent, must be ours; on every method and on the WebSocket.
// - The token of the address is exchanged for an HttpOnly SameSite=Strict cookie; its hash is kept
//   in home_folder()/studio-sessions.json, so that an open page goes on after a restart.
// - Every method but GET and HEAD also needs the session's CSRF token in a header.
// - Where other machines may ask (a Door with a password): https, the password
//   instead of the token, a Secure cookie with the __Host- prefix, and few tries (LoginLimit).
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "likeness/server/http.h"
#include "likeness/server/password.h"

namespace likeness::server {

struct Door {
  int port = 0;
  std::filesystem::path store;  ///< file of the sessions; empty = they end with the program
  std::vector<std::string> names = {"127.0.0.1", "localhost", "[::1]"};  ///< as in a Host header
  std::string password;  ///< of hash_password(); not empty: https, and no token
};

class Gatekeeper {
 public:
  explicit Gatekeeper(Door door);
  /// On this machine only. `store`: as in Door.
  Gatekeeper(int port, std::filesystem::path store);
  /// Empty where a password is asked for.
  const std::string& token() const { return token_; }
  bool wants_password() const { return !door_.password.empty(); }

  /// HttpError 421 (foreign Host), 403 (foreign Origin or a cross-site fetch).
  void check_source(const Request& request) const;
  /// HttpError 401 (no session), 403 (no or wrong CSRF token where one is needed).
  void check_session(const Request& request) const;
  std::optional<std::string> csrf_of(const Request& request) const;  ///< nothing without a session

  struct Login {
    std::string set_cookie, csrf;
  };
  /// HttpError 401 when the token is wrong.
  Login login(const std::string& token);
  /// Counts a try of this client; seconds to wait when there were too many, else 0.
  int64_t begin_try(const std::string& client);
  /// After begin_try() gave 0. HttpError 401 when it is wrong. Takes 0.1 s.
  Login login_with_password(const std::string& password, const std::string& client);
  /// Ends the session of the cookie; gives the cookie that removes it.
  std::string logout(const Request& request);

 private:
  std::optional<std::string> session_of(const Request& request) const;
  Login new_session();
  std::string cookie(const std::string& value, int64_t seconds) const;
  int64_t session_seconds() const;
  HttpError no_session() const;
  void save_locked() const;

  Door door_;
  std::string token_, cookie_name_;
  std::set<std::string> hosts_, origins_;
  LoginLimit limit_;
  mutable std::mutex mutex_;
  std::map<std::string, int64_t> sessions_;  ///< SHA-256 of the cookie -> seconds it was made
};

/// Value of a cookie in a Cookie header; nothing when absent.
std::optional<std::string> cookie_value(std::string_view header, std::string_view name);
/// Takes the same time wherever the texts differ.
bool same_secret(std::string_view a, std::string_view b);
/// Content-Security-Policy and the other headers of every answer.
const std::vector<std::pair<std::string, std::string>>& security_headers();

}  // namespace likeness::server
