# ISA-L: streaming inflate and deflate two to three times as fast as zlib, and CRC. Vector code chosen at run time.
needs="musl"
sources="isal"

build() {
  unpack isal
  cd isal
  flags="$CFLAGS -DNDEBUG -Iinclude -Iigzip -Icrc"
  c="igzip/igzip.c igzip/hufftables_c.c igzip/igzip_base.c igzip/igzip_icf_base.c igzip/adler32_base.c igzip/flatten_ll.c
    igzip/encode_df.c igzip/igzip_icf_body.c igzip/huff_codes.c igzip/igzip_inflate.c crc/crc_base.c crc/crc64_base.c"
  case $ARCH in
    x86_64)
      # Feature level 10 is AVX-512 with VBMI2 and friends, as far as nasm of Debian 12 knows it.
      ASM="nasm -f elf64 -DAS_FEATURE_LEVEL=10 -DHAVE_AS_KNOWS_AVX512 -Iinclude/ -Iigzip/ -Icrc/ -o \$@"
      flags="$flags -DAS_FEATURE_LEVEL=10 -DHAVE_AS_KNOWS_AVX512"
      files="$(listed igzip/Makefile.am lsrc_x86_64) $(listed crc/Makefile.am lsrc_x86_64)"
      ;;
    aarch64)
      printf '#ifdef __ASSEMBLER__\n#define __ASSEMBLY__\n#endif\n' >assembly.h
      flags="$flags -include assembly.h -Icrc/aarch64 -Iigzip/aarch64"
      files="$(listed igzip/Makefile.am lsrc_aarch64) $(listed crc/aarch64/Makefile.am lsrc_aarch64)"
      ;;
  esac
  static_library isal "$flags" $c $files
  mkdir -p "$OUT/include/isa-l"
  cp include/igzip_lib.h include/crc.h include/crc64.h "$OUT/include/isa-l/"
  licence isa-l LICENSE
}

# listed FILE NAME: the files that a Makefile.am adds to a variable.
listed() {
  awk -v name="$2" '$1 == name { on = 1; sub(/^[^=]*=/, "") } on { more = /\\$/; sub(/\\$/, ""); print; on = more }' "$1"
}
