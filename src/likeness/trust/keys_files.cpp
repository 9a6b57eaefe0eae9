// SPDX-License-Identifier: Apache-2.0
// Private files and the small encodings beside the keys.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/trust/keys.h"

namespace likeness::trust {
namespace fs = std::filesystem;
namespace {

constexpr char kBase58[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

void write_all(int fd, std::string_view bytes, const fs::path& path) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno(errno, "cannot write " + path.string());
    done += static_cast<size_t>(n);
  }
  if (::fsync(fd) != 0) throw_errno(errno, "cannot write " + path.string());
}

}  // namespace

fs::path home_folder() {
  if (const char* named = std::getenv("LIKENESS_HOME"); named && *named) return named;
  if (const char* xdg = std::getenv("XDG_CONFIG_HOME"); xdg && *xdg)
    return fs::path(xdg) / "likeness";
  if (const char* home = std::getenv("HOME"); home && *home)
    return fs::path(home) / ".config/likeness";
  throw Error(ErrorCode::kMissing, "there is no place for the signing keys: HOME is not set",
              "set LIKENESS_HOME to a private folder");
}

fs::path private_folder(const std::string& name) {
  const fs::path home = home_folder(), folder = name.empty() ? home : home / name;
  std::error_code ec;
  fs::create_directories(home.parent_path(), ec);
  for (const fs::path& f : {home, folder})
    if (::mkdir(f.c_str(), 0700) != 0 && errno != EEXIST)
      throw Error(ErrorCode::kIo, "cannot make the folder for keys " + f.string(),
                  "set LIKENESS_HOME to a folder you may write to");
  return folder;
}

bool write_private_file(const fs::path& path, std::string_view bytes, bool replace) {
  const fs::path part = temporary_name(path);
  ::unlink(part.c_str());
  const int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) throw_errno(errno, "cannot create " + path.string());
  try {
    write_all(fd, bytes, path);
  } catch (...) {
    ::close(fd);
    ::unlink(part.c_str());
    throw;
  }
  ::close(fd);
  // link() fails where a file is: two processes that make the same key cannot overwrite each other.
  const int done =
      replace ? ::rename(part.c_str(), path.c_str()) : ::link(part.c_str(), path.c_str());
  const int error = errno;
  ::unlink(part.c_str());
  if (done == 0) return true;
  if (!replace && error == EEXIST) return false;
  throw_errno(error, "cannot write " + path.string());
}

std::string read_private_file(const fs::path& path, uint64_t limit) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) throw_errno(errno, "cannot open " + path.string());
  if ((st.st_mode & 077) != 0)
    throw Error(ErrorCode::kRefused, path.string() + " can be read by others",
                "chmod 600 " + path.string() + ", and ask who may have read it");
  return read_file(path, limit);
}

void shred_file(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return;
  if (fd < 0) throw_errno(errno, "cannot open " + path.string());
  struct stat st {};
  if (::fstat(fd, &st) == 0) {
    const auto noise = random_bytes(static_cast<size_t>(st.st_size));
    write_all(fd, {reinterpret_cast<const char*>(noise.data()), noise.size()}, path);
  }
  ::close(fd);
  if (::unlink(path.c_str()) != 0) throw_errno(errno, "cannot remove " + path.string());
  const int folder = ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
}

std::string passphrase() {
  const char* named = std::getenv("LIKENESS_PASSPHRASE_FILE");
  if (!named || !*named) return "";
  std::string text = read_file(named, 4096);
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  if (text.size() < 8 || text.size() > 512)
    throw Error(ErrorCode::kUsage, std::string(named) + " does not hold a passphrase",
                "its first line must have 8 to 512 characters");
  return text;
}

std::string base58(std::span<const uint8_t> bytes) {
  std::vector<uint8_t> digits;  // base 58, least significant first
  for (uint8_t b : bytes) {
    int carry = b;
    for (uint8_t& d : digits) {
      carry += d << 8;
      d = static_cast<uint8_t>(carry % 58);
      carry /= 58;
    }
    for (; carry; carry /= 58) digits.push_back(static_cast<uint8_t>(carry % 58));
  }
  std::string out;
  for (size_t i = 0; i < bytes.size() && bytes[i] == 0; ++i) out += '1';
  for (auto it = digits.rbegin(); it != digits.rend(); ++it) out += kBase58[*it];
  return out;
}

std::optional<std::vector<uint8_t>> base58_decode(std::string_view text) {
  if (text.size() > 200) return std::nullopt;
  std::vector<uint8_t> bytes;  // least significant first
  for (char c : text) {
    const char* at = c ? std::find(kBase58, kBase58 + 58, c) : kBase58 + 58;
    if (at == kBase58 + 58) return std::nullopt;
    int carry = static_cast<int>(at - kBase58);
    for (uint8_t& b : bytes) {
      carry += b * 58;
      b = static_cast<uint8_t>(carry & 255);
      carry >>= 8;
    }
    for (; carry; carry >>= 8) bytes.push_back(static_cast<uint8_t>(carry & 255));
  }
  for (size_t i = 0; i < text.size() && text[i] == '1'; ++i) bytes.push_back(0);
  std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

std::vector<uint8_t> random_bytes(size_t count) {
  std::vector<uint8_t> out(count);
  if (count && RAND_bytes(out.data(), static_cast<int>(count)) != 1)
    throw Error(ErrorCode::kInternal, "OpenSSL gives no random numbers", "reinstall libssl3");
  return out;
}

std::array<uint8_t, 32> sha256_bytes(std::string_view text) {
  std::array<uint8_t, 32> out;
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr) != 1)
    throw Error(ErrorCode::kInternal, "OpenSSL cannot compute SHA-256", "reinstall libssl3");
  return out;
}

std::string hmac_sha256_hex(std::string_view key, std::string_view text) {
  std::array<uint8_t, 32> out;
  unsigned int size = 0;
  if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
            reinterpret_cast<const uint8_t*>(text.data()), text.size(), out.data(), &size))
    throw Error(ErrorCode::kInternal, "OpenSSL cannot compute HMAC", "reinstall libssl3");
  return hex(out);
}

}  // namespace likeness::trust
