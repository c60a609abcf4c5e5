// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/table_cache.hpp"

#include <utility>

namespace immunodose {
namespace {

constexpr std::size_t entry_bytes = 128;  // of the maps, roughly

}  // namespace

std::uint64_t TableCache::number_of(const CacheKey& content) {
  const std::lock_guard lock(mutex_);
  const auto found = number_.find(content.bytes());
  if (found != number_.end()) return found->second;
  const std::size_t n_bytes = content.bytes().size() + entry_bytes;
  make_room(n_bytes);
  n_bytes_ += n_bytes;
  number_.emplace(content.bytes(), next_number_);
  return next_number_++;
}

void TableCache::clear() {
  const std::lock_guard lock(mutex_);
  number_.clear();
  table_.clear();
  n_bytes_ = 0;
}

std::size_t TableCache::n_tables() const {
  const std::lock_guard lock(mutex_);
  return table_.size();
}

std::size_t TableCache::n_bytes() const {
  const std::lock_guard lock(mutex_);
  return n_bytes_;
}

std::shared_ptr<const void> TableCache::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = table_.find(key);
  return found == table_.end() ? nullptr : found->second;
}

void TableCache::keep(const std::string& key, std::shared_ptr<const void> table,
                      std::size_t n_bytes) {
  n_bytes += key.size() + entry_bytes;
  if (n_bytes > most_bytes_) return;
  const std::lock_guard lock(mutex_);
  if (table_.count(key) != 0) return;
  make_room(n_bytes);
  n_bytes_ += n_bytes;
  table_.emplace(key, std::move(table));
}

// Numbers go on counting, so that an old one never stands for a new content.
void TableCache::make_room(std::size_t n_bytes) {
  if (n_bytes_ + n_bytes <= most_bytes_) return;
  number_.clear();
  table_.clear();
  n_bytes_ = 0;
}

}  // namespace immunodose
