#include "registry/errors.hpp"
#include "registry/retry.hpp"

#include <gtest/gtest.h>

namespace udocker::registry {
namespace {

net::Response reply(long status, const char* name = nullptr, const char* value = "") {
  net::Response out;
  out.status = status;
  out.url = "https://h/v2/x?sig=secret";
  if (name) out.headers.add(name, value);
  return out;
}

TEST(Backoff, ObeysRetryAfterWithinReason) {
  EXPECT_GE(Backoff().next(reply(429, "Retry-After", "3"))->count(), 3000);
  EXPECT_FALSE(Backoff().next(reply(429, "Retry-After", "3600")));
}

TEST(Backoff, GrowsAndGivesUp) {
  Backoff backoff(4);
  long last = 0;
  for (int i = 0; i < 3; ++i) last = backoff.next(reply(503))->count();
  EXPECT_GE(last, 1000);
  EXPECT_FALSE(backoff.next(reply(503)));
  backoff.progress();
  EXPECT_TRUE(backoff.next(reply(503)));
}

TEST(Backoff, OnlyWhatMayHeal) {
  for (long status : {408, 429, 500, 502, 503, 504}) EXPECT_TRUE(worth_retrying(reply(status))) << status;
  for (long status : {200, 400, 401, 403, 404, 416, 501}) EXPECT_FALSE(worth_retrying(reply(status))) << status;
  net::Response lost = reply(200);
  lost.fault = net::Fault::again;
  EXPECT_TRUE(worth_retrying(lost));
}

TEST(Failure, QuotesTheRegistryAndHidesQueries) {
  net::Response r = reply(404);
  r.body = R"({"errors":[{"code":"NAME_UNKNOWN","message":"no such\nrepository"}]})";
  EXPECT_STREQ(failure(r, "pull").what(), "pull: not found (HTTP 404 from https://h/v2/x): NAME_UNKNOWN: no such\\x0arepository");
  r.body = "<html>";
  EXPECT_STREQ(failure(r, "pull").what(), "pull: not found (HTTP 404 from https://h/v2/x)");
  r.body = "{{{";
  EXPECT_EQ(failure(r, "pull").status(), 404);
}

}  // namespace
}  // namespace udocker::registry
