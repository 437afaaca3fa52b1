// Searching for repositories. There is no standard: Docker Hub's interfaces, Quay's, and a registry's catalogue.
#pragma once
#include "net/client.hpp"
#include "registry/remote.hpp"
#include "util/json.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace udocker::registry {

struct Found {
  std::string name, description;
  bool official = false;
  std::optional<std::int64_t> stars;
};

struct Page {
  std::vector<Found> items;
  bool more = false;
};

struct SearchPlace {
  std::string index, registry;  // URLs; either may be empty
  std::string host;             // the registry's name where the user typed it: put before the names found there
  std::string query;
  net::Verify verify = net::Verify::yes;
};

// Pages of one search. The first page finds out which interface answers; the others keep to it.
class Search {
 public:
  Search(const net::Client& client, SearchPlace place, int page_size, Remote::Accounts accounts);
  // Throws NetworkError when no interface answers.
  Page next();

 private:
  enum class Kind { v2, v4, v1, quay };
  struct Interface {
    Kind kind;
    std::string base;
  };
  std::optional<Page> ask(const Interface& interface);
  Page catalogue();

  const net::Client& client_;
  SearchPlace place_;
  int page_size_, page_ = 1;
  Remote::Accounts accounts_;
  std::vector<Interface> interfaces_;
  std::optional<net::Response> failed_;
};

// What a reply says. Pure.
Page parse_v2(const json::Value& reply, int page, int page_size);
Page parse_v4(const json::Value& reply, int page, int page_size);  // Docker Hub's web pages use it
Page parse_v1(const json::Value& reply, int page);
Page parse_quay(const json::Value& reply);

}  // namespace udocker::registry
