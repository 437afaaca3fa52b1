# Writes the compiler wrappers and the specs file, the only files of a prefix that hold absolute paths (POSIX sh, sourced).

# write_wrappers WHERE ROOT: writes them below WHERE for a prefix that is, or will be, at ROOT.
write_wrappers() {
  mkdir -p "$1/bin" "$1/lib" "$1/share"
  write_specs "$2" >"$1/lib/musl.specs"
  for w in cc:gcc c++:g++; do
    cat >"$1/bin/${w%%:*}" <<EOF
#!/bin/sh
unset LIBRARY_PATH COMPILER_PATH GCC_EXEC_PREFIX CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH OBJC_INCLUDE_PATH
exec $(command -v "$GNU-${w##*:}-$GCC_MAJOR") -specs=$2/lib/musl.specs "\$@"
EOF
    chmod 755 "$1/bin/${w%%:*}"
  done
  for w in ar ranlib strip objcopy nm ld; do
    printf '#!/bin/sh\nexec %s "$@"\n' "$(command -v "$GNU-$w")" >"$1/bin/$w"
    chmod 755 "$1/bin/$w"
  done
}

# What is said here holds for every compilation, so that no caller needs to know:
# - the caller's folders come first, then libstdc++'s, then musl's (include_next needs that order);
# - no path of the prefix gets into an object (assert, debug lines, and through them the build id);
# - programs are static position independent executables unless -shared, -r or -no-pie is given;
# - stack protector, control-flow marks, read-only relocations, no executable stack, and 8 MiB of
#   stack for threads too (musl would give them 128 KiB).
write_specs() {
  case $ARCH in
    x86_64) emulation=elf_x86_64 flow='%{!fcf-protection*:-fcf-protection}' ;;
    aarch64) emulation=aarch64linux flow='%{!mbranch-protection=*:-mbranch-protection=standard}' ;;
  esac
  cat <<EOF
%rename cc1 host_cc1
%rename cc1plus host_cc1plus

*cc1:
%(host_cc1) -ffile-prefix-map=$1/=/ %{!nostdinc:-nostdinc -idirafter $1/include -idirafter $1/musl/include -idirafter include%s} %{!fno-stack-protector:%{!fstack-protector*:-fstack-protector-strong}} $flow

*cc1plus:
%(host_cc1plus) %{!nostdinc:%{!nostdinc++:-nostdinc++ -isystem $1/musl/include/c++ -isystem $1/musl/include/c++/$TC_TARGET -isystem $1/musl/include/c++/backward}}

*link:
%{!r:--build-id --eh-frame-hdr} -m $emulation --hash-style=gnu --as-needed %{shared:-shared} %{!shared:%{!r:-static %{!no-pie:-pie --no-dynamic-linker -z text}}} %{!r:-z relro -z now -z noexecstack -z stack-size=8388608} %{rdynamic:-export-dynamic}

*startfile:
%{shared:$1/lib/crti.o $1/lib/crtbeginS.o;no-pie:$1/lib/crt1.o $1/lib/crti.o $1/lib/crtbegin.o;:$1/lib/rcrt1.o $1/lib/crti.o $1/lib/crtbeginS.o}

*endfile:
%{shared:$1/lib/crtendS.o;no-pie:$1/lib/crtend.o;:$1/lib/crtendS.o} $1/lib/crtn.o

*lib:
-lc

*libgcc:
-lgcc -lgcc_eh

*link_gcc_c_sequence:
--start-group %G %L --end-group

*link_libgcc:
-L$1/lib

*link_ssp:


EOF
}
