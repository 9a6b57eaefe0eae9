// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/connection.h"

#include <array>
#include <chrono>
#include <optional>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "likeness/server/event_stream.h"
#include "likeness/server/live_stream.h"

namespace likeness::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using std::chrono::seconds;

constexpr size_t kHeaderLimit = 16 << 10, kFilePiece = 256 << 10;
constexpr seconds kFirstRequest{5}, kNextRequest{75}, kBody{30}, kWrite{30};

using Plain = beast::tcp_stream;
using Tls = beast::ssl_stream<beast::tcp_stream>;

/// Stream: Plain or Tls.
template <typename Stream>
class Connection : public std::enable_shared_from_this<Connection<Stream>> {
 public:
  template <typename... Args>
  Connection(Shared& shared, Args&&... stream)
      : stream_(std::forward<Args>(stream)...), shared_(shared) {
    ++shared_.connections;
  }
  ~Connection() {
    --shared_.connections;
    if (fd_ >= 0) ::close(fd_);
  }
  void start() {
    beast::error_code ec;
    lowest().socket().set_option(asio::ip::tcp::no_delay(true), ec);
    const auto from = lowest().socket().remote_endpoint(ec);
    if (!ec) client_ = client_of_address(from.address().to_string());
    if constexpr (std::is_same_v<Stream, Tls>) {
      lowest().expires_after(kFirstRequest);
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](beast::error_code e) {
                                if (!e) self->read_header(kFirstRequest);
                              });
    } else {
      read_header(kFirstRequest);
    }
  }

 private:
  Plain& lowest() { return beast::get_lowest_layer(stream_); }

  void read_header(seconds patience) {
    head_.emplace();
    head_->header_limit(kHeaderLimit);
    head_->body_limit(kUploadPiece);
    lowest().expires_after(patience);  // for the whole header, however slowly it comes
    http::async_read_header(
        stream_, buffer_, *head_,
        [self = this->shared_from_this()](beast::error_code ec, size_t) { self->on_header(ec); });
  }

  void on_header(beast::error_code ec) {
    if (ec == http::error::end_of_stream) return close();
    if (ec == http::error::header_limit)
      return refuse({431, "usage", "the header is too large", "send fewer headers"});
    if (ec == http::error::body_limit)
      return refuse({413, "usage", "the body is too large", "send at most 8 MiB at once"});
    // A broken request gets an answer where there is a line to answer; a slow client gets none.
    if (ec && ec.category() == http::make_error_code(http::error::bad_method).category())
      return refuse({400, "bad_request", "that is not HTTP", "send a valid request"});
    if (ec) return;
    const auto& message = head_->get();
    request_ = {};
    request_.client = client_;
    request_.method = std::string(message.method_string());
    head_only_ = message.method() == http::verb::head;
    keep_alive_ = message.keep_alive();
    for (const auto& field : message) {
      std::string name(field.name_string());
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      request_.headers.emplace(std::move(name), std::string(field.value()));
    }
    try {
      if (message.count(http::field::host) > 1)
        throw HttpError{400, "bad_request", "several Host headers", "send one"};
      parse_target({message.target().data(), message.target().size()}, request_);
      route_ = shared_.front.admit(request_);
      const size_t limit = route_ ? route_->body_limit : 0;
      if (head_->content_length() && *head_->content_length() > limit)
        throw HttpError{413, "usage", "the body is too large",
                        "send at most " + std::to_string(limit) + " bytes"};
      if (beast::websocket::is_upgrade(message) && route_ &&
          (shared_.front.is_events(request_) || shared_.front.is_live(request_)))
        return upgrade();
      read_body(limit);
    } catch (const HttpError& e) {
      refuse(e);
    } catch (const Error& e) {
      write(Response::error(e));
    }
  }

  void upgrade() {
    lowest().expires_never();
    if (shared_.front.is_live(request_))
      return serve_live(std::move(stream_), head_->release(), request_, shared_);
    serve_events(std::move(stream_), head_->release(), request_, shared_);
  }

  void read_body(size_t limit) {
    if (head_->is_done()) return run();
    body_.emplace(std::move(*head_));
    body_->body_limit(limit);
    lowest().expires_after(kBody);
    const auto self = this->shared_from_this();
    const auto read = [self] {
      http::async_read(self->stream_, self->buffer_, *self->body_,
                       [self](beast::error_code ec, size_t) { self->on_body(ec); });
    };
    if (beast::iequals(body_->get()[http::field::expect], "100-continue")) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                        [self, read](beast::error_code ec, size_t) {
                          if (!ec) read();
                        });
      return;
    }
    read();
  }

  void on_body(beast::error_code ec) {
    if (ec == http::error::body_limit)
      return refuse({413, "usage", "the body is too large", "send less at once"});
    if (ec && ec.category() == http::make_error_code(http::error::bad_method).category())
      return refuse({400, "bad_request", "the body is not what its header says", "send it again"});
    if (ec) return;
    request_.body = std::move(body_->get().body());
    body_.reset();
    run();
  }

  void run() {
    lowest().expires_never();  // a handler may take its time; it does not wait for the client
    auto self = this->shared_from_this();
    const auto done = [self](Response response) {
      asio::post(self->stream_.get_executor(),
                 [self, r = std::move(response)]() mutable { self->write(std::move(r)); });
    };
    shared_.lanes.of(route_ ? route_->lane : Lane::kFast)
        .post([self, done] { done(self->shared_.front.answer(self->route_, self->request_)); },
              [done] {
                done(Response::error(HttpError{409, "cancelled", "a newer picture was asked for",
                                               "show the newer one"}));
              });
  }

  /// An answer after which the connection ends: what the client sends next cannot be trusted.
  void refuse(const HttpError& e) {
    keep_alive_ = false;
    write(Response::error(e));
  }

  void write(Response response) {
    response_ = std::move(response);
    head_out_.emplace();
    auto& out = *head_out_;
    out.version(11);
    out.result(static_cast<unsigned>(response_.status));
    out.set(http::field::content_type, response_.type);
    for (const auto& [name, value] : security_headers()) out.set(name, value);
    for (const auto& [name, value] : response_.headers) out.set(name, value);
    uint64_t length = response_.file ? response_.file->length : response_.body->size();
    if (response_.status == 304) length = 0;
    if (response_.status != 304) out.content_length(length);
    out.keep_alive(keep_alive_);
    const bool no_body = head_only_ || length == 0;
    if (response_.file && !no_body && !open_file()) {
      keep_alive_ = false;
      return write(Response::error(
          Error(ErrorCode::kIo, "the file cannot be read", "check its permissions")));
    }
    serializer_.emplace(*head_out_);
    lowest().expires_after(kWrite);
    http::async_write_header(
        stream_, *serializer_,
        [self = this->shared_from_this(), no_body](beast::error_code ec, size_t) {
          if (ec) return;
          if (no_body) return self->written();
          if (self->response_.file) return self->write_piece();
          self->write_bytes();
        });
  }

  void write_bytes() {
    lowest().expires_after(kWrite);
    asio::async_write(stream_, asio::buffer(*response_.body),
                      [self = this->shared_from_this()](beast::error_code ec, size_t) {
                        if (!ec) self->written();
                      });
  }

  bool open_file() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = ::open(response_.file->path.c_str(), O_RDONLY | O_CLOEXEC);
    return fd_ >= 0;
  }

  void write_piece() {
    auto& file = *response_.file;
    if (file.length == 0) return written();
    piece_.resize(std::min<uint64_t>(file.length, kFilePiece));
    const ssize_t n = ::pread(fd_, piece_.data(), piece_.size(), static_cast<off_t>(file.offset));
    if (n <= 0) return;  // shorter than it was: the length was promised, so the connection breaks
    file.offset += static_cast<uint64_t>(n);
    file.length -= static_cast<uint64_t>(n);
    lowest().expires_after(kWrite);
    asio::async_write(stream_, asio::buffer(piece_.data(), static_cast<size_t>(n)),
                      [self = this->shared_from_this()](beast::error_code ec, size_t) {
                        if (!ec) self->write_piece();
                      });
  }

  void written() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    response_ = {};
    if (!keep_alive_) return close();
    read_header(kNextRequest);
  }

  void close() {
    if constexpr (std::is_same_v<Stream, Tls>) {
      lowest().expires_after(seconds(2));
      stream_.async_shutdown([self = this->shared_from_this()](beast::error_code) {
        // Well or not: the client may still be sending.
        self->close_socket();
      });
    } else {
      close_socket();
    }
  }
  void close_socket() {
    beast::error_code ec;
    lowest().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ec);
    // What the client still sends is read away for a moment, or it would lose our answer.
    lowest().expires_after(seconds(2));
    drain();
  }
  void drain() {
    piece_.resize(64 << 10);
    lowest().async_read_some(asio::buffer(piece_),
                             [self = this->shared_from_this()](beast::error_code ec, size_t) {
                               if (!ec) self->drain_more();
                             });
  }
  void drain_more() {
    if (++drained_ < 1000) drain();
  }

  Stream stream_;
  Shared& shared_;
  std::string client_;
  beast::flat_buffer buffer_{kHeaderLimit + (64 << 10)};
  std::optional<http::request_parser<http::empty_body>> head_;
  std::optional<http::request_parser<http::string_body>> body_;
  std::optional<http::response<http::empty_body>> head_out_;
  std::optional<http::response_serializer<http::empty_body>> serializer_;
  Request request_;
  const Route* route_ = nullptr;
  Response response_;
  bool keep_alive_ = true, head_only_ = false;
  int fd_ = -1, drained_ = 0;
  std::vector<char> piece_;
};

}  // namespace

void serve(asio::ip::tcp::socket socket, Shared& shared) {
  if (shared.tls)
    std::make_shared<Connection<Tls>>(shared, std::move(socket), *shared.tls)->start();
  else
    std::make_shared<Connection<Plain>>(shared, std::move(socket))->start();
}

}  // namespace likeness::server
