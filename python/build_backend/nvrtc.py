"""NVRTC through ctypes: CUDA C++ source to cubin or PTX, in this process."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple, cast

from . import packages
from .errors import BuildError


class CompileError(BuildError):
    """NVRTC refused the source; the message holds its log."""


class Compiled(NamedTuple):
    """What one run of the compiler made: machine code, the PTX that it was made from, and the log.

    cubin is empty where the target was PTX, as compute_90.
    """

    cubin: bytes
    ptx: bytes
    log: str


class Nvrtc:
    """A loaded NVRTC."""

    def __init__(self) -> None:
        self._library = packages.load_library("nvrtc", "cuda_nvrtc", "nvidia-cuda-nvrtc-cu12")
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._check(
            self._library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)), "nvrtcVersion"
        )
        self.version = (major.value, minor.value)

    def supported(self) -> list[int]:
        """Architectures this NVRTC can target, as numbers: 90 for SM 9.0."""
        count = ctypes.c_int()
        self._check(
            self._library.nvrtcGetNumSupportedArchs(ctypes.byref(count)),
            "nvrtcGetNumSupportedArchs",
        )
        numbers = (ctypes.c_int * count.value)()
        self._check(self._library.nvrtcGetSupportedArchs(numbers), "nvrtcGetSupportedArchs")
        return list(numbers)

    def compile(self, source: str, name: str, options: Sequence[str]) -> Compiled:
        """Compiles source text; options name a target such as sm_90 or compute_90. Raises CompileError."""
        program = ctypes.c_void_p()
        self._check(
            self._library.nvrtcCreateProgram(
                ctypes.byref(program), source.encode(), name.encode(), 0, None, None
            ),
            "nvrtcCreateProgram",
        )
        try:
            encoded = [option.encode() for option in options]
            result = self._library.nvrtcCompileProgram(
                program, len(encoded), (ctypes.c_char_p * len(encoded))(*encoded)
            )
            log = self._read(program, "ProgramLog").decode(errors="replace").strip("\0\n ")
            if result:
                raise CompileError(f"{name}: {self._text(result)}\n{log}")
            return Compiled(self._read(program, "CUBIN"), self._read(program, "PTX").rstrip(b"\0"), log)
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def _read(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._check(
            getattr(self._library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)), what
        )
        buffer = ctypes.create_string_buffer(size.value)
        self._check(getattr(self._library, f"nvrtcGet{what}")(program, buffer), what)
        return buffer.raw

    def _text(self, result: int) -> str:
        return cast(bytes, self._library.nvrtcGetErrorString(result)).decode()

    def _check(self, result: int, what: str) -> None:
        if result:
            raise BuildError(f"{what}: {self._text(result)}")
