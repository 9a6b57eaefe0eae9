// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/sealed_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/mman.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/threads.h"

namespace likeness {
namespace fs = std::filesystem;

/// The seals that are open in this process.
struct SealRing {
  std::mutex mutex;
  std::vector<Seal*> open;
  static SealRing& get() {
    static SealRing ring;
    return ring;
  }
  std::shared_ptr<const SecretKey> find(const std::string& id) {
    const std::lock_guard lock(mutex);
    for (const Seal* s : open)
      for (const SealKey& k : s->keys_)
        if (k.id == id) return k.secret;
    return nullptr;
  }
  static bool covers(const Seal& s, const fs::path& path);
  /// Keys of all seals that cover the path (sorted by id, each once) and their labels.
  std::pair<std::vector<SealKey>, std::string> for_path(const fs::path& path) {
    std::map<std::string, SealKey> keys;
    std::string label;
    const std::lock_guard lock(mutex);
    for (const Seal* s : open) {
      if (!covers(*s, path)) continue;
      for (const SealKey& k : s->keys_) keys.emplace(k.id, k);
      label = s->label_;
    }
    std::vector<SealKey> out;
    out.reserve(keys.size());
    for (auto& [id, key] : keys) out.push_back(std::move(key));
    return {out, label};
  }
  void add_path(std::vector<fs::path>& list, const fs::path& path) {
    const std::lock_guard lock(mutex);
    list.push_back(path);
  }
};

namespace {

constexpr char kMagic[8] = {'L', 'K', 'S', 'E', 'A', 'L', 'E', 'D'};
constexpr uint32_t kVersion = 1, kChunk = 1 << 18, kMaxKeys = 8, kMaxLabel = 4096;
constexpr size_t kTag = 16, kId = 16, kFixed = 8 + 4 + 4 + 16 + 4 + 4;

[[noreturn]] void damaged(const std::string& name, const std::string& why) {
  throw Error(ErrorCode::kDamaged, name + " is damaged: " + why, "restore it from a copy");
}
[[noreturn]] void failed() {
  throw Error(ErrorCode::kInternal, "OpenSSL cannot encrypt", "reinstall libssl3");
}

void put_u32(std::string& out, uint32_t v) {
  for (int i = 0; i < 4; ++i) out += static_cast<char>(v >> (8 * i));
}
uint32_t get_u32(const uint8_t* p) {
  return p[0] | p[1] << 8 | p[2] << 16 | static_cast<uint32_t>(p[3]) << 24;
}

std::string bytes_of_id(const std::string& id) {
  const auto bytes = hex_decode(id);
  LIKENESS_REQUIRE(bytes && bytes->size() == kId);
  return {bytes->begin(), bytes->end()};
}

struct Header {
  std::string bytes;
  uint32_t chunk = 0;
  std::vector<std::string> ids;
  std::string label;
  /// Sizes that follow from the length of the file.
  uint64_t chunks = 0, plain_size = 0;
};

/// `raw` needs to hold the header only; `total` is the size of the whole file.
Header parse_header(std::span<const uint8_t> raw, uint64_t total, const std::string& name) {
  if (raw.size() < kFixed) damaged(name, "its header is cut off");
  const uint8_t* p = raw.data();
  if (get_u32(p + 8) != kVersion)
    throw Error(ErrorCode::kUnsupported, name + " is sealed in an unknown way",
                "use the version of Likeness that wrote it");
  Header h;
  h.chunk = get_u32(p + 12);
  const uint32_t keys = get_u32(p + 32), label = get_u32(p + 36);
  if (h.chunk < 1024 || h.chunk > (1u << 26) || keys < 1 || keys > kMaxKeys || label > kMaxLabel)
    damaged(name, "its header is wrong");
  const size_t size = kFixed + keys * kId + label;
  if (raw.size() < size) damaged(name, "its header is cut off");
  for (uint32_t k = 0; k < keys; ++k) h.ids.push_back(hex({p + kFixed + k * kId, kId}));
  h.label.assign(reinterpret_cast<const char*>(p) + kFixed + keys * kId, label);
  h.bytes.assign(reinterpret_cast<const char*>(p), size);
  const uint64_t body = total - size, step = h.chunk + kTag;
  h.chunks = (body + step - 1) / step;
  if (h.chunks == 0 || body - (h.chunks - 1) * step < kTag) damaged(name, "its end is missing");
  h.plain_size = body - h.chunks * kTag;
  return h;
}

std::array<uint8_t, 32> file_key(const std::string& header,
                                 const std::vector<std::shared_ptr<const SecretKey>>& secrets) {
  std::array<uint8_t, 32> out;
  std::array<uint8_t, 32 * kMaxKeys> all{};
  size_t size = 0;
  for (const auto& s : secrets) {
    std::copy(s->bytes().begin(), s->bytes().end(), all.begin() + static_cast<long>(size));
    size += 32;
  }
  unsigned int length = 0;
  const bool ok = HMAC(EVP_sha256(), all.data(), static_cast<int>(size),
                       reinterpret_cast<const uint8_t*>(header.data()), header.size(), out.data(),
                       &length) != nullptr;
  OPENSSL_cleanse(all.data(), all.size());
  if (!ok) failed();
  return out;
}

std::array<uint8_t, 12> nonce_of(uint64_t chunk, bool last) {
  std::array<uint8_t, 12> out{};
  for (int i = 0; i < 8; ++i) out[static_cast<size_t>(i)] = static_cast<uint8_t>(chunk >> (8 * i));
  out[8] = last ? 1 : 0;
  return out;
}

/// One AES-256-GCM operation; false when the tag does not fit.
bool crypt_chunk(bool encrypt, const std::array<uint8_t, 32>& key, uint64_t number, bool last,
                 const uint8_t* in, size_t size, uint8_t* out, uint8_t* tag) {
  EVP_CIPHER_CTX* ctx = EVP_CIPHER_CTX_new();
  const auto nonce = nonce_of(number, last);
  int n = 0;
  bool ok = ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), nullptr, key.data(), nonce.data(),
                                     encrypt ? 1 : 0) == 1;
  ok = ok && (size == 0 || EVP_CipherUpdate(ctx, out, &n, in, static_cast<int>(size)) == 1);
  if (ok && !encrypt) ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, kTag, tag) == 1;
  uint8_t end[16];
  ok = ok && EVP_CipherFinal_ex(ctx, end, &n) == 1;
  if (ok && encrypt) ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, kTag, tag) == 1;
  EVP_CIPHER_CTX_free(ctx);
  return ok;
}

/// Decrypts into `out` (header.plain_size bytes), chunks side by side.
void open_chunks(std::span<const uint8_t> sealed, const Header& h,
                 const std::vector<std::shared_ptr<const SecretKey>>& secrets, uint8_t* out,
                 const std::string& name) {
  auto key = file_key(h.bytes, secrets);
  const size_t start = h.bytes.size(), step = h.chunk + kTag;
  auto body = [&](int i) {
    const auto c = static_cast<uint64_t>(i);
    const uint8_t* in = sealed.data() + start + c * step;
    const size_t size = std::min<size_t>(step, sealed.size() - start - c * step) - kTag;
    std::array<uint8_t, kTag> tag;
    std::copy(in + size, in + size + kTag, tag.begin());
    if (!crypt_chunk(false, key, c, c + 1 == h.chunks, in, size, out + c * h.chunk, tag.data()))
      damaged(name, "its contents were changed, or it was sealed under another key");
  };
  if (h.chunks > 4)
    parallel_for(0, static_cast<int>(h.chunks), body);
  else
    for (uint64_t c = 0; c < h.chunks; ++c) body(static_cast<int>(c));
  OPENSSL_cleanse(key.data(), key.size());
}

/// mary.faces, .mary.12.tmp.faces, ..mary.12.tmp.12.tmp.faces -> mary.faces
fs::path without_temporary(const fs::path& path) {
  std::string stem = path.stem().string();
  const std::string extension = path.extension().string();
  while (stem.size() > 5 && stem[0] == '.' && stem.ends_with(".tmp")) {
    const size_t dot = stem.rfind('.', stem.size() - 5);
    if (dot == std::string::npos || dot == 0 ||
        stem.find_first_not_of("0123456789", dot + 1) != stem.size() - 4)
      break;
    stem = stem.substr(1, dot - 1);
  }
  return path.parent_path() / (stem + extension);
}

fs::path absolute_path(const fs::path& path) {
  std::error_code ec;
  const fs::path folder = fs::weakly_canonical(fs::absolute(path).parent_path(), ec);
  return (folder / path.filename()).lexically_normal();
}

}  // namespace

bool SealRing::covers(const Seal& s, const fs::path& path) {
  const fs::path wanted = without_temporary(path);
  for (const auto& f : s.files_)
    if (f == wanted) return true;
  if (!is_identity_material(path)) return false;
  for (const auto& f : s.folders_) {
    const auto inside = path.lexically_relative(f);
    if (!inside.empty() && *inside.begin() != ".." && *inside.begin() != ".") return true;
  }
  return false;
}

SecretKey::SecretKey(std::span<const uint8_t> bytes) {
  LIKENESS_REQUIRE(bytes.size() == 32);
  if (!CRYPTO_secure_malloc_initialized()) CRYPTO_secure_malloc_init(1 << 16, 32);
  data_ = static_cast<uint8_t*>(OPENSSL_secure_malloc(32));
  if (!data_) failed();
  std::copy(bytes.begin(), bytes.end(), data_);
}
SecretKey::~SecretKey() { OPENSSL_secure_clear_free(data_, 32); }

std::shared_ptr<Seal> Seal::open(std::vector<SealKey> keys, std::string label) {
  LIKENESS_REQUIRE(!keys.empty() && keys.size() <= kMaxKeys && label.size() <= kMaxLabel);
  std::shared_ptr<Seal> seal(new Seal);
  seal->keys_ = std::move(keys);
  seal->label_ = std::move(label);
  const std::lock_guard lock(SealRing::get().mutex);
  SealRing::get().open.push_back(seal.get());
  return seal;
}
Seal::~Seal() {
  const std::lock_guard lock(SealRing::get().mutex);
  std::erase(SealRing::get().open, this);
}
void Seal::cover_folder(const fs::path& folder) {
  std::error_code ec;
  SealRing::get().add_path(folders_, fs::weakly_canonical(fs::absolute(folder), ec));
}
void Seal::cover_file(const fs::path& file) {
  SealRing::get().add_path(files_, absolute_path(file));
}

bool is_identity_material(const fs::path& path) {
  const fs::path kind = path.extension();
  if (kind == ".faces" || kind == ".safetensors" || kind == ".checkpoint" || kind == ".part")
    return true;
  const std::string name = path.stem().string();
  return kind == ".png" && (name == "preview" || name.rfind("step-", 0) == 0);
}

bool is_sealed(std::span<const uint8_t> bytes) {
  return bytes.size() >= sizeof kMagic && std::memcmp(bytes.data(), kMagic, sizeof kMagic) == 0;
}

std::optional<SealedInfo> sealed_info(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw_errno(errno ? errno : ENOENT, "cannot open " + path.string());
  std::string start(kFixed + kMaxKeys * kId + kMaxLabel, '\0');
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(in.gcount()));
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(start.data()),
                                       start.size());
  if (!is_sealed(bytes)) return std::nullopt;
  std::error_code ec;
  Header h = parse_header(bytes, fs::file_size(path, ec), path.string());
  return SealedInfo{h.ids, h.label, h.plain_size};
}

std::optional<std::string> seal_as_file(const fs::path& path, std::string_view plain) {
  const auto writer = seal_detail::writer_for(path);
  if (!writer) return std::nullopt;
  std::string out = writer->add(plain.data(), plain.size());
  return out + writer->finish();
}

std::optional<std::string> unseal_if_open(std::span<const uint8_t> sealed) {
  const Header h = parse_header(sealed, sealed.size(), "the sealed data");
  std::vector<std::shared_ptr<const SecretKey>> secrets;
  for (const auto& id : h.ids) {
    secrets.push_back(SealRing::get().find(id));
    if (!secrets.back()) return std::nullopt;
  }
  std::string out(h.plain_size, '\0');
  open_chunks(sealed, h, secrets, reinterpret_cast<uint8_t*>(out.data()), "the sealed data");
  return out;
}

std::string unseal_bytes(std::span<const uint8_t> sealed, const std::vector<SealKey>& keys) {
  if (!is_sealed(sealed)) damaged("the sealed data", "they are not sealed");
  const Header h = parse_header(sealed, sealed.size(), "the sealed data");
  std::vector<std::shared_ptr<const SecretKey>> secrets;
  for (const auto& id : h.ids)
    for (const auto& k : keys)
      if (k.id == id) secrets.push_back(k.secret);
  if (secrets.size() != h.ids.size())
    throw Error(ErrorCode::kRefused, "the sealed data need another key", "use the right record");
  std::string out(h.plain_size, '\0');
  open_chunks(sealed, h, secrets, reinterpret_cast<uint8_t*>(out.data()), "the sealed data");
  return out;
}

std::string seal_bytes(std::string_view plain, const std::vector<SealKey>& keys,
                       const std::string& label) {
  seal_detail::Writer writer(keys, label);
  std::string out = writer.add(plain.data(), plain.size());
  return out + writer.finish();
}

namespace seal_detail {

struct Writer::State {
  std::string header, buffer;
  std::array<uint8_t, 32> key;
  uint64_t chunks = 0;
  bool header_given = false;
  ~State() {
    OPENSSL_cleanse(key.data(), key.size());
    OPENSSL_cleanse(buffer.data(), buffer.size());
  }
};

Writer::Writer(std::vector<SealKey> keys, const std::string& label)
    : state_(std::make_unique<State>()) {
  LIKENESS_REQUIRE(!keys.empty() && keys.size() <= kMaxKeys && label.size() <= kMaxLabel);
  std::string& h = state_->header;
  h.assign(kMagic, sizeof kMagic);
  put_u32(h, kVersion);
  put_u32(h, kChunk);
  uint8_t salt[16];
  if (RAND_bytes(salt, sizeof salt) != 1) failed();
  h.append(reinterpret_cast<const char*>(salt), sizeof salt);
  put_u32(h, static_cast<uint32_t>(keys.size()));
  put_u32(h, static_cast<uint32_t>(label.size()));
  std::vector<std::shared_ptr<const SecretKey>> secrets;
  secrets.reserve(keys.size());
  for (auto& k : keys) {
    h += bytes_of_id(k.id);
    secrets.push_back(std::move(k.secret));
  }
  h += label;
  state_->key = file_key(h, secrets);
}
Writer::~Writer() = default;

std::string Writer::chunk(bool last) {
  std::string& in = state_->buffer;
  const size_t size = std::min<size_t>(in.size(), kChunk);
  std::string out(size + kTag, '\0');
  auto* to = reinterpret_cast<uint8_t*>(out.data());
  if (!crypt_chunk(true, state_->key, state_->chunks++, last,
                   reinterpret_cast<const uint8_t*>(in.data()), size, to, to + size))
    failed();
  in.erase(0, size);
  return out;
}

std::string Writer::add(const void* data, size_t size) {
  std::string out;
  if (!state_->header_given) out = state_->header;
  state_->header_given = true;
  const char* p = static_cast<const char*>(data);
  while (size > 0) {  // a full buffer waits: it may turn out to be the last chunk
    if (state_->buffer.size() == kChunk) out += chunk(false);
    const size_t n = std::min(size, kChunk - state_->buffer.size());
    state_->buffer.append(p, n);
    p += n;
    size -= n;
  }
  return out;
}
std::string Writer::finish() { return add(nullptr, 0) + chunk(true); }

std::unique_ptr<Writer> writer_for(const fs::path& path) {
  auto [keys, label] = SealRing::get().for_path(absolute_path(path));
  return keys.empty() ? nullptr : std::make_unique<Writer>(std::move(keys), label);
}

std::pair<const uint8_t*, size_t> unseal_to_memory(std::span<const uint8_t> sealed,
                                                   const std::string& name) {
  const Header h = parse_header(sealed, sealed.size(), name);
  std::vector<std::shared_ptr<const SecretKey>> secrets;
  for (const auto& id : h.ids) {
    secrets.push_back(SealRing::get().find(id));
    if (!secrets.back())
      throw Error(ErrorCode::kRefused,
                  name +
                      " is encrypted (sealed-material): it belongs to a person, and no valid "
                      "consent opens it here",
                  "see: likeness consent show PROJECT; after a revocation it can never be opened");
  }
  if (h.plain_size == 0) return {nullptr, 0};
  void* p =
      ::mmap(nullptr, h.plain_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw_errno(errno, "cannot open " + name);
  ::madvise(p, h.plain_size, MADV_DONTDUMP);
  try {
    open_chunks(sealed, h, secrets, static_cast<uint8_t*>(p), name);
  } catch (...) {
    ::munmap(p, h.plain_size);
    throw;
  }
  ::mprotect(p, h.plain_size, PROT_READ);
  return {static_cast<const uint8_t*>(p), h.plain_size};
}

}  // namespace seal_detail

}  // namespace likeness
