#!/usr/bin/env bash
# Settings: every key of the reference, all forms of values, and which source wins.
. "$(dirname "$0")/common.bash"
u() { "$UDOCKER" "$@"; }
shows() { check_match "$1" "^$2$" "${@:3}"; }
mkdir -p "$HOME/.udocker"
"$UDOCKER" -q mkrepo "$WORK/top"
unset UDOCKER_DIR

keys="verbose_level homedir topdir bindir libdir docdir reposdir layersdir containersdir tarball_release tarball installinfo installretry
  autoinstall config keystore tmpdir cmd root_path user_path sysdirs_list dri_list mountpoint_prefixes override_default_execution_mode
  default_execution_modes default_execution_mode proot_noseccomp proot_killonexit proot_link2symlink ld_so_cache fakechroot_so
  fakechroot_expand_symlinks fakechroot_cmd_subst libc_search fakechroot_libc lib_dirs_list_nvidia lib_dirs_list_essential
  lib_dirs_list_append access_files use_proot_executable use_patchelf_executable use_runc_executable use_singularity_executable
  runc_nomqueue runc_capabilities singularity_options valid_host_env invalid_host_env cpu_affinity_exec_tools location http_proxy
  http_agent http_insecure timeout ctimeout download_timeout use_curl_executable dockerio_index_url dockerio_registry_url
  docker_registries nvi_etc_list nvi_bin_list nvi_lib_list nvi_dev_list"
for key in $keys; do
  shows "$key is shown" "$key = .*" u showconf
  printf '%s = None\n' "$key" > one.conf
  check_output "$key is known" "" sh -c '"$1" --config=one.conf showconf 2>&1 | grep Warning; true' _ "$UDOCKER"
done

# values as the manual and the sample file write them
cat > forms.conf <<'C'
[DEFAULT]
# a comment
; another
topdir = %(topdir)s/
Timeout: 7
ctimeout = "8"
http_insecure = False
proot_link2symlink = yes
cmd = ["/bin/bash", "-i"]
sysdirs_list = (
   "/dev", "/proc",
   "/sys", )
valid_host_env = A B, C
default_execution_modes = {'x86_64': 'P2', 'DEFAULT': 'R1'}
http_proxy = "socks5://me:secretword@host:1"
[OTHER]
timeout = 99
C
for line in "timeout = 7" "ctimeout = 8" "http_insecure = False" "proot_link2symlink = True" "cmd = \['/bin/bash', '-i'\]" \
  "sysdirs_list = \['/dev', '/proc', '/sys'\]" "valid_host_env = \['A', 'B', 'C'\]"; do
  shows "$line" "$line" u --config=forms.conf showconf
done
check_status 1 "a proxy's password is not shown" sh -c '"$1" -D --config=forms.conf showconf 2>&1 | grep secretword' _ "$UDOCKER"
for bad in "timeout = soon:a number" "http_insecure = perhaps:true or false" "verbose_level = high:a number"; do
  printf '\n%s\n' "${bad%:*}" > bad.conf
  check_match "${bad%:*}: file, line and what was expected" "^Error: bad.conf:2: [a-z_]+: expected ${bad#*:}" u --config=bad.conf showconf
done
printf 'no_such_key = 1\n' > bad.conf
check_match "an unknown key" "^Warning: bad.conf:1: unknown key no_such_key" u --config=bad.conf showconf
check_status 1 "a file that is not there" u --config=nowhere.conf showconf

# which source wins: built in, ~/.udocker, the repository, --config, environment, options
wins() { shows "$1 wins" "tmpdir = $2" "${@:3}"; }
wins "TMPDIR over what is built in" "$TMPDIR" u showconf
printf 'tmpdir = /home-file\n' > "$HOME/.udocker/udocker.conf"
wins "~/.udocker/udocker.conf" /home-file u showconf
printf 'tmpdir = /top-file\n' > "$WORK/top/udocker.conf"
wins "the file of --repo" /top-file u --repo="$WORK/top" showconf
wins "the file of UDOCKER_DIR" /top-file env UDOCKER_DIR="$WORK/top" "$UDOCKER" showconf
printf 'tmpdir = /option-file\n' > option.conf
wins "--config" /option-file u --repo="$WORK/top" --config=option.conf showconf
wins "the environment" /variable env UDOCKER_TMP=/variable "$UDOCKER" --repo="$WORK/top" --config=option.conf showconf
shows "-D over UDOCKER_LOGLEVEL" "verbose_level = 5" env UDOCKER_LOGLEVEL=2 "$UDOCKER" -D showconf
shows "-q" "verbose_level = 1" u -q showconf
for level in 0 1 2 3 4 5; do
  check_same "UDOCKER_LOGLEVEL=$level" "$([ $level = 0 ] || echo "verbose_level = $level")" "$(UDOCKER_LOGLEVEL=$level "$UDOCKER" showconf 2>/dev/null | grep ^verbose_level)"
done
check_match "--repo beats UDOCKER_DIR" "^topdir = $WORK/top$" env UDOCKER_DIR=/elsewhere "$UDOCKER" --repo="$WORK/top" showconf
for variable in UDOCKER_BIN:bindir UDOCKER_LIB:libdir UDOCKER_DOC:docdir UDOCKER_REPOS:reposdir UDOCKER_LAYERS:layersdir UDOCKER_CONTAINERS:containersdir \
  UDOCKER_KEYSTORE:keystore UDOCKER_INDEX:dockerio_index_url UDOCKER_REGISTRY:dockerio_registry_url UDOCKER_TARBALL:tarball \
  UDOCKER_DEFAULT_EXECUTION_MODE:override_default_execution_mode UDOCKER_USE_PROOT_EXECUTABLE:use_proot_executable \
  UDOCKER_USE_RUNC_EXECUTABLE:use_runc_executable UDOCKER_USE_SINGULARITY_EXECUTABLE:use_singularity_executable; do
  shows "${variable%:*}" "${variable#*:} = /some/value" env "${variable%:*}=/some/value" "$UDOCKER" showconf
done
done_testing
