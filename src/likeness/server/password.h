// SPDX-License-Identifier: Apache-2.0
// The studio's password, where it listens to other machines: how it is kept, and how fast it may be
// guessed.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace likeness::server {

constexpr size_t kShortestPassword = 12, kLongestPassword = 1024;

/// "scrypt$15$8$1$<salt>$<hash>", with a new salt each time. 32 MB and about 0.1 s, as each guess.
/// Throws kUsage when it is too short or too long.
std::string hash_password(std::string_view password);
/// False also for text that hash_password did not write.
bool password_matches(const std::string& kept, std::string_view password);

/// How often one address may try: three times at once, then 1, 2, 4 ... 900 s between two tries.
/// All addresses together: kMostTriesAMinute, so that many of them guess no faster. Times are
/// seconds of any steady clock. Safe to use from several threads.
class LoginLimit {
 public:
  static constexpr int kFreeTries = 3, kLongestWait = 900, kMostTriesAMinute = 60;
  /// Seconds to wait; 0: try, and the try is counted at once, before its outcome is known.
  int64_t begin(const std::string& address, int64_t now);
  void succeeded(const std::string& address);

 private:
  struct Tries {
    int64_t count = 0, next = 0, last = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Tries> tries_;
  int64_t minute_ = 0;
  int in_minute_ = 0;
};

/// What counts as one client: an IPv4 address, the /64 of an IPv6 address.
std::string client_of_address(const std::string& address);

}  // namespace likeness::server
