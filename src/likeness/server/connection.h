// SPDX-License-Identifier: Apache-2.0
// One client: requests one after another, or the event stream. All on the network thread.
#pragma once

#include <atomic>
#include <memory>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include "likeness/server/pool.h"
#include "likeness/server/server.h"

namespace likeness::server {

struct Lanes {
  Pool fast{3, 0}, slow{2, 0}, preview{1, 2};
  Pool& of(Lane lane) { return lane == Lane::kFast ? fast : lane == Lane::kSlow ? slow : preview; }
};

/// What every connection needs; outlives them.
struct Shared {
  App& app;
  Front& front;
  Lanes& lanes;
  boost::asio::ssl::context* tls = nullptr;  ///< null: plain HTTP
  std::atomic<int> connections{0};
};

/// Serves the socket until the client goes or misbehaves.
void serve(boost::asio::ip::tcp::socket socket, Shared& shared);

}  // namespace likeness::server
