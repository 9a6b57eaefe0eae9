// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/ledger.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/project/project.h"
#include "likeness/trust/jcs.h"
#include "likeness/trust/keys.h"

namespace likeness::trust {
namespace {

const std::string kFirst(64, '0');

nlohmann::json unsigned_json(const LedgerEntry& e) {
  nlohmann::json j = {
      {"seq", e.seq}, {"at", e.at}, {"type", e.type}, {"prev", e.prev}, {"body", e.body}};
  if (!e.key.empty()) j["key"] = e.key;
  return j;
}
/// What is signed: the hash, with a name so that it is no signature of anything else.
std::string to_sign(const std::string& hash) { return "likeness-ledger-1:" + hash; }
std::string head_to_sign(int64_t seq, const std::string& hash) {
  return "likeness-ledger-head-1:" + std::to_string(seq) + ":" + hash;
}
bool signature_fits(const std::string& key, const std::string& sig, const std::string& text) {
  const auto bytes = hex_decode(sig);
  if (!bytes) return false;
  try {
    return PublicKey::from_did(key).verify(text, *bytes);
  } catch (const Error&) {
    return false;
  }
}
std::string canonical(const nlohmann::json& j) {
  return j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// False when the line is not a whole entry whose hash and signature fit, written as we write.
bool parse_line(const std::string& line, LedgerEntry& e) {
  nlohmann::json j;
  try {
    j = parse_json(line, "ledger", 64 << 20);
  } catch (const Error&) {
    return false;
  }
  if (!j.is_object() || (j.size() != 6 && j.size() != 8)) return false;
  for (const char* key : {"at", "type", "prev", "hash"})
    if (!j.contains(key) || !j[key].is_string()) return false;
  if (!j.contains("seq") || !j["seq"].is_number_integer() || !j.contains("body")) return false;
  e = {j["seq"], j["at"], j["type"], j["prev"], j["hash"], j["body"], "", ""};
  if (j.size() == 8) {
    for (const char* key : {"key", "sig"})
      if (!j.contains(key) || !j[key].is_string()) return false;
    e.key = j["key"];
    e.sig = j["sig"];
    if (!signature_fits(e.key, e.sig, to_sign(e.hash))) return false;
  }
  return canonical(j) == line && sha256(canonical(unsigned_json(e))) == e.hash;
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

using Head = std::pair<int64_t, std::string>;

std::filesystem::path head_path(const std::filesystem::path& ledger) {
  return std::filesystem::path(ledger).replace_extension(".head.json");
}
/// Where this installation remembers the head of the ledger in this very folder: path, inode and
/// time of birth, so that a copy of a project, or a new one of the same name, is another ledger.
/// Empty on file systems that know no time of birth.
std::filesystem::path memory_path(const std::filesystem::path& ledger) {
  std::error_code ec;
  const auto folder =
      std::filesystem::weakly_canonical(std::filesystem::absolute(ledger).parent_path(), ec);
  struct statx st {};
  if (::statx(AT_FDCWD, folder.c_str(), 0, STATX_INO | STATX_BTIME, &st) != 0 ||
      !(st.stx_mask & STATX_BTIME))
    return {};
  const std::string who = folder.string() + "/" + ledger.filename().string() + " " +
                          std::to_string(st.stx_ino) + " " + std::to_string(st.stx_btime.tv_sec) +
                          "." + std::to_string(st.stx_btime.tv_nsec);
  return private_folder("ledgers") / (sha256(who).substr(0, 32) + ".json");
}

void write_head(const std::filesystem::path& ledger, const LedgerEntry& e,
                const SigningKey& studio) {
  const nlohmann::json head = {{"seq", e.seq},
                               {"hash", e.hash},
                               {"at", e.at},
                               {"key", e.key},
                               {"sig", hex(studio.sign(head_to_sign(e.seq, e.hash)))}};
  write_file_atomic(head_path(ledger), head.dump() + "\n");
  if (const auto memory = memory_path(ledger); !memory.empty())
    write_private_file(memory, nlohmann::json{{"seq", e.seq}, {"hash", e.hash}}.dump() + "\n",
                       true);
}

std::optional<Head> head_of(const std::filesystem::path& path, bool is_signed) {
  std::error_code ec;
  if (!std::filesystem::exists(path, ec)) return std::nullopt;
  try {
    const auto j = parse_json(read_file(path, 1 << 16), path.string());
    if (!j.is_object() || !j.contains("seq") || !j["seq"].is_number_integer() ||
        !j.contains("hash") || !j["hash"].is_string())
      return std::nullopt;
    const Head head{j["seq"], j["hash"]};
    if (is_signed && (!j.contains("key") || !j["key"].is_string() || !j.contains("sig") ||
                      !j["sig"].is_string() ||
                      !signature_fits(j["key"], j["sig"], head_to_sign(head.first, head.second))))
      return std::nullopt;
    return head;
  } catch (const Error&) {
    return std::nullopt;
  }
}
std::optional<Head> read_head(const std::filesystem::path& ledger) {
  return head_of(head_path(ledger), true);
}
std::optional<Head> remembered(const std::filesystem::path& ledger) {
  const auto path = memory_path(ledger);
  return path.empty() ? std::nullopt : head_of(path, false);
}

}  // namespace

namespace {
void require_trusted(const LedgerEntry& last) {
  if (last.key.empty()) return;
  const auto studios = trusted_studios();
  if (std::find(studios.begin(), studios.end(), last.key) == studios.end())
    throw Error(ErrorCode::kRefused,
                "the project's ledger is signed by a studio that is not trusted here "
                "(ledger-changed): " +
                    last.key,
                "work on this project where it was made; see: likeness ledger verify PROJECT");
}
}  // namespace

void Ledger::require_ours() const {
  const auto entries = read();
  if (!entries.empty()) require_trusted(entries.back());
}

LedgerEntry Ledger::append(const std::string& type, const nlohmann::json& body) {
  LockedFile file(file_);
  const std::string last = file.last_line();
  LedgerEntry before, e;
  if (!last.empty() && !parse_line(last, before)) damaged_end(file_);
  if (!last.empty()) require_trusted(before);
  e.seq = last.empty() ? 0 : before.seq + 1;
  e.prev = last.empty() ? kFirst : before.hash;
  e.at = project::now_utc();
  e.type = type;
  // Through text once, so that what is hashed is exactly what a reader will parse.
  e.body = nlohmann::json::parse(canonical(body));
  const SigningKey studio = studio_key();
  e.key = studio.public_key().did();
  nlohmann::json j = unsigned_json(e);
  e.hash = sha256(canonical(j));
  e.sig = hex(studio.sign(to_sign(e.hash)));
  j["hash"] = e.hash;
  j["sig"] = e.sig;
  file.append(canonical(j) + "\n");
  write_head(file_, e, studio);
  return e;
}

std::vector<LedgerEntry> parse_ledger(std::string_view text, const std::string& name) {
  std::vector<LedgerEntry> out;
  std::string prev = kFirst;
  bool signed_before = false;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) break;  // an unfinished append of a killed process
    LedgerEntry e;
    const auto number = static_cast<int64_t>(out.size()) + 1;
    if (!parse_line(std::string(text.substr(at, end - at)), e) || e.prev != prev ||
        e.seq != number - 1 || (signed_before && e.key.empty()))
      damaged(name, number);
    signed_before = !e.key.empty();
    prev = e.hash;
    out.push_back(std::move(e));
    at = end + 1;
  }
  return out;
}

std::vector<LedgerEntry> Ledger::read() const {
  std::error_code ec;
  if (!std::filesystem::exists(file_, ec)) return {};
  return parse_ledger(read_file(file_), file_.string());
}

LedgerReport Ledger::verify(const std::vector<std::string>& studios) const {
  LedgerReport r;
  std::vector<LedgerEntry> entries;
  auto problem = [&](const std::string& text) { r.problems.push_back(text); };
  try {
    entries = read();
  } catch (const Error& e) {
    problem(e.what());
    return r;
  }
  r.entries = static_cast<int64_t>(entries.size());
  for (const auto& e : entries) {
    if (e.key.empty())
      ++r.unsigned_entries;
    else if (std::find(r.studios.begin(), r.studios.end(), e.key) == r.studios.end())
      r.studios.push_back(e.key);
  }
  for (const auto& s : r.studios)
    if (std::find(studios.begin(), studios.end(), s) == studios.end())
      problem("lines are signed by a studio that is not trusted here: " + s);
  if (!entries.empty()) r.head = entries.back().hash;
  // A head that is one line behind is a process killed between the two writes; each line is signed.
  auto missing = [&](int64_t seq, const std::string& hash) {
    return seq >= r.entries || seq < 0 || entries[static_cast<size_t>(seq)].hash != hash;
  };
  const auto head = read_head(file_);
  if (r.entries > r.unsigned_entries && !head)
    problem("the signed head ledger.head.json is missing or was changed");
  if (head && missing(head->first, head->second))
    problem("lines are missing: the signed head knows line " + std::to_string(head->first + 1));
  if (head && r.entries > head->first + 2)
    problem("the signed head is older than the ledger: another head was put in its place");
  const auto known = remembered(file_);
  if (known && missing(known->first, known->second))
    problem("lines are missing: this installation wrote line " + std::to_string(known->first + 1));
  r.ok = r.problems.empty();
  return r;
}

}  // namespace likeness::trust
