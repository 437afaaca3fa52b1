#include "store/repository.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/strings.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace udocker::store {
namespace {

struct Store : testing::Test {
  TempDir place{testing::TempDir(), "store"};
  Repository repository = Repository::create(Directories::below(place.path() + "/top"));
  const Blobs& blobs = repository.blobs();
  const Images& images = repository.images();
  const Containers& containers = repository.containers();

  std::string put(std::string_view content) {
    std::string digest = "sha256:" + sha256_hex(content);
    blobs.put(digest, content);
    return digest;
  }
  json::Value manifest(std::vector<std::string> layers, const std::string& config) {
    json::Value value;
    value.at("config") = json::Object{{"digest", put(config)}};
    value.at("layers") = json::Array{};
    for (auto& layer : layers) value.at("layers").push_back(json::Object{{"digest", put(layer)}});
    return value;
  }
};

TEST(ImageName, FollowsTheUsersSpelling) {
  EXPECT_EQ(ImageName::parse("busybox"), (ImageName{"busybox", "latest"}));
  EXPECT_EQ(ImageName::parse("a/b:1.2"), (ImageName{"a/b", "1.2"}));
  EXPECT_EQ(ImageName::parse("host:5000/a/b"), (ImageName{"host:5000/a/b", "latest"}));
  EXPECT_EQ(ImageName::parse("host:5000/a:t"), (ImageName{"host:5000/a", "t"}));
  std::string hex(64, 'a');
  EXPECT_EQ(ImageName::parse("x/y@sha256:" + hex), (ImageName{"x/y", "sha256:" + hex}));
  EXPECT_EQ(ImageName::parse("x/y:t@sha256:" + hex), (ImageName{"x/y", "sha256:" + hex}));
  EXPECT_EQ(ImageName::parse("x/y:sha256:" + hex), (ImageName{"x/y", "sha256:" + hex}));
  for (auto bad : {"", ":", "a:", ":b", "../x", "a/../b", "a//b", "a:b/../c", "a@sha256:12", "a b", "/a", "a/", "a:.."})
    EXPECT_FALSE(ImageName::find(bad)) << bad;
}

TEST_F(Store, RefusesBlobWithWrongDigest) {
  auto digest = "sha256:" + sha256_hex("good");
  auto writer = blobs.write(digest, 4);
  writer.append("evil");
  EXPECT_THROW(writer.commit(), IntegrityError);
  EXPECT_FALSE(blobs.has(digest));
}

TEST_F(Store, GoesOnWithAPartialBlob) {
  auto digest = "sha256:" + sha256_hex("0123456789");
  { auto writer = blobs.write(digest, 10); writer.append("01234"); }
  auto writer = blobs.write(digest, 10);
  EXPECT_EQ(writer.offset(), 5u);
  writer.append("56789");
  writer.commit();
  EXPECT_TRUE(blobs.verify(digest));
  EXPECT_EQ(blobs.list(), std::vector<std::string>{digest});
}

TEST_F(Store, StopsAtMoreBytesThanExpected) {
  auto digest = "sha256:" + sha256_hex("0123");
  auto writer = blobs.write(digest, 4);
  EXPECT_THROW(writer.append("01234"), IntegrityError);
}

TEST_F(Store, ListsFindsAndRemovesImages) {
  ImageName one{"a/b", "1"}, two{"host:5000/c", "x"};
  images.put_v2(one, manifest({"l1", "l2"}, R"({"os":"linux","architecture":"amd64"})"));
  images.put_v2(two, manifest({"l1"}, R"({"os":"linux","architecture":"arm","variant":"v7"})"));
  ASSERT_EQ(images.list().size(), 2u);
  auto image = images.find(one);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->platform(), "linux/amd64");
  EXPECT_EQ(image->layers().size(), 2u);
  EXPECT_TRUE(path_exists(image->directory() + "/" + image->layers()[0]));
  EXPECT_EQ(load_file(image->directory() + "/TAG"), image->directory().substr(0, image->directory().size() - 2) + ":1");
  images.remove(one, Force::no);
  EXPECT_FALSE(images.find(one));
  EXPECT_EQ(blobs.list().size(), 2u);  // the second image's layer and configuration
  EXPECT_TRUE(images.find(two)->layers().size() == 1);
  images.remove(two, Force::no);
  EXPECT_TRUE(blobs.list().empty());
  EXPECT_TRUE(list_directory(repository.directories().repos).empty());
}

TEST_F(Store, ImageNeedsAllItsBlobs) {
  json::Value value = manifest({"l1"}, "{}");
  value.at("layers").push_back(json::Object{{"digest", "sha256:" + std::string(64, '0')}});
  EXPECT_THROW(images.put_v2({"a", "1"}, value), IntegrityError);
  EXPECT_TRUE(images.list().empty());
}

TEST_F(Store, PinsKeepBlobsFromRemoval) {
  images.put_v2({"a", "1"}, manifest({"l1"}, "{}"));
  auto layer = images.find({"a", "1"})->layers()[0];
  {
    auto pins = blobs.pin({layer});
    images.remove({"a", "1"}, Force::no);
    EXPECT_TRUE(blobs.has(layer));
    EXPECT_EQ(images.prune(), 0u);
  }
  images.prune();
  EXPECT_FALSE(blobs.has(layer));
}

TEST_F(Store, ProtectedImagesStay) {
  images.put_v2({"a", "1"}, manifest({"l1"}, "{}"));
  images.set_protected({"a", "1"}, true);
  EXPECT_THROW(images.remove({"a", "1"}, Force::yes), Error);
  images.set_protected({"a", "1"}, false);
  images.remove({"a", "1"}, Force::no);
}

TEST_F(Store, HalfMadeImagesAreNotListedAndPruned) {
  make_directories(repository.directories().repos + "/x/1");
  make_file(repository.directories().repos + "/x/1/v2", "");
  EXPECT_TRUE(images.list().empty());
  images.prune();
  EXPECT_TRUE(list_directory(repository.directories().repos).empty());
}

TEST_F(Store, ContainersAppearWhole) {
  {
    auto fresh = containers.make();
    EXPECT_TRUE(containers.list().empty());
  }
  EXPECT_EQ(containers.collect(), 0u);
  auto fresh = containers.make();
  fresh.set_metadata(json::Object{{"os", "linux"}});
  fresh.set_image("a:1");
  auto container = fresh.commit("me");
  EXPECT_EQ(containers.list().size(), 1u);
  EXPECT_EQ(containers.load("me").id(), container.id());
  EXPECT_EQ(container.names(), std::vector<std::string>{"me"});
  EXPECT_EQ(container.image(), "a:1");
  EXPECT_EQ(container.platform(), "linux/unknown");
  EXPECT_EQ(list_directory(container.directory()), (std::vector<std::string>{"ROOT", "container.json", "imagerepo.name"}));
  auto second = containers.make();
  EXPECT_THROW(second.commit("me"), Error);
  containers.remove(container);
  EXPECT_TRUE(containers.list().empty());
  EXPECT_FALSE(containers.has_name("me"));
}

TEST_F(Store, LeftoversOfDeadProcessesAreCollected) {
  pid_t child = ::fork();
  if (child == 0) {
    auto fresh = new NewContainer(repository.directories());
    make_file(fresh->root() + "/file", "x");
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  auto alive = containers.make();
  EXPECT_EQ(containers.collect(), 1u);
  EXPECT_TRUE(is_directory(alive.root()));
}

TEST_F(Store, LocksExcludeAndOutliveNoDeadOwner) {
  std::string path = place.path() + "/lock";
  {
    auto lock = Lock::take(path);
    EXPECT_FALSE(Lock::try_take(path));
    EXPECT_TRUE(is_locked(path));
  }
  EXPECT_FALSE(is_locked(path));
  pid_t child = ::fork();
  if (child == 0) {
    new Lock(Lock::take(path));
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(path_exists(path));
  EXPECT_TRUE(Lock::try_take(path));
}

TEST_F(Store, LocksCountRight) {
  std::string path = place.path() + "/lock", counter = place.path() + "/counter";
  make_file(counter, "0");
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    pid_t child = ::fork();
    if (child == 0) {
      for (int k = 0; k < 10; ++k) {
        auto lock = Lock::take(path);
        make_file(counter, cat(*parse_number(load_file(counter)) + 1));
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (pid_t child : children) ::waitpid(child, nullptr, 0);
  EXPECT_EQ(load_file(counter), "80");
}

TEST_F(Store, NamesFollowTheRules) {
  auto container = containers.make().commit();
  containers.set_name(container, "one");
  EXPECT_THROW(containers.set_name(container, "one"), Error);
  for (auto bad : {"", "a/b", "a.b", "a b", "[a]"}) EXPECT_THROW(containers.set_name(container, bad), Error) << bad;
  containers.remove_name("one");
  EXPECT_THROW(containers.remove_name("one"), Error);
}

}  // namespace
}  // namespace udocker::store
