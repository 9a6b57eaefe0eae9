// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "likeness/base/atomic_file.h"
#include "likeness/base/run.h"
#include "likeness/server/connection.h"

namespace likeness::server {
namespace asio = boost::asio;
using asio::ip::tcp;
namespace {

constexpr int kMostConnections = 128;

int remembered_port(const std::filesystem::path& file) {
  if (file.empty()) return 0;
  try {
    const int port = std::atoi(read_file(file, 64).c_str());
    return port > 1023 && port < 65536 ? port : 0;
  } catch (const Error&) {
    return 0;
  }
}

/// Nothing when the port is taken.
std::optional<tcp::acceptor> listen(asio::io_context& context, int port) {
  boost::system::error_code ec;
  tcp::acceptor acceptor(context);
  const tcp::endpoint here(asio::ip::address_v4::loopback(), static_cast<uint16_t>(port));
  acceptor.open(here.protocol(), ec);
  if (!ec) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor.bind(here, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return std::nullopt;
  return acceptor;
}

}  // namespace

struct Server::Impl {
  // In the order in which they are needed last: the lanes' threads end first, then the context with
  // the connections that wait in it, then what connections refer to.
  App& app;
  std::unique_ptr<Gatekeeper> gate;
  std::unique_ptr<Front> front;
  std::unique_ptr<Shared> shared;
  asio::io_context context{1};
  std::optional<tcp::acceptor> acceptor;
  std::unique_ptr<asio::steady_timer> timer;
  std::function<bool()> stop;
  int ticks = 0;
  Lanes lanes;

  explicit Impl(App& a) : app(a) {}

  void accept() {
    acceptor->async_accept([this](boost::system::error_code ec, tcp::socket socket) {
      if (!acceptor->is_open()) return;
      if (!ec && shared->connections < kMostConnections) serve(std::move(socket), *shared);
      if (!ec) return accept();
      // Out of descriptors: try again a little later instead of spinning.
      auto wait = std::make_shared<asio::steady_timer>(context, std::chrono::milliseconds(100));
      wait->async_wait([this, wait](boost::system::error_code) {
        if (acceptor->is_open()) accept();
      });
    });
  }

  void tick() {
    timer->expires_after(std::chrono::milliseconds(200));
    timer->async_wait([this](boost::system::error_code ec) {
      if (ec) return;
      if (stop()) return context.stop();
      if (++ticks % 3 == 0)
        lanes.fast.post(
            [this] {
              try {
                app.watch_training();
              } catch (const std::exception& e) {
                log(LogLevel::kDebug, e.what());
              }
            },
            [] {});
      tick();
    });
  }
};

Server::Server(App& app, const ServerOptions& options) : impl_(new Impl(app)) {
  auto& acceptor = impl_->acceptor;
  if (options.port == 0)
    if (const int last = remembered_port(options.last_port))
      acceptor = listen(impl_->context, last);  // an open page finds the studio again
  if (!acceptor) acceptor = listen(impl_->context, options.port);
  if (!acceptor)
    throw Error(ErrorCode::kIo, "port " + std::to_string(options.port) + " cannot be used",
                "another program has it; leave --port out to get a free one");
  if (!options.last_port.empty())
    write_file_atomic(options.last_port, std::to_string(port()) + "\n");
  impl_->gate = std::make_unique<Gatekeeper>(port(), options.sessions);
  impl_->front = std::make_unique<Front>(app, *impl_->gate);
  impl_->shared.reset(new Shared{app, *impl_->front, impl_->lanes});
}
Server::~Server() = default;

int Server::port() const { return impl_->acceptor->local_endpoint().port(); }
const std::string& Server::token() const { return impl_->gate->token(); }
std::string Server::url() const {
  return "http://127.0.0.1:" + std::to_string(port()) + "/#token=" + token();
}
void Server::set_project(const std::string& id) { impl_->front->set_project(id); }

void Server::run(const std::function<bool()>& stop) {
  impl_->stop = stop;
  impl_->timer = std::make_unique<asio::steady_timer>(impl_->context);
  impl_->accept();
  impl_->tick();
  impl_->context.run();
}

}  // namespace likeness::server
