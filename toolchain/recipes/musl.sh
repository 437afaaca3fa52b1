# The C library and the kernel's headers; also the start files and libgcc.a of the distribution's compiler.
needs=
sources="musl musl-debian"

build() {
  unpack musl
  apply_debian musl
  host=$GNU-gcc-$GCC_MAJOR
  (
    cd musl
    # No protector here: the canary is set up by this code.
    ./configure --target="$TC_TARGET" --prefix=/ --includedir=/musl/include --libdir=/lib --disable-shared \
      --enable-optimize=no --disable-wrapper CC="$host" AR="$GNU-ar" RANLIB="$GNU-ranlib" \
      CFLAGS="-O2 -g0 -ffunction-sections -fdata-sections -ffile-prefix-map=$PWD=/musl"
    make install DESTDIR="$OUT" AR="$GNU-ar" ARFLAGS=rcD RANLIB=:
  )
  rm -rf "$OUT/lib/musl-gcc.specs" "$OUT/bin"
  headers=$(kernel_headers)
  asm=$headers/asm
  [ -d "$asm" ] || asm=/usr/include/$GNU/asm
  cp -rL "$headers/linux" "$headers/asm-generic" "$asm" "$OUT/musl/include/"
  for f in crtbegin.o crtend.o crtbeginS.o crtendS.o libgcc.a; do
    cp "$("$host" -print-file-name=$f)" "$OUT/lib/"
  done
  licence musl musl/COPYRIGHT
}
