#!/usr/bin/env bash
# tests/bench/image.sh ROUNDS: image handling on a Debian image of 5 layers (about 700 MB of tar), interleaved with what
# this machine has. Called by tests/bench/run, which sets the environment. Prints wall and CPU seconds, peak memory in
# MB (medians), and ratios of wall times. Rows named _sync end, as ours do, with everything on the disk. Takes 6 GB of
# disk a round.
set -eu
rounds=$1
work=$BENCH_HOME/image
rm -rf "$work" && mkdir -p "$work" && cd "$work"

# Five layers of one root file system; the last one replaces, hides and adds.
mkdir root && tar -C root -xf "$TEST_IMAGES/bookworm.tar" --exclude=./dev 2>/dev/null || true
umoci --log=error init --layout oci && umoci --log=error new --image oci:gzip
layer() { tar -C "$1" --numeric-owner --owner=0 --group=0 -cf l.tar "${@:2}" && umoci --log=error raw add-layer --image oci:gzip l.tar; }
big="./usr/lib/gcc ./usr/include ./usr/share ./usr/lib/python3.11 ./usr/lib/git-core ./usr/bin"
layer root $(printf -- '--exclude=%s ' $big) .
layer root ./usr/lib/gcc ./usr/include
layer root ./usr/share
layer root ./usr/lib/python3.11 ./usr/lib/git-core ./usr/bin
mkdir -p up/opt/app up/usr/share/doc && touch up/usr/share/doc/.wh..wh..opq && for i in $(seq 40); do cp root/usr/bin/perl "up/opt/app/perl$i"; done
layer up .
rm -rf up l.tar
skopeo copy --quiet --dest-compress-format zstd oci:oci:gzip oci:oci.zstd:zstd 2>/dev/null || true
tar -C oci -cf image.tar .
layers() { python3 -c 'import json,sys
d=sys.argv[1]; m=json.load(open(d+"/index.json"))["manifests"][0]["digest"].split(":")[1]
print("\n".join(d+"/blobs/sha256/"+l["digest"].split(":")[1] for l in json.load(open(d+"/blobs/sha256/"+m))["layers"]))' "$1"; }
layers oci > layers.gzip
log=$work/times
: > "$log"
# What was written or removed before is on the disk when an operation begins: ext4 frees blocks of removed files at a
# commit, and whoever runs then would pay for it.
t() { local name=$1; shift; sync -f .; /usr/bin/time -f "$name %e %U %S %M" -a -o "$log" "$@" >/dev/null 2>err || { echo "FAILED $name: $(tail -1 err)" >&2; }; }
u="$UDOCKER -q"
$u load -i image.tar bench
if [ -e oci.zstd ]; then tar -C oci.zstd -cf z.tar . && $u load -i z.tar bench; rm -f z.tar; fi
tar_x() { mkdir "$1" && while read -r l; do tar -C "$1" -xf "$l" --no-same-owner --delay-directory-restore; done < layers.gzip; }
export -f tar_x
# Nothing with many files is removed before the end: for minutes ext4 tries the inodes of removed files one by one and
# passes over them, for whoever makes files next (recently_deleted() in its source; seen here as 10 s more for a cp -a).
for i in $(seq "$rounds"); do
  t create $u create --name=b1-$i bench:gzip
  b1=$($u inspect -p b1-$i)
  t umoci umoci --log=error unpack --rootless --image oci:gzip um.$i
  t tar_x_gzip bash -c "tar_x tx.$i"
  t tar_x_gzip_sync bash -c "tar_x ts.$i && sync -f ts.$i"
  [ -e oci.zstd ] && t create_zstd $u create --name=bz-$i bench:zstd
  t verify $u verify bench:gzip
  t clone $u clone --name=b2-$i b1-$i
  t cp_a cp -a "$b1" cp.$i
  t cp_a_sync sh -c 'cp -a "$1" "$2" && sync -f "$2"' _ "$b1" cps.$i
  t export $u export -o x.tar b1-$i
  t tar_c tar -C "$b1" --one-file-system -cf y.tar .
  t import $u import x.tar imported:now
  t cp_sha256 sh -c 'cp x.tar c.tar && sha256sum c.tar'
  t import_tree $u import --tocontainer --name=bi-$i x.tar
  t tar_x sh -c 'mkdir "$1" && tar -C "$1" -xf x.tar --no-same-owner' _ ti.$i
  t save $u save -o s.tar bench:gzip
  t skopeo_save skopeo copy --quiet oci:oci:gzip docker-archive:k.tar:bench:gzip
  t load $u load -i s.tar again
  t skopeo_load skopeo copy --quiet docker-archive:k.tar oci:ko:x
  rm -rf ko x.tar y.tar c.tar s.tar k.tar
  $u rmi imported:now >/dev/null 2>&1 || true
  $u rmi again:gzip >/dev/null 2>&1 || true
done
for i in $(seq "$rounds"); do
  t rm $u rm b2-$i
  t rm_rf rm -rf cp.$i
done
for i in $(seq "$rounds"); do
  for c in b1 bz bi; do $u rm $c-$i >/dev/null 2>&1 || true; done
done
awk '{w[$1]=w[$1]" "$2; c[$1]=c[$1]" "($3+$4); if($5>m[$1])m[$1]=$5; if(!($1 in o)){o[$1]=++k; n[k]=$1}}
  function med(s,  a,i,j,x,q){q=split(s,a," ");for(i=2;i<=q;i++){x=a[i];for(j=i-1;j>0&&a[j]+0>x+0;j--)a[j+1]=a[j];a[j+1]=x}return a[int((q+1)/2)]}
  function ratio(a,b,goal){if(a in w&&b in w&&med(w[b])>0)printf "%-26s %5.2f wall %5.2f cpu   (goal %s)\n",a" / "b,med(w[a])/med(w[b]),med(c[a])/(med(c[b])>0?med(c[b]):0.01),goal}
  END{printf "%-16s %8s %8s %8s\n","operation","wall s","cpu s","peak MB";for(i=1;i<=k;i++)printf "%-16s %8.2f %8.2f %8.1f\n",n[i],med(w[n[i]]),med(c[n[i]]),m[n[i]]/1024
  ratio("create","umoci","0.35");ratio("create","tar_x_gzip","0.50");ratio("create","tar_x_gzip_sync","0.50");ratio("clone","cp_a","1");ratio("clone","cp_a_sync","1");ratio("rm","rm_rf","1");ratio("export","tar_c","1");ratio("import","cp_sha256","1");ratio("import_tree","tar_x","1");ratio("save","skopeo_save","1");ratio("load","skopeo_load","1")}' "$log"
cd / && chmod -R u+rwX "$work" && rm -rf "$work"
