// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/live.h"

#include <sys/socket.h>
#include <unistd.h>

#include "likeness/base/error_json.h"

namespace likeness::server {
using nlohmann::json;

void Live::begin(const std::string& project_id, LiveRequest request, std::function<void()> ended) {
  std::lock_guard lock(mutex_);
  try {
    if (!work_)
      throw Error(ErrorCode::kUnsupported, "this program was built without its networks",
                  "build it with libtorch; `likeness doctor` says more");
    if (running_)
      throw Error(ErrorCode::kIo, "somebody is speaking live already, as " + request_.voice,
                  "end that stream first; there is one at a time");
    queue_.hold();
  } catch (...) {
    ::close(request.in);
    ::close(request.out);
    throw;
  }
  if (thread_.joinable()) thread_.join();  // of the stream before, which has ended
  running_ = true;
  project_ = project_id;
  request_ = std::move(request);
  thread_ = std::thread([this, mine = request_, ended = std::move(ended)] {
    json last;
    try {
      last = {{"type", "done"}, {"report", work_(mine)}};
    } catch (const Error& e) {
      last = {{"type", "error"}, {"error", error_json(e)}};
    } catch (const std::exception& e) {
      last = {{"type", "error"},
              {"error", error_json(Error(ErrorCode::kInternal, e.what(),
                                         "please report this with the studio's output"))}};
    }
    {
      std::lock_guard done(mutex_);
      ::close(mine.in);
      ::close(mine.out);
      running_ = false;
      request_ = {};
    }
    queue_.release();
    mine.tell(std::move(last));
    ended();
  });
}

void Live::stop(const std::string& project_id) {
  std::lock_guard lock(mutex_);
  if (running_ && (project_id.empty() || project_id == project_)) ::shutdown(request_.in, SHUT_RD);
}

void Live::finish() {
  std::thread last;
  {
    std::lock_guard lock(mutex_);
    if (running_) {
      ::shutdown(request_.in, SHUT_RD);
      ::shutdown(request_.out, SHUT_RDWR);
    }
    last = std::move(thread_);
  }
  if (last.joinable()) last.join();
}

json Live::now() const {
  std::lock_guard lock(mutex_);
  if (!running_) return nullptr;
  return {{"project", project_}, {"voice", request_.voice}, {"rehearsal", request_.rehearsal}};
}

}  // namespace likeness::server
