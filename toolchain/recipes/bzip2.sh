# bzip2: for old layers and archives.
needs="musl"
sources="bzip2"

build() {
  unpack bzip2
  cd bzip2
  static_library bz2 "$CFLAGS -D_FILE_OFFSET_BITS=64" \
    blocksort.c huffman.c crctable.c randtable.c compress.c decompress.c bzlib.c
  mkdir -p "$OUT/include"
  cp bzlib.h "$OUT/include/"
  licence bzip2 LICENSE
}
