# udocker create: containers from images, their content against an independent tool, hostile layers, full disks.
. "$(dirname "$0")/../support/support.sh"

mkdir t && cd t || exit 1
mkdir -p base/bin base/etc base/dir base/odd && echo one > base/etc/one && echo two > base/etc/two && echo s > base/bin/suid
ln -s ../etc/one base/dir/link && ln base/etc/one base/etc/hard && mkfifo base/odd/fifo && printf x > "base/odd/new
line" && chmod 4755 base/bin/suid && chmod 000 base/etc/two && mkdir base/closed && echo in > base/closed/in && chmod 0555 base/closed
chmod u+rw base/etc/two; tar --numeric-owner --owner=0 --group=0 -cf 1.tar -C base .
mkdir -p up/etc up/dir && touch up/etc/.wh.two up/dir/.wh..wh..opq up/.wh.closed && echo new > up/dir/new && tar --numeric-owner --owner=0 --group=0 -cf 2.tar -C up .
umoci --log=error init --layout oci && umoci --log=error new --image oci:a || exit 1
for i in 1 2; do umoci --log=error raw add-layer --image oci:a $i.tar; done
umoci --log=error config --image oci:a --config.cmd /bin/sh
tar -C oci -cf image.tar .
check "load the image" "$UDOCKER" load -i image.tar one
id=$("$UDOCKER" -q create --name=first one:a)
check "create prints an id" test "${#id}" = 36
C=$UDOCKER_DIR/containers/$id
check_same "a container is its root and two files" "ROOT container.json imagerepo.name" "$(ls "$C" | grep -v '^owners' | xargs)"
check_same "the name of its image" "one:a" "$(cat "$C/imagerepo.name")"
check_same "the name is a link" "$id" "$(readlink "$UDOCKER_DIR/containers/first")"
check_same "whiteouts and opaque directories" "bin dir etc odd|new|hard one" "$(ls "$C/ROOT" | xargs)|$(ls "$C/ROOT/dir" | xargs)|$(ls "$C/ROOT/etc" | xargs)"
check "hard links" test "$C/ROOT/etc/one" -ef "$C/ROOT/etc/hard"
check "fifos" test -p "$C/ROOT/odd/fifo"
check "no set-id files on the host" test ! -u "$C/ROOT/bin/suid"
umoci --log=error unpack --rootless --image oci:a um && check_same "same files as umoci's" "$(cd um/rootfs && find . -printf '%p %y %l\n' | sort)" "$(cd "$C/ROOT" && find . -printf '%p %y %l\n' | sort)"
check_match "a name is taken once" "Error: .*container name already exists" "$UDOCKER" create --name=first one:a
check "--force goes on without it" "$UDOCKER" create --force --name=first one:a
check "the carried image" "$UDOCKER" create --name=carried hello
check_output "runs" "hello:latest" "$UDOCKER" run --nobanner --pull=never hello sh -c 'echo hello:latest'
check_match "a missing image" "Error: create container: imagerepo is invalid" "$UDOCKER" create nothing:here
check_status 1 "a bad name" "$UDOCKER" create --name=a/b one:a
check_same "failures left nothing" 2 "$("$UDOCKER" -q ps | grep -c one:a)"

# one hostile layer each
hostile() { # NAME TAR
  rm -rf h && umoci --log=error init --layout h && umoci --log=error new --image h:a && umoci --log=error raw add-layer --image h:a "$2" && tar -C h -cf h.tar . && "$UDOCKER" load -i h.tar "$1" >/dev/null 2>&1
}
python3 - <<'P'
import tarfile, io
def make(name, *members):
    with tarfile.open(name, 'w') as t:
        for m in members:
            kind, path, extra = m
            i = tarfile.TarInfo(path); i.type = kind; i.mode = 0o644
            if kind == tarfile.REGTYPE: i.size = len(extra); t.addfile(i, io.BytesIO(extra))
            else: i.linkname = extra; t.addfile(i)
R, S, L, D = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
make('dots.tar', (R, '../../../../../../../tmp/udocker-evil', b'x'))
make('through.tar', (S, 'x', '/tmp'), (R, 'x/udocker-evil', b'x'))
make('up.tar', (S, 'x', '../../../../../../../../tmp'), (R, 'x/udocker-evil', b'x'))
make('hard.tar', (L, 'x', '../../../../../../../../etc/passwd'))
make('wh.tar', (R, 'a/.wh...', b''), (R, 'b', b'x'))
P
for name in dots through up hard wh; do
  hostile "$name" "$name.tar"
  timeout 20 "$UDOCKER" create "$name:a" >/dev/null 2>&1
  check "nothing outside: $name" test ! -e /tmp/udocker-evil
done
head -c 200000000 /dev/zero | tar --transform='s/.*/zeros/' -cf zeros.tar -- /dev/stdin 2>/dev/null || { truncate -s 200000000 zeros && tar -cf zeros.tar zeros; }
truncate -s 200000000 zeros && tar -cf zeros.tar zeros && rm zeros && hostile bomb zeros.tar
check_match "a limit is named" "limit of 1000000 bytes" env UDOCKER_MAX_UNPACKED_SIZE=1000000 "$UDOCKER" create bomb:a
check_same "and nothing is left" "" "$(ls -A "$UDOCKER_DIR/.staging" 2>/dev/null)"

if unshare -rm true 2>/dev/null; then
  mkdir -p full
  check_match "a full disk is one sentence" "Error: .*No space left on device" unshare -rm sh -c "mount -t tmpfs -o size=30m tmpfs full && cp -r '$UDOCKER_DIR/repos' '$UDOCKER_DIR/layers' full/ && mkdir full/containers full/bin full/lib && UDOCKER_DIR=$PWD/full '$UDOCKER' --allow-root create bomb:a; ls -A full/containers full/.staging 2>/dev/null | grep -c '[0-9a-f]-'"
else
  skip "no user namespaces: full disk"
fi
chmod -R a-w "$UDOCKER_DIR" 2>/dev/null
check_match "a store that is read-only" "Error: .*(Permission denied|Read-only)" "$UDOCKER" create one:a
check "images of a read-only store" "$UDOCKER" images
check "ps of a read-only store" "$UDOCKER" ps
chmod -R u+w "$UDOCKER_DIR" 2>/dev/null
done_testing
