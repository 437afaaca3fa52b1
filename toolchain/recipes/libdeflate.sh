# libdeflate: whole-buffer deflate and fast checksums.
needs="musl"
sources="libdeflate"

build() {
  unpack libdeflate
  cd libdeflate
  static_library deflate "$CFLAGS -I. -std=gnu11" lib/*.c lib/*/cpu_features.c
  mkdir -p "$OUT/include"
  cp libdeflate.h "$OUT/include/"
  licence libdeflate COPYING
}
