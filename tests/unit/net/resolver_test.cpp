#include "net/resolver.hpp"

#include <gtest/gtest.h>

using namespace udocker::net;

TEST(Resolver, ReadsNameServers) {
  EXPECT_EQ(name_servers("# nameserver 9.9.9.9\nsearch x\nnameserver 10.0.0.1\n nameserver fe80::1%eth0\n"), (std::vector<std::string>{"10.0.0.1", "fe80::1%eth0"}));
  EXPECT_EQ(name_servers(""), std::vector<std::string>{"127.0.0.1"});
}

TEST(Resolver, FindsNamesInHosts) {
  std::string hosts = "127.0.0.1 localhost\n10.1.1.1\tregistry.site  registry # old\n#10.1.1.2 other\n";
  EXPECT_TRUE(hosts_has(hosts, "registry"));
  EXPECT_TRUE(hosts_has(hosts, "Registry.Site"));
  EXPECT_FALSE(hosts_has(hosts, "old"));
  EXPECT_FALSE(hosts_has(hosts, "other"));
  EXPECT_FALSE(hosts_has(hosts, "10.1.1.1"));
}

TEST(Resolver, AddressesNeedNoServer) {
  for (const char* host : {"127.0.0.1", "::1", "[::1]", "10.2.3.4", "localhost"}) EXPECT_FALSE(is_unresolvable(host)) << host;
}
