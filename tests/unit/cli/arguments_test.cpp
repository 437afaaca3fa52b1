#include "cli/applet.hpp"
#include "util/error.hpp"

#include <gtest/gtest.h>

namespace udocker::cli {
namespace {

constexpr Option kOptions[] = {
    {"-i", "", ""}, {"-t", "", ""}, {"--rm", "", ""},
    {"-v --volume", "X", "", Repeat::list}, {"-e --env", "X", "", Repeat::list}, {"--name", "N", ""}, {"--pull", "[WHEN]", ""},
};

Arguments run(std::vector<std::string> words, Words rule = Words::stop_options) { return parse(kOptions, words, {rule}); }

TEST(Arguments, ValuesInEveryForm) {
  auto args = run({"--env", "A=B", "--volume", "/a", "-v=/b", "-v/c", "--name=n", "img", "--rm", ""});
  EXPECT_EQ(args.values("env"), (std::vector<std::string>{"A=B"}));
  EXPECT_EQ(args.values("volume"), (std::vector<std::string>{"/a", "/b", "/c"}));
  EXPECT_EQ(args.value("name"), "n");
  EXPECT_EQ(args.words(), (std::vector<std::string>{"img", "--rm", ""}));
  EXPECT_FALSE(args.has("rm"));
}
TEST(Arguments, GroupedFlags) {
  auto args = run({"-itv", "/x", "c"});
  EXPECT_TRUE(args.has("i") && args.has("t"));
  EXPECT_EQ(args.value("volume"), "/x");
}
TEST(Arguments, DoubleDashEndsOptions) { EXPECT_EQ(run({"--", "-i"}).words(), (std::vector<std::string>{"-i"})); }
TEST(Arguments, OptionsMayFollowWords) {
  auto args = run({"img", "--rm", "-"}, Words::mix);
  EXPECT_TRUE(args.has("rm"));
  EXPECT_EQ(args.words(), (std::vector<std::string>{"img", "-"}));
}
TEST(Arguments, LastSingleValueWins) { EXPECT_EQ(run({"--name=a", "--name", "b"}).value("name"), "b"); }
TEST(Arguments, OptionalValueNeedsEquals) {
  auto args = run({"--pull", "img"});
  EXPECT_EQ(args.value("pull"), "");
  EXPECT_EQ(args.words(), (std::vector<std::string>{"img"}));
  EXPECT_EQ(run({"--pull=never"}).value("pull"), "never");
}
TEST(Arguments, FlagsTakeBooleans) {
  EXPECT_TRUE(run({"--rm=true"}).has("rm"));
  EXPECT_FALSE(run({"--rm=false"}).has("rm"));
  EXPECT_THROW(run({"--rm=x"}), UsageError);
}
TEST(Arguments, MistakesNameTheWord) {
  try {
    run({"--nmae=x"});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "syntax error at: --nmae (did you mean --name?)");
  }
  EXPECT_THROW(run({"--name"}), UsageError);
  EXPECT_THROW(run({"-ix"}), UsageError);
}

}  // namespace
}  // namespace udocker::cli
