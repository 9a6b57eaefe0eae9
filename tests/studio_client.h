// SPDX-License-Identifier: Apache-2.0
// A running `likeness studio`, and a client that can also misbehave.
#pragma once

#include <map>
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

/// One connection. All calls wait at most `patience_s`.
class Wire {
 public:
  explicit Wire(int port, double patience_s = 30);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  bool send(const std::string& bytes);
  Answer read_answer();
  std::string read_exactly(size_t bytes);
  /// True when the server ended the connection within the patience.
  bool is_closed_by_server();

 private:
  bool fill();
  int fd_ = -1;
  double patience_s_;
  std::string buffer_;
};

/// The program under test with a home of its own.
class Studio {
 public:
  Studio(const std::filesystem::path& folder, const std::vector<std::string>& args);
  ~Studio();
  bool running() const { return port > 0; }
  void kill();   ///< SIGKILL
  int stop();    ///< SIGINT; gives the exit status
  void login();  ///< fills cookie and csrf
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
  std::string token, cookie, csrf, project;

 private:
  pid_t child_ = 0;
  int out_ = -1;
};

}  // namespace likeness::tests
