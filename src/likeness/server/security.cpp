// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/security.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include "likeness/base/hash.h"
#include "likeness/base/run.h"
#include "likeness/trust/keys.h"

namespace likeness::server {
namespace {

constexpr int64_t kSessionSeconds = 7 * 24 * 3600, kPasswordSessionSeconds = 24 * 3600;
constexpr size_t kMaxSessions = 32;

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::tolower(c); });
  return s;
}
/// The session's second secret; known to the page, not to other sites.
std::string csrf_for(const std::string& cookie) {
  return trust::hmac_sha256_hex(cookie, "likeness-csrf");
}
bool is_reading(const std::string& method) { return method == "GET" || method == "HEAD"; }

}  // namespace

bool same_secret(std::string_view a, std::string_view b) {
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size() && !b.empty(); ++i)
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i % b.size()]));
  return difference == 0 && !a.empty();
}

std::optional<std::string> cookie_value(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    std::string_view pair = header.substr(0, header.find(';'));
    header.remove_prefix(std::min(header.size(), pair.size() + 1));
    while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
    const size_t equal = pair.find('=');
    if (equal != std::string_view::npos && pair.substr(0, equal) == name)
      return std::string(pair.substr(equal + 1));
  }
  return std::nullopt;
}

Gatekeeper::Gatekeeper(int port, std::filesystem::path store)
    : Gatekeeper(Door{.port = port, .store = std::move(store)}) {}

Gatekeeper::Gatekeeper(Door door) : door_(std::move(door)) {
  const bool tls = wants_password();
  if (!tls) token_ = hex(trust::random_bytes(24));
  // Cookies do not know ports: the name does, so that two studios do not log each other out.
  cookie_name_ =
      (tls ? "__Host-likeness_session_" : "likeness_session_") + std::to_string(door_.port);
  for (const std::string& name : door_.names) {
    const std::string host = lower(name) + ":" + std::to_string(door_.port);
    hosts_.insert(host);
    origins_.insert((tls ? "https://" : "http://") + host);
    if (tls && door_.port == 443) {  // browsers leave it out
      hosts_.insert(lower(name));
      origins_.insert("https://" + lower(name));
    }
  }
  if (door_.store.empty()) return;
  try {
    const auto j = nlohmann::json::parse(trust::read_private_file(door_.store), nullptr, false);
    if (j.is_object())
      for (const auto& [hash, at] : j.items())
        if (at.is_number_integer() && std::time(nullptr) - at.get<int64_t>() < session_seconds())
          sessions_[hash] = at;
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kNotFound)
      log_warning(std::string("known sessions are not used: ") + e.what());
  }
}

void Gatekeeper::check_source(const Request& request) const {
  if (!hosts_.count(lower(request.header("host"))))
    throw HttpError{421, "refused", "this server does not answer to that name",
                    "open the address that `likeness studio` prints"};
  const std::string origin = request.header("origin");
  const std::string site = request.header("sec-fetch-site");
  // A link in a mail or another page may open the studio, it may not ask it anything.
  const bool navigation = request.header("sec-fetch-mode") == "navigate" &&
                          request.method == "GET" &&
                          (request.segments.empty() || request.segments[0] != "v1");
  if (!origin.empty() && !origins_.count(lower(origin)))
    throw HttpError{403, "refused", "another site asked for this", "use the studio's own page"};
  if ((site == "cross-site" || site == "same-site") && !navigation)
    throw HttpError{403, "refused", "another site asked for this", "use the studio's own page"};
}

std::optional<std::string> Gatekeeper::session_of(const Request& request) const {
  const auto cookie = cookie_value(request.header("cookie"), cookie_name_);
  if (!cookie || cookie->size() != 64) return std::nullopt;
  std::lock_guard lock(mutex_);
  const auto it = sessions_.find(sha256(*cookie));
  if (it == sessions_.end() || std::time(nullptr) - it->second >= session_seconds())
    return std::nullopt;
  return cookie;
}

std::optional<std::string> Gatekeeper::csrf_of(const Request& request) const {
  const auto cookie = session_of(request);
  if (!cookie) return std::nullopt;
  return csrf_for(*cookie);
}

void Gatekeeper::check_session(const Request& request) const {
  const auto csrf = csrf_of(request);
  if (!csrf) throw no_session();
  if (!is_reading(request.method) && !same_secret(request.header("x-likeness-csrf"), *csrf))
    throw HttpError{403, "refused", "the request does not prove that it comes from the studio",
                    "load the page again"};
}

int64_t Gatekeeper::session_seconds() const {
  return wants_password() ? kPasswordSessionSeconds : kSessionSeconds;
}

HttpError Gatekeeper::no_session() const {
  if (wants_password())
    return {401, "password", "this page has no session", "log in with the studio's password"};
  return {401, "unauthorised", "this page has no session",
          "open the address that `likeness studio` prints, with its token"};
}

Gatekeeper::Login Gatekeeper::login(const std::string& token) {
  if (!same_secret(token, token_))
    throw HttpError{401, "unauthorised", "the token is wrong",
                    "open the address that `likeness studio` printed last"};
  return new_session();
}

int64_t Gatekeeper::begin_try(const std::string& client) {
  using namespace std::chrono;
  return limit_.begin(client,
                      duration_cast<seconds>(steady_clock::now().time_since_epoch()).count());
}

Gatekeeper::Login Gatekeeper::login_with_password(const std::string& password,
                                                  const std::string& client) {
  if (!wants_password() || !password_matches(door_.password, password)) {
    log_warning("a wrong password from " + client);
    throw HttpError{401, "password", "the password is wrong",
                    "type it again; `likeness studio --password-file` sets another one"};
  }
  limit_.succeeded(client);
  log_info("a login from " + client);
  return new_session();
}

std::string Gatekeeper::cookie(const std::string& value, int64_t seconds) const {
  return cookie_name_ + "=" + value +
         "; HttpOnly; SameSite=Strict; Path=/; Max-Age=" + std::to_string(seconds) +
         (wants_password() ? "; Secure" : "");
}

Gatekeeper::Login Gatekeeper::new_session() {
  const std::string value = hex(trust::random_bytes(32));
  std::lock_guard lock(mutex_);
  sessions_[sha256(value)] = std::time(nullptr);
  while (sessions_.size() > kMaxSessions)
    sessions_.erase(
        std::min_element(sessions_.begin(), sessions_.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; }));
  save_locked();
  return {cookie(value, session_seconds()), csrf_for(value)};
}

std::string Gatekeeper::logout(const Request& request) {
  const auto value = session_of(request);
  std::lock_guard lock(mutex_);
  if (value) sessions_.erase(sha256(*value));
  save_locked();
  return cookie("", 0);
}

void Gatekeeper::save_locked() const {
  if (door_.store.empty()) return;
  try {
    trust::write_private_file(door_.store, nlohmann::json(sessions_).dump(), true);
  } catch (const Error& e) {  // then an open page has to be opened anew after a restart
    log_warning(std::string("the session could not be kept: ") + e.what());
  }
}

const std::vector<std::pair<std::string, std::string>>& security_headers() {
  static const std::vector<std::pair<std::string, std::string>> all = {
      {"Content-Security-Policy",
       "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; "
       "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"X-Frame-Options", "DENY"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Permissions-Policy",
       "camera=(self), microphone=(self), speaker-selection=(self), geolocation=()"}};
  return all;
}

}  // namespace likeness::server
