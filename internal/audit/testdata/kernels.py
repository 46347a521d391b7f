"""Compares the kernels that an audit lists with what NVIDIA's cuobjdump prints, and writes a digest for the tests.

    python3 kernels.py SAGEBUILD CUOBJDUMP[,CUOBJDUMP...] WHEEL... > kernels.json

Each kernel's name, registers, stack and shared memory must be among what --dump-resource-usage prints for its file
and SM, as often as the audit lists it. cuobjdump lists device functions as well; those are left over.
"""

import collections
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

from cuobjdump import device_code


def usage(tools, path):
    """Counts (name, registers, stack, shared) by SM, as the first tool that reads the file prints them."""
    for tool in tools:
        done = subprocess.run([tool, "--dump-resource-usage", path], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return parse(done.stdout)
    raise SystemExit(f"{path}: no cuobjdump reads it")


def parse(text):
    """Reads lines such as "arch = sm_90a", " Function NAME:" and "  REG:16 STACK:0 SHARED:0 …"."""
    found, arch, name = collections.defaultdict(collections.Counter), None, None
    for line in text.splitlines():
        if match := re.match(r"arch = sm_(\S+)", line):
            arch = match[1]
        elif match := re.match(r" Function (.*):$", line):
            name = match[1]
        elif match := re.match(r"  REG:(\d+) STACK:(\d+) SHARED:(\d+)", line):
            found[arch][(name, *map(int, match.groups()))] += 1
    return found


def groups(sagebuild, wheel):
    """Yields file, SM and counted kernels of an audit."""
    command = [sagebuild, "audit", "--json", "--kernels", wheel]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for group in json.loads(done.stdout)["wheels"][0]["kernels"]:
        kernels = group.get("kernels", [])
        yield group["member"], group["arch"].replace(".", ""), collections.Counter(
            (k["name"], k.get("registers", 0), k.get("stack", 0), k.get("shared", 0)) for k in kernels
        )


def record(sagebuild, tools, wheel):
    """Describes one wheel; a kernel that cuobjdump does not confirm ends the program."""
    lines, known = [], {}
    with tempfile.TemporaryDirectory() as directory, zipfile.ZipFile(wheel) as archive:
        for member, arch, kernels in groups(sagebuild, wheel):
            if member not in known:
                known[member] = usage(tools, device_code(archive.extract(member, directory)))
            if wrong := kernels - known[member][arch]:
                raise SystemExit(f"{wheel}: {member}: {arch}: {list(wrong)[:3]}")
            lines += [f"{member} {arch} {' '.join(map(str, kernel))}\n" for kernel in kernels.elements()]
    digest = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    return {"name": wheel.name, "kernels": len(lines), "sha256": digest}


def main(sagebuild, tools, *wheels):
    """Prints one record for each wheel."""
    json.dump([record(sagebuild, tools.split(","), pathlib.Path(wheel)) for wheel in wheels], sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
