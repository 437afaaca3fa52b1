#include "util/strings.hpp"

#include <gtest/gtest.h>

namespace udocker {

TEST(Strings, SplitKeepsEmptyParts) { EXPECT_EQ(split("a::b", ':'), (std::vector<std::string>{"a", "", "b"})); }
TEST(Strings, NumbersRefuseSignsAndOverflow) {
  EXPECT_EQ(parse_number("18446744073709551615"), 18446744073709551615u);
  for (auto text : {"", "-1", "+1", "1x", "18446744073709551616"}) EXPECT_FALSE(parse_number(text)) << text;
}
TEST(Strings, Base64RoundTrip) {
  for (std::string text : {"", "f", "fo", "foo", "user:pass\xff"}) EXPECT_EQ(base64_decode(base64_encode(text)), text);
  EXPECT_FALSE(base64_decode("a"));
  EXPECT_FALSE(base64_decode("ab*d"));
}
TEST(Strings, PrintableEscapesControlsAndBrokenUtf8) {
  EXPECT_EQ(printable("a\n\x1b[1m\xc3\xa9\xc3"), "a\\x0a\\x1b[1m\xc3\xa9\\xc3");
}
TEST(Strings, NearestSuggestsOnlyWhatIsNear) {
  EXPECT_EQ(nearest("iamges", {"images", "import"}), "images");
  EXPECT_FALSE(nearest("xyz", {"images", "import"}));
}
TEST(Strings, SizesReadAsDockerPrintsThem) {
  EXPECT_EQ(human_size(0), "0B");
  EXPECT_EQ(human_size(1240), "1.24kB");
  EXPECT_EQ(human_size(77800000), "77.8MB");
}

}  // namespace udocker
