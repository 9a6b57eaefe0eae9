// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/events.h"

#include "likeness/base/hash.h"
#include "likeness/trust/keys.h"

namespace likeness::server {
namespace {
Events::Message text_of(const nlohmann::json& j) {
  return std::make_shared<std::string>(
      j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}
}  // namespace

Events::Events(size_t keep) : keep_(keep), boot_(hex(trust::random_bytes(8))) {}

uint64_t Events::publish(const std::string& type, const std::string& project, nlohmann::json body) {
  body["type"] = type;
  body["project"] = project.empty() ? nlohmann::json() : nlohmann::json(project);
  std::lock_guard lock(mutex_);
  body["seq"] = ++seq_;
  ring_.emplace_back(seq_, text_of(body));
  if (ring_.size() > keep_) ring_.pop_front();
  for (const auto& [id, listener] : listeners_) listener(ring_.back().second);
  return seq_;
}

Events::Subscription Events::subscribe(uint64_t from, const std::string& boot, Listener listener) {
  std::lock_guard lock(mutex_);
  Subscription s;
  s.id = next_id_++;
  const uint64_t oldest = ring_.empty() ? seq_ + 1 : ring_.front().first;
  s.first.push_back(
      text_of({{"type", "hello"}, {"seq", seq_}, {"oldest", oldest}, {"boot", boot_}}));
  const bool other_run = !boot.empty() && boot != boot_;
  if (other_run || from > seq_ || (from > 0 && from + 1 < oldest))
    s.first.push_back(text_of({{"type", "reset"}, {"seq", seq_}}));
  else if (from > 0)
    for (const auto& [seq, message] : ring_)
      if (seq > from) s.first.push_back(message);
  listeners_[s.id] = std::move(listener);
  return s;
}

void Events::unsubscribe(uint64_t id) {
  std::lock_guard lock(mutex_);
  listeners_.erase(id);
}

}  // namespace likeness::server
