# liblzma: all filters, threads.
needs="musl"
sources="xz xz-debian"

build() {
  unpack xz
  apply_debian xz
  cd xz/src/liblzma
  d="-DHAVE_STDBOOL_H -DHAVE__BOOL -DHAVE_STDINT_H -DHAVE_INTTYPES_H -DHAVE_VISIBILITY=0 -DNDEBUG -DASSUME_RAM=128 -D_GNU_SOURCE"
  d="$d -DMYTHREAD_POSIX -DHAVE_CLOCK_GETTIME -DHAVE_CLOCK_MONOTONIC -DHAVE_PTHREAD_CONDATTR_SETCLOCK -DHAVE_DECL_CLOCK_MONOTONIC=1"
  d="$d -DTUKLIB_CPUCORES_SCHED_GETAFFINITY -DTUKLIB_PHYSMEM_SYSCONF -DTUKLIB_FAST_UNALIGNED_ACCESS -DTUKLIB_SYMBOL_PREFIX=lzma_"
  d="$d -DHAVE___BUILTIN_ASSUME_ALIGNED -DHAVE___BUILTIN_BSWAPXX -DHAVE_FUNC_ATTRIBUTE_CONSTRUCTOR"
  d="$d -DHAVE_CHECK_CRC32 -DHAVE_CHECK_CRC64 -DHAVE_CHECK_SHA256 -DHAVE_ENCODERS -DHAVE_DECODERS -DHAVE_LZIP_DECODER"
  for f in LZMA1 LZMA2 DELTA X86 ARM ARMTHUMB ARM64 POWERPC IA64 SPARC RISCV; do d="$d -DHAVE_ENCODER_$f -DHAVE_DECODER_$f"; done
  for f in HC3 HC4 BT2 BT3 BT4; do d="$d -DHAVE_MF_$f"; done
  case $ARCH in
    x86_64) d="$d -DHAVE_IMMINTRIN_H -DHAVE__MM_MOVEMASK_EPI8 -DHAVE_USABLE_CLMUL" ;;
    aarch64) d="$d -DHAVE_ARM64_CRC32 -DHAVE_GETAUXVAL" ;;
  esac
  static_library lzma "$CFLAGS -std=gnu11 $d -Iapi -Icommon -Icheck -Ilz -Irangecoder -Ilzma -Idelta -Isimple -I../common" \
    ../common/tuklib_physmem.c ../common/tuklib_cpucores.c \
    $(ls common/*.c | grep -v microlzma) check/check.c check/crc32_fast.c check/crc64_fast.c check/sha256.c \
    lz/lz_encoder.c lz/lz_encoder_mf.c lz/lz_decoder.c rangecoder/price_table.c $(ls lzma/*.c | grep -v tablegen) \
    delta/*.c simple/*.c
  mkdir -p "$OUT/include"
  cp -r api/lzma.h api/lzma "$OUT/include/"
  rm -f "$OUT"/include/lzma/Makefile*
  licence xz ../../COPYING ../../COPYING.0BSD
}
