# libarchive with Debian's security patches; configured by libarchive.h instead of some 300 link tests.
needs="musl zlib bzip2 xz zstd"
sources="libarchive libarchive-debian"

build() {
  unpack libarchive
  apply_debian libarchive
  cd libarchive/libarchive
  cp "$TC/recipes/libarchive.h" config.h
  static_library archive "$CFLAGS -std=gnu11 -DHAVE_CONFIG_H -I." \
    $(ls *.c | grep -vE 'windows|_disk_acl_|archive_getdate') archive_getdate.c
  mkdir -p "$OUT/include"
  cp archive.h archive_entry.h "$OUT/include/"
  licence libarchive ../COPYING
}
