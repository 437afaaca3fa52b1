# zstd with threads, without the formats older than 0.8.
needs="musl"
sources="zstd"

build() {
  unpack zstd
  cd zstd/lib
  sources="$(ls common/*.c compress/*.c decompress/*.c dictBuilder/*.c)"
  if [ "$ARCH" = x86_64 ]; then sources="$sources decompress/huf_decompress_amd64.S"; fi
  static_library zstd "$CFLAGS -DZSTD_MULTITHREAD -DZSTD_LEGACY_SUPPORT=0 -DXXH_NAMESPACE=ZSTD_ -DDEBUGLEVEL=0 -I. -Icommon" $sources
  mkdir -p "$OUT/include"
  cp zstd.h zstd_errors.h zdict.h "$OUT/include/"
  licence zstd ../LICENSE
}
