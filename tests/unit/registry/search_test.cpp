#include "registry/search.hpp"

#include <gtest/gtest.h>

namespace udocker::registry {
namespace {

json::Value text(const char* json) { return json::parse(json, "test"); }

TEST(SearchReplies, HubV2) {
  Page page = parse_v2(text(R"({"count":3,"results":[{"repo_name":"a/b","short_description":"d","star_count":4,"is_official":true},{"repo_name":""},5]})"), 1, 2);
  ASSERT_EQ(page.items.size(), 1u);
  EXPECT_EQ(page.items[0].name, "a/b");
  EXPECT_EQ(*page.items[0].stars, 4);
  EXPECT_TRUE(page.items[0].official);
  EXPECT_TRUE(page.more);
  EXPECT_FALSE(parse_v2(text(R"({"count":3,"results":[{"name":"x"}]})"), 2, 2).more);
  EXPECT_FALSE(parse_v2(text(R"({"count":99,"next":null,"results":[{"name":"x"}]})"), 1, 2).more);
  EXPECT_FALSE(parse_v2(text(R"({"count":99,"results":[]})"), 1, 2).more);
}

TEST(SearchReplies, HubV4) {
  Page page = parse_v4(text(R"({"total":5,"results":[{"id":"nginx","name":"nginx","slug":"nginx","type":"image","badge":"official","short_description":"web","star_count":9},
      {"name":"agent","slug":"site/agent","type":"image","source":"community"},{"slug":"site/plugin","type":"plugin"}]})"), 1, 3);
  ASSERT_EQ(page.items.size(), 2u);
  EXPECT_EQ(page.items[0].description, "web");
  EXPECT_TRUE(page.items[0].official);
  EXPECT_EQ(page.items[1].name, "site/agent");
  EXPECT_FALSE(page.items[1].official);
  EXPECT_TRUE(page.more);
  EXPECT_FALSE(parse_v4(text(R"({"total":3,"results":[]})"), 1, 3).more);
}

TEST(SearchReplies, V1AndQuay) {
  EXPECT_TRUE(parse_v1(text(R"({"num_pages":2,"results":[{"name":"x","description":"y"}]})"), 1).more);
  EXPECT_FALSE(parse_v1(text(R"({"num_pages":2,"results":[{"name":"x"}]})"), 2).more);
  Page page = parse_quay(text(R"({"results":[{"name":"r","namespace":{"name":"n"},"stars":2.0}],"has_additional":true})"));
  EXPECT_EQ(page.items[0].name, "n/r");
  EXPECT_EQ(*page.items[0].stars, 2);
  EXPECT_TRUE(parse_v2(text("[]"), 1, 1).items.empty());
}

}  // namespace
}  // namespace udocker::registry
