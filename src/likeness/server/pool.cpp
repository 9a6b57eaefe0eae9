// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/pool.h"

#include "likeness/base/threads.h"

namespace likeness::server {

Pool::Pool(size_t threads, size_t most_waiting) : most_waiting_(most_waiting) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Pool::~Pool() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    items_.clear();
  }
  wake_.notify_all();
  for (auto& t : threads_) t.join();
}

void Pool::post(std::function<void()> run, std::function<void()> give_up) {
  std::function<void()> dropped;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    items_.push_back({std::move(run), std::move(give_up)});
    if (most_waiting_ > 0 && items_.size() > most_waiting_) {
      dropped = std::move(items_.front().give_up);
      items_.pop_front();
    }
  }
  wake_.notify_one();
  if (dropped) dropped();
}

void Pool::work() {
  flush_denormals();
  for (;;) {
    Item item;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return closed_ || !items_.empty(); });
      if (closed_) return;
      item = std::move(items_.front());
      items_.pop_front();
    }
    item.run();
  }
}

}  // namespace likeness::server
