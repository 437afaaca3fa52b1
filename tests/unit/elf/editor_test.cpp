#include "elf/editor.hpp"

#include "elf/root_prefix.hpp"
#include "tests/unit/elf/sample.hpp"
#include "util/error.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace udocker::elf {
namespace {

using Names = std::vector<std::string>;

class EveryFormat : public testing::TestWithParam<SampleOptions> {
 protected:
  // What is edited must read back as a sound file with the wanted values.
  static Bytes edited(const Bytes& before, const std::function<void(Editor&)>& change) {
    Editor editor(before);
    change(editor);
    return editor.finish();
  }
};

void expect_segments_sound(const Bytes& file) {
  const Tables t = parse_tables(file);
  std::uint64_t end = 0;
  for (const Segment& s : t.segments) {
    if (s.type == PT_LOAD) {
      EXPECT_GE(s.vaddr, end) << "loads must be sorted and apart";
      end = s.vaddr + s.memsz;
      EXPECT_EQ(s.vaddr % s.align, s.offset % s.align);
    }
    if (s.type == PT_INTERP || s.type == PT_NOTE || s.type == PT_DYNAMIC || s.type == PT_PHDR) {
      EXPECT_EQ(t.offset_of(s.vaddr, s.filesz), static_cast<std::int64_t>(s.offset));
    }
  }
  for (const Section& s : t.sections)
    if ((s.flags & SHF_ALLOC) != 0 && s.type != SHT_NOBITS) {
      EXPECT_EQ(t.offset_of(s.addr, s.size), static_cast<std::int64_t>(s.offset));
    }
}

TEST_P(EveryFormat, SetsLongInterpreter) {
  if (!GetParam().with_interpreter) {
    EXPECT_THROW(Editor(make_sample(GetParam())).set_interpreter("/l"), IntegrityError);
    return;
  }
  const Bytes before = make_sample(GetParam());
  const std::string path = "/a/much/longer/place/of/the/loader/" + std::string(300, 'x');
  const Bytes after = edited(before, [&](Editor& e) { e.set_interpreter(path); });
  EXPECT_EQ(View(after).interpreter(), path);
  EXPECT_EQ(View(after).needed(), View(before).needed());
  expect_segments_sound(after);
}

TEST_P(EveryFormat, SetsShortInterpreterInPlace) {
  if (!GetParam().with_interpreter) {
    EXPECT_THROW(Editor(make_sample(GetParam())).set_interpreter("/l"), IntegrityError);
    return;
  }
  const Bytes before = make_sample(GetParam());
  const Bytes after = edited(before, [](Editor& e) { e.set_interpreter("/l"); });
  EXPECT_EQ(View(after).interpreter(), "/l");
  EXPECT_EQ(after.size(), before.size());
}

TEST_P(EveryFormat, SetsAndRemovesRpath) {
  const Bytes before = make_sample(GetParam());
  const Bytes set = edited(before, [](Editor& e) { e.set_rpath("/new/one:$ORIGIN/../lib", RpathTag::runpath); });
  EXPECT_EQ(View(set).rpath(), "/new/one:$ORIGIN/../lib");
  EXPECT_TRUE(View(set).dynamic_value(DT_RUNPATH));
  expect_segments_sound(set);
  const Bytes forced = edited(set, [](Editor& e) { e.set_rpath("/new/one", RpathTag::rpath); });
  EXPECT_EQ(View(forced).rpath(), "/new/one");
  EXPECT_FALSE(View(forced).dynamic_value(DT_RUNPATH));
  const Bytes removed = edited(forced, [](Editor& e) { e.remove_rpath(); });
  EXPECT_FALSE(View(removed).rpath());
}

TEST_P(EveryFormat, AddsReplacesAndRemovesNeeded) {
  Bytes file = make_sample(GetParam());
  file = edited(file, [](Editor& e) { e.add_needed({"liba.so", "libb.so", "libd.so", "libe.so", "libf.so", "libg.so"}); });
  EXPECT_EQ(View(file).needed(),
            (Names{"liba.so", "libb.so", "libd.so", "libe.so", "libf.so", "libg.so", "libone.so.1", "libc.so.6"}));
  expect_segments_sound(file);
  file = edited(file, [](Editor& e) { e.replace_needed({{"libone.so.1", "/opt/libtwo.so"}}); });
  for (const char* gone : {"liba.so", "libb.so", "libd.so", "libe.so", "libf.so", "libg.so"})
    file = edited(file, [&](Editor& e) { e.remove_needed(gone); });
  EXPECT_EQ(View(file).needed(), (Names{"/opt/libtwo.so", "libc.so.6"}));
  expect_segments_sound(file);
}

TEST_P(EveryFormat, GrowsOnlyByWhatIsNewWhenEditedAgain) {
  Bytes file = make_sample(GetParam());
  file = edited(file, [](Editor& e) { e.set_rpath("/first", RpathTag::runpath); });
  const std::size_t size = file.size(), segments = parse_tables(file).segments.size();
  for (char c = 'a'; c <= 'z'; c++) file = edited(file, [&](Editor& e) { e.set_rpath(std::string("/again/") + c, RpathTag::runpath); });
  EXPECT_EQ(View(file).rpath(), "/again/z");
  EXPECT_LE(file.size(), size + 26 * 16);
  EXPECT_EQ(parse_tables(file).segments.size(), segments);
  expect_segments_sound(file);
}

TEST_P(EveryFormat, RenamesSymbolsAndRehashes) {
  const Codec codec{GetParam().is64, GetParam().big};
  const Bytes file = edited(make_sample(GetParam()), [](Editor& e) { e.rename_symbols({{"alpha", "a_new_name"}}); });
  const View view{ByteView(file)};
  const auto symtab = view.tables().offset_of(*view.dynamic_value(DT_SYMTAB), 4 * codec.sym_size());
  ASSERT_GE(symtab, 0);
  EXPECT_EQ(view.string_at(codec.get(file.data() + symtab + 2 * codec.sym_size(), 4)), "a_new_name");
}

TEST_P(EveryFormat, PutsRootPrefixAndTakesItBack) {
  SampleOptions options = GetParam();
  options.rpath = "$ORIGIN/x:/usr/lib/app:/opt/lib";
  options.needed = {"/opt/abs.so", "libc.so.6"};
  const Bytes before = make_sample(options);
  EXPECT_TRUE(wants_root_prefix(View(before), "/host/root"));
  EXPECT_FALSE(has_root_prefix(View(before), "/host/root"));
  const Bytes after = edited(before, [](Editor& e) { set_root_prefix(e, "/host/root"); });
  const View view{ByteView(after)};
  if (options.with_interpreter) {
    EXPECT_EQ(view.interpreter(), "/host/root//lib/ld.so");
  }
  EXPECT_EQ(view.rpath(), "$ORIGIN/x:/host/root//usr/lib/app:/host/root//opt/lib");
  EXPECT_EQ(view.needed(), (Names{"/host/root//opt/abs.so", "libc.so.6"}));
  EXPECT_FALSE(wants_root_prefix(view, "/host/root"));
  const Bytes back = edited(after, [](Editor& e) { restore_root_prefix(e, "/host/root"); });
  EXPECT_EQ(View(back).rpath(), options.rpath);
  EXPECT_EQ(View(back).needed(), options.needed);
  EXPECT_EQ(View(back).interpreter(), View(before).interpreter());
  EXPECT_EQ(back.size(), after.size());
}

TEST_P(EveryFormat, SurvivesCutAndFlippedBytes) {
  const Bytes good = make_sample(GetParam());
  const auto attempt = [](Bytes bytes) {
    try {
      Editor e(std::move(bytes));
      set_root_prefix(e, "/some/where");
      e.add_needed({"x1", "x2", "x3", "x4", "x5", "x6"});
      e.rename_symbols({{"alpha", "omega"}});
      e.remove_needed("libc.so.6");
      const Bytes out = e.finish();
      View view{ByteView(out)};
    } catch (const Error&) {
    }
  };
  for (std::size_t size = 0; size < good.size(); size += 7) attempt(Bytes(good.begin(), good.begin() + size));
  for (std::size_t at = 0; at < good.size(); at++) {
    if (at == 700) at = 0x1000;
    for (const std::uint8_t value : {0x00, 0x7f, 0xff}) {
      Bytes bytes = good;
      bytes[at] = value;
      attempt(std::move(bytes));
    }
  }
}

std::vector<SampleOptions> formats() {
  std::vector<SampleOptions> all;
  for (const bool is64 : {true, false})
    for (const bool big : {false, true}) {
      SampleOptions o;
      o.is64 = is64;
      o.big = big;
      o.machine = big ? EM_PPC64 : EM_X86_64;
      all.push_back(o);
      o.spare_dynamic = 0;
      o.bss = 0;
      all.push_back(o);
      o.bss = 0x20000;
      o.with_interpreter = false;
      all.push_back(o);
      o.room_after_headers = true;
      all.push_back(o);
    }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Elf, EveryFormat, testing::ValuesIn(formats()));

TEST(Editor, RefusesWhatIsNoElfFile) {
  EXPECT_THROW(Editor(Bytes{}), IntegrityError);
  const std::string script = "#!/bin/sh\necho a script that is long enough\n";
  EXPECT_THROW(Editor(Bytes(script.begin(), script.end())), IntegrityError);
}

TEST(Editor, LeavesUnchangedFileAlone) {
  const Bytes before = make_sample();
  Editor editor(before);
  editor.set_interpreter("/lib/ld.so");
  editor.remove_needed("absent");
  editor.remove_rpath();
  EXPECT_FALSE(editor.changed());
  EXPECT_EQ(editor.finish(), before);
}

TEST(Editor, ChangesExecutableStack) {
  Editor editor(make_sample());
  EXPECT_EQ(editor.execstack(), '-');
  editor.set_execstack(true);
  const Bytes file = editor.finish();
  EXPECT_EQ(Editor(file).execstack(), 'X');
}

TEST(Editor, SetsFlagsAndName) {
  Editor editor(make_sample());
  editor.set_no_default_lib();
  editor.set_soname("libself.so.3");
  editor.add_debug_tag();
  editor.set_os_abi(3);
  const Bytes file = editor.finish();
  const View view{ByteView(file)};
  EXPECT_EQ(view.dynamic_value(DT_FLAGS_1), DF_1_NODEFLIB);
  EXPECT_EQ(view.soname(), "libself.so.3");
  EXPECT_TRUE(view.dynamic_value(DT_DEBUG));
  EXPECT_EQ(view.tables().os_abi, 3);
}

}  // namespace
}  // namespace udocker::elf
