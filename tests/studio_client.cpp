// SPDX-License-Identifier: Apache-2.0
#include "studio_client.h"

#include <algorithm>
#include <csignal>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"

namespace likeness::tests {
namespace fs = std::filesystem;
using nlohmann::json;

struct Wire::Tls {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = SSL_new(context);
  ~Tls() {
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
};

Wire::Wire(const Place& place, double patience_s) : patience_s_(patience_s) {
  ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(place.port));
  ::inet_pton(AF_INET, place.address.c_str(), &address.sin_addr);
  bool ok = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  if (ok && place.tls) {
    tls_ = std::make_unique<Tls>();
    SSL_set_fd(tls_->ssl, fd_);
    ok = SSL_connect(tls_->ssl) == 1;
  }
  if (ok) return;
  ::close(fd_);
  fd_ = -1;
}
Wire::~Wire() {
  tls_.reset();
  if (fd_ >= 0) ::close(fd_);
}
std::string Wire::fingerprint() const {
  X509* shown = tls_ && fd_ >= 0 ? SSL_get1_peer_certificate(tls_->ssl) : nullptr;
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  std::string out;
  if (shown && X509_digest(shown, EVP_sha256(), bytes, &size) == 1)
    for (unsigned i = 0; i < size; ++i) {
      char two[4];
      std::snprintf(two, sizeof two, "%02X:", bytes[i]);
      out += two;
    }
  X509_free(shown);
  return out.substr(0, out.empty() ? 0 : out.size() - 1);
}
bool Wire::send(const std::string& bytes) {
  for (size_t done = 0; fd_ >= 0 && done < bytes.size();) {
    const size_t left = bytes.size() - done;
    const ssize_t n = tls_ ? SSL_write(tls_->ssl, bytes.data() + done, static_cast<int>(left))
                           : ::send(fd_, bytes.data() + done, left, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return fd_ >= 0;
}
/// 0: closed; -1: nothing came in time.
long Wire::receive(char* bytes, size_t size) {
  pollfd p{fd_, POLLIN, 0};
  const bool waiting = tls_ && SSL_pending(tls_->ssl) > 0;
  if (!waiting && ::poll(&p, 1, static_cast<int>(patience_s_ * 1000)) <= 0) return -1;
  const long n = tls_ ? SSL_read(tls_->ssl, bytes, static_cast<int>(size))
                      : static_cast<long>(::recv(fd_, bytes, size, 0));
  return std::max(0l, n);
}
bool Wire::fill() {
  char bytes[65536];
  const long n = fd_ < 0 ? 0 : receive(bytes, sizeof bytes);
  if (n <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(n));
  return true;
}
Answer Wire::read_answer() {
  Answer a;
  size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
    if (!fill()) return a;
  const std::string head = buffer_.substr(0, end);
  buffer_.erase(0, end + 4);
  if (head.size() < 12) return a;
  a.status = std::atoi(head.substr(9, 3).c_str());
  for (size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) {
    const size_t colon = head.find(": ", at + 2), stop = head.find("\r\n", at + 2);
    if (colon == std::string::npos || colon > stop) continue;
    std::string name = head.substr(at + 2, colon - at - 2);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    a.headers[name] = head.substr(colon + 2, stop - colon - 2);
  }
  const auto length = a.headers.find("content-length");
  if (length != a.headers.end() && a.status != 101 && a.status != 304)
    a.body = read_exactly(static_cast<size_t>(std::stoull(length->second)));
  return a;
}
std::string Wire::read_exactly(size_t bytes) {
  while (buffer_.size() < bytes)
    if (!fill()) break;
  std::string out = buffer_.substr(0, bytes);
  buffer_.erase(0, out.size());
  return out;
}
bool Wire::is_closed_by_server() {
  char bytes[4096];
  for (long n = 1; fd_ >= 0;) {
    n = receive(bytes, sizeof bytes);
    if (n <= 0) return n == 0;
  }
  return true;
}

Studio::Studio(const fs::path& folder, const std::vector<std::string>& args) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) std::abort();
  const std::string home = "LIKENESS_STUDIO_HOME=" + (folder / "projects").string();
  child_ = ::fork();
  if (child_ == 0) {
    if (::chdir(folder.c_str()) != 0) ::_exit(99);
    ::dup2(pipe[1], 1);
    const int log = ::open("studio.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(log, 2);
    ::putenv(::strdup(home.c_str()));
    std::vector<char*> argv = {::strdup(LIKENESS_PROGRAM), ::strdup("studio")};
    for (const auto& a : args) argv.push_back(::strdup(a.c_str()));
    for (const char* a : {"--no-browser", "--json"}) argv.push_back(::strdup(a));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(98);
  }
  ::close(pipe[1]);
  out_ = pipe[0];
  std::string text;
  char bytes[4096];
  for (ssize_t n; text.find("}\n") == std::string::npos && (n = ::read(out_, bytes, 4096)) > 0;)
    text.append(bytes, static_cast<size_t>(n));
  const json j = json::parse(text, nullptr, false);
  EXPECT_TRUE(j.is_object()) << text << read_file(folder / "studio.log");
  if (!j.is_object() || !j.contains("port")) return;
  port = j["port"];
  token = j.value("token", "");
  fingerprint = j.value("fingerprint", "");
  const std::string url = j["url"];
  tls = url.rfind("https://", 0) == 0;
  address = url.substr(url.find("//") + 2);
  address = address.substr(0, address.find(':'));
}
Studio::~Studio() {
  kill();
  ::close(out_);
}
void Studio::kill(int signal) {
  if (child_ <= 0) return;
  ::kill(child_, signal);
  ::waitpid(child_, nullptr, 0);
  child_ = 0;
}
int Studio::stop() {
  int status = -1;
  ::kill(child_, SIGINT);
  ::waitpid(child_, &status, 0);
  child_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
std::string Studio::text(const std::string& method, const std::string& path,
                         const std::string& body,
                         std::map<std::string, std::string> headers) const {
  headers.try_emplace("Host", host());
  headers.try_emplace("Cookie", cookie);
  if (method != "GET") headers.try_emplace("X-Likeness-CSRF", csrf);
  if (!body.empty() || method == "POST" || method == "PUT")
    headers.try_emplace("Content-Length", std::to_string(body.size()));
  std::string out = method + " " + path + " HTTP/1.1\r\n";
  for (const auto& [name, value] : headers)
    if (!value.empty()) out += name + ": " + value + "\r\n";
  return out + "\r\n" + body;
}
Answer Studio::send(const std::string& method, const std::string& path, const std::string& body,
                    std::map<std::string, std::string> headers) {
  Wire wire(place());
  wire.send(text(method, path, body, std::move(headers)));
  return wire.read_answer();
}
Answer Studio::get(const std::string& path, std::map<std::string, std::string> headers) {
  return send("GET", path, "", std::move(headers));
}
json Studio::ok(const std::string& method, const std::string& path, const json& body) {
  const Answer a = send(method, path, body.is_null() ? "" : body.dump());
  EXPECT_TRUE(a.status == 200 || a.status == 201)
      << method << " " << path << ": " << a.status << " " << a.body;
  return a.json();
}
void Studio::login(const std::string& password) {
  const json proof = password.empty() ? json{{"token", token}} : json{{"password", password}};
  const Answer a = send("POST", "/v1/session", proof.dump());
  ASSERT_EQ(a.status, 200) << a.body;
  cookie = a.headers.at("set-cookie");
  cookie = cookie.substr(0, cookie.find(';'));
  csrf = a.json()["csrf"];
  if (a.json()["project"].is_string()) project = a.json()["project"];
}
json Studio::upload(const std::string& id, const fs::path& file) {
  const std::string bytes = read_file(file), base = "/v1/projects/" + id + "/uploads";
  const json begun = ok("POST", base, {{"name", file.filename().string()}, {"size", bytes.size()}});
  const std::string upload = base + "/" + begun.value("upload", "");
  constexpr size_t kPiece = 1 << 20;
  for (size_t at = 0; at < bytes.size(); at += kPiece) {
    const Answer a =
        send("PUT", upload + "?offset=" + std::to_string(at), bytes.substr(at, kPiece));
    EXPECT_EQ(a.status, 200) << a.body;
  }
  return ok("POST", upload + "/done", json::object());
}

}  // namespace likeness::tests
