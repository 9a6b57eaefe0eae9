// SPDX-License-Identifier: Apache-2.0
#include "likeness/base/threads.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <thread>
#include <vector>

#include <sched.h>

#if defined(__SSE2__)
#include <pmmintrin.h>
#include <xmmintrin.h>
#endif

namespace likeness {

int thread_count() {
  static const int count = [] {
    if (const char* text = std::getenv("LIKENESS_THREADS")) {
      int n = std::atoi(text);
      if (n > 0) return std::min(n, 256);
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }();
  return count;
}

void flush_denormals() {
#if defined(__SSE2__)
  _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
  _MM_SET_DENORMALS_ZERO_MODE(_MM_DENORMALS_ZERO_ON);
#endif
}

void parallel_for(int begin, int end, const std::function<void(int)>& body) {
  int workers = std::min(thread_count(), end - begin);
  if (workers <= 1) {
    for (int i = begin; i < end; ++i) body(i);
    return;
  }
  std::atomic<int> next{begin};
  std::atomic<bool> failed{false};
  std::exception_ptr error;
  std::mutex mutex;
  auto work = [&] {
    try {
      for (int i; !failed && (i = next.fetch_add(1)) < end;) body(i);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      failed = true;
    }
  };
  std::vector<std::thread> threads;
  for (int t = 1; t < workers; ++t)
    threads.emplace_back([&] {
      flush_denormals();
      work();
    });
  work();
  for (auto& t : threads) t.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace likeness
