#include "net/headers.hpp"

#include <gtest/gtest.h>

namespace udocker::net {
namespace {

TEST(Challenges, ReadQuotedAndBareParametersWithBlanksAndCommas) {
  auto c = parse_challenges(R"(Bearer realm="https://auth.example/token?a=b,c", service="My Registry, Inc.",scope="repository:a/b:pull,push" ,error=invalid_token)");
  ASSERT_EQ(c.size(), 1u);
  EXPECT_EQ(c[0].scheme, "bearer");
  EXPECT_EQ(c[0].parameters["realm"], "https://auth.example/token?a=b,c");
  EXPECT_EQ(c[0].parameters["service"], "My Registry, Inc.");
  EXPECT_EQ(c[0].parameters["scope"], "repository:a/b:pull,push");
  EXPECT_EQ(c[0].parameters["error"], "invalid_token");
}

TEST(Challenges, SeveralInOneHeader) {
  auto c = parse_challenges(R"(Negotiate dG9rZW4=, Basic realm="x \"y\"", Bearer Realm = https://h/t , service=s)");
  ASSERT_EQ(c.size(), 3u);
  EXPECT_EQ(c[0].scheme, "negotiate");
  EXPECT_EQ(c[1].parameters["realm"], "x \"y\"");
  EXPECT_EQ(c[2].parameters["realm"], "https://h/t");
  EXPECT_EQ(c[2].parameters["service"], "s");
  EXPECT_EQ(parse_challenges("Basic").size(), 1u);
}

TEST(Challenges, AnyTextEnds) {
  for (const char* text : {"", ",", "=", "\"", "a=\"", "Bearer realm=\"\\", "é=ü", "Bearer ,,,= ,x=", "===="}) parse_challenges(text);
}

TEST(RetryAfter, SecondsAndDates) {
  EXPECT_EQ(parse_retry_after("120", 0)->count(), 120);
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 90)->count(), 10);
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 500)->count(), 0);
  EXPECT_FALSE(parse_retry_after("soon", 0));
  EXPECT_FALSE(parse_retry_after("-5", 0));
}

TEST(Links, FindsNext) {
  EXPECT_EQ(next_link(R"(</v2/a/tags/list?last=x&n=5>; rel="next")"), "/v2/a/tags/list?last=x&n=5");
  EXPECT_EQ(next_link(R"(<a>; rel="prev", <b>;rel=next)"), "b");
  EXPECT_EQ(next_link("<a>; rel=prev"), "");
  EXPECT_EQ(next_link("<<<<"), "");
}

TEST(ContentRanges, AreChecked) {
  auto range = parse_content_range("bytes 5-9/10");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 5u);
  EXPECT_EQ(*range->total, 10u);
  EXPECT_TRUE(parse_content_range("bytes 5-9/*"));
  for (const char* bad : {"bytes 9-5/10", "bytes 5-9/9", "bytes */10", "5-9/10", "bytes 5-9", "bytes -1-2/5"}) EXPECT_FALSE(parse_content_range(bad)) << bad;
}

TEST(HeadersTable, KeepsRepeatsAndIgnoresCase) {
  Headers h;
  h.add_line("Content-Type: a/b\r\n");
  h.add_line("X: 1");
  h.add_line("x:2");
  h.add_line("garbage");
  EXPECT_EQ(h.find("content-type"), "a/b");
  EXPECT_EQ(h.all("x").size(), 2u);
  EXPECT_EQ(h.find("garbage"), "");
}

}  // namespace
}  // namespace udocker::net
