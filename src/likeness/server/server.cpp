// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/server.h"

#include <algorithm>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
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
std::optional<tcp::acceptor> listen(asio::io_context& context, const asio::ip::address& address,
                                    int port) {
  boost::system::error_code ec;
  tcp::acceptor acceptor(context);
  const tcp::endpoint here(address, static_cast<uint16_t>(port));
  acceptor.open(here.protocol(), ec);
  if (!ec) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor.bind(here, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec == boost::system::errc::address_not_available)
    throw Error(ErrorCode::kIo, address.to_string() + " is not an address of this machine",
                "`ip address` lists them");
  if (ec) return std::nullopt;
  return acceptor;
}

asio::ip::address address_of(const std::string& text) {
  boost::system::error_code ec;
  const auto address = asio::ip::make_address(text, ec);
  if (ec)
    throw Error(ErrorCode::kUsage, "'" + text + "' is not an IP address",
                "give an address of this machine, like 192.168.1.20; `ip address` lists them");
  return address;
}

std::string in_url(const asio::ip::address& address) {
  return address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
}

std::unique_ptr<asio::ssl::context> tls_context(const Certificate& certificate) {
  namespace ssl = asio::ssl;
  auto out = std::make_unique<ssl::context>(ssl::context::tls_server);
  out->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                   ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1 |
                   ssl::context::no_compression | SSL_OP_NO_RENEGOTIATION);
  boost::system::error_code ec;
  out->use_certificate_chain(asio::buffer(certificate.chain_pem), ec);
  if (!ec) out->use_private_key(asio::buffer(certificate.key_pem), ssl::context::pem, ec);
  if (ec)
    throw Error(ErrorCode::kBadInput, "the certificate cannot be used: " + ec.message(),
                "give one for a TLS server, with its key");
  return out;
}

}  // namespace

struct Server::Impl {
  // In the order in which they are needed last: the lanes' threads end first, then the context with
  // the connections that wait in it, then what connections refer to.
  App& app;
  std::unique_ptr<Gatekeeper> gate;
  std::unique_ptr<Front> front;
  std::unique_ptr<asio::ssl::context> tls;
  std::string host;  // in the address
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

bool needs_protection(const std::string& address) {
  return address_of(address) != asio::ip::address_v4::loopback();
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253 || text.front() == '-' || text.front() == '.') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  });
}

Server::Server(App& app, const ServerOptions& options) : impl_(new Impl(app)) {
  if (options.tls.has_value() != !options.password.empty() ||
      (needs_protection(options.address) && !options.tls))
    throw Error(ErrorCode::kUsage, "another address than 127.0.0.1 needs TLS and a password",
                "give --tls-cert and --tls-key or --tls-self-signed, and --password-file");
  const auto address = address_of(options.address);
  auto& acceptor = impl_->acceptor;
  if (options.port == 0)
    if (const int last = remembered_port(options.last_port))
      acceptor = listen(impl_->context, address, last);  // an open page finds the studio again
  if (!acceptor) acceptor = listen(impl_->context, address, options.port);
  if (!acceptor)
    throw Error(ErrorCode::kIo, "port " + std::to_string(options.port) + " cannot be used",
                "another program has it; leave --port out to get a free one");
  if (!options.last_port.empty())
    write_file_atomic(options.last_port, std::to_string(port()) + "\n");
  Door door{.port = port(), .store = options.sessions, .password = options.password};
  if (options.tls) {
    impl_->tls = tls_context(*options.tls);
    door.names = options.names;
    if (!address.is_unspecified()) door.names.insert(door.names.begin(), in_url(address));
    if (door.names.empty())
      throw Error(ErrorCode::kUsage, "every address of this machine, but under which name?",
                  "say with --host what browsers will open, or give one address");
  }
  impl_->host = door.names[0];
  impl_->gate = std::make_unique<Gatekeeper>(std::move(door));
  impl_->front = std::make_unique<Front>(app, *impl_->gate);
  impl_->shared.reset(new Shared{app, *impl_->front, impl_->lanes, impl_->tls.get()});
}
Server::~Server() { impl_->app.live().finish(); }

int Server::port() const { return impl_->acceptor->local_endpoint().port(); }
const std::string& Server::token() const { return impl_->gate->token(); }
std::string Server::url() const {
  const std::string at = impl_->host + ":" + std::to_string(port()) + "/";
  return impl_->tls ? "https://" + at : "http://" + at + "#token=" + token();
}
void Server::set_project(const std::string& id) { impl_->front->set_project(id); }

void Server::run(const std::function<bool()>& stop) {
  impl_->stop = stop;
  impl_->timer = std::make_unique<asio::steady_timer>(impl_->context);
  impl_->accept();
  impl_->tick();
  impl_->context.run();
  impl_->app.live().finish();  // while its page's connection is still there
}

}  // namespace likeness::server
