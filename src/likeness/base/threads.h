// SPDX-License-Identifier: Apache-2.0
// Threads: a parallel loop, and a bounded queue for pipelines. Exceptions in workers reach the
// caller.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

namespace likeness {

/// Worker count: LIKENESS_THREADS, else the number of CPUs this process may use. At least 1.
int thread_count();

/// Calls body(i) for i in [begin, end) on up to thread_count() threads; returns when all are done.
/// The first exception is rethrown. Work done must not depend on the order of calls.
void parallel_for(int begin, int end, const std::function<void(int)>& body);

/// Subnormal floats cost a hundred times more than others: flush them in this thread.
void flush_denormals();

/// Closed queue of limited length. push blocks while full and returns false after close();
/// pop blocks while empty and returns nothing once closed and drained.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}
  bool push(T value) {
    std::unique_lock lock(mutex_);
    not_full_.wait(lock, [&] { return items_.size() < capacity_ || closed_; });
    if (closed_) return false;
    items_.push_back(std::move(value));
    not_empty_.notify_one();
    return true;
  }
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [&] { return !items_.empty() || closed_; });
    if (items_.empty()) return std::nullopt;
    T value = std::move(items_.front());
    items_.pop_front();
    not_full_.notify_one();
    return value;
  }
  void close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    not_full_.notify_all();
    not_empty_.notify_all();
  }

 private:
  size_t capacity_;
  bool closed_ = false;
  std::deque<T> items_;
  std::mutex mutex_;
  std::condition_variable not_full_, not_empty_;
};

}  // namespace likeness
