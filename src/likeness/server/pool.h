// SPDX-License-Identifier: Apache-2.0
// A few threads for one Lane.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace likeness::server {

class Pool {
 public:
  /// `most_waiting` 0: no limit; else the oldest waiting ones are given up for newer ones.
  Pool(size_t threads, size_t most_waiting);
  ~Pool();  ///< waits for what runs; what waits is given up
  /// Exactly one of the two is called: `run` on a thread of the pool, or `give_up` on the caller's.
  void post(std::function<void()> run, std::function<void()> give_up);

 private:
  struct Item {
    std::function<void()> run, give_up;
  };
  void work();
  const size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> items_;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace likeness::server
