// SPDX-License-Identifier: Apache-2.0
// The certificate the studio shows to browsers on other machines.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace likeness::server {

struct Certificate {
  std::string chain_pem, key_pem;
  std::string fingerprint;         ///< SHA-256 of the first certificate, "AB:CD:..."
  std::vector<std::string> names;  ///< DNS names and IP addresses it is for
  int64_t ends = 0;                ///< seconds since 1970
};

/// PEM files. The key must be readable by its owner only. Throws kNotFound, kRefused (others may
/// read the key), kBadInput (not PEM, they do not belong together), kUsage (it has ended).
Certificate read_certificate(const std::filesystem::path& chain, const std::filesystem::path& key);
/// Self-signed for `names` (DNS or IP), P-256, a year; made in `folder` on first use, and anew when
/// a name is missing or it ends within a week. Browsers warn: people compare the fingerprint.
Certificate own_certificate(const std::filesystem::path& folder,
                            const std::vector<std::string>& names);

}  // namespace likeness::server
