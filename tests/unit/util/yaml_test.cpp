#include "util/yaml.hpp"

#include "util/error.hpp"

#include <gtest/gtest.h>

using namespace udocker;

namespace {

std::string read(std::string_view text) { return json::to_compact(yaml::parse(text, "x.yaml")); }
std::string refusal(std::string_view text) {
  try {
    return read(text);
  } catch (const IntegrityError& error) {
    return error.what();
  }
}

}  // namespace

TEST(Yaml, ReadsWhatNvidiaCtkWrites) {
  EXPECT_EQ(read(R"(---
cdiVersion: 0.5.0   # a comment
containerEdits:
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  hooks:
  - args:
    - nvidia-cdi-hook
    - --link
    - libcuda.so.1::/usr/lib64/libcuda.so
    hookName: createContainer

devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
  name: "0"
- name: all
kind: nvidia.com/gpu
)"),
            R"({"cdiVersion":"0.5.0","containerEdits":{"env":["NVIDIA_VISIBLE_DEVICES=void"],"hooks":[{"args":["nvidia-cdi-hook",)"
            R"("--link","libcuda.so.1::/usr/lib64/libcuda.so"],"hookName":"createContainer"}]},)"
            R"("devices":[{"containerEdits":{"deviceNodes":[{"path":"/dev/nvidia0"}]},"name":"0"},{"name":"all"}],"kind":"nvidia.com/gpu"})");
}

TEST(Yaml, ReadsBracketsQuotesAndLongLines) {
  EXPECT_EQ(read("a: [ro, 'no''suid', \"b\\u00e9\\ud83d\\ude00\"]\nb: {c: , \"d\":1}"),
            R"({"a":["ro","no'suid","b\u00e9\ud83d\ude00"],"b":{"c":null,"d":"1"}})");
  EXPECT_EQ(read("a: one\n  two\n  three # comment\nb: \"x\n\n  y\\\n  z\"\r\n"), R"({"a":"one two three","b":"x\nyz"})");
  EXPECT_EQ(read("{\n\t\"a\": [\n\t\ttrue, null\n\t]\n}"), R"({"a":["true",null]})");
  EXPECT_EQ(read("- - 1\n  - 2\n-\n  a: ~\n  b:\n- c: d\n..."), R"([["1","2"],{"a":null,"b":null},{"c":"d"}])");
  EXPECT_EQ(read("http://x: a#b"), R"({"http://x":"a#b"})");
  EXPECT_EQ(read(""), "null");
}

TEST(Yaml, RefusesWithTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"a: 1\nb: 2\na: 3", "line 3: the key a is there twice"},
      {"a: &x 1", "line 1: anchors and aliases are not read"},
      {"a: !!binary 1", "line 1: tags are not read"},
      {"a: |\n  b", "line 1: block scalars are not read"},
      {"%YAML 1.2\n---\na: b", "line 1: directives are not read"},
      {"? a\n: b", "line 1: keys that are no scalar are not read"},
      {"a: b: c", "line 1: a map within the line of another"},
      {"a: - b", "line 1: a list within the line of a key"},
      {"a:\n\tb: c", "line 2: a tab indents"},
      {"a: b\n  c: d", "line 2: a map within the line of another"},
      {"a:\n  b: c\n d: e", "line 3: text that belongs to nothing, perhaps by its indentation"},
      {"a\n---\nb", "line 2: only one document is read"},
      {"a: [1, 2", "line 1: a list or map in brackets that does not end"},
      {"a: 'b", "line 1: quotes that do not end"},
      {"a: \"\\q\"", "line 1: an escape that is none"},
      {"a: \"\\ud800\"", "line 1: an escape that is no character"},
      {"a\n\x01", "line 2: a control character"},
      {"[1] 2", "line 1: more text behind a value"},
  };
  for (const auto& [text, message] : cases) EXPECT_TRUE(refusal(text).ends_with(message)) << text << " gave " << refusal(text);
  EXPECT_TRUE(refusal(std::string(5000, '[')).ends_with("nesting deeper than 100 levels"));
  std::string steps;
  for (int i = 0; i < 5000; ++i) steps += "- ";
  EXPECT_TRUE(refusal(steps).ends_with("nesting deeper than 100 levels"));
}
