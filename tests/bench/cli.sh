#!/usr/bin/env bash
# cli.sh ROUNDS: CPU time of the commands a person types all day, in a store of 500 containers and 200 images, beside a
# Python that only starts (the Python tool's time is that and more; PYTHON_UDOCKER=PROGRAM measures the tool itself), and
# CPU time of our own until a container's program starts.
set -eu
python3 - "$UDOCKER" "${PYTHON_UDOCKER:-}" "$1" <<'P'
import json, os, resource, subprocess, sys, time, uuid

udocker, tool, rounds = sys.argv[1], sys.argv[2], max(5, int(sys.argv[3]))
top = os.path.join(os.environ["BENCH_HOME"], "many")
for name in "repos layers containers bin lib doc".split():
    os.makedirs(os.path.join(top, name))


def put(path, text):
    with open(path, "w") as f:
        f.write(text)


for i in range(500):
    identifier = str(uuid.uuid4())
    directory = "%s/containers/%s" % (top, identifier)
    os.makedirs(directory + "/ROOT/etc")
    put(directory + "/container.json", json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"] * 5}}))
    put(directory + "/imagerepo.name", "busybox:latest")
    if i % 2:
        os.symlink(identifier, "%s/containers/name%d" % (top, i))
for i in range(200):
    directory = "%s/repos/site/image%d/v%d" % (top, i, i)
    os.makedirs(directory)
    put(directory + "/TAG", os.path.dirname(directory) + ":v%d" % i)
    put(directory + "/v2", "")
    blobs = ["sha256:%064x" % (i * 10 + k) for k in range(5)]
    for blob in blobs:
        put("%s/layers/%s" % (top, blob), "{}")
        os.symlink("../../../../layers/" + blob, directory + "/" + blob)
    put(directory + "/manifest", json.dumps({"config": {"digest": blobs[0]}, "layers": [{"digest": b} for b in blobs[1:]]}))


def once(argv, environment):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


many = dict(os.environ, UDOCKER_DIR=top)
runs = [("python starts", [sys.executable, "-c", "import argparse, json, subprocess, logging"], many)]
for command in ("version", "ps", "ps -m", "images", "images -l", "help"):
    runs.append(("udocker " + command, [udocker] + command.split(), many))
    if tool:
        runs.append(("Python tool " + command, tool.split() + command.split(), many))
# /bin/true of the container is in these
for mode in ("P1", "T1", "R1"):
    runs.append(("run --execmode=%s /bin/true" % mode, [udocker, "-q", "run", "--execmode=" + mode, "c", "/bin/true"], dict(os.environ)))
times = {name: [] for name, _, _ in runs}
for _ in range(rounds):
    for name, argv, environment in runs:
        times[name].append(once(argv, environment))
print("%-32s %10s %10s" % ("median of %d" % rounds, "CPU ms", "wall ms"))
for name, _, _ in runs:
    cpu, wall = (sorted(t[k] for t in times[name])[rounds // 2] * 1000 for k in (0, 1))
    print("%-32s %10.2f %10.2f" % (name, cpu, wall))
P
