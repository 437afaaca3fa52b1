#!/usr/bin/env python3
"""sbom.py VERSION ARCH: the software bill of materials of one build as CycloneDX 1.5 JSON, from toolchain/sources.lock."""
import json, os, re, sys, uuid

version, arch = sys.argv[1:3]
here = os.path.dirname(os.path.abspath(__file__))
BUILD_ONLY = {"googletest"}
components = []
for line in open(os.path.join(here, "../toolchain/sources.lock")):
    if line.startswith("#") or not line.strip():
        continue
    name, number, digest, licence, origin, addresses = (line.rstrip("\n").split("\t") + [""])[:6]
    if name in BUILD_ONLY:
        continue
    kind = "patch" if name.endswith("-debian") else "library"
    known = {"bzip2": "bzip2-1.0.6"}.get(licence, licence)
    components.append({
        "type": "library", "bom-ref": "%s@%s" % (name, number), "name": name, "version": number,
        "purl": "pkg:generic/%s@%s" % (name, number.replace("+", "%2B").replace("~", "%7E")),
        "licenses": [{"expression": known}] if " " in known else [{"license": {"id": known}}],
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "externalReferences": [{"type": "distribution", "url": a} for a in addresses.split(",") if a],
        "properties": [{"name": "udocker:role", "value": kind}]})
main = {"type": "application", "bom-ref": "udocker@" + version, "name": "udocker", "version": version,
        "licenses": [{"license": {"id": "Apache-2.0"}}], "properties": [{"name": "udocker:architecture", "value": arch}]}
document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "serialNumber": "urn:uuid:%s" % uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([version, arch, components], sort_keys=True)),
            "metadata": {"component": main}, "components": components,
            "dependencies": [{"ref": main["bom-ref"], "dependsOn": [c["bom-ref"] for c in components]}]}
json.dump(document, sys.stdout, indent=1, sort_keys=True)
print()
