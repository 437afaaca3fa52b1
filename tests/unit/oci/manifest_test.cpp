#include "oci/manifest.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

namespace udocker::oci {
namespace {

std::string digest(char c) { return "sha256:" + std::string(64, c); }

std::string descriptor(char c, const char* type = "application/vnd.oci.image.layer.v1.tar+gzip", const char* more = "") {
  return cat(R"({"mediaType":")", type, R"(","digest":")", digest(c), R"(","size":10)", more, "}");
}

Manifest manifest(const std::string& text) { return parse_manifest(json::parse(text, "test"), "test"); }
Index index(const std::string& text) { return parse_index(json::parse(text, "test"), "test"); }

TEST(Manifest, ReadsConfigAndLayersInOrder) {
  auto m = manifest(cat(R"({"schemaVersion":2,"config":)", descriptor('c', "application/vnd.oci.image.config.v1+json"), R"(,"layers":[)",
                        descriptor('1'), ",", descriptor('2', "x/unknown"), ",", descriptor('1'), "]}"));
  EXPECT_TRUE(m.is_image());
  EXPECT_EQ(m.config.digest.text(), digest('c'));
  ASSERT_EQ(m.layers.size(), 3u);
  EXPECT_EQ(m.layers[0].digest, m.layers[2].digest);
}

TEST(Manifest, TellsArtifactsFromImages) {
  auto text = [](const char* config, const char* more) {
    return cat(R"({"schemaVersion":2,"config":)", descriptor('c', config), R"(,"layers":[])", more, "}");
  };
  EXPECT_EQ(manifest(text("application/vnd.cncf.helm.config.v1+json", "")).artifact_type, "application/vnd.cncf.helm.config.v1+json");
  EXPECT_EQ(manifest(text("application/vnd.oci.empty.v1+json", R"(,"artifactType":"a/b")")).artifact_type, "a/b");
  EXPECT_TRUE(manifest(text("application/octet-stream", "")).is_image());
}

TEST(Manifest, RefusesBadShapes) {
  for (const char* bad : {"[]", "1", "null", "{}", R"({"config":1,"layers":[]})", R"({"config":{},"layers":[]})",
                          R"({"config":{"digest":"sha256:x","size":1},"layers":[]})"})
    EXPECT_THROW(manifest(bad), IntegrityError) << bad;
  auto with_size = [](const char* size) {
    return cat(R"({"config":{"digest":")", digest('c'), R"(","size":)", size, R"(},"layers":[]})");
  };
  EXPECT_NO_THROW(manifest(with_size("0")));
  for (const char* bad : {"-1", "1e300", "\"5\"", "null", "99999999999999999999"}) EXPECT_THROW(manifest(with_size(bad)), IntegrityError) << bad;
}

TEST(Manifest, ReadsSchema1LowestLayerFirst) {
  auto m = manifest(cat(R"({"schemaVersion":1,"architecture":"amd64","fsLayers":[{"blobSum":")", digest('2'), R"("},{"blobSum":")", digest('1'),
                        R"("}],"history":[{"v1Compatibility":"{\"os\":\"linux\"}"}]})"));
  EXPECT_EQ(m.kind, DocumentKind::schema1);
  EXPECT_EQ(m.layers[0].digest.text(), digest('1'));
  EXPECT_FALSE(m.layers[0].size_known);
  EXPECT_EQ(m.schema1_config, R"({"os":"linux"})");
}

TEST(Manifest, KindComesFromTheDocumentFirst) {
  auto kind = [](const char* text, const char* type) { return kind_of(json::parse(text, "test"), type); };
  EXPECT_EQ(kind(R"({"mediaType":"application/vnd.oci.image.index.v1+json"})", "application/json"), DocumentKind::index);
  EXPECT_EQ(kind(R"({"manifests":[]})", "text/plain"), DocumentKind::index);
  EXPECT_EQ(kind(R"({"layers":[],"config":{}})", ""), DocumentKind::manifest);
  EXPECT_EQ(kind("{}", "application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"), DocumentKind::manifest);
  EXPECT_EQ(kind("{}", "text/html"), DocumentKind::unknown);
}

TEST(Index, SelectsByPlatformAndSkipsAttestations) {
  auto entry = [](char c, const char* platform, const char* more = "") {
    return descriptor(c, "application/vnd.oci.image.manifest.v1+json", cat(R"(,"platform":)", platform, more).c_str());
  };
  auto i = index(cat(R"({"manifests":[)", entry('0', R"({"os":"unknown","architecture":"unknown"})"), ",",
                     entry('1', R"({"os":"linux","architecture":"amd64"})", R"(,"annotations":{"vnd.docker.reference.type":"attestation-manifest"})"), ",",
                     descriptor('2', "application/vnd.oci.image.index.v1+json"), ",", entry('3', R"({"os":"linux","architecture":"amd64"})"), ",",
                     entry('4', R"({"os":"linux","architecture":"amd64","variant":"v2"})"), ",", entry('5', R"({"os":"linux","architecture":"arm64"})"), "]}"));
  auto chosen = select_entries(i, parse_platform("linux/amd64/v2"));
  ASSERT_EQ(chosen.size(), 3u);
  EXPECT_EQ(chosen[0].digest.text(), digest('4'));
  EXPECT_EQ(chosen[1].digest.text(), digest('3'));
  EXPECT_EQ(chosen[2].digest.text(), digest('2'));
  EXPECT_EQ(platform_list(i), "unknown, linux/amd64, linux/amd64/v2, linux/arm64");
}

}  // namespace
}  // namespace udocker::oci
