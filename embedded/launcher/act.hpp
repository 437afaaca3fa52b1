// Carries out the steps of a plan inside the container's new namespaces. Runs in the child only.
#pragma once
#include "embedded/launcher/plan.hpp"

#include <string>
#include <vector>

namespace udocker::launcher {

class Actor {
 public:
  Actor(const Comfort& comfort, bool in_user_namespace) : comfort_(comfort), in_user_namespace_(in_user_namespace) {}

  // Throws Error; the message names the step and what to do instead.
  void act(const Step& step);
  // The new root becomes /, the old one goes. Throws SystemError.
  void pivot(unsigned long propagation);

 private:
  void bind_root(const Step& step);
  void layer(const Step& step);
  bool overlay(const Step& step, int lower, int upper);
  void copy_entries(const Step& step, int scratch, int upper);
  void bind_directories(int upper, const std::string& target);
  void create(int base, const std::vector<Placeholder>& placeholders);
  void mount_type(const Step& step);
  void mount_data(const Step& step, int place, unsigned long flags);
  void bind(const Step& step);
  void finish_mount(const Step& step);
  void proc(const Step& step);
  void sysfs(const Step& step);
  void cgroup(const Step& step);
  void device(const Step& step);
  void console(const Step& step);
  void mask(const Step& step);
  void read_only(const Step& step);
  void write_file(const Step& step);
  UniqueFd target(const Step& step) const;

  const Comfort& comfort_;
  bool in_user_namespace_;
  std::string root_path_ = "/";
  UniqueFd root_;      // the new root; "/" after pivot()
  UniqueFd original_;  // ROOT on the mount it was found on: overlay needs upper and work directory on one mount
  unsigned layers_ = 0;
};

}  // namespace udocker::launcher
