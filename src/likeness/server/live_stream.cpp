// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/live_stream.h"

#include <array>
#include <chrono>
#include <deque>
#include <filesystem>
#include <thread>

#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <sys/resource.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error_json.h"

namespace likeness::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using nlohmann::json;
using Pair = asio::local::stream_protocol::socket;
using Clock = std::chrono::steady_clock;

constexpr size_t kMostIncoming = 64 << 10;
/// Half a second of sound: who is further behind is better off without it.
constexpr size_t kMostWaitingBytes = 24000;
constexpr std::chrono::seconds kStart{20}, kTick{1};

/// What the process has computed so far, in seconds.
double cpu_s() {
  rusage u{};
  ::getrusage(RUSAGE_SELF, &u);
  const auto s = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return s(u.ru_utime) + s(u.ru_stime);
}
double memory_mb() {
  try {
    const std::string text = read_file("/proc/self/statm", 256);
    const size_t space = text.find(' ');
    return std::stod(text.substr(space + 1)) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
  } catch (const std::exception&) {  // shown as unknown
    return 0;
  }
}

/// Next: the stream below, plain or TLS. First a text {voice, rehearsal?, options?}, then binary
/// messages of sound both ways, texts about the stream, and {"type": "stop"} or a closed tab ends
/// it. All on the network thread.
template <typename Next>
class LiveStream : public std::enable_shared_from_this<LiveStream<Next>> {
 public:
  LiveStream(Next stream, const Request& request, Shared& shared)
      : socket_(std::move(stream)),
        timer_(socket_.get_executor()),
        to_task_(socket_.get_executor()),
        from_task_(socket_.get_executor()),
        shared_(shared),
        request_(request) {
    ++shared_.connections;
  }
  ~LiveStream() { --shared_.connections; }

  void start(http::request<http::empty_body> upgrade) {
    auto timeout = websocket::stream_base::timeout::suggested(beast::role_type::server);
    timeout.idle_timeout = std::chrono::seconds(20);
    timeout.handshake_timeout = std::chrono::seconds(3);  // also of parting
    timeout.keep_alive_pings = true;
    socket_.set_option(timeout);
    socket_.read_message_max(kMostIncoming);
    upgrade_ = std::move(upgrade);
    socket_.async_accept(upgrade_, [self = this->shared_from_this()](beast::error_code ec) {
      if (ec) return;
      self->timer_.expires_after(kStart);  // whoever says nothing has no place here
      self->timer_.async_wait([weak = self->weak_from_this()](beast::error_code e) {
        if (const auto s = weak.lock(); s && !e && !s->begun_) s->close();
      });
      self->read();
    });
  }

 private:
  void read() {
    socket_.async_read(incoming_, [self = this->shared_from_this()](beast::error_code ec, size_t) {
      if (ec) return self->gone();
      const std::string message = beast::buffers_to_string(self->incoming_.data());
      self->incoming_.clear();
      if (self->socket_.got_binary())
        self->sound(message);
      else
        self->text(message);
      if (!self->closed_) self->read();
    });
  }

  void text(const std::string& message) {
    const json j = json::parse(message, nullptr, false);
    if (!j.is_object()) return refuse({ErrorCode::kUsage, "that is no message", "send JSON"});
    if (begun_) {
      if (j.value("type", "") == "stop") hear_no_more();
      return;
    }
    begun_ = true;
    timer_.cancel();
    begin(j);
  }

  void begin(const json& wanted) {
    LiveRequest live;
    try {
      live.voice = wanted.at("voice");
      live.rehearsal = wanted.value("rehearsal", false);
      live.options = wanted.value("options", json::object());
    } catch (const json::exception&) {
      return refuse({ErrorCode::kUsage, "a value has the wrong type or is missing",
                     "send {voice, rehearsal?, options?}"});
    }
    Pair in(socket_.get_executor()), out(socket_.get_executor());
    beast::error_code ec;
    asio::local::connect_pair(to_task_, in, ec);
    if (!ec) asio::local::connect_pair(from_task_, out, ec);
    if (ec) return refuse({ErrorCode::kIo, "the stream cannot be opened", ec.message()});
    live.in = in.release();
    live.out = out.release();
    const auto self = this->shared_from_this();
    const auto executor = socket_.get_executor();
    live.tell = [self, executor](json message) {
      asio::post(executor, [self, m = std::move(message)] { self->told(m); });
    };
    const std::string project = request_.param("project");
    shared_.lanes.slow.post(
        [self, executor, live = std::move(live), project]() mutable {
          const auto tell = live.tell;
          App& app = self->shared_.app;
          try {
            try {
              live.project = app.open_id(project).project;
            } catch (...) {
              ::close(live.in);
              ::close(live.out);
              throw;
            }
            asio::post(executor, [self, p = live.project] { self->folder_ = p->folder(); });
            app.live().begin(project, std::move(live),
                             [&app, project] { app.changed(project, "outputs"); });
          } catch (const Error& e) {
            tell({{"type", "error"}, {"error", error_json(e)}});
          }
        },
        [] {});
    listen();
    cpu_s_ = cpu_s();
    asked_ = Clock::now();
    tick();
  }

  /// Sound of the page to the task.
  void sound(const std::string& bytes) {
    if (!begun_ || stopping_ || bytes.size() % 2 != 0) return;
    if (waiting_bytes_ + bytes.size() > kMostWaitingBytes) {
      ++dropped_;
      return;
    }
    waiting_bytes_ += bytes.size();
    said_.push_back(bytes);
    if (said_.size() == 1) pass_on();
  }
  void pass_on() {
    asio::async_write(to_task_, asio::buffer(said_.front()),
                      [self = this->shared_from_this()](beast::error_code ec, size_t) {
                        self->waiting_bytes_ -= self->said_.front().size();
                        self->said_.pop_front();
                        if (ec) return;
                        if (!self->said_.empty()) return self->pass_on();
                        if (self->stopping_) self->end_of_sound();
                      });
  }
  void hear_no_more() {
    if (stopping_) return;
    stopping_ = true;
    if (said_.empty()) end_of_sound();
  }
  void end_of_sound() {
    beast::error_code ec;
    to_task_.shutdown(Pair::shutdown_send, ec);
  }

  /// Sound of the task to the page; read away when there is no page any more, so that the task goes
  /// on to its end.
  void listen() {
    from_task_.async_read_some(asio::buffer(heard_),
                               [self = this->shared_from_this()](beast::error_code ec, size_t n) {
                                 if (ec) return;
                                 self->made_.append(self->heard_.data(), n);
                                 const size_t whole = self->made_.size() / 2 * 2;
                                 if (self->out_bytes_ + whole > kMostWaitingBytes)
                                   ++self->dropped_;
                                 else if (whole > 0)
                                   self->send(self->made_.substr(0, whole), true);
                                 self->made_.erase(0, whole);
                                 self->listen();
                               });
  }

  void told(const json& message) {
    json out = message;
    const std::string type = out.value("type", "");
    if (type == "done" || type == "error") {
      over_ = true;
      timer_.cancel();
      out["dropped"] = dropped_;
    }
    send(out.dump(), false);
  }

  /// Every second: what the machine does.
  void tick() {
    timer_.expires_after(kTick);
    timer_.async_wait([weak = this->weak_from_this()](beast::error_code ec) {
      const auto self = weak.lock();
      if (ec || !self || self->over_ || self->closed_) return;
      const double cpu = cpu_s();
      const auto now = Clock::now();
      const double past = std::chrono::duration<double>(now - self->asked_).count();
      std::error_code none;
      const auto space = std::filesystem::space(self->folder_, none);
      self->send(json{{"type", "machine"},
                      {"cpu_pct", 100 * (cpu - self->cpu_s_) / past},
                      {"cores", std::thread::hardware_concurrency()},
                      {"memory_mb", memory_mb()},
                      {"disk_free", none ? 0 : space.available},
                      {"dropped", self->dropped_}}
                     .dump(),
                 false);
      self->cpu_s_ = cpu;
      self->asked_ = now;
      self->tick();
    });
  }

  void refuse(const Error& e) {
    begun_ = true;
    told({{"type", "error"}, {"error", error_json(e)}});
  }

  void send(std::string bytes, bool binary) {
    if (closed_) return;
    if (binary) out_bytes_ += bytes.size();
    out_.emplace_back(std::move(bytes), binary);
    if (out_.size() == 1) write();
  }
  void write() {
    socket_.binary(out_.front().second);
    socket_.async_write(asio::buffer(out_.front().first),
                        [self = this->shared_from_this()](beast::error_code ec, size_t) {
                          if (ec) return self->gone();
                          if (self->out_.front().second)
                            self->out_bytes_ -= self->out_.front().first.size();
                          self->out_.pop_front();
                          if (self->closed_) return;
                          if (!self->out_.empty()) return self->write();
                          if (self->over_) self->part();
                        });
  }

  /// The page was closed: what was said is finished and kept.
  void gone() {
    hear_no_more();
    close();
  }
  /// Everything was said.
  void part() {
    socket_.async_close(websocket::close_code::normal,
                        [self = this->shared_from_this()](beast::error_code) { self->close(); });
  }
  void close() {
    if (closed_) return;
    closed_ = true;
    timer_.cancel();
    beast::get_lowest_layer(socket_).close();
  }

  websocket::stream<Next> socket_;
  asio::steady_timer timer_;
  Pair to_task_, from_task_;
  Shared& shared_;
  Request request_;
  http::request<http::empty_body> upgrade_;
  beast::flat_buffer incoming_;
  std::array<char, 8192> heard_{};
  std::string made_;                              ///< half a sample may wait
  std::deque<std::string> said_;                  ///< for the task
  std::deque<std::pair<std::string, bool>> out_;  ///< for the page; true: sound
  size_t waiting_bytes_ = 0, out_bytes_ = 0, dropped_ = 0;
  double cpu_s_ = 0;
  Clock::time_point asked_;
  std::filesystem::path folder_;  ///< of the project
  bool begun_ = false, stopping_ = false, over_ = false, closed_ = false;
};

template <typename Next>
void serve(Next stream, http::request<http::empty_body> upgrade, const Request& request,
           Shared& shared) {
  std::make_shared<LiveStream<Next>>(std::move(stream), request, shared)->start(std::move(upgrade));
}

}  // namespace

void serve_live(beast::tcp_stream stream, http::request<http::empty_body> upgrade,
                const Request& request, Shared& shared) {
  serve(std::move(stream), std::move(upgrade), request, shared);
}
void serve_live(beast::ssl_stream<beast::tcp_stream> stream,
                http::request<http::empty_body> upgrade, const Request& request, Shared& shared) {
  serve(std::move(stream), std::move(upgrade), request, shared);
}

}  // namespace likeness::server
