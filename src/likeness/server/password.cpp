// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/password.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/server/security.h"
#include "likeness/trust/keys.h"

namespace likeness::server {
namespace {

constexpr int kLogN = 15, kR = 8, kP = 1;
constexpr size_t kHashBytes = 32, kMostAddresses = 4096;

std::string scrypt(std::string_view password, std::string_view salt, int log_n, int r, int p) {
  std::array<uint8_t, kHashBytes> out;
  const uint64_t n = uint64_t{1} << log_n;
  const bool ok = EVP_PBE_scrypt(password.data(), password.size(),
                                 reinterpret_cast<const unsigned char*>(salt.data()), salt.size(),
                                 n, static_cast<uint64_t>(r), static_cast<uint64_t>(p), 128u << 20,
                                 out.data(), out.size()) == 1;
  ERR_clear_error();
  if (!ok)
    throw Error(ErrorCode::kInternal, "the password could not be hashed",
                "free 64 MB of memory and try again");
  return hex({out.data(), out.size()});
}

}  // namespace

std::string hash_password(std::string_view password) {
  if (password.size() < kShortestPassword || password.size() > kLongestPassword)
    throw Error(ErrorCode::kUsage,
                "a password needs at least " + std::to_string(kShortestPassword) + " characters",
                "take four or five words that do not belong together");
  const std::string salt = hex(trust::random_bytes(16));
  return "scrypt$" + std::to_string(kLogN) + "$" + std::to_string(kR) + "$" + std::to_string(kP) +
         "$" + salt + "$" + scrypt(password, salt, kLogN, kR, kP);
}

bool password_matches(const std::string& kept, std::string_view password) {
  std::vector<std::string> parts(1);
  for (char c : kept)
    if (c == '$')
      parts.emplace_back();
    else
      parts.back() += c;
  if (parts.size() != 6 || parts[0] != "scrypt" || password.size() > kLongestPassword) return false;
  std::array<int, 3> cost{};
  for (size_t i = 0; i < 3; ++i) {
    const std::string& t = parts[i + 1];
    const auto [end, ec] = std::from_chars(t.data(), t.data() + t.size(), cost[i]);
    if (ec != std::errc() || end != t.data() + t.size()) return false;
  }
  if (cost[0] < 10 || cost[0] > 16 || cost[1] < 1 || cost[1] > 8 || cost[2] < 1 || cost[2] > 2)
    return false;
  return same_secret(scrypt(password, parts[4], cost[0], cost[1], cost[2]), parts[5]);
}

int64_t LoginLimit::begin(const std::string& address, int64_t now) {
  std::lock_guard lock(mutex_);
  auto it = tries_.find(address);
  if (it != tries_.end() && it->second.next > now) return it->second.next - now;
  if (now - minute_ >= 60) {
    minute_ = now;
    in_minute_ = 0;
  }
  if (in_minute_ >= kMostTriesAMinute) return std::max<int64_t>(1, minute_ + 60 - now);
  if (it == tries_.end()) {
    if (tries_.size() >= kMostAddresses)  // the one that has been silent for longest
      tries_.erase(std::min_element(tries_.begin(), tries_.end(), [](const auto& a, const auto& b) {
        return a.second.last < b.second.last;
      }));
    it = tries_.emplace(address, Tries{}).first;
  }
  Tries& t = it->second;
  if (now - t.last > 4 * kLongestWait) t.count = 0;
  t.last = now;
  ++in_minute_;
  if (++t.count >= kFreeTries)
    t.next = now + std::min<int64_t>(kLongestWait,
                                     int64_t{1} << std::min<int64_t>(t.count - kFreeTries, 20));
  return 0;
}

void LoginLimit::succeeded(const std::string& address) {
  std::lock_guard lock(mutex_);
  tries_.erase(address);
}

std::string client_of_address(const std::string& address) {
  in6_addr six{};
  if (::inet_pton(AF_INET6, address.substr(0, address.find('%')).c_str(), &six) != 1)
    return address;
  if (IN6_IS_ADDR_V4MAPPED(&six)) return address;
  std::fill(std::begin(six.s6_addr) + 8, std::end(six.s6_addr), 0);
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET6, &six, text, sizeof text);
  return std::string(text) + "/64";
}

}  // namespace likeness::server
