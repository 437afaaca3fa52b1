#include "guest/identity.hpp"

#include <cerrno>

#include <gtest/gtest.h>

#include "guest/table.hpp"

namespace udocker::guest {
namespace {

TEST(Identity, RootMayBecomeAnyoneAndNotBack) {
  Identity id;
  start_identity(id, 0, 0);
  EXPECT_EQ(set_resuid(id, 33, 33, 33), 0);
  EXPECT_EQ(id.effective, 0u);
  EXPECT_EQ(set_uid(id, 0), -EPERM);
  EXPECT_EQ(id.euid, 33u);
}

TEST(Identity, SavedIdBringsRootBack) {
  Identity id;
  start_identity(id, 0, 0);
  EXPECT_EQ(set_resuid(id, kSameId, 33, 0), 0);
  EXPECT_FALSE(id.can(7));
  EXPECT_EQ(set_resuid(id, kSameId, 0, kSameId), 0);
  EXPECT_TRUE(id.can(7));
}

TEST(Identity, SetreuidSetsTheSavedId) {
  Identity id;
  start_identity(id, 0, 0);
  EXPECT_EQ(set_reuid(id, 10, 20), 0);
  EXPECT_EQ(id.suid, 20u);
  EXPECT_EQ(set_reuid(id, 20, 10), 0);
  EXPECT_EQ(id.ruid, 20u);
  EXPECT_EQ(set_reuid(id, 0, kSameId), -EPERM);
}

TEST(Identity, KeepsCapabilitiesWhenAsked) {
  Identity id;
  start_identity(id, 0, 0);
  id.keep_caps = 1;
  EXPECT_EQ(set_uid(id, 5), 0);
  EXPECT_EQ(id.effective, 0u);
  EXPECT_EQ(id.permitted, kAllCaps);
}

TEST(Identity, ExecOfSetIdFile) {
  Identity id;
  start_identity(id, 1000, 1000);
  apply_exec(id, 0104755, 0, 0);
  EXPECT_EQ(id.ruid, 1000u);
  EXPECT_EQ(id.euid, 0u);
  EXPECT_EQ(id.suid, 0u);
  EXPECT_TRUE(id.can(0));
}

TEST(Identity, SetfsuidAnswersTheFormerOne) {
  Identity id;
  start_identity(id, 7, 7);
  EXPECT_EQ(set_fsuid(id, 8), 7u);
  EXPECT_EQ(id.fsuid, 7u);
}

TEST(Table, NumbersAreUniqueAndKnown) {
  size_t count;
  const Row* rows = all_rows(&count);
  for (size_t i = 0; i < count; ++i)
    for (int abi = 0; abi < 3; ++abi)
      if (rows[i].number[abi] >= 0) {
        EXPECT_EQ(find_row(static_cast<Abi>(abi), rows[i].number[abi]), &rows[i]) << rows[i].name;
      }
  EXPECT_EQ(find_row(Abi::x86_64, 9999), nullptr);
  EXPECT_EQ(find_row(Abi::x86_64, -1), nullptr);
  EXPECT_STREQ(find_row(Abi::x86_64, 437)->name, "openat2");
  EXPECT_STREQ(find_row(Abi::aarch64, 56)->name, "openat");
  EXPECT_STREQ(find_row(Abi::i386, 102)->name, "socketcall");
}

}  // namespace
}  // namespace udocker::guest
