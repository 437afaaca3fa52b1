// Uses a little of every library of the toolchain; prints a line for each that works. Run by smoke.sh.
#include <archive.h>
#include <archive_entry.h>
#include <bzlib.h>
#include <curl/curl.h>
#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <lzma.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/gcm.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <picojson.h>
#include <pthread.h>
#include <seccomp.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <chrono>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

int failures = 0;

void check(bool good, const char* what) {
  std::printf("%s %s\n", good ? "ok  " : "FAIL", what);
  if (!good) ++failures;
}

// What configure finds out for std::filesystem, by use: types, times, links, copies, permissions.
void check_files() {
  namespace fs = std::filesystem;
  std::error_code none;
  check(fs::status("/").type() == fs::file_type::directory && fs::is_directory("/"), "std::filesystem: status");
  const fs::path dir = "smoke-" + std::to_string(getpid());
  fs::remove_all(dir, none);
  try {
    fs::create_directories(dir / "a/b");
    std::FILE* f = std::fopen((dir / "file").c_str(), "w");
    std::fputs("content", f);
    std::fclose(f);
    fs::last_write_time(dir / "file", fs::last_write_time(dir / "file") - std::chrono::milliseconds(1500));
    const auto age = fs::file_time_type::clock::now() - fs::last_write_time(dir / "file");
    check(age > std::chrono::seconds(1) && age.count() % 1000000000 != 0, "std::filesystem: times");
    fs::permissions(dir / "file", fs::perms::owner_read);
    check(fs::status(dir / "file").permissions() == fs::perms::owner_read, "std::filesystem: permissions");
    fs::copy_file(dir / "file", dir / "a/copy");
    check(fs::file_size(dir / "a/copy") == 7, "std::filesystem: copy");
    fs::create_symlink("file", dir / "link");
    fs::create_hard_link(dir / "file", dir / "hard");
    check(fs::read_symlink(dir / "link") == "file" && fs::hard_link_count(dir / "file") == 2, "std::filesystem: links");
    check(fs::canonical(dir / "link") == fs::canonical(dir) / "file", "std::filesystem: canonical");
    int entries = 0;
    for (auto& e : fs::recursive_directory_iterator(dir)) entries += e.is_symlink() || e.is_regular_file() || e.is_directory();
    check(entries == 6, "std::filesystem: iterators");
    check(fs::space("/").capacity > 0 && fs::remove_all(dir) == 7, "std::filesystem: space, remove_all");
  } catch (const fs::filesystem_error& e) {
    check(false, e.what());
  }
  fs::remove_all(dir, none);
}

void check_language() {
  bool caught = false;
  size_t stack = 0;
  std::mutex mutex;
  std::thread worker([&] {
    try {
      throw std::runtime_error("thrown in a thread");
    } catch (const std::exception& e) {
      std::lock_guard lock(mutex);
      caught = std::strcmp(e.what(), "thrown in a thread") == 0;
    }
    pthread_attr_t attributes;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstacksize(&attributes, &stack);
  });
  worker.join();
  check(caught, "exception in a std::thread");
  check(stack >= 8u << 20, "8 MiB of stack for threads");
  check_files();
}

void check_compressors() {
  const std::string text(100000, 'x');
  std::vector<char> packed(200000);
  std::string back(text.size(), 0);
  z_stream z{};
  uLongf z_size = packed.size(), z_back = back.size();
  check(deflateInit(&z, 1) == Z_OK && deflateEnd(&z) == Z_OK &&
            compress(reinterpret_cast<Bytef*>(packed.data()), &z_size, reinterpret_cast<const Bytef*>(text.data()), text.size()) == Z_OK &&
            uncompress(reinterpret_cast<Bytef*>(back.data()), &z_back, reinterpret_cast<Bytef*>(packed.data()), z_size) == Z_OK && back == text,
        "zlib");
  ZSTD_CCtx* zstd = ZSTD_createCCtx();
  check(!ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_nbWorkers, 2)), "zstd with threads");
  size_t n = ZSTD_compress2(zstd, packed.data(), packed.size(), text.data(), text.size());
  check(ZSTD_decompress(back.data(), back.size(), packed.data(), n) == text.size() && back == text, "zstd");
  ZSTD_freeCCtx(zstd);
  unsigned bz_size = packed.size(), bz_back = back.size();
  check(BZ2_bzBuffToBuffCompress(packed.data(), &bz_size, const_cast<char*>(text.data()), text.size(), 9, 0, 0) == BZ_OK &&
            BZ2_bzBuffToBuffDecompress(back.data(), &bz_back, packed.data(), bz_size, 0, 0) == BZ_OK && back == text,
        "bzip2");
  size_t out = 0, in = 0, at = 0;
  uint64_t limit = UINT64_MAX;
  check(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const uint8_t*>(text.data()), text.size(),
                                reinterpret_cast<uint8_t*>(packed.data()), &out, packed.size()) == LZMA_OK &&
            lzma_stream_buffer_decode(&limit, 0, nullptr, reinterpret_cast<uint8_t*>(packed.data()), &in, out,
                                      reinterpret_cast<uint8_t*>(back.data()), &at, back.size()) == LZMA_OK && back == text,
        "xz");
  libdeflate_compressor* ld = libdeflate_alloc_compressor(6);
  n = libdeflate_gzip_compress(ld, text.data(), text.size(), packed.data(), packed.size());
  libdeflate_free_compressor(ld);
  libdeflate_decompressor* dd = libdeflate_alloc_decompressor();
  check(n && libdeflate_gzip_decompress(dd, packed.data(), n, back.data(), back.size(), &at) == LIBDEFLATE_SUCCESS && back == text, "libdeflate");
  libdeflate_free_decompressor(dd);
  isal_zstream pack;
  isal_deflate_init(&pack);
  pack.gzip_flag = IGZIP_GZIP;
  pack.end_of_stream = 1;
  pack.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  pack.avail_in = text.size();
  pack.next_out = reinterpret_cast<uint8_t*>(packed.data());
  pack.avail_out = packed.size();
  bool good = isal_deflate(&pack) == COMP_OK;
  std::string piecewise;
  auto unpack = std::make_unique<inflate_state>();
  isal_inflate_init(unpack.get());
  unpack->crc_flag = ISAL_GZIP;
  unpack->next_in = reinterpret_cast<uint8_t*>(packed.data());
  unpack->avail_in = pack.total_out;
  while (good && unpack->block_state != ISAL_BLOCK_FINISH) {
    uint8_t piece[777];
    unpack->next_out = piece;
    unpack->avail_out = sizeof piece;
    good = isal_inflate(unpack.get()) == ISAL_DECOMP_OK;
    piecewise.append(reinterpret_cast<char*>(piece), sizeof piece - unpack->avail_out);
  }
  check(good && piecewise == text, "isa-l");
}

bool archive_round_trip(int (*filter)(archive*)) {
  std::vector<char> memory(1 << 20);
  size_t used = 0;
  archive* w = archive_write_new();
  archive_write_set_format_pax_restricted(w);
  bool good = filter(w) == ARCHIVE_OK && archive_write_open_memory(w, memory.data(), memory.size(), &used) == ARCHIVE_OK;
  archive_entry* e = archive_entry_new();
  archive_entry_set_pathname(e, "name \xc3\xa4");
  archive_entry_set_filetype(e, AE_IFREG);
  archive_entry_set_size(e, 5);
  archive_entry_xattr_add_entry(e, "user.x", "y", 1);
  good = good && archive_write_header(w, e) == ARCHIVE_OK && archive_write_data(w, "hello", 5) == 5 && archive_write_close(w) == ARCHIVE_OK;
  archive_entry_free(e);
  archive_write_free(w);
  archive* r = archive_read_new();
  archive_read_support_filter_all(r);
  archive_read_support_format_tar(r);
  good = good && archive_read_open_memory(r, memory.data(), used) == ARCHIVE_OK && archive_read_next_header(r, &e) == ARCHIVE_OK &&
         std::string(archive_entry_pathname(e)) == "name \xc3\xa4" && archive_entry_xattr_count(e) > 0;
  archive_read_free(r);
  return good;
}

void check_tls(const char* bundle) {
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context drbg;
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&drbg);
  check(mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, nullptr, 0) == 0, "entropy");
  if (bundle) {
    mbedtls_x509_crt chain;
    mbedtls_x509_crt_init(&chain);
    check(mbedtls_x509_crt_parse_file(&chain, bundle) == 0, "every certificate of the bundle parses");
    mbedtls_x509_crt_free(&chain);
  }
}

std::vector<unsigned char> from_hex(const char* hex) {
  std::vector<unsigned char> bytes;
  for (; *hex; hex += 2) bytes.push_back(static_cast<unsigned char>(std::stoi(std::string(hex, 2), nullptr, 16)));
  return bytes;
}

// Messages long enough for groups of blocks, in pieces of `first`, then `then` bytes: what is made, and its tag.
std::vector<unsigned char> gcm(mbedtls_gcm_context& context, int mode, const std::vector<unsigned char>& iv,
                               const std::vector<unsigned char>& in, std::size_t first, std::size_t then) {
  std::vector<unsigned char> aad(20), out(in.size() + 16);
  for (std::size_t i = 0; i < aad.size(); ++i) aad[i] = static_cast<unsigned char>(i);
  std::size_t made = 0;
  bool good = mbedtls_gcm_starts(&context, mode, iv.data(), iv.size()) == 0 && mbedtls_gcm_update_ad(&context, aad.data(), aad.size()) == 0;
  for (std::size_t at = 0, size = first; at < in.size(); at += size, size = then) {
    size = std::min(size, in.size() - at);
    good = good && mbedtls_gcm_update(&context, in.data() + at, size, out.data() + at, size, &made) == 0;
  }
  good = good && mbedtls_gcm_finish(&context, nullptr, 0, &made, out.data() + in.size(), 16) == 0;
  return good ? out : std::vector<unsigned char>();
}

// Tags by another implementation (OpenSSL): key 0 1 2..., text 0 7 14...; the second nonce lets the counter overflow.
void check_gcm() {
  struct Row {
    std::size_t key;
    const char *nonce, *tag;
  };
  const Row rows[] = {{16, "6465666768696a6b6c6d6e6f", "c17a9709bec08fef81c55ab9883b94e3"},
                      {16, "e96143346177b4b0fdc021f0fccd6d72", "a23b9449c7024dd77c971fc7193772a9"},
                      {24, "6465666768696a6b6c6d6e6f", "5daa596940de3f436c415a1323a1aba0"},
                      {24, "401fafcc86e16491e100793f501d7973", "e774fdef83aa36ffd1906fc1a9469b0c"},
                      {32, "6465666768696a6b6c6d6e6f", "9e8c8fad2b93548f000806a695ac4b70"},
                      {32, "88c80e6ec3335beb1edc98201588dd2f", "13ac83580c2cf814c0936a33bae39be6"}};
  bool tags = true, pieces = true, back = true;
  for (const Row& row : rows) {
    std::vector<unsigned char> key(row.key), text(1000), iv = from_hex(row.nonce);
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<unsigned char>(i);
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<unsigned char>(i * 7);
    mbedtls_gcm_context context;
    mbedtls_gcm_init(&context);
    tags = tags && mbedtls_gcm_setkey(&context, MBEDTLS_CIPHER_ID_AES, key.data(), static_cast<unsigned>(row.key * 8)) == 0;
    auto whole = gcm(context, MBEDTLS_GCM_ENCRYPT, iv, text, text.size(), 0);
    tags = tags && std::vector<unsigned char>(whole.end() - 16, whole.end()) == from_hex(row.tag);
    for (std::size_t length = 0; length <= text.size(); length += length < 600 ? 1 : 29) {
      std::vector<unsigned char> part(text.begin(), text.begin() + static_cast<long>(length));
      auto by_blocks = gcm(context, MBEDTLS_GCM_ENCRYPT, iv, part, 16, 16);
      for (std::size_t first : {std::size_t{1}, std::size_t{16}, std::size_t{255}, std::size_t{300}, length})
        pieces = pieces && gcm(context, MBEDTLS_GCM_ENCRYPT, iv, part, first, length) == by_blocks;
      std::vector<unsigned char> cipher(by_blocks.begin(), by_blocks.begin() + static_cast<long>(length)), again = part;
      again.insert(again.end(), by_blocks.end() - 16, by_blocks.end());
      back = back && gcm(context, MBEDTLS_GCM_DECRYPT, iv, cipher, length, 0) == again;
    }
    mbedtls_gcm_free(&context);
  }
  check(tags, "mbedTLS: tags of AES-GCM");
  check(pieces, "mbedTLS: AES-GCM in one piece and in many");
  check(back, "mbedTLS: AES-GCM and back");
#ifdef __x86_64__
  if (__builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul"))
    check(std::strstr(mbedtls_ssl_get_ciphersuite_name(mbedtls_ssl_list_ciphersuites()[0]), "GCM") != nullptr, "mbedTLS: AES-GCM first");
#endif
}

void check_curl(const char* url, const char* ca) {
  const curl_version_info_data* info = curl_version_info(CURLVERSION_NOW);
  check(info->features & CURL_VERSION_ASYNCHDNS && info->features & CURL_VERSION_SSL && info->features & CURL_VERSION_IPV6, "curl: features");
  std::string protocols;
  for (const char* const* p = info->protocols; *p; ++p) protocols += std::string(*p) + " ";
  check(protocols == "http https ", "curl: http and https only");
  CURL* easy = curl_easy_init();
  check(curl_easy_setopt(easy, CURLOPT_PROXY, "socks5h://127.0.0.1:1") == CURLE_OK, "curl: proxies");
  curl_easy_setopt(easy, CURLOPT_URL, "http://nowhere.invalid/");
  check(curl_easy_perform(easy) == CURLE_COULDNT_CONNECT, "curl: refused proxy");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  check(curl_easy_perform(easy) == CURLE_COULDNT_RESOLVE_HOST, "curl: unknown host");
  if (url) {
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, +[](char*, size_t size, size_t count, void*) { return size * count; });
    check(curl_easy_perform(easy) == CURLE_OK, "curl: https");
  }
  curl_easy_cleanup(easy);
}

}  // namespace

// Arguments, all optional: CA bundle, URL of an https server, certificate to trust it by.
int main(int argc, char** argv) {
  // libarchive converts names by the locale; musl knows this one without any file.
  check(std::setlocale(LC_CTYPE, "C.UTF-8") != nullptr, "C.UTF-8");
  check_language();
  check_compressors();
  check(archive_round_trip(archive_write_add_filter_gzip), "libarchive: gzip");
  check(archive_round_trip(archive_write_add_filter_bzip2), "libarchive: bzip2");
  check(archive_round_trip(archive_write_add_filter_xz), "libarchive: xz");
  check(archive_round_trip(archive_write_add_filter_zstd), "libarchive: zstd");
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  check(filter && seccomp_syscall_resolve_name("openat2") == 437 && seccomp_rule_add(filter, SCMP_ACT_ERRNO(1), 437, 0) == 0, "libseccomp");
  seccomp_release(filter);
  picojson::value json;
  check(picojson::parse(json, "{\"a\": [1, 2]}").empty() && json.is<picojson::object>(), "picojson");
  check_gcm();
  check_tls(argc > 1 ? argv[1] : nullptr);
  check_curl(argc > 2 ? argv[2] : nullptr, argc > 3 ? argv[3] : nullptr);
  return failures != 0;
}
