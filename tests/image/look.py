"""What tests/image/run looks at in the image of the service, and at the process in a container of it.

Usage: look.py image DIRECTORY    what deploy/image left there
       look.py process PID        the first process of a running container
"""

import hashlib
import json
import os
import pathlib
import sys
import tarfile

# Every file of the image: kind, mode, owner. A shell, or anything else that could be run, would be one more.
FILES = {
    "data": ("directory", 0o700, 65532),
    "etc": ("directory", 0o755, 0),
    "etc/ssl": ("directory", 0o755, 0),
    "etc/ssl/certs": ("directory", 0o755, 0),
    "etc/ssl/certs/ca-certificates.crt": ("file", 0o644, 0),
    "tidegate": ("file", 0o755, 0),
    "tidegate.cdx.json": ("file", 0o644, 0),
}
CONFIGURATION = {
    "User": "65532:65532",
    "Entrypoint": ["/tidegate"],
    "Cmd": ["serve"],
    "StopSignal": "SIGTERM",
    "ExposedPorts": {"8080/tcp": {}},
}
LABELS = ["title", "description", "licenses", "version"]
# What is known to be in the program and the image, and what is not: libraries of C, tests, macros, what only other members of the workspace use.
MADE_OF = ["aws-lc", "axum", "cedar-policy", "certifi", "mimalloc", "musl", "rust-std", "sqlite", "sqlx", "zstd"]
NOT_MADE_OF = ["cc", "clap_derive", "criterion", "datafusion", "insta", "proptest", "ring", "serde_derive", "syn", "tidegate-aws-tests"]
MEBIBYTES = 40


def expect(holds, otherwise):
    if not holds:
        sys.exit(f"tests/image/look.py: {otherwise}")


def look_at_image(directory):
    layout = pathlib.Path(directory) / "oci"

    def blob(descriptor):
        content = (layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
        found = "sha256:" + hashlib.sha256(content).hexdigest()
        expect(found == descriptor["digest"], f"{descriptor['digest']} is {found}")
        return content

    (described,) = json.loads((layout / "index.json").read_text())["manifests"]
    expect(described["digest"] == (pathlib.Path(directory) / "digest").read_text().strip(), "`digest` is of another image")
    manifest = json.loads(blob(described))
    image = json.loads(blob(manifest["config"]))
    configuration = image["config"]
    for name, wanted in CONFIGURATION.items():
        expect(configuration.get(name) == wanted, f"{name} is {configuration.get(name)} in place of {wanted}")
    expect("TMPDIR=/data" in configuration["Env"], f"Env is {configuration['Env']}")
    for label in LABELS:
        expect(configuration["Labels"].get(f"org.opencontainers.image.{label}"), f"there is no label {label}")

    (layer,) = manifest["layers"]
    size = layer["size"] / 2**20
    expect(size < MEBIBYTES, f"{size:.1f} MiB are to be pulled; {MEBIBYTES} are the most there should be")
    blob(layer)
    contents = {}
    with tarfile.open(layout / "blobs" / layer["digest"].replace(":", "/")) as archive:
        found = {}
        for member in archive:
            kind = "directory" if member.isdir() else "file" if member.isreg() else "other"
            found[member.name] = (kind, member.mode & 0o7777, member.uid)
            expect(member.mtime == 0 and member.gid == member.uid, f"{member.name}: time or group differ")
            contents[member.name] = archive.extractfile(member).read() if member.isreg() else b""
    expect(found == FILES, f"its files are {found}")
    authorities = contents["etc/ssl/certs/ca-certificates.crt"].count(b"BEGIN CERTIFICATE")
    expect(authorities > 100, f"only {authorities} certificate authorities")
    for path in os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo")), os.getcwd():
        expect(os.fsencode(path) not in contents["tidegate"], f"the program names a path of this machine: {path}")
    print(f"  one layer, {size:.1f} MiB to pull, {len(contents['tidegate']) / 2**20:.1f} MiB program, {authorities} authorities, no shell")

    beside = (pathlib.Path(directory) / "tidegate.cdx.json").read_bytes()
    expect(beside == contents["tidegate.cdx.json"], "the list of what it is made of differs from the one in the image")
    look_at_list(json.loads(beside), hashlib.sha256(contents["tidegate"]).hexdigest())


def look_at_list(bom, digest):
    expect((bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.5"), "it is not CycloneDX 1.5")
    top = bom["metadata"]["component"]
    expect(top["hashes"] == [{"alg": "SHA-256", "content": digest}], f"it is of another program: {top['hashes']}")
    names = {component["name"] for component in bom["components"]}
    expect(names.issuperset(MADE_OF), f"it lacks {set(MADE_OF) - names}")
    expect(names.isdisjoint(NOT_MADE_OF), f"it has {names & set(NOT_MADE_OF)}")
    refs = [component["bom-ref"] for component in [top, *bom["components"]]]
    expect(len(refs) == len(set(refs)), "two components have one name")
    expect(sorted(refs) == sorted(entry["ref"] for entry in bom["dependencies"]), "a component has no entry in `dependencies`")
    for component in bom["components"]:
        for member in "version", "licenses", "purl":
            expect(component.get(member), f"{component['name']} has no {member}")
    # Whatever is in the program is there for something that leads back to it.
    needs = {entry["ref"]: entry["dependsOn"] for entry in bom["dependencies"]}
    reached, next_ones = set(), [top["bom-ref"]]
    while next_ones:
        ref = next_ones.pop()
        if ref not in reached:
            reached.add(ref)
            next_ones.extend(needs[ref])
    expect(reached == set(refs), f"nothing needs {set(refs) - reached}")
    print(f"  made of {len(bom['components'])} components")


def look_at_process(pid):
    status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    for name in "Uid", "Gid":
        expect(status[name].split() == ["65532"] * 4, f"{name} is {status[name]}")
    for name in "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
        expect(int(status[name], 16) == 0, f"it has capabilities: {name} {status[name]}")
    expect(status["NoNewPrivs"] == "1", "it could gain privileges")

    # As the process sees it, and with its rights: where could it make a file?
    os.chdir(f"/proc/{pid}/root")
    os.setgroups([])
    os.setgid(65532)
    os.setuid(65532)
    writable = set()
    for folder, folders, _ in os.walk("."):
        if folder == ".":
            folders[:] = [name for name in folders if name not in ("proc", "sys", "dev")]
        try:
            with open(os.path.join(folder, ".look"), "x"):
                writable.add(folder)
            os.remove(os.path.join(folder, ".look"))
        except OSError:
            pass
    beside = {folder for folder in writable if folder != "./data" and not folder.startswith("./data/")}
    expect("./data" in writable, "it cannot write to its data")
    expect(not beside, f"it can write to {beside}")
    print("  user 65532, no capability, and nowhere to write but /data")


match sys.argv[1:]:
    case ["image", directory]:
        look_at_image(directory)
    case ["process", pid]:
        look_at_process(pid)
    case _:
        expect(False, "usage: look.py image DIRECTORY | look.py process PID")
