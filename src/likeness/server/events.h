// SPDX-License-Identifier: Apache-2.0
// The one stream of events: numbered, and the last ones are kept, so that a page that was away gets
// what it missed. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace likeness::server {

class Events {
 public:
  using Message = std::shared_ptr<const std::string>;
  using Listener = std::function<void(const Message&)>;
  explicit Events(size_t keep = 4096);

  /// Adds "seq"; `project` empty means null.
  uint64_t publish(const std::string& type, const std::string& project, nlohmann::json body);
  /// Random id of this server run.
  const std::string& boot() const { return boot_; }

  /// What a client gets first: hello, then what came after `from`, or one "reset" when that is not
  /// kept any more or `boot` is another run. From then on every new message goes to the listener
  /// (called by the publishing thread, must not block). Atomic: nothing is missed or doubled.
  struct Subscription {
    uint64_t id = 0;
    std::vector<Message> first;
  };
  Subscription subscribe(uint64_t from, const std::string& boot, Listener listener);
  void unsubscribe(uint64_t id);

 private:
  const size_t keep_;
  std::string boot_;
  std::mutex mutex_;
  uint64_t seq_ = 0, next_id_ = 1;
  std::deque<std::pair<uint64_t, Message>> ring_;
  std::map<uint64_t, Listener> listeners_;
};

}  // namespace likeness::server
