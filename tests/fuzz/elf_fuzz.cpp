// libFuzzer target: every edit on arbitrary bytes ends in a sound file or an Error.
#include "elf/editor.hpp"
#include "elf/root_prefix.hpp"
#include "util/error.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace udocker;
  using namespace udocker::elf;
  const Bytes input(data, data + size);
  const auto attempt = [&](auto change) {
    Bytes out;
    try {
      Editor editor(input);
      change(editor);
      out = editor.finish();
    } catch (const Error&) {
      return;
    }
    try {
      const View view{ByteView(out)};
      static_cast<void>(view.interpreter());
    } catch (const Error&) {
      // Nonsense in may be nonsense out, but it must be read without harm.
    }
  };
  attempt([](Editor& e) { set_root_prefix(e, "/a/rather/long/prefix/of/a/container/tree"); });
  attempt([](Editor& e) { restore_root_prefix(e, "/lib"); });
  attempt([](Editor& e) {
    e.add_needed({"n1", "n2", "n3", "n4", "n5", "n6", "n7"});
    e.set_soname("name.so");
    e.set_rpath("/x", RpathTag::rpath);
    e.set_no_default_lib();
  });
  attempt([](Editor& e) {
    for (const std::string& name : e.needed()) e.remove_needed(name);
    e.set_execstack(true);
  });
  attempt([](Editor& e) {
    e.rename_symbols({{"alpha", "omega"}, {"beta", "b"}});
    e.clear_symbol_version("wanted");
  });
  return 0;
}
