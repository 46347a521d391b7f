#!/usr/bin/env python3
"""Check what `sagebuild export --format hf-kernels` wrote with the programs that take it: kernels, kernel-abi-check.

    scripts/check-kernel.py DIR          exit status 1 and a line for each thing that is wrong

Needs lock/kernels.txt installed, and no torch. Where torch is installed, the directory is loaded as well, and a call
runs with fake tensors.
"""

from __future__ import annotations

import importlib.util
import itertools
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kernel_abi_check import BinaryFormat, ObjectFile
from kernels import variants
from kernels._rust import Digest, DigestAlgorithm, DigestValidationError, Metadata
from kernels.archs import _supports_cuda_capability
from kernels.backends import CUDA
from packaging.version import Version

# What the package supports: python/pyproject.toml, matrix/default.hcl.
TORCHES = ("2.4", "2.8", "2.15")
CUDAS = ("12.1", "12.9", "13.2")
LIBRARIES = {
    ("x86_64", "linux"): "libsageattn.so",
    ("aarch64", "linux"): "libsageattn.so",
    ("x86_64", "windows"): "sageattn.dll",
}
CAPABILITIES = ((7, 0), (7, 5), (8, 0), (8, 6), (8, 7), (8, 9), (9, 0), (10, 0), (10, 3), (12, 0), (12, 1))
OLDEST_PYTHON, GLIBC = "3.9", "manylinux_2_17"


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    build = Path(sys.argv[1], "build")
    folder = build / "torch-cuda"
    findings = [*metadata(folder), *digest(folder), *systems(build), *libraries(folder)]
    if importlib.util.find_spec("torch"):
        findings += load(Path(sys.argv[1]))
    print(*findings or [f"{sys.argv[1]}: as kernels and kernel-abi-check want it"], sep="\n")
    return 1 if findings else 0


def metadata(folder: Path) -> Iterator[str]:
    """What kernels reads before all else."""
    found = Metadata.read_from_file(folder / "metadata.json")
    if not found.id.isidentifier():
        yield f"metadata.json: {found.id} cannot be a module's name"
    if found.name.python_name != "sage_attention":
        yield f"metadata.json: the name is {found.name}"
    for capability in CAPABILITIES:
        if not _supports_cuda_capability(found.backend.archs or [], capability):
            yield f"metadata.json: kernels would refuse a GPU of SM {capability[0]}.{capability[1]}"


def digest(folder: Path) -> Iterator[str]:
    """kernels finds the directory whole, and finds it not so with one bit turned over."""
    expected = Metadata.read_from_file(folder / "metadata.json").digest
    if expected is None:
        yield "metadata.json: there is no digest"
        return
    try:
        expected.validate(Digest.hash_variant(DigestAlgorithm.SHA256, folder))
    except DigestValidationError as error:
        yield from (f"digest: {violation}" for violation in error.violations)
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(shutil.copytree(folder, Path(temporary, "copy")))
        data = bytearray((copy / "core.py").read_bytes())
        data[0] ^= 1
        (copy / "core.py").write_bytes(data)
        try:
            expected.validate(Digest.hash_variant(DigestAlgorithm.SHA256, copy))
        except DigestValidationError:
            return
    yield "digest: a changed core.py was not noticed"


def systems(build: Path) -> Iterator[str]:
    """kernels takes this build on every system that the package supports."""
    there = variants.get_variants_local(build)
    for torch, cuda, (cpu, system) in itertools.product(TORCHES, CUDAS, LIBRARIES):
        accepted, _ = variants._resolve_variant_for_system(
            there, CUDA(version=Version(cuda)), cpu, system, Version(torch), system == "linux" or None, None
        )
        if [variant.variant_str for variant in accepted] != ["torch-cuda"]:
            yield f"torch {torch}, CUDA {cuda} on {cpu} {system}: kernels takes {accepted} of {there}"


def libraries(folder: Path) -> Iterator[str]:
    """The libraries ask for an old glibc, and for no Python."""
    for (cpu, system), name in LIBRARIES.items():
        path = folder / "lib" / f"{cpu}-{system}" / name
        if not path.is_file():
            yield f"{path} is missing"
            continue
        library = ObjectFile(path)
        wrong = [*library.check_python_abi(OLDEST_PYTHON)]
        if library.format() == BinaryFormat.ELF:
            wrong += library.check_manylinux(GLIBC)
        yield from (f"{path}: {one}" for one in wrong)


def load(directory: Path) -> Iterator[str]:
    """kernels imports the package and its operators here."""
    import torch
    from kernels import get_local_kernel
    from torch._subclasses.fake_tensor import FakeTensorMode

    if (platform.machine(), platform.system().lower()) not in LIBRARIES:
        return
    kernel = get_local_kernel(directory)
    with FakeTensorMode():
        q = torch.empty(2, 4, 100, 64, dtype=torch.float16, device="cuda")
        output = kernel.sageattn(q, q, q)
    if output.shape != q.shape or not kernel._kernels.images():
        yield f"{directory}: a call gave {output.shape}, the images are {kernel._kernels.images()}"
    print(f"loaded {kernel.__name__}, version {kernel.__version__}, on torch {torch.__version__}")


if __name__ == "__main__":
    sys.exit(main())
