# libseccomp: the system call tables and filters of the OCI launcher.
needs="musl"
sources="libseccomp libseccomp-debian"

build() {
  unpack libseccomp
  apply_debian libseccomp 'python|tests_'
  cd libseccomp/src
  echo '#define HAVE_LINUX_SECCOMP_H 1' >../configure.h
  static_library seccomp "$CFLAGS -fvisibility=hidden -I.. -I../include" \
    $(ls *.c | grep -v '^arch-syscall-')
  mkdir -p "$OUT/include"
  cp ../include/seccomp.h ../include/seccomp-syscalls.h "$OUT/include/"
  licence libseccomp ../LICENSE
}
