#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"
#include "util/write_back.hpp"

#include <gtest/gtest.h>

namespace udocker {

TEST(WriteBack, WorksWhileFilesAreMade) {
  TempDir place(testing::TempDir(), "write");
  WriteBack write_back(place.path());
  for (int i = 0; i < 3; ++i) {  // longer than its thread sleeps
    make_file(cat(place.path(), "/file", i), std::string(1 << 20, 'x'));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  write_back.finish();
  WriteBack given_up(place.path());
}

TEST(WriteBack, NamesWhatItCannotOpen) {
  TempDir place(testing::TempDir(), "write");
  try {
    WriteBack write_back(place.path() + "/missing");
    FAIL() << "opened a folder that is not there";
  } catch (const SystemError& error) {
    EXPECT_NE(std::string_view(error.what()).find("/missing"), std::string_view::npos);
  }
}

}  // namespace udocker
