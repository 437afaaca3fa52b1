# zlib: deflate for curl, and for libarchive's gzip and zip.
needs="musl"
sources="zlib"

build() {
  unpack zlib
  cd zlib
  static_library z "$CFLAGS -DHAVE_UNISTD_H -DHAVE_STDARG_H -D_LARGEFILE64_SOURCE=1 -DHAVE_HIDDEN" \
    adler32.c compress.c crc32.c deflate.c gzclose.c gzlib.c gzread.c gzwrite.c infback.c inffast.c inflate.c inftrees.c \
    trees.c uncompr.c zutil.c
  sed -e 's/^#ifdef HAVE_UNISTD_H.*/#if 1/' -e 's/^#ifdef HAVE_STDARG_H.*/#if 1/' zconf.h >zconf.new
  mkdir -p "$OUT/include"
  cp zlib.h "$OUT/include/"
  cp zconf.new "$OUT/include/zconf.h"
  licence zlib LICENSE
}
