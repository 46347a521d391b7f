"""Writes what NVIDIA's cuobjdump says about the device code of wheels, as JSON for the tests.

    python3 cuobjdump.py CUOBJDUMP[,CUOBJDUMP...] WHEEL... > cuobjdump.json

For each file of a wheel it counts the entries of fatbins by kind, SM, version of the code and compression. New
releases of cuobjdump refuse old SMs: each wheel is read by the first one given that reads all its files.

cuobjdump for Linux finds no device code in Windows DLLs: it reads their section .nv_fatb, which objcopy of GNU
binutils copies out.
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

HEADING = re.compile(r"Fatbin (elf|ptx) code:")
VERSION = re.compile(r"code version = \[(\d+),(\d+)\]")


def entries(text):
    """Yields one line for each entry of cuobjdump's plain listing, such as "elf sm_90a 1.7 compressed"."""
    for kind, block in zip(*[iter(HEADING.split(text)[1:])] * 2):
        arch = re.search(r"arch = (\S+)", block).group(1)
        version = ".".join(VERSION.search(block).groups())
        packed = " compressed" if re.search(r"^compressed$", block, re.M) else ""
        yield f"{kind} {arch} {version}{packed}"


def dump(tool, path):
    """Runs cuobjdump, which fails on files without device code: those have no entries."""
    done = subprocess.run([tool, path], capture_output=True, text=True, check=False)
    if done.returncode != 0 and "does not contain device code" not in done.stdout + done.stderr:
        raise ValueError(f"{path}: exit code {done.returncode}: {done.stderr}")
    return collections.Counter(entries(done.stdout))


def device_code(path):
    """The file that cuobjdump reads: of a DLL its section of fatbins, None where it has none."""
    if not path.lower().endswith((".dll", ".pyd")):
        return path
    section = path + ".fatbin"
    command = ["objcopy", "--output-target=binary", "--only-section=.nv_fatb", path, section]
    subprocess.run(command, check=True)
    return section if pathlib.Path(section).stat().st_size else None


def files(tool, wheel, directory):
    """Maps each member with device code to its counted entries."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if ".so" in name or name.lower().endswith((".fatbin", ".cubin", ".dll", ".pyd")):
                path = device_code(archive.extract(name, directory))
                count = dump(tool, path) if path else None
                if count:
                    found[name] = dict(sorted(count.items()))
    return found


def record(tools, wheel):
    """Describes one wheel by the first tool that reads it."""
    for tool in tools:
        version = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
        try:
            with tempfile.TemporaryDirectory() as directory:
                found = files(tool, wheel, directory)
        except ValueError as error:
            print(error, file=sys.stderr)
            continue
        return {
            "name": wheel.name,
            "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
            "cuobjdump": re.search(r"V([\d.]+)", version).group(1),
            "files": found,
        }
    raise SystemExit(f"{wheel}: no cuobjdump reads it")


def main(tools, *wheels):
    """Prints one record for each wheel."""
    json.dump([record(tools.split(","), pathlib.Path(wheel)) for wheel in wheels], sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
