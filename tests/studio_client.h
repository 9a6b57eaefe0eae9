// SPDX-License-Identifier: Apache-2.0
// A running `likeness studio`, and a client that can also misbehave.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <sys/types.h>

#include "program.h"

namespace likeness::tests {

struct Answer {
  int status = 0;                              ///< 0: the connection ended without an answer
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
};

/// Where a studio listens.
struct Place {
  std::string address = "127.0.0.1";  ///< IPv4
  int port = 0;
  bool tls = false;
};

/// One connection. All calls wait at most `patience_s`.
class Wire {
 public:
  explicit Wire(const Place& place, double patience_s = 30);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  bool send(const std::string& bytes);
  Answer read_answer();
  std::string read_exactly(size_t bytes);
  /// True when the server ended the connection within the patience.
  bool is_closed_by_server();
  /// SHA-256 of the certificate it showed, "AB:CD:..."; empty without TLS.
  std::string fingerprint() const;

 private:
  bool fill();
  long receive(char* bytes, size_t size);
  int fd_ = -1;
  struct Tls;
  std::unique_ptr<Tls> tls_;
  double patience_s_;
  std::string buffer_;
};

/// The program under test with a home of its own.
class Studio {
 public:
  Studio(const std::filesystem::path& folder, const std::vector<std::string>& args);
  ~Studio();
  bool running() const { return port > 0; }
  void kill(int signal = 9);                     ///< SIGKILL, or another that ends it
  int stop();                                    ///< SIGINT; gives the exit status
  void login(const std::string& password = "");  ///< fills cookie and csrf
  Place place(bool tls) const { return {address, port, tls}; }
  Place place() const { return place(tls); }
  std::string host() const { return address + ":" + std::to_string(port); }
  std::string origin() const { return (tls ? "https://" : "http://") + host(); }
  Answer get(const std::string& path, std::map<std::string, std::string> headers = {});
  Answer send(const std::string& method, const std::string& path, const std::string& body = "",
              std::map<std::string, std::string> headers = {});
  nlohmann::json ok(const std::string& method, const std::string& path,
                    const nlohmann::json& body = nullptr);
  /// A request as text, with Host, cookie and csrf unless `headers` has them ("" leaves one out).
  std::string text(const std::string& method, const std::string& path, const std::string& body,
                   std::map<std::string, std::string> headers) const;
  /// The file as a clip of the project.
  nlohmann::json upload(const std::string& project, const std::filesystem::path& file);

  int port = 0;
  bool tls = false;
  std::string address = "127.0.0.1", fingerprint;
  std::string token, cookie, csrf, project;

 private:
  pid_t child_ = 0;
  int out_ = -1;
};

}  // namespace likeness::tests
