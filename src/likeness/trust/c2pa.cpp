// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/c2pa.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/trust/c2pa_abi.h"
#include "likeness/trust/certificates.h"

namespace likeness::trust::c2pa {
namespace fs = std::filesystem;
namespace {

struct Free {
  void operator()(const void* p) const { c2pa_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

std::string take(char* text) {
  const Owned<char> owned(text);
  return text ? std::string(text) : std::string();
}

/// A stream of the library over a file or over bytes in memory.
class Stream {
 public:
  virtual ~Stream() {
    if (stream_) c2pa_release_stream(stream_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  C2paStream* get() const { return stream_; }
  int error_number() const { return errno_; }

 protected:
  Stream() {
    stream_ = c2pa_create_stream(
        this,
        [](void* s, uint8_t* data, intptr_t size) {
          auto* self = static_cast<Stream*>(s);
          return self->step(self->read_at(data, static_cast<size_t>(size)));
        },
        [](void* s, intptr_t offset, int whence) {
          return static_cast<Stream*>(s)->seek(offset, whence);
        },
        [](void* s, const uint8_t* data, intptr_t size) {
          auto* self = static_cast<Stream*>(s);
          return self->step(self->write_at(data, static_cast<size_t>(size)));
        },
        [](void*) -> intptr_t { return 0; });
    if (!stream_) throw Error(ErrorCode::kNoSpace, "out of memory", "close other programs");
  }
  virtual intptr_t read_at(uint8_t* data, size_t size) = 0;
  virtual intptr_t write_at(const uint8_t* data, size_t size) = 0;
  virtual int64_t size() const = 0;
  int64_t at_ = 0;
  int errno_ = 0;

 private:
  intptr_t step(intptr_t n) {
    if (n > 0) at_ += n;
    return n;
  }
  intptr_t seek(int64_t offset, int whence) {
    const int64_t base = whence == 0 ? 0 : whence == 1 ? at_ : size();
    int64_t to = 0;
    if (base < 0 || __builtin_add_overflow(base, offset, &to) || to < 0) {
      errno = EINVAL;
      return -1;
    }
    return at_ = to;
  }
  C2paStream* stream_ = nullptr;
};

class FileStream : public Stream {
 public:
  FileStream(const fs::path& path, bool writes) {
    fd_ = writes ? ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)
                 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) throw_errno(errno, "cannot open " + path.string());
  }
  ~FileStream() override { ::close(fd_); }

 protected:
  intptr_t read_at(uint8_t* data, size_t size) override {
    ssize_t n;
    do n = ::pread(fd_, data, size, at_);
    while (n < 0 && errno == EINTR);
    if (n < 0) errno_ = errno;
    return n;
  }
  intptr_t write_at(const uint8_t* data, size_t size) override {
    ssize_t n;
    do n = ::pwrite(fd_, data, size, at_);
    while (n < 0 && errno == EINTR);
    if (n < 0) errno_ = errno;
    return n;
  }
  int64_t size() const override {
    struct stat st {};
    return ::fstat(fd_, &st) == 0 ? st.st_size : -1;
  }

 private:
  int fd_ = -1;
};

class BytesStream : public Stream {
 public:
  explicit BytesStream(const std::string& bytes) : bytes_(bytes) {}

 protected:
  intptr_t read_at(uint8_t* data, size_t size) override {
    if (static_cast<size_t>(at_) >= bytes_.size()) return 0;
    const size_t n = std::min(size, bytes_.size() - static_cast<size_t>(at_));
    std::memcpy(data, bytes_.data() + at_, n);
    return static_cast<intptr_t>(n);
  }
  intptr_t write_at(const uint8_t*, size_t) override { return -1; }
  int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }

 private:
  const std::string& bytes_;
};

[[noreturn]] void sign_failed(const fs::path& in, const Stream* source, const Stream* out) {
  const std::string why = take(c2pa_error());
  for (const Stream* s : {source, out})
    if (s && s->error_number()) throw_errno(s->error_number(), "cannot sign " + in.string());
  throw Error(ErrorCode::kInternal, "cannot sign " + in.filename().string() + ": " + why,
              "the file was not delivered; please report this with the command you ran");
}

Owned<C2paContext> context_of(const nlohmann::json& settings) {
  Owned<C2paSettings> s(c2pa_settings_new());
  Owned<C2paContextBuilder> builder(c2pa_context_builder_new());
  if (!s || !builder ||
      c2pa_settings_update_from_string(s.get(), settings.dump().c_str(), "json") != 0 ||
      c2pa_context_builder_set_settings(builder.get(), s.get()) != 0)
    throw Error(ErrorCode::kInternal, "the C2PA library took no settings: " + take(c2pa_error()),
                "run scripts/install-c2pa, then build again");
  Owned<C2paContext> context(c2pa_context_builder_build(builder.release()));
  LIKENESS_REQUIRE(context != nullptr);
  return context;
}

nlohmann::json settings_for_signing() {
  return {{"version", 1},
          {"verify", {{"verify_after_sign", false}, {"remote_manifest_fetch", false}}},
          {"builder",
           {{"thumbnail", {{"enabled", false}}},
            {"actions",
             {{"auto_created_action", {{"enabled", false}}},
              {"auto_opened_action", {{"enabled", false}}},
              {"auto_placed_action", {{"enabled", false}}}}}}}};
}
nlohmann::json settings_for_reading(const std::string& anchors_pem) {
  nlohmann::json j = {
      {"version", 1},
      {"verify",
       {{"remote_manifest_fetch", false}, {"ocsp_fetch", false}, {"verify_trust", true}}}};
  if (!anchors_pem.empty())
    j["trust"]["anchors"] = {{{"trust_anchors", anchors_pem},
                              {"trust_uri", "urn:likeness:trusted-roots"},
                              {"trust_kind", "manifest"}}};
  return j;
}

int algorithm_number(const std::string& name) {
  static constexpr std::array kNames = {"es256", "es384", "es512",  "ps256",
                                        "ps384", "ps512", "ed25519"};
  for (size_t i = 0; i < kNames.size(); ++i)
    if (name == kNames[i]) return static_cast<int>(i);
  throw Error(ErrorCode::kUnsupported, "C2PA has no signature algorithm '" + name + "'",
              "use a certificate with a P-256, P-384, P-521, RSA or Ed25519 key");
}

/// Called by the library; exceptions must not pass through it.
intptr_t sign_callback(const void* context, const uint8_t* data, size_t size, uint8_t* out,
                       size_t capacity) {
  try {
    const auto signature = static_cast<const SigningIdentity*>(context)->sign({data, size});
    if (signature.size() > capacity) return -1;
    std::memcpy(out, signature.data(), signature.size());
    return static_cast<intptr_t>(signature.size());
  } catch (...) {
    return -1;
  }
}

}  // namespace

std::string library_version() { return take(c2pa_version()); }

Format sniff(const fs::path& path) {
  const FileStream check(path, false);
  std::array<char, 64> head{};
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw_errno(errno, "cannot open " + path.string());
  const ssize_t got = ::pread(fd, head.data(), head.size(), 0);
  ::close(fd);
  if (got < 0) throw_errno(errno, "cannot read " + path.string());
  const std::string_view h(head.data(), static_cast<size_t>(got));
  using namespace std::literals;
  const auto at = [&](size_t offset, std::string_view magic) {
    return h.size() >= offset + magic.size() && h.substr(offset, magic.size()) == magic;
  };
  if (at(0, "\x89PNG\r\n\x1a\n"sv)) return {"image/png", true};
  if (at(0, "\xff\xd8\xff"sv)) return {"image/jpeg", true};
  if (at(0, "II*\0"sv) || at(0, "MM\0*"sv)) return {"image/tiff", true};
  if (at(0, "RIFF"sv) && at(8, "WAVE"sv)) return {"audio/wav", true};
  if (at(0, "RIFF"sv) && at(8, "AVI "sv)) return {"video/avi", true};
  if (at(0, "RIFF"sv) && at(8, "WEBP"sv)) return {"image/webp", true};
  if (at(0, "GIF8"sv)) return {"image/gif", true};
  if (at(0, "fLaC"sv)) return {"audio/flac", true};
  if (at(0, "ID3"sv) || at(0, "\xff\xfb"sv)) return {"audio/mpeg", true};
  if (at(4, "ftyp"sv)) {
    if (at(8, "qt  "sv)) return {"video/quicktime", true};
    if (at(8, "M4A"sv) || at(8, "M4B"sv)) return {"audio/mp4", true};
    if (at(8, "avif"sv)) return {"image/avif", true};
    if (at(8, "heic"sv) || at(8, "heix"sv) || at(8, "mif1"sv)) return {"image/heic", true};
    return {"video/mp4", true};
  }
  if (at(4, "moov"sv) || at(4, "mdat"sv) || at(4, "wide"sv)) return {"video/quicktime", true};
  if (at(0, "\x1a\x45\xdf\xa3"sv)) return {"video/x-matroska", false};
  if (at(0, "OggS"sv)) return {"application/ogg", false};
  if (at(4, "jumb"sv)) return {"application/c2pa", false};
  return {"application/octet-stream", false};
}

std::string sign(const Order& order, const fs::path& in, const fs::path& out,
                 const SigningIdentity& signer) {
  FileStream source(in, false);
  const auto context = context_of(settings_for_signing());
  Owned<C2paBuilder> builder(c2pa_builder_from_context(context.get()));
  if (builder)
    builder.reset(c2pa_builder_with_definition(builder.release(), order.definition.dump().c_str()));
  if (!builder) sign_failed(in, nullptr, nullptr);
  for (const Resource& r : order.resources) {
    BytesStream bytes(r.bytes);
    if (c2pa_builder_add_resource(builder.get(), r.id.c_str(), bytes.get()) != 0)
      sign_failed(in, nullptr, nullptr);
  }
  for (const Ingredient& i : order.ingredients) {
    FileStream file(i.file, false);
    if (c2pa_builder_add_ingredient_from_stream(builder.get(), i.description.dump().c_str(),
                                                i.mime.c_str(), file.get()) != 0)
      sign_failed(i.file, &file, nullptr);
  }
  const Owned<C2paSigner> with(c2pa_signer_create(
      &signer, sign_callback, algorithm_number(signer.algorithm()), signer.chain_pem().c_str(),
      signer.time_authority().empty() ? nullptr : signer.time_authority().c_str()));
  if (!with) sign_failed(in, nullptr, nullptr);
  if (!order.embed) c2pa_builder_set_no_embed(builder.get());
  FileStream signed_copy(out, true);
  const uint8_t* manifest = nullptr;
  const int64_t size = c2pa_builder_sign(builder.get(), order.mime.c_str(), source.get(),
                                         signed_copy.get(), with.get(), &manifest);
  if (size < 0 && !signer.time_authority().empty() && !source.error_number() &&
      !signed_copy.error_number())
    throw Error(ErrorCode::kIo,
                "no time stamp for " + in.filename().string() + ": " + take(c2pa_error()),
                "check that the service answers, or unset LIKENESS_TIME_AUTHORITY (time_authority "
                "in signing/config.toml) to sign without one; the file was not delivered");
  if (size < 0) sign_failed(in, &source, &signed_copy);
  const Owned<const uint8_t> bytes(manifest);
  return {reinterpret_cast<const char*>(manifest), static_cast<size_t>(size)};
}

std::optional<Reading> read(const fs::path& path, const std::string& mime,
                            const std::string& anchors_pem, const std::string& manifest) {
  FileStream file(path, false);
  const auto context = context_of(settings_for_reading(anchors_pem));
  Owned<C2paReader> reader(c2pa_reader_from_context(context.get()));
  LIKENESS_REQUIRE(reader != nullptr);
  if (manifest.empty())
    reader.reset(c2pa_reader_with_stream(reader.release(), mime.c_str(), file.get()));
  else
    reader.reset(c2pa_reader_with_manifest_data_and_stream(
        reader.release(), mime.c_str(), file.get(),
        reinterpret_cast<const uint8_t*>(manifest.data()), manifest.size()));
  if (!reader) {
    const std::string why = take(c2pa_error());
    if (file.error_number()) throw_errno(file.error_number(), "cannot read " + path.string());
    if (why.find("ManifestNotFound") != std::string::npos ||
        why.find("UnsupportedType") != std::string::npos ||
        why.find("NotSupported: type is unsupported") != std::string::npos)
      return std::nullopt;
    throw Error(ErrorCode::kDamaged,
                "the content credentials of " + path.filename().string() + " are broken: " + why,
                "get the file again from where it came from");
  }
  Reading out;
  out.json = nlohmann::json::parse(take(c2pa_reader_json(reader.get())), nullptr, false);
  out.crjson = take(c2pa_reader_crjson(reader.get()));
  if (!out.json.is_object())
    throw Error(ErrorCode::kDamaged,
                "the content credentials of " + path.filename().string() + " cannot be read",
                "get the file again from where it came from");
  return out;
}

}  // namespace likeness::trust::c2pa
