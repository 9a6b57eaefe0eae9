// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/ledger.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/project/project.h"

namespace likeness::trust {
namespace {

const std::string kFirst(64, '0');

nlohmann::json unsigned_json(const LedgerEntry& e) {
  return {{"seq", e.seq}, {"at", e.at}, {"type", e.type}, {"prev", e.prev}, {"body", e.body}};
}
std::string canonical(const nlohmann::json& j) {
  return j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// False when the line is not a whole entry whose hash fits.
bool parse_line(const std::string& line, LedgerEntry& e) {
  auto j = nlohmann::json::parse(line, nullptr, false);
  if (!j.is_object() || j.size() != 6) return false;
  for (const char* key : {"at", "type", "prev", "hash"})
    if (!j.contains(key) || !j[key].is_string()) return false;
  if (!j.contains("seq") || !j["seq"].is_number_integer() || !j.contains("body")) return false;
  e = {j["seq"], j["at"], j["type"], j["prev"], j["hash"], j["body"]};
  return sha256(canonical(unsigned_json(e))) == e.hash;
}

[[noreturn]] void damaged(const std::filesystem::path& file, int64_t line) {
  throw Error(ErrorCode::kDamaged,
              file.string() + " line " + std::to_string(line) + " was changed or is broken",
              "restore ledger.jsonl from a copy; it tells what this project made");
}

[[noreturn]] void damaged_end(const std::filesystem::path& file) {
  throw Error(
      ErrorCode::kDamaged, "the last line of " + file.string() + " was changed or is broken",
      "restore ledger.jsonl from a copy; nothing is made while the ledger cannot be continued");
}

/// The open, locked file; closing unlocks.
class LockedFile {
 public:
  explicit LockedFile(const std::filesystem::path& path) : path_(path) {
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd_ < 0) throw_errno(errno, "cannot open " + path.string());
    while (::flock(fd_, LOCK_EX) != 0)
      if (errno != EINTR) throw_errno(errno, "cannot lock " + path.string());
  }
  ~LockedFile() { ::close(fd_); }
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;

  off_t size() const {
    struct stat st {};
    if (::fstat(fd_, &st) != 0) throw_errno(errno, "cannot look at " + path_.string());
    return st.st_size;
  }
  void cut(off_t size) {
    if (::ftruncate(fd_, size) != 0) throw_errno(errno, "cannot write " + path_.string());
  }
  std::string read(off_t from, size_t count) const {
    std::string text(count, '\0');
    size_t got = 0;
    while (got < count) {
      ssize_t n = ::pread(fd_, text.data() + got, count - got, from + static_cast<off_t>(got));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw_errno(n < 0 ? errno : EIO, "cannot read " + path_.string());
      got += static_cast<size_t>(n);
    }
    return text;
  }
  /// All or nothing: on failure the file has its old length again.
  void append(const std::string& text) {
    const off_t before = size();
    size_t done = 0;
    while (done < text.size()) {
      ssize_t n = ::write(fd_, text.data() + done, text.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        const int e = errno;
        if (::ftruncate(fd_, before) != 0) { /* the torn line is cut off by the next append */
        }
        throw_errno(e, "cannot write " + path_.string());
      }
      done += static_cast<size_t>(n);
    }
    if (::fsync(fd_) != 0) throw_errno(errno, "cannot write " + path_.string());
  }
  /// The last whole line; an unfinished one behind it (a killed process) is cut off.
  std::string last_line() {
    off_t end = size();
    std::string tail;
    off_t from = end;
    auto load_more = [&] {
      const off_t step = std::min<off_t>(from, 1 << 16);
      from -= step;
      tail = read(from, static_cast<size_t>(step)) + tail;
    };
    size_t last = std::string::npos;
    while ((last = tail.rfind('\n')) == std::string::npos && from > 0) load_more();
    const off_t whole = last == std::string::npos ? 0 : from + static_cast<off_t>(last) + 1;
    if (whole != end) cut(whole);
    if (whole == 0) return "";
    tail.resize(last);
    size_t start;
    while ((start = tail.rfind('\n')) == std::string::npos && from > 0) load_more();
    return tail.substr(start == std::string::npos ? 0 : start + 1);
  }

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace

LedgerEntry Ledger::append(const std::string& type, const nlohmann::json& body) {
  LockedFile file(file_);
  const std::string last = file.last_line();
  LedgerEntry before, e;
  if (!last.empty() && !parse_line(last, before)) damaged_end(file_);
  e.seq = last.empty() ? 0 : before.seq + 1;
  e.prev = last.empty() ? kFirst : before.hash;
  e.at = project::now_utc();
  e.type = type;
  // Through text once, so that what is hashed is exactly what a reader will parse.
  e.body = nlohmann::json::parse(canonical(body));
  nlohmann::json j = unsigned_json(e);
  e.hash = sha256(canonical(j));
  j["hash"] = e.hash;
  file.append(canonical(j) + "\n");
  return e;
}

std::vector<LedgerEntry> Ledger::read() const {
  std::vector<LedgerEntry> out;
  std::error_code ec;
  if (!std::filesystem::exists(file_, ec)) return out;
  const std::string text = read_file(file_);
  std::string prev = kFirst;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == std::string::npos) break;  // an unfinished append of a killed process
    LedgerEntry e;
    const auto number = static_cast<int64_t>(out.size()) + 1;
    if (!parse_line(text.substr(at, end - at), e) || e.prev != prev || e.seq != number - 1)
      damaged(file_, number);
    prev = e.hash;
    out.push_back(std::move(e));
    at = end + 1;
  }
  return out;
}

}  // namespace likeness::trust
