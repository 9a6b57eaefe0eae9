// SPDX-License-Identifier: Apache-2.0
// The built web application, embedded in the program (cmake/EmbedWeb.cmake).
#pragma once

#include <string_view>
#include <vector>

#include "likeness/server/http.h"

namespace likeness::server {

struct WebFile {
  std::string_view path;  ///< "index.html", "assets/app-1a2b.js"
  std::string_view bytes;
};
/// Made by CMake.
const std::vector<WebFile>& web_files();

/// The file of a path, or index.html for the addresses of rooms. Compressed where the client takes
/// gzip. A path that looks like a file and is none is 404.
Response static_response(const Request& request);

}  // namespace likeness::server
