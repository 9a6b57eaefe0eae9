// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/event_stream.h"

#include <deque>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

namespace likeness::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;

constexpr size_t kMostWaiting = 8192, kMostIncoming = 4096;
constexpr std::chrono::seconds kPing{20};

/// Next: the stream below, plain or TLS.
template <typename Next>
class Stream : public std::enable_shared_from_this<Stream<Next>> {
 public:
  Stream(Next stream, Shared& shared)
      : socket_(std::move(stream)), timer_(socket_.get_executor()), shared_(shared) {
    ++shared_.connections;
  }
  ~Stream() { --shared_.connections; }

  void start(http::request<http::empty_body> upgrade, uint64_t from, const std::string& boot) {
    from_ = from;
    boot_ = boot;
    auto timeout = websocket::stream_base::timeout::suggested(beast::role_type::server);
    timeout.idle_timeout = std::chrono::seconds(60);
    timeout.keep_alive_pings = true;
    socket_.set_option(timeout);
    socket_.read_message_max(kMostIncoming);
    upgrade_ = std::move(upgrade);
    socket_.async_accept(upgrade_, [self = this->shared_from_this()](beast::error_code ec) {
      if (!ec) self->accepted();
    });
  }

 private:
  void accepted() {
    const std::weak_ptr<Stream> weak = this->shared_from_this();
    const auto executor = socket_.get_executor();
    auto subscription = shared_.app.events().subscribe(
        from_, boot_, [weak, executor](const Events::Message& message) {
          asio::post(executor, [weak, message] {
            if (auto self = weak.lock()) self->send(message);
          });
        });
    id_ = subscription.id;
    for (auto& message : subscription.first) send(message);
    read();
    ping();
  }

  /// The page has nothing to say; reading sees it leave, and malformed frames end the stream.
  void read() {
    socket_.async_read(incoming_, [self = this->shared_from_this()](beast::error_code ec, size_t) {
      self->incoming_.clear();
      if (ec) return self->end();
      self->read();
    });
  }

  void ping() {
    timer_.expires_after(kPing);
    timer_.async_wait([weak = this->weak_from_this()](beast::error_code ec) {
      const auto self = weak.lock();
      if (ec || !self || self->ended_) return;
      self->send(std::make_shared<std::string>(R"({"type":"ping"})"));
      self->ping();
    });
  }

  void send(const Events::Message& message) {
    if (ended_) return;
    if (waiting_.size() >= kMostWaiting) return end();  // it will come back with from=
    waiting_.push_back(message);
    if (waiting_.size() == 1) write();
  }

  void write() {
    socket_.text(true);
    socket_.async_write(asio::buffer(*waiting_.front()),
                        [self = this->shared_from_this()](beast::error_code ec, size_t) {
                          if (ec) return self->end();
                          self->waiting_.pop_front();
                          if (!self->waiting_.empty() && !self->ended_) self->write();
                        });
  }

  void end() {
    if (ended_) return;
    ended_ = true;
    shared_.app.events().unsubscribe(id_);
    timer_.cancel();
    beast::get_lowest_layer(socket_).close();
  }

  websocket::stream<Next> socket_;
  asio::steady_timer timer_;
  Shared& shared_;
  http::request<http::empty_body> upgrade_;
  beast::flat_buffer incoming_;
  std::deque<Events::Message> waiting_;
  uint64_t from_ = 0, id_ = 0;
  std::string boot_;
  bool ended_ = false;
};

template <typename Next>
void serve(Next stream, http::request<http::empty_body> upgrade, const Request& request,
           Shared& shared) {
  uint64_t from = 0;
  try {
    from = static_cast<uint64_t>(request.number("from", 0, 0, INT64_MAX));
  } catch (const HttpError&) {  // nonsense: everything anew
    from = UINT64_MAX;
  }
  std::make_shared<Stream<Next>>(std::move(stream), shared)
      ->start(std::move(upgrade), from, request.text("boot"));
}

}  // namespace

void serve_events(beast::tcp_stream stream, http::request<http::empty_body> upgrade,
                  const Request& request, Shared& shared) {
  serve(std::move(stream), std::move(upgrade), request, shared);
}
void serve_events(beast::ssl_stream<beast::tcp_stream> stream,
                  http::request<http::empty_body> upgrade, const Request& request, Shared& shared) {
  serve(std::move(stream), std::move(upgrade), request, shared);
}

}  // namespace likeness::server
