"""What the image of the service is made of (SBOM), in CycloneDX 1.5 on standard output. For deploy/image.

Usage: sbom.py TRIPLE PROGRAM, from the root of the repository, with cargo-cyclonedx in PATH and the packages of image-requirements.txt.

cargo-cyclonedx describes what the whole workspace depends on, with each crate's licence and checksum. Of that, this keeps what cargo compiles
into the program for that target: no tests, no build scripts, no macros' own code. It adds what no crate of its own stands for, and an
advisory is written about all the same: libraries of C inside of crates, the standard library, musl, the certificate authorities. There is
no time and no path of this machine in it: the same source gives the same file.
"""

import hashlib
import importlib.metadata
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Libraries of C that come inside of a crate: where they say which version they are.
INSIDE = [
    ("aws-lc-sys", "aws-lc", "aws-lc/include/openssl/base.h", r'AWSLC_VERSION_NUMBER_STRING "([\d.]+)"', "Apache-2.0 OR ISC", "pkg:github/aws/aws-lc@v"),
    ("libsqlite3-sys", "sqlite", "sqlite3/sqlite3.h", r'SQLITE_VERSION +"([\d.]+)"', "blessing", "pkg:generic/sqlite@"),
    ("zstd-sys", "zstd", "Cargo.toml", r'version = "[^"]*\+zstd\.([\d.]+)"', "BSD-3-Clause", "pkg:github/facebook/zstd@v"),
    ("libmimalloc-sys", "mimalloc", "c_src/mimalloc/v3/include/mimalloc.h", r"MI_MALLOC_VERSION (\d+)", "MIT", "pkg:github/microsoft/mimalloc@v"),
]
# Crates that claim the name of a library and bring none.
NOTHING_INSIDE = {"aws-lc-rs"}


def fail(why):
    sys.exit(f"deploy/sbom.py: {why}")


def said(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def compiled_in(triple):
    """Name and version of each crate that is compiled into the program."""
    lines = said(
        *"cargo tree --locked --package tidegate --edges normal,no-proc-macro --prefix none --format {p}".split(), "--target", triple
    ).splitlines()
    words = (line.split() for line in lines if line)
    return {(name, version.removeprefix("v")) for name, version, *_ in words}


def described(triple):
    """What cargo-cyclonedx says. It writes beside each manifest, so it is given a copy of what it reads."""
    with tempfile.TemporaryDirectory() as copy:
        copy = pathlib.Path(copy) / "tidegate"
        unread = shutil.ignore_patterns("target", ".git", "node_modules", "fixtures", "docs")
        shutil.copytree(".", copy, ignore=unread)
        command = f"cargo cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps --target {triple}"
        subprocess.run(command.split(), cwd=copy, check=True)
        return json.loads((copy / "tidegate.cdx.json").read_text(encoding="utf-8"))


def key(component):
    return component["name"], component["version"]


def library(name, version, licence, purl, kind="library"):
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "licenses": [{"expression": licence}], "purl": purl}


def inside_crates(present):
    """The libraries of C inside of crates, with the crate that brings each."""
    metadata = json.loads(said(*"cargo metadata --locked --format-version 1".split()))
    folders = {(package["name"], package["version"]): pathlib.Path(package["manifest_path"]).parent for package in metadata["packages"]}
    native = {package["name"] for package in metadata["packages"] if package["links"] and key(package) in present}
    unknown = native - {crate for crate, *_ in INSIDE} - NOTHING_INSIDE
    if unknown:
        fail(f"{', '.join(sorted(unknown))}: may have a library of C inside; say in INSIDE which, or that there is none")
    for crate, name, file, pattern, licence, purl in INSIDE:
        whole = next((whole for whole in present if whole[0] == crate), None) or fail(f"{crate} is not in the program; take it out of INSIDE")
        found = re.search(pattern, (folders[whole] / file).read_text(encoding="utf-8"))
        version = found.group(1) if found else fail(f"{crate}: {file} does not say which version of {name} it is")
        if name == "mimalloc":
            version = f"{int(version) // 10000}.{int(version) // 100 % 100}.{int(version) % 100}"
        yield whole, library(name, version, licence, purl + version)


def beside_crates():
    """What is in the image and comes with no crate."""
    rust = said("rustc", "--version").split()[1]
    zig = pathlib.Path(importlib.metadata.distribution("ziglang").locate_file("ziglang"))
    musl = re.search(r'"([\d.]+)"', (zig / "lib/libc/musl/src/internal/version.h").read_text(encoding="utf-8")).group(1)
    certifi = importlib.metadata.version("certifi")
    yield library("rust-std", rust, "MIT OR Apache-2.0", f"pkg:generic/rust-std@{rust}")
    yield library("musl", musl, "MIT", f"pkg:generic/musl@{musl}")
    yield library("certifi", certifi, "MPL-2.0", f"pkg:pypi/certifi@{certifi}", kind="data")


def main(triple, program):
    bom = described(triple)
    present = compiled_in(triple)
    top = bom["metadata"]["component"]
    old = {component["bom-ref"]: component for component in [top, *bom["components"]]}
    new = {ref: component["purl"].split("?")[0] for ref, component in old.items() if key(component) in present}
    lacking = present - {key(component) for component in old.values()}
    if lacking:
        fail(f"cargo-cyclonedx says nothing of {', '.join(map(' '.join, sorted(lacking)))}")

    components = [component for component in bom["components"] if key(component) in present]
    for component in components:
        component["scope"] = "required"
    depends = {new[entry["ref"]]: {new[ref] for ref in entry.get("dependsOn", []) if ref in new} for entry in bom["dependencies"] if entry["ref"] in new}
    for component in [top, *components]:
        component["bom-ref"] = component["purl"] = new[component["bom-ref"]]
    refs = {key(component): component["bom-ref"] for component in components}
    for crate, inside in inside_crates(present):
        components.append(inside)
        depends[refs[crate]].add(inside["bom-ref"])
    for beside in beside_crates():
        components.append(beside)
        depends[top["bom-ref"]].add(beside["bom-ref"])

    top["name"], top["type"] = "tidegate", "application"
    top["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()}]
    top.pop("components", None)
    for varies in "serialNumber", "timestamp":
        bom.pop(varies, None)
        bom["metadata"].pop(varies, None)
    bom["metadata"]["properties"] = [{"name": "cdx:rustc:sbom:target:triple", "value": triple}]
    bom["components"] = sorted(components, key=lambda component: component["bom-ref"])
    known = depends.keys() | {component["bom-ref"] for component in components}
    bom["dependencies"] = [{"ref": ref, "dependsOn": sorted(depends.get(ref, []))} for ref in sorted(known)]
    json.dump(bom, sys.stdout, indent=1, ensure_ascii=False, sort_keys=True)
    print()
    text = json.dumps(bom)
    print(f"  {len(components)} components", file=sys.stderr)
    if str(pathlib.Path.cwd()) in text or "path+file" in text:
        fail("a path of this machine is in it")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        fail("usage: sbom.py TRIPLE PROGRAM")
    main(*sys.argv[1:])
