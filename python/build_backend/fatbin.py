"""fatbin: cubins and PTX of one CUDA into one file that the driver chooses from.

The driver takes one image of a container for a device, so each operation gets a container of its own: the name of
its source up to "_sm" (attention_sm80.sm_90.cubin and attention_sm75.sm_75.cubin are one operation, quantize is
another). The file is those containers one after another, in the order of their names.
"""

from __future__ import annotations

import argparse
import ctypes
import pathlib
import re
from collections.abc import Iterable

from . import compiled, handover, packages
from .errors import BuildError

_NAME = re.compile(
    r"(?P<source>\w+)\.(?:sm_(?P<cubin>\d+[af]?)\.cubin|compute_(?P<ptx>\d+[af]?)\.ptx)"
)
_ALIGNMENT = 16

Images = dict[tuple[str, str], pathlib.Path]  # of one operation: ("cubin" or "ptx", architecture) → path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", required=True, type=pathlib.Path, help="fatbin to write")
    parser.add_argument(
        "--compiled", type=pathlib.Path, metavar="FILE", help="write what check found in the cubins too"
    )
    parser.add_argument(
        "directories", nargs="+", type=pathlib.Path, metavar="DIR", help="what compile wrote"
    )


def run(arguments: argparse.Namespace) -> None:
    """Writes the fatbin; entries are uncompressed, because the wheel's zip compresses them together."""
    images = collect(arguments.directories)
    linker = FatbinLinker()
    data = b""
    for operation in sorted(images):
        data += linker.link(images[operation])
        data += bytes(-len(data) % _ALIGNMENT)
    handover.write(arguments.output, data)
    if arguments.compiled:
        paths = (path for operation in images.values() for path in operation.values())
        handover.write(arguments.compiled, compiled.images(paths))
    print(f"{arguments.output.name}: {sum(map(len, images.values()))} images, {len(data)} bytes")


def collect(directories: Iterable[pathlib.Path]) -> dict[str, Images]:
    """The images of each operation; BuildError for two of a kind and an architecture."""
    operations: dict[str, Images] = {}
    for directory in directories:
        for path in sorted(directory.iterdir()):
            match = _NAME.fullmatch(path.name)
            if not match:
                continue
            kind = "cubin" if match["cubin"] else "ptx"
            images = operations.setdefault(match["source"].split("_sm")[0], {})
            key = (kind, match[kind])
            if key in images:
                raise BuildError(f"{path} and {images[key]} are both {kind} for {match[kind]}")
            images[key] = path
    if not operations:
        raise BuildError(
            f"no cubin in {', '.join(map(str, directories))}",
            "python3 -m build_backend compile --help",
        )
    return operations


def _order(key: tuple[str, str]) -> tuple[str, int, str]:
    """Cubins by architecture, then PTX."""
    kind, architecture = key
    return kind, int(architecture.rstrip("af")), architecture


class FatbinLinker:
    """A loaded libnvfatbin."""

    def __init__(self) -> None:
        self._library = packages.load_library("nvfatbin", "nvfatbin", "nvidia-nvfatbin-cu12")
        self._library.nvFatbinGetErrorString.restype = ctypes.c_char_p

    def link(self, images: Images) -> bytes:
        """One container with all images of an operation, as bytes."""
        handle = ctypes.c_void_p()
        options = (ctypes.c_char_p * 1)(b"-compress=false")
        self._check(
            self._library.nvFatbinCreate(ctypes.byref(handle), options, ctypes.c_size_t(1)),
            "nvFatbinCreate",
        )
        try:
            for kind, architecture in sorted(images, key=_order):
                self._add(handle, kind, architecture, images[kind, architecture])
            size = ctypes.c_size_t()
            self._check(self._library.nvFatbinSize(handle, ctypes.byref(size)), "nvFatbinSize")
            buffer = ctypes.create_string_buffer(size.value)
            self._check(self._library.nvFatbinGet(handle, buffer), "nvFatbinGet")
            return buffer.raw
        finally:
            self._library.nvFatbinDestroy(ctypes.byref(handle))

    def _add(self, handle: ctypes.c_void_p, kind: str, architecture: str, path: pathlib.Path) -> None:
        data = handover.read(path)
        name = path.name.split(".")[0].encode()
        if kind == "cubin":
            result = self._library.nvFatbinAddCubin(
                handle, data, ctypes.c_size_t(len(data)), architecture.encode(), name
            )
        else:
            result = self._library.nvFatbinAddPTX(
                handle,
                data + b"\0",
                ctypes.c_size_t(len(data) + 1),
                architecture.encode(),
                name,
                None,
            )
        self._check(result, str(path))

    def _check(self, result: int, what: str) -> None:
        if result:
            raise BuildError(f"{what}: {self._library.nvFatbinGetErrorString(result).decode()}")
