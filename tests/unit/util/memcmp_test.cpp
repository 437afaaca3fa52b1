#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace udocker {

TEST(Memcmp, SignOfTheFirstDifferenceWhereverItIs) {
  int (*volatile compare)(const void*, const void*, std::size_t) = std::memcmp;  // not the compiler's own
  for (std::size_t size = 0; size < 140; ++size)
    for (std::size_t skew = 0; skew < 9; ++skew) {
      std::string a(size + skew, 'm'), b(size + 9, 'm');
      const char *left = a.data() + skew, *right = b.data() + 9;
      ASSERT_EQ(compare(left, right, size), 0) << size;
      for (std::size_t at = 0; at < size; ++at) {
        b[9 + at] = '\xf0';  // greater, as unsigned
        if (at + 1 < size) b[9 + at + 1] = 'a';
        ASSERT_LT(compare(left, right, size), 0) << size << ' ' << at;
        ASSERT_GT(compare(right, left, size), 0) << size << ' ' << at;
        b[9 + at] = 'm';
        if (at + 1 < size) b[9 + at + 1] = 'm';
      }
    }
}

}  // namespace udocker
