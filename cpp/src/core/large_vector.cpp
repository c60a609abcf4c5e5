// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/core/large_vector.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace immunodose {

void advise_huge_pages(void* memory, std::size_t n_bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  static_cast<void>(madvise(memory, n_bytes, MADV_HUGEPAGE));  // a wish: refusal changes nothing
#else
  static_cast<void>(memory);
  static_cast<void>(n_bytes);
#endif
}

}  // namespace immunodose
