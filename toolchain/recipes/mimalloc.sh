# mimalloc with malloc and friends replaced: for whoever links it before the C library.
needs="musl"
sources="mimalloc"

build() {
  unpack mimalloc
  cd mimalloc
  static_library mimalloc "$CFLAGS -std=gnu11 -fvisibility=hidden -DNDEBUG -DMI_MALLOC_OVERRIDE -DMI_STATIC_LIB -ftls-model=local-dynamic -fno-builtin-malloc -Iinclude" \
    src/static.c
  mkdir -p "$OUT/include"
  cp include/mimalloc.h "$OUT/include/"
  licence mimalloc LICENSE
}
