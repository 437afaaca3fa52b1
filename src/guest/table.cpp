#include "guest/table.hpp"

namespace udocker::guest {

namespace {

constexpr Row kRows[] = {
#include "guest/table_rows.inc"
};
constexpr size_t kRowCount = sizeof kRows / sizeof *kRows;
constexpr size_t kLimit = 480;

struct Index {
  uint16_t row[3][kLimit];  // row number + 1
};

constexpr Index make_index() {
  Index index{};
  for (size_t i = 0; i < kRowCount; ++i)
    for (size_t abi = 0; abi < 3; ++abi)
      if (kRows[i].number[abi] >= 0) index.row[abi][kRows[i].number[abi]] = static_cast<uint16_t>(i + 1);
  return index;
}

constexpr Index kIndex = make_index();

}  // namespace

const Row* find_row(Abi abi, long number) {
  if (number < 0 || number >= static_cast<long>(kLimit)) return nullptr;
  uint16_t row = kIndex.row[static_cast<size_t>(abi)][number];
  return row ? &kRows[row - 1] : nullptr;
}

const Row* all_rows(size_t* count) {
  *count = kRowCount;
  return kRows;
}

long table_limit(Abi) { return kLimit; }

}  // namespace udocker::guest
