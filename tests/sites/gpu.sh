#!/usr/bin/env bash
# GPUs without a GPU: a made-up NVIDIA driver tree (UDOCKER_NVIDIA_DRIVER_ROOT), CDI specifications, made-up render nodes.
. "$(dirname "$0")/../support/support.sh"
. "$SUPPORT/small_root.sh"
libs=usr/lib/$(gcc -print-multiarch) drv=$WORK/driver
printf '#include <dlfcn.h>\n#include <stdio.h>\nint main(int c, char** v) { void* h = dlopen(c > 1 ? v[1] : "libcuda.so.1", RTLD_NOW); if (!h) { puts("none"); return 1; } puts(((const char* (*)(void))dlsym(h, "driver"))()); return 0; }\n' > gpu.c
gcc -o gpu gpu.c -ldl
small_root root /bin/dash /bin/ls /bin/cat /bin/readlink "$PWD/gpu"
/sbin/ldconfig -r root -C /etc/ld.so.cache "/$libs" 2>/dev/null
echo "the image's own" > root/usr/bin/nvidia-smi && chmod 755 root/usr/bin/nvidia-smi
tar -C root -cf root.tar .

# library VERSION NAME SONAME: one library of the driver
library() { printf 'const char* driver(void) { return "%s"; }\n' "$1" > lib.c; gcc -shared -fPIC -o "$drv/$libs/$2.so.$1" -Wl,-soname,"$3" lib.c; ln -sf "$2.so.$1" "$drv/$libs/$3"; }
driver() {
  mkdir -p "$drv/$libs/vdpau" "$drv"/usr/bin "$drv"/dev/nvidia-caps "$drv"/usr/share/vulkan/icd.d "$drv"/etc/OpenCL/vendors "$drv"/proc/driver/nvidia/gpus
  rm -f "$drv/$libs"/*.so*
  library "$1" libcuda libcuda.so.1 && ln -sf libcuda.so.1 "$drv/$libs/libcuda.so"
  for name in libnvidia-ml libnvidia-nvvm libnvidia-gpucomp; do library "$1" $name $name.so.1; done
  cp "$drv/$libs/libcuda.so.$1" "$drv/$libs/libnvidia-egl-gbm.so.1.1.1"
  cp "$drv/$libs/libcuda.so.$1" "$drv/$libs/libGL.so.$1"
  echo "smi $1" > "$drv/usr/bin/nvidia-smi"
  echo '{}' > "$drv/usr/share/vulkan/icd.d/nvidia_icd.json"; echo libnvidia-opencl.so.1 > "$drv/etc/OpenCL/vendors/nvidia.icd"
  for node in nvidiactl nvidia0 nvidia1 nvidia-uvm nvidia-modeset; do ln -sf /dev/null "$drv/dev/$node"; done
  for card in 0 1; do
    mkdir -p "$drv/proc/driver/nvidia/gpus/0000:0$card:00.0"
    printf 'Model: made up\nGPU UUID: \t GPU-%s%s\nDevice Minor: \t %s\n' $card abc $card > "$drv/proc/driver/nvidia/gpus/0000:0$card:00.0/information"
  done
}
state() { (cd "$ROOT" && find . -printf '%P %y %l %m\n' | sort; find . -type f | sort | xargs sha256sum) | sha256sum; }
run() { "$UDOCKER" -q run --nobanner "$@"; }

check "a container" "$UDOCKER" -q import --tocontainer --name=c root.tar
ROOT=$("$UDOCKER" inspect -p c)
before=$(state)
check_match "no driver" "host nvidia libraries not found" env UDOCKER_NVIDIA_DRIVER_ROOT="$WORK/none" "$UDOCKER" setup --nvidia c
check_status 2 "--gpus where there is no GPU" env UDOCKER_NVIDIA_DRIVER_ROOT="$WORK/none" "$UDOCKER" -q run --gpus all c ls
driver 550.54.14
export UDOCKER_NVIDIA_DRIVER_ROOT=$drv
check_match "files of the image stand in the way" "the container has /usr/bin/nvidia-smi already, use --force" "$UDOCKER" setup --nvidia c
check "setup --nvidia --force" "$UDOCKER" setup --nvidia --force c
check_match "is shown" "nvidiamode: True" "$UDOCKER" setup c
for file in "$libs/libnvidia-nvvm.so.550.54.14" "$libs/libnvidia-gpucomp.so.550.54.14" "$libs/libnvidia-egl-gbm.so.1.1.1" usr/share/vulkan/icd.d/nvidia_icd.json etc/OpenCL/vendors/nvidia.icd; do
  check "it has $file" test -s "$ROOT/$file"
done
check_same "glvnd's front ends are the image's affair" "" "$(ls "$ROOT/$libs" | grep libGL)"
check_same "links as on the host" "libcuda.so.550.54.14" "$(readlink "$ROOT/$libs/libcuda.so.1")"
check_match "the loader's cache knows them" "libcuda.so.1 .*=> /$libs/libcuda.so.1" /sbin/ldconfig -p -C "$ROOT/etc/ld.so.cache"
check_match "and what it knew" "libc.so.6 " /sbin/ldconfig -p -C "$ROOT/etc/ld.so.cache"
check_match "a second time" "already exists, use --force" "$UDOCKER" setup --nvidia c
for mode in P1 P2 T1 F1 R1; do check_output "mode $mode finds the driver" 550.54.14 run --execmode=$mode c gpu; done
check_output "device nodes of all cards" "$(printf '%s\n' /dev/nvidia-caps /dev/nvidia-modeset /dev/nvidia-uvm /dev/nvidia0 /dev/nvidia1 /dev/nvidiactl)" run --execmode=R1 c sh -c 'ls -d /dev/nvidia*'
nodes='echo /dev/nvidia[0-9]* $CUDA_VISIBLE_DEVICES'
check_output "of one, by number" "/dev/nvidia1" run --execmode=R1 -e NVIDIA_VISIBLE_DEVICES=1 c sh -c "$nodes"
check_output "by UUID" "/dev/nvidia0" run --execmode=R1 --gpus device=GPU-0abc c sh -c "$nodes"
check_output "by count" "/dev/nvidia0 /dev/nvidia1" run --execmode=R1 --gpus 2 c sh -c "$nodes"
check_output "where /dev is shared CUDA is told" "1 1" run --gpus '"device=1"' c sh -c 'echo $CUDA_VISIBLE_DEVICES $NVIDIA_VISIBLE_DEVICES'
check_match "a card that is not there" "no such GPU: 7 \(this host has 2" run --gpus device=7 c ls
check_match "nonsense" "--gpus takes all" run --gpus some c ls
driver 560.35.03
check_output "a new driver replaces the old one at the next run" 560.35.03 run c gpu
check_same "nothing of the old one stays" "" "$(find "$ROOT" -name '*550.54*')"
check "--no-nvidia" "$UDOCKER" setup --no-nvidia c
check_same "leaves the container as it was" "$before" "$(state)"
check_output "--gpus all sets a container up" 560.35.03 run --gpus all c gpu
check "again" "$UDOCKER" setup --no-nvidia c
check "an image that asks" sh -c 'sed -i "s/\"Env\": null/\"Env\": [\"NVIDIA_VISIBLE_DEVICES=all\", \"PATH=\/bin\"]/" "$(dirname "$0")/container.json"' "$ROOT"
check_output "gets it" 560.35.03 run c gpu
check_same "not when it is told void" none "$("$UDOCKER" -q setup --no-nvidia c; run -e NVIDIA_VISIBLE_DEVICES=void c gpu)"
check_output "F3, set up for new files too" 560.35.03 sh -c '"$0" -q setup --execmode=F3 c && "$0" -q setup --nvidia --force c && "$0" -q run --nobanner c gpu' "$UDOCKER"
check "back" sh -c '"$0" -q setup --no-nvidia c && "$0" -q setup --execmode=P1 c' "$UDOCKER"
unset UDOCKER_NVIDIA_DRIVER_ROOT

mkdir cdi && export UDOCKER_CDI_SPEC_DIRS="$WORK/none:$WORK/cdi"
cat > cdi/vendor.json <<C
{"cdiVersion": "0.6.0", "kind": "vendor.com/gpu", "devices": [
  {"name": "0", "containerEdits": {"env": ["CARD=zero"], "deviceNodes": [{"path": "/dev/vendor0", "hostPath": "/dev/null"}]}},
  {"name": "all", "containerEdits": {"env": ["CARD=all"], "deviceNodes": [{"path": "/dev/vendor0", "hostPath": "/dev/null"}, {"path": "/dev/vendor1", "hostPath": "/dev/zero"}]}}],
 "containerEdits": {"env": ["COMMON=yes"],
  "mounts": [{"hostPath": "$drv/$libs/libcuda.so.560.35.03", "containerPath": "/opt/vendor/libcuda.so.560.35.03", "options": ["ro", "nosuid", "bind"]}],
  "hooks": [{"hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook", "args": ["nvidia-cdi-hook", "create-symlinks", "--link", "libcuda.so.560.35.03::/opt/vendor/libcuda.so.1"]},
            {"hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook", "args": ["nvidia-cdi-hook", "update-ldcache", "--folder", "/opt/vendor"]}]}}
C
for mode in P1 T1 R1; do
  check_output "CDI, mode $mode: environment, nodes, libraries, cache" "zero yes /dev/vendor0 560.35.03" \
    run --execmode=$mode -e NVIDIA_VISIBLE_DEVICES=void --device vendor.com/gpu=0 c sh -c 'echo $CARD $COMMON $(ls -d /dev/vendor*) $(gpu)'
done
# The same in YAML, as nvidia-ctk writes it.
cat > cdi/other.yaml <<C
---
cdiVersion: 0.6.0
containerEdits:
  env:
  - COMMON=yes
  hooks:
  - args:
    - nvidia-cdi-hook
    - create-symlinks
    - --link
    - libcuda.so.560.35.03::/opt/vendor/libcuda.so.1
    - --link
    - libcuda.so.1::/opt/vendor/libcuda.so
    hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
  - args: ["nvidia-cdi-hook", "update-ldcache", "--folder", "/opt/vendor"]  # as a person may write it
    hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
  mounts:
  - containerPath: /opt/vendor/libcuda.so.560.35.03
    hostPath: $drv/$libs/libcuda.so.560.35.03
    options:
    - ro
    - bind
devices:
- containerEdits:
    deviceNodes:
    - hostPath: /dev/null
      path: /dev/vendor0
    env:
    - CARD=zero
  name: "0"
kind: vendor.com/yaml
C
for mode in P1 T1 R1; do
  check_output "CDI in YAML, mode $mode" "zero yes /dev/vendor0 560.35.03" \
    run --execmode=$mode -e NVIDIA_VISIBLE_DEVICES=void --device vendor.com/yaml=0 c sh -c 'echo $CARD $COMMON $(ls -d /dev/vendor*) $(gpu)'
done
for mode in F1 F2 F3; do
  check "set up for $mode" "$UDOCKER" -q setup --execmode=$mode c
  check_output "CDI, mode $mode: libraries by soname, link and file name" "zero yes 560.35.03 560.35.03 560.35.03" \
    run -e NVIDIA_VISIBLE_DEVICES=void --device vendor.com/yaml=0 c sh -c 'echo $CARD $COMMON $(gpu) $(gpu libcuda.so) $(gpu libcuda.so.560.35.03)'
  check_output "mode $mode: a library by LD_LIBRARY_PATH in a volume" 560.35.03 \
    run -e NVIDIA_VISIBLE_DEVICES=void -v "$drv/$libs:/driver" -e LD_LIBRARY_PATH=/driver c gpu
done
check "back" "$UDOCKER" -q setup --execmode=P1 c
printf 'kind: a.b/c\ncdiVersion: "0.6.0"\ndevices: *all\n' > cdi/bad.yaml
check_match "a file that is not read is named, others count" "devices of this file are not known: .*bad.yaml: .*line 3: anchors and aliases are not read" \
  "$UDOCKER" run -e NVIDIA_VISIBLE_DEVICES=void --device vendor.com/yaml=0 c ls
rm cdi/*.yaml
check_output "another device" "all" run -e NVIDIA_VISIBLE_DEVICES=void --device vendor.com/gpu=all c sh -c 'test -e /dev/vendor1 && echo $CARD'
check_match "one that is not there" "no such device: vendor.com/gpu=9; there are: vendor.com/gpu=0 vendor.com/gpu=all" run --device vendor.com/gpu=9 c ls
check_match "no specification" "no CDI specification in .*nvidia-ctk cdi generate" env UDOCKER_CDI_SPEC_DIRS="$WORK/none" "$UDOCKER" run --device vendor.com/gpu=9 c ls

# Render nodes, made up in a mount namespace.
mkdir -p dev/dri dev/pts dev/shm && touch dev/null dev/full dev/random dev/zero dev/kfd dev/dri/renderD128 dev/urandom dev/tty
inside() {
  unshare -rm sh -c 'for n in null zero full random urandom tty; do mount --bind /dev/$n dev/$n; done; mount --bind /dev/null dev/kfd; mount --bind /dev/null dev/dri/renderD128; mount --rbind /dev/shm dev/shm; mount --rbind dev /dev; exec "$@"' _ "$UDOCKER" --allow-root -q run --nobanner -e NVIDIA_VISIBLE_DEVICES=void "$@"
}
for mode in P1 R1; do
  check_output "mode $mode: --dri shows AMD's and Intel's nodes" "/dev/dri/renderD128 /dev/kfd" inside --execmode=$mode --dri c sh -c 'echo /dev/dri/* /dev/kfd'
  check_output "mode $mode: so does --gpus where there is no NVIDIA" "/dev/dri/renderD128" inside --execmode=$mode --gpus all c sh -c 'echo /dev/dri/*'
done
check_output "mode R1: --device with a directory" "renderD128" inside --execmode=R1 --device /dev/dri c ls /dev/dri
check_status 2 "mode R1: none without being asked for" inside --execmode=R1 c ls /dev/dri
done_testing
