# libstdc++ and the unwinder (libgcc_eh.a) for musl, from the source package of the compiler in use.
needs=musl
sources=

build() {
  package=/usr/src/gcc-$GCC_MAJOR
  mkdir gcc
  tar -xf "$package"/gcc-"$GCC_MAJOR"*.tar.* -C gcc --strip-components=1 --no-same-owner --wildcards --no-wildcards-match-slash \
    --exclude='*/libstdc++-v3/testsuite/[!M]*' --exclude='*/ChangeLog*' --exclude='*/libstdc++-v3/doc/html' --exclude='*/libstdc++-v3/doc/xml' \
    'gcc-*/libstdc++-v3' 'gcc-*/libgcc' 'gcc-*/config' 'gcc-*/include' 'gcc-*/libiberty/*.[ch]' 'gcc-*/libbacktrace/*.[ch]*' \
    'gcc-*/*.m4' 'gcc-*/config*' 'gcc-*/install-sh' 'gcc-*/libtool-ldflags' 'gcc-*/l*main.sh' 'gcc-*/mkinstalldirs' \
    'gcc-*/missing' 'gcc-*/gcc/*.h' 'gcc-*/gcc/*-VER' 'gcc-*/gcc/DATESTAMP' 'gcc-*/COPYING*' || true
  test -f gcc/libstdc++-v3/configure && test -f gcc/ltmain.sh
  # The release branch's fixes that Debian carries, as far as they touch these two libraries.
  if [ -f "$package/patches/git-updates.diff" ]; then
    awk '/^diff --git / { keep = 0 }
         /^--- / { from = $2; next }
         /^\+\+\+ / { name = $2; sub(/^[ab]\/src\//, "", name); if (name == "/dev/null") { name = from; sub(/^[ab]\/src\//, "", name) }
                      keep = name ~ /^(libstdc\+\+-v3\/(src|include|libsupc\+\+|config)|libgcc)\// && name !~ /ChangeLog/
                      if (keep) { print "--- " from; print } next }
         keep' "$package/patches/git-updates.diff" >updates.diff
    patch -s -d gcc -p2 --no-backup-if-mismatch <updates.diff
  fi
  # Without this link configure finds no threads and leaves std::thread and std::mutex out.
  ln -s gthr-posix.h gcc/libgcc/gthr-default.h
  unwinder
  cp "$OUT/lib/libgcc_eh.a" "$STAGE/lib/"  # configure links programs
  mkdir -p "build/$TC_TARGET/libstdc++-v3"
  (
    cd "build/$TC_TARGET/libstdc++-v3"
    # The C driver compiles C++ too and links without libstdc++, which is not there yet: tests that link work.
    map="-ffile-prefix-map=$WORK/libstdcxx/src/=/ -ffile-prefix-map=$STAGE/=/"
    ../../../gcc/libstdc++-v3/configure --build="$(uname -m)-linux-gnu" --host="$TC_TARGET" --prefix=/ --libdir=/lib \
      --with-gxx-include-dir=/musl/include/c++ --disable-multilib --disable-nls --disable-shared --disable-libstdcxx-pch \
      --disable-libstdcxx-filesystem-ts --disable-libstdcxx-backtrace --enable-threads=posix --enable-cxx-flags="-ffunction-sections -fdata-sections $map" \
      --with-toolexeclibdir=/lib CC="$CC" CXX="$CC -nostdinc++" AR="$AR" RANLIB="$RANLIB" CFLAGS="-O2 -g0 $map" CXXFLAGS="-O2 -g0 $map" \
      CPPFLAGS= LDFLAGS= MAKEINFO=true
    make AR_FLAGS=rcD RANLIB=:
    make install DESTDIR="$OUT" RANLIB=:
  )
  rm -rf "$OUT"/lib/*.la "$OUT"/lib/*.py "$OUT/share"
  licence libstdc++ gcc/COPYING3 gcc/COPYING.RUNTIME
}

# The distribution's libgcc_eh.a asks glibc for _dl_find_object; this one walks the program headers.
unwinder() {
  mkdir -p eh
  case $ARCH in
    x86_64) md=i386/linux-unwind.h value=i386/value-unwind.h ;;
    aarch64) md=aarch64/linux-unwind.h value=aarch64/value-unwind.h ;;
  esac
  echo "#include \"config/$md\"" >eh/md-unwind-support.h
  echo "#include \"config/$value\"" >eh/libgcc_tm.h
  cp gcc/libgcc/unwind-generic.h eh/unwind.h
  printf '#define HAVE_GETIPINFO 1\n#define HAVE_DL_ITERATE_PHDR 1\n' >eh/auto-host.h
  cp eh/auto-host.h eh/auto-target.h
  cat >eh/tconfig.h <<'EOF'
#ifndef USED_FOR_TARGET
#define USED_FOR_TARGET
#endif
#include "ansidecl.h"
EOF
  : >eh/options.h
  {
    cat eh/tconfig.h
    echo '#define DWARF_REG_TO_UNWIND_COLUMN(r) (r)'
    if [ "$ARCH" = aarch64 ]; then
      printf '#define AARCH64_DWARF_%s\n' 'R0 0' 'NUMBER_R 31' 'SP 31' 'VG 46' 'V0 64' 'NUMBER_V 32'
    fi
  } >eh/tm.h
  (
    cd gcc/libgcc
    flags="$CFLAGS -fbuilding-libgcc -fexceptions -fno-stack-protector -fvisibility=hidden -DHIDE_EXPORTS -DIN_GCC -DIN_LIBGCC2"
    flags="$flags -DGTHREAD_USE_WEAK=0 -DUSE_PT_GNU_EH_FRAME -DHAVE_CC_TLS -DUSE_TLS -I../../eh -I. -I../gcc -I../include"
    static_library gcc_eh "$flags" unwind-dw2.c unwind-dw2-fde-dip.c unwind-sjlj.c unwind-c.c emutls.c
  )
}
