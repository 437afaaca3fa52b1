# BusyBox, one static program: the content of the image that udocker carries. busybox.config lists what is switched on.
needs="musl libstdcxx"
sources="busybox busybox-debian"

build() {
  unpack busybox
  apply_debian busybox 'init-console|temp-deb|FreeBSD|non-linux|platform-linux|syslogd|install-readlink|shell-ash-export-HOME'
  cd busybox
  make HOSTCC="$(uname -m)-linux-gnu-gcc-$GCC_MAJOR" allnoconfig
  sed -e 's/#.*//' "$TC/recipes/busybox.config" | tr -s ' \n' '\n\n' | sed '/^$/d' >wanted
  while read -r option; do
    name=${option%%=*} value=${option#*=}
    [ "$name" != "$option" ] || value=y
    sed -i "/^# CONFIG_$name is not set$/d; /^CONFIG_$name=/d" .config
    echo "CONFIG_$name=$value" >>.config
  done <wanted
  yes "" | make HOSTCC="$(uname -m)-linux-gnu-gcc-$GCC_MAJOR" oldconfig >oldconfig.log
  # A name that this version does not know, or that lacks what it depends on, is dropped by oldconfig without a word.
  while read -r option; do
    grep -q "^CONFIG_${option%%=*}=" .config || die "busybox: option $option is not accepted"
  done <wanted
  make V=1 HOSTCC="$(uname -m)-linux-gnu-gcc-$GCC_MAJOR" CC="$CC" AR="$AR" STRIP="$STRIP" NM="$STAGE/bin/nm" \
    OBJCOPY="$STAGE/bin/objcopy" LD="$STAGE/bin/ld" KBUILD_BUILD_TIMESTAMP=1970-01-01 busybox
  mkdir -p "$OUT/share"
  "$STRIP" -o "$OUT/share/busybox" busybox_unstripped
  chmod 755 "$OUT/share/busybox"
  licence busybox LICENSE
}
