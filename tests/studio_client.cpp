// SPDX-License-Identifier: Apache-2.0
#include "studio_client.h"

#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"

namespace likeness::tests {
namespace fs = std::filesystem;
using nlohmann::json;

Wire::Wire(int port, double patience_s) : patience_s_(patience_s) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd_);
    fd_ = -1;
  }
}
Wire::~Wire() {
  if (fd_ >= 0) ::close(fd_);
}
bool Wire::send(const std::string& bytes) {
  for (size_t done = 0; fd_ >= 0 && done < bytes.size();) {
    const ssize_t n = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return fd_ >= 0;
}
bool Wire::fill() {
  pollfd p{fd_, POLLIN, 0};
  if (fd_ < 0 || ::poll(&p, 1, static_cast<int>(patience_s_ * 1000)) <= 0) return false;
  char bytes[65536];
  const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
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
  if (fd_ < 0) return true;
  for (;;) {
    pollfd p{fd_, POLLIN, 0};
    if (::poll(&p, 1, static_cast<int>(patience_s_ * 1000)) <= 0) return false;
    char bytes[4096];
    if (::recv(fd_, bytes, sizeof bytes, 0) <= 0) return true;
  }
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
  token = j["token"];
}
Studio::~Studio() {
  kill();
  ::close(out_);
}
void Studio::kill() {
  if (child_ <= 0) return;
  ::kill(child_, SIGKILL);
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
  headers.try_emplace("Host", "127.0.0.1:" + std::to_string(port));
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
  Wire wire(port);
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
void Studio::login() {
  const Answer a = send("POST", "/v1/session", json{{"token", token}}.dump());
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
