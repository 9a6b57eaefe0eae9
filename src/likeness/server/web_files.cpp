// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/web_files.h"

#include <map>
#include <mutex>

#include <zlib.h>

#include "likeness/base/hash.h"

namespace likeness::server {
namespace {

std::string gzip(std::string_view bytes) {
  z_stream z{};
  constexpr int kGzipWindow = 15 + 16;
  if (deflateInit2(&z, 9, Z_DEFLATED, kGzipWindow, 9, Z_DEFAULT_STRATEGY) != Z_OK) return "";
  std::string out(deflateBound(&z, bytes.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const bool done = deflate(&z, Z_FINISH) == Z_STREAM_END;
  out.resize(z.total_out);
  deflateEnd(&z);
  return done ? out : "";
}

struct Served {
  std::string tag;
  std::shared_ptr<const std::string> plain, zipped;  ///< zipped null when it does not help
};

/// Made on first use of each file.
const Served& served(const WebFile& file) {
  static std::mutex mutex;
  static std::map<std::string_view, Served> all;
  std::lock_guard lock(mutex);
  const auto [it, fresh] = all.try_emplace(file.path);
  if (!fresh) return it->second;
  Served& s = it->second;
  s.tag = sha256(file.bytes).substr(0, 20);
  s.plain = std::make_shared<std::string>(file.bytes);
  auto zipped = gzip(file.bytes);
  if (!zipped.empty() && zipped.size() * 10 < file.bytes.size() * 9)
    s.zipped = std::make_shared<std::string>(std::move(zipped));
  return s;
}

const WebFile* find(std::string_view path) {
  for (const WebFile& f : web_files())
    if (f.path == path) return &f;
  return nullptr;
}

}  // namespace

Response static_response(const Request& request) {
  if (request.method != "GET" && request.method != "HEAD")
    throw HttpError{405, "usage", request.method + " is not possible here", "use GET"};
  std::string path;
  for (const auto& s : request.segments) path += (path.empty() ? "" : "/") + s;
  const WebFile* file = path.empty() ? nullptr : find(path);
  if (!file) {
    // /p/… are the addresses of rooms, and may end in the name of a file.
    const bool is_room = path.rfind("p/", 0) == 0 || path.empty();
    const bool names_a_file =
        !is_room && (path.rfind("assets/", 0) == 0 ||
                     content_type(request.segments.back()) != "application/octet-stream");
    if (names_a_file)
      throw HttpError{404, "not_found", "there is no file " + path, "load the page again"};
    file = find("index.html");
  }
  if (!file)
    throw HttpError{404, "not_found", "this program has no web page built in",
                    "install nodejs and npm (scripts/install-packages) and build again"};
  const Served& s = served(*file);
  Response r;
  r.type = content_type(std::filesystem::path(file->path));
  r.body = s.plain;
  const bool hashed = file->path.rfind("assets/", 0) == 0;  // vite puts a hash into these names
  r.header("Cache-Control", hashed ? "public, max-age=31536000, immutable" : "no-cache");
  r.header("Vary", "Accept-Encoding");
  if (s.zipped && request.header("accept-encoding").find("gzip") != std::string::npos) {
    r.body = s.zipped;
    r.header("Content-Encoding", "gzip");
    return with_etag(request, std::move(r), s.tag + "-gz");
  }
  return with_etag(request, std::move(r), s.tag);
}

}  // namespace likeness::server
