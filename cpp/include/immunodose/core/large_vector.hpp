// SPDX-License-Identifier: BSD-3-Clause
// Vectors of millions of numbers: elements are not set when the vector is made, so that the
// threads that fill it also get its pages. Those of several MiB ask for huge pages: with small ones
// a sum over 1e7 cells spends a tenth of its time on half a million page faults.
#pragma once
#include <cstddef>
#include <new>
#include <utility>
#include <vector>

namespace immunodose {

// Advises the system to back this memory with huge pages; nothing happens where it cannot.
void advise_huge_pages(void* memory, std::size_t n_bytes);

template <class T>
class LargeAllocator {
 public:
  using value_type = T;
  LargeAllocator() = default;
  template <class U>
  explicit LargeAllocator(const LargeAllocator<U>&) {}

  T* allocate(std::size_t n) {
    const std::size_t n_bytes = n * sizeof(T);
    void* const memory = ::operator new(n_bytes, alignment(n));
    if (is_huge(n)) advise_huge_pages(memory, n_bytes);
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t n) { ::operator delete(memory, alignment(n)); }

  template <class U>
  void construct(U* place) {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Arguments>
  void construct(U* place, Arguments&&... arguments) {
    ::new (static_cast<void*>(place)) U(std::forward<Arguments>(arguments)...);
  }

  friend bool operator==(const LargeAllocator&, const LargeAllocator&) { return true; }

 private:
  static constexpr std::size_t huge_page = std::size_t{1} << 21;
  static constexpr std::size_t cache_line = 64;
  static bool is_huge(std::size_t n) { return n * sizeof(T) >= 2 * huge_page; }
  static std::align_val_t alignment(std::size_t n) {
    return std::align_val_t{is_huge(n) ? huge_page : cache_line};
  }
};

template <class T>
using LargeVector = std::vector<T, LargeAllocator<T>>;

}  // namespace immunodose
