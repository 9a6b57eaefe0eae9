// SPDX-License-Identifier: Apache-2.0
// Signing with what lies outside the program: a time-stamp authority (RFC 3161) and a key on a
// token (PKCS#11). Both are real and run here: openssl's authority behind a loopback HTTP server,
// and SoftHSM.
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/rng.h"
#include "likeness/trust/c2pa.h"
#include "likeness/trust/certificates.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/oracle_test_util.h"
#include "likeness/trust/project_test_util.h"

namespace likeness::trust {
namespace {
namespace fs = std::filesystem;

bool run(const std::string& command) {
  return std::system((command + " > /dev/null 2>&1").c_str()) == 0;
}
std::string quoted(const fs::path& path) {
  std::string out = "'";
  out += path.string();
  out += '\'';
  return out;
}

/// Answers POSTs on 127.0.0.1 with `openssl ts -reply`.
class TimeAuthority {
 public:
  explicit TimeAuthority(const fs::path& folder) : folder_(folder) {
    fs::create_directories(folder_);
    write_file_atomic(folder_ / "ts.cnf",
                      "[tsa]\ndefault_tsa = t\n[t]\nserial = " + (folder_ / "serial").string() +
                          "\nsigner_digest = sha256\ndefault_policy = 1.3.6.1.4.1.99999.1\n"
                          "digests = sha256, sha384, sha512\naccuracy = secs:1\nordering = no\n"
                          "tsa_name = no\ness_cert_id_chain = no\ness_cert_id_alg = sha256\n");
    write_file_atomic(folder_ / "serial", "01\n");
    const std::string root = quoted(folder_ / "root.pem"), root_key = quoted(folder_ / "root.key");
    write_file_atomic(folder_ / "leaf.cnf",
                      "basicConstraints = critical,CA:FALSE\nkeyUsage = critical,digitalSignature\n"
                      "extendedKeyUsage = critical,timeStamping\nsubjectKeyIdentifier = hash\n"
                      "authorityKeyIdentifier = keyid\n");
    ready_ = run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " +
                 root_key + " -out " + root + " -days 2 -subj '/O=Test/CN=Test time root'") &&
             run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " +
                 quoted(folder_ / "tsa.key") + " -out " + quoted(folder_ / "tsa.csr") +
                 " -subj '/O=Test/CN=Test time authority'") &&
             run("openssl x509 -req -in " + quoted(folder_ / "tsa.csr") + " -CA " + root +
                 " -CAkey " + root_key + " -CAcreateserial -days 2 -extfile " +
                 quoted(folder_ / "leaf.cnf") + " -out " + quoted(folder_ / "tsa.pem"));
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    ready_ = ready_ && ::bind(socket_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0 &&
             ::listen(socket_, 8) == 0 &&
             ::getsockname(socket_, reinterpret_cast<sockaddr*>(&at), &size) == 0;
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TimeAuthority() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  bool ready() const { return ready_; }
  int answered() const { return answered_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }
  std::string root_pem() const { return read_file(folder_ / "root.pem"); }

 private:
  void serve() {
    for (int client; (client = ::accept(socket_, nullptr, nullptr)) >= 0; ::close(client))
      answer(client);
  }
  void answer(int client) {
    std::string text;
    char buffer[4096];
    size_t body = std::string::npos, length = 0;
    while (body == std::string::npos || text.size() < body + length) {
      const ssize_t n = ::recv(client, buffer, sizeof buffer, 0);
      if (n <= 0) return;
      text.append(buffer, static_cast<size_t>(n));
      const size_t end = text.find("\r\n\r\n");
      if (body != std::string::npos || end == std::string::npos) continue;
      body = end + 4;
      std::string head = text.substr(0, end);
      for (char& c : head) c = static_cast<char>(std::tolower(c));
      const size_t at = head.find("content-length:");
      if (at != std::string::npos) length = std::strtoul(head.c_str() + at + 15, nullptr, 10);
    }
    write_file_atomic(folder_ / "query", text.substr(body, length));
    std::string reply;
    if (run("openssl ts -reply -config " + quoted(folder_ / "ts.cnf") + " -queryfile " +
            quoted(folder_ / "query") + " -signer " + quoted(folder_ / "tsa.pem") + " -inkey " +
            quoted(folder_ / "tsa.key") + " -chain " + quoted(folder_ / "root.pem") + " -out " +
            quoted(folder_ / "reply"))) {
      reply = read_file(folder_ / "reply");
      ++answered_;
    }
    const std::string out =
        (reply.empty() ? std::string("HTTP/1.1 500 No\r\n") : std::string("HTTP/1.1 200 OK\r\n")) +
        "Content-Type: application/timestamp-reply\r\nContent-Length: " +
        std::to_string(reply.size()) + "\r\nConnection: close\r\n\r\n" + reply;
    for (size_t sent = 0; sent < out.size();) {
      const ssize_t n = ::send(client, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<size_t>(n);
    }
  }

  fs::path folder_;
  bool ready_ = false;
  int socket_ = -1, port_ = 0;
  std::atomic<int> answered_ = 0;
  std::thread thread_;
};

class C2paServices : public ProjectFixture {
 protected:
  void TearDown() override {
    for (const char* name : {"LIKENESS_SIGN_CERT", "LIKENESS_SIGN_KEY", "LIKENESS_TIME_AUTHORITY",
                             "LIKENESS_PASSPHRASE_FILE", "SOFTHSM2_CONF", "LIKENESS_PKCS11_MODULE"})
      ::unsetenv(name);
    ProjectFixture::TearDown();
  }
  /// A still through finish(), as the runner does it.
  fs::path still(const std::string& name) {
    Image8 image(320, 256, 3);
    Rng rng(3);
    for (auto& v : image.data) v = static_cast<uint8_t>(100 + rng.below(40));
    const fs::path path = folder_ / name, temporary = temporary_name(path);
    media::write_image(temporary, image);
    const Grant grant = authorise(
        *project_,
        {.task = "swap", .operation = Operation::kSwap, .subjects = {{"ben", Role::kIdentity}}});
    finish(*project_, grant, 1, {}, {"image", temporary, path}, 0);
    return path;
  }
  static nlohmann::json reading(const fs::path& path, const std::string& roots) {
    const auto r = c2pa::read(path, "image/png", roots);
    EXPECT_TRUE(r.has_value());
    return r ? r->json : nlohmann::json::object();
  }
  static bool says(const nlohmann::json& list, const std::string& code) {
    for (const auto& one : list)
      if (one.value("code", "") == code) return true;
    return false;
  }
};

TEST_F(C2paServices, ATimeAuthorityStampsTheSignature) {
  if (!run("command -v openssl")) GTEST_SKIP() << "the program openssl is not installed";
  TimeAuthority authority(folder_ / "tsa");
  ASSERT_TRUE(authority.ready());
  ::setenv("LIKENESS_TIME_AUTHORITY", authority.url().c_str(), 1);
  const fs::path path = still("stamped.png");
  EXPECT_EQ(authority.answered(), 1);
  // Its own root is not among those for signers: the stamp fits, its authority is unknown.
  const auto r = reading(path, trusted_roots_pem());
  EXPECT_EQ(r["validation_state"], "Trusted") << r["validation_results"].dump(1);
  const auto& result = r["validation_results"]["activeManifest"];
  EXPECT_TRUE(says(result["success"], "timeStamp.validated")) << result.dump(1);
  const auto& m = r["manifests"][r["active_manifest"].get<std::string>()];
  EXPECT_EQ(m["signature_info"]["time"].get<std::string>().substr(0, 4),
            project::now_utc().substr(0, 4))
      << m["signature_info"].dump(1);
  for (const auto& said : oracle_says(folder_, {path})) {
    expect_oracle_trusts(said);
    EXPECT_NE(said["crjson"].dump().find("timeStamp.validated"), std::string::npos);
  }
  // The same without: no stamp, and nobody is asked.
  ::unsetenv("LIKENESS_TIME_AUTHORITY");
  const auto plain = reading(still("plain.png"), trusted_roots_pem());
  EXPECT_EQ(authority.answered(), 1);
  EXPECT_FALSE(
      says(plain["validation_results"]["activeManifest"]["success"], "timeStamp.validated"));
}

TEST_F(C2paServices, ATimeAuthorityThatIsAwayIsSaid) {
  ::setenv("LIKENESS_TIME_AUTHORITY", "http://127.0.0.1:9/", 1);  // nobody listens there
  try {
    still("never.png");
    FAIL() << "it was signed without the stamp that was asked for";
  } catch (const Error& e) {
    EXPECT_NE((e.what() + e.hint()).find("LIKENESS_TIME_AUTHORITY"), std::string::npos)
        << e.what() << " / " << e.hint();
  }
  EXPECT_FALSE(fs::exists(folder_ / "never.png"));
}

/// A SoftHSM token of this test alone, with a P-256 key and a certificate for it.
class C2paToken : public C2paServices {
 protected:
  bool make_token() {
    fs::create_directories(folder_ / "tokens");
    write_file_atomic(folder_ / "softhsm2.conf",
                      "directories.tokendir = " + (folder_ / "tokens").string() +
                          "\nobjectstore.backend = file\nlog.level = ERROR\n");
    ::setenv("SOFTHSM2_CONF", (folder_ / "softhsm2.conf").c_str(), 1);
    ::setenv("LIKENESS_PKCS11_MODULE", kModule, 1);
    SigningIdentity::open();  // its root signs the token's certificate
    const fs::path s = folder_ / "home/signing";
    write_file_atomic(folder_ / "leaf.cnf",
                      "basicConstraints = critical,CA:FALSE\nkeyUsage = critical,digitalSignature\n"
                      "extendedKeyUsage = 1.3.6.1.4.1.62558.2.1,emailProtection\n"
                      "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n");
    const std::string key = quoted(folder_ / "token.key"), csr = quoted(folder_ / "token.csr"),
                      leaf = quoted(folder_ / "token.pem");
    const bool made =
        run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out " + key) &&
        run("openssl req -new -key " + key + " -out " + csr + " -subj '/O=Test/CN=Token signer'") &&
        run("openssl x509 -req -in " + csr + " -CA " + quoted(s / "root.pem") + " -CAkey " +
            quoted(s / "root.key") + " -set_serial 77 -days 2 -extfile " +
            quoted(folder_ / "leaf.cnf") + " -out " + leaf) &&
        run("softhsm2-util --init-token --free --label likeness --so-pin 4321 --pin 1234") &&
        run("softhsm2-util --import " + key +
            " --token likeness --label signer --id a1 --pin 1234");
    fs::remove(folder_ / "token.key");  // from here on only the token has it
    if (made)
      write_file_atomic(folder_ / "chain.pem",
                        read_file(folder_ / "token.pem") + read_file(s / "root.pem"));
    return made;
  }
  static constexpr const char* kModule = "/usr/lib/softhsm/libsofthsm2.so";
};

TEST_F(C2paToken, AKeyOnATokenSigns) {
  if (!run("command -v softhsm2-util") || !run("command -v openssl") || !fs::exists(kModule))
    GTEST_SKIP() << "softhsm2 is not installed: scripts/install-packages check";
  if (!run("openssl engine -t pkcs11"))
    GTEST_SKIP() << "libengine-pkcs11-openssl is not installed: scripts/install-packages check";
  ASSERT_TRUE(make_token());
  ::setenv("LIKENESS_SIGN_CERT", (folder_ / "chain.pem").c_str(), 1);
  const fs::path pin = folder_ / "pin";
  write_file_atomic(pin, "9999");
  ::setenv(
      "LIKENESS_SIGN_KEY",
      ("pkcs11:token=likeness;object=signer;type=private?pin-source=file:" + pin.string()).c_str(),
      1);
  // A wrong PIN is an error that does not repeat it. First: a session that is open stays open.
  try {
    still("no.png");
    FAIL() << "signed with a wrong PIN";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kMissing);
    EXPECT_EQ((e.what() + e.hint()).find("9999"), std::string::npos);
  }

  write_file_atomic(pin, "1234");
  const fs::path path = still("token.png");
  const auto r = reading(path, trusted_roots_pem());
  EXPECT_EQ(r["validation_state"], "Trusted") << r["validation_results"].dump(1);
  const auto& m = r["manifests"][r["active_manifest"].get<std::string>()];
  EXPECT_EQ(m["signature_info"]["common_name"], "Token signer") << m["signature_info"].dump(1);
  for (const auto& said : oracle_says(folder_, {path})) expect_oracle_trusts(said);
}

}  // namespace
}  // namespace likeness::trust
