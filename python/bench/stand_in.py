"""The whole Python path of this package without a GPU: the real C library, a CUDA driver that runs nothing, and CPU
tensors that say they are on a GPU.

Nothing is computed: outputs keep whatever their memory held.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import re
import struct
import subprocess
from pathlib import Path
from typing import Any

import torch

_CHECKOUT = Path(__file__).parents[2]
_DRIVER = _CHECKOUT / "csrc" / "tests" / "host" / "fake_driver.c"
_DEVICE = torch.device("cpu", 0)
_SPECIFIC = 0x100000  # flag of an image for sm_90a and the like
_LINUX = 0x11


def build(tree: Path, sm: str, folder: Path) -> None:
    """Compiles the C library of a source tree, and a driver with one device of an SM such as "8.9", into folder.

    Raises subprocess.CalledProcessError if the C compiler (CC, or cc) fails.
    """
    sources = sorted(str(path) for path in (tree / "csrc" / "host").glob("*.c"))
    _compile(folder / "libsageattn.so", "-std=c11", "-fvisibility=hidden", *sources)
    name = "libcuda.so.1"
    options = ("-w", "-DQUIET", f"-DFAKE_SM={sm.replace('.', '')}", f"-Wl,-soname,{name}")
    _compile(folder / name, *options, str(_DRIVER))
    (folder / "sageattn.fatbin").write_bytes(_fatbin(tree / "csrc" / "kernels.toml"))


def _compile(output: Path, *arguments: str) -> None:
    compiler = os.environ.get("CC", "cc")
    libraries = ("-ldl", "-lpthread", "-lm")
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(output), *arguments, *libraries]
    subprocess.run(command, check=True)


def _fatbin(kernels: Path) -> bytes:
    """Empty images under the names and for the SMs of csrc/kernels.toml, a container for each operation."""
    containers: dict[str, bytes] = {}
    text = kernels.read_text("utf-8")
    for entry in text.split("[[source]]")[1:]:
        file = re.search(r'^file = "(.*)\.cu"', entry, re.MULTILINE)
        sms = re.search(r"^sms = \[(.*)\]", entry, re.MULTILINE)
        assert file and sms, entry
        stem = file[1].rsplit("/", 1)[-1]
        flags = _LINUX | (_SPECIFIC if 'suffix = "a"' in entry else 0)
        for sm in re.findall(r'"(\d+)\.(\d)"', sms[1]):
            image = _image(stem.encode(), int(sm[0]) * 10 + int(sm[1]), flags)
            operation = stem.split("_sm")[0]
            containers[operation] = containers.get(operation, b"") + image
    return b"".join(struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body for body in containers.values())


def _image(name: bytes, sm: int, flags: int) -> bytes:
    head = struct.pack("<HHIQIIIIIIQ", 2, 0x101, 128, 8, 0, 0, 0, sm, 64, len(name), flags)
    return (head.ljust(64, b"\0") + name).ljust(128, b"\0") + bytes(8)


def package(folder: Path) -> Any:
    """Imports sageattention on the library, driver and fatbin of a folder that build filled.

    From then on every tensor of this process says that it is on a GPU.
    """
    driver = ctypes.CDLL(str(folder / "libcuda.so.1"), mode=ctypes.RTLD_GLOBAL)
    assert driver.cuInit(0) == 0
    os.environ["SAGEATTN_FATBIN"] = str(folder / "sageattn.fatbin")
    _register_for_cpu()
    found = importlib.import_module("sageattention")
    library = importlib.import_module("sageattention._library")
    _replace(library, library_path=lambda: folder / "libsageattn.so")
    _claim_gpu()
    return found


def _register_for_cpu() -> None:
    """What the package registers for CUDA tensors serves those of the CPU."""
    register: Any = torch.library.Library.impl

    def impl(self: Any, name: Any, function: Any, key: str = "", **named: Any) -> Any:
        return register(self, name, function, "CPU" if key == "CUDA" else key, **named)

    _replace(torch.library.Library, impl=impl)


def _claim_gpu() -> None:
    address = torch.Tensor.data_ptr
    _replace(
        torch.Tensor,
        # The CUDA allocator's blocks begin at multiples of 512 bytes.
        data_ptr=lambda self: address(self) + 511 & -512,
        is_cuda=property(lambda self: True),
        device=property(lambda self: _DEVICE),
    )
    _replace(torch._C, _cuda_getCurrentRawStream=lambda index: 0)


def _replace(place: Any, **attributes: Any) -> None:
    for name, value in attributes.items():
        setattr(place, name, value)
