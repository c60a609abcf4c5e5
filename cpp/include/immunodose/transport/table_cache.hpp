// SPDX-License-Identifier: BSD-3-Clause
// Tables kept between calls. A key holds everything that a table depends on, bit for bit; long
// contents such as kernels stand in keys as numbers. Any number of threads may use it at once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>

namespace immunodose {

class CacheKey {
 public:
  CacheKey& add(std::span<const double> values) {
    add(static_cast<std::uint64_t>(values.size()));
    return append(values.data(), values.size_bytes());
  }
  CacheKey& add(double value) { return append(&value, sizeof(value)); }
  CacheKey& add(std::uint64_t value) { return append(&value, sizeof(value)); }
  const std::string& bytes() const { return bytes_; }

 private:
  CacheKey& append(const void* data, std::size_t n) {
    bytes_.append(static_cast<const char*>(data), n);
    return *this;
  }
  std::string bytes_;
};

class TableCache {
 public:
  // Emptied when it would hold more than `most_bytes`.
  explicit TableCache(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  // A number that stands for a content and for no other, ever.
  std::uint64_t number_of(const CacheKey& content);

  // The table of a key, made unless it is there. Threads may make one at the same time: the first
  // that is done is kept, and all are equal.
  template <class Table, class Make>
  std::shared_ptr<const Table> find_or_make(const CacheKey& key, const Make& make) {
    if (auto found = find(key.bytes())) return std::static_pointer_cast<const Table>(found);
    auto made = std::make_shared<const Table>(make());
    keep(key.bytes(), made, table_bytes(*made));
    return made;
  }

  void clear();
  std::size_t n_tables() const;
  std::size_t n_bytes() const;

 private:
  template <class Table>
  static std::size_t table_bytes(const Table& table) {
    if constexpr (requires { table.n_bytes(); }) {
      return table.n_bytes();
    } else {
      return table.size() * sizeof(*table.data());
    }
  }
  std::shared_ptr<const void> find(const std::string& key) const;
  void keep(const std::string& key, std::shared_ptr<const void> table, std::size_t n_bytes);
  void make_room(std::size_t n_bytes);

  mutable std::mutex mutex_;
  std::size_t most_bytes_;
  std::size_t n_bytes_ = 0;
  std::uint64_t next_number_ = 0;
  std::unordered_map<std::string, std::uint64_t> number_;
  std::unordered_map<std::string, std::shared_ptr<const void>> table_;
};

}  // namespace immunodose
