#include "registry/retry.hpp"

#include "util/interrupt.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <ctime>
#include <thread>

namespace udocker::registry {

using namespace std::chrono_literals;

bool worth_retrying(const net::Response& response) {
  if (response.fault == net::Fault::again || response.fault == net::Fault::no_tls) return true;
  if (response.fault != net::Fault::none) return false;
  switch (response.status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504: return true;
    default: return false;
  }
}

std::optional<std::chrono::milliseconds> Backoff::next(const net::Response& response) {
  if (++failures_ >= attempts_) return std::nullopt;
  // A refused connection or an unknown host seldom heals; two more tries are enough.
  if (response.status == 0 && failures_ >= 3) return std::nullopt;
  auto delay = std::chrono::milliseconds(500 << std::min(failures_ - 1, 5));
  delay = std::chrono::milliseconds(std::uniform_int_distribution<long>(delay.count() / 2, delay.count())(random_));
  if (auto asked = net::parse_retry_after(response.headers.find("retry-after"), std::time(nullptr))) {
    if (*asked > 2min) return std::nullopt;
    delay = std::max<std::chrono::milliseconds>(delay, *asked);
  }
  std::string reason = response.message.empty() ? cat(net::shown_url(response.url), " answered ", response.status) : response.message;
  log::verbose(cat("trying again in ", delay.count(), " ms: ", reason));
  return delay;
}

bool wait_for(std::chrono::milliseconds delay, const std::atomic<bool>* cancel) {
  auto end = std::chrono::steady_clock::now() + delay;
  for (;;) {
    if ((cancel && cancel->load()) || pending_interrupt()) return false;
    auto left = end - std::chrono::steady_clock::now();
    if (left <= 0s) return true;
    std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(left, 100ms));
  }
}

net::Response send_patiently(const net::Client& client, const net::Request& request) {
  Backoff backoff;
  for (;;) {
    net::Response response = client.send(request);
    if (!worth_retrying(response)) return response;
    auto delay = backoff.next(response);
    if (!delay || !wait_for(*delay, request.cancel)) return response;
  }
}

}  // namespace udocker::registry
