"""The fatbin, cubin and kernels.toml readers, on images made here."""

from __future__ import annotations

import re
import struct

import pytest
from support import elf, fatbin

KERNELS = frozenset({"mean", "attention_hd64"})


def cubin(sm: str, names: frozenset[str] = KERNELS, abi: int = 7, machine: int = 190) -> bytes:
    """The smallest ELF with a symbol table: header, strings, symbols, three sections."""
    number = int(sm.replace(".", ""))
    strings, symbols = b"\0", struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0)
    for name in sorted(names):
        symbols += struct.pack("<IBBHQQ", len(strings), 0x12, 0x10, 1, 0, 0)
        strings += name.encode() + b"\0"
    symbols += struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0, 0)  # a device function, no kernel
    at = [64, 64 + len(strings)]
    sections = struct.pack("<IIQQQQIIQQ", *[0] * 10)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, at[0], len(strings), 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, at[1], len(symbols), 1, 0, 8, 24)
    flags = number << 8 if abi >= 8 else number
    ident = b"\x7fELF\x02\x01\x01\x33" + bytes([abi]) + bytes(7)
    header = struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, 0, 0, at[1] + len(symbols), flags, 64, 0, 0, 64, 3, 0
    )
    return ident + header + strings + symbols + sections


def entry(kind: int, sm: str, payload: bytes, flags: int = 0) -> bytes:
    payload += bytes(-len(payload) % 8)
    number = int(sm.replace(".", ""))
    head = struct.pack(
        "<HHIQIIIIQQQQ", kind, 257, 72, len(payload), 0, 64, 8, number, 64, flags, 0, 0
    )
    return head + bytes(72 - len(head)) + payload


def ptx(sm: str, names: frozenset[str] = KERNELS) -> bytes:
    text = "".join(f".visible .entry {name}(.param .u64 p)\n{{ ret; }}\n" for name in sorted(names))
    return entry(fatbin.PTX, sm, text.encode() + b"\0")


def images() -> list[bytes]:
    return [
        entry(fatbin.CUBIN, "9.0", cubin("9.0")),
        entry(fatbin.CUBIN, "12.1", cubin("12.1", abi=8)),
        ptx("12.1"),
    ]


PLAN = {"9.0": KERNELS, "12.1": KERNELS}


def test_a_whole_fatbin_has_no_findings() -> None:
    assert fatbin.findings(fatbin.build(images()), PLAN, "12.1") == []


def test_ptx_holds_no_kernel_that_runs_on_one_sm_alone() -> None:
    own = entry(fatbin.CUBIN, "12.1", cubin("12.1", frozenset({"own"}), abi=8), flags=0x100000)
    plan = {**PLAN, "12.1": KERNELS | {"own"}}
    assert fatbin.findings(fatbin.build([*images(), own]), plan, "12.1") == []
    with_own = [*images()[:2], own, ptx("12.1", KERNELS | {"own"})]
    assert fatbin.findings(fatbin.build(with_own), plan, "12.1") == [
        "the PTX for SM 12.1 has unplanned own"
    ]


def test_several_padded_containers_are_read() -> None:
    first, second, third = images()
    for padding in (0, 8, 12):
        data = (
            fatbin.build([first]) + bytes(padding) + fatbin.build([second, third]) + bytes(padding)
        )
        assert len(fatbin.read(data)) == 3
    with pytest.raises(fatbin.FatbinError, match="no fatbin at offset"):
        fatbin.read(fatbin.build([first]) + b"?" + fatbin.build([second]))


def test_kernels_of_one_sm_may_lie_in_several_cubins() -> None:
    parts = [entry(fatbin.CUBIN, "9.0", cubin("9.0", frozenset({name}))) for name in KERNELS]
    assert fatbin.findings(fatbin.build(parts), {"9.0": KERNELS}, "") == []


@pytest.mark.parametrize(
    ("damaged", "text"),
    [
        (images()[1:], "no cubin for SM 9.0"),
        (images()[:2], "no PTX for SM 12.1"),
        ([*images(), entry(2, "8.0", cubin("8.0"))], "unplanned cubin for SM 8.0"),
        (
            [entry(2, "9.0", cubin("9.0", frozenset({"mean"}))), *images()[1:]],
            "lacks attention_hd64",
        ),
        ([entry(2, "9.0", cubin("9.0", KERNELS | {"more"})), *images()[1:]], "has unplanned more"),
        ([entry(2, "9.0", cubin("8.6")), *images()[1:]], "the cubin for SM 9.0 says SM 8.6"),
        ([images()[0], *images()], "SM 9.0 has .* twice"),
        ([*images()[:2], ptx("12.1", frozenset({"mean"}))], "the PTX for SM 12.1 lacks"),
        ([entry(2, "9.0", cubin("9.0", machine=62)), *images()[1:]], "ELF machine is 62"),
        (
            [entry(2, "9.0", cubin("9.0"), flags=0x2000), *images()[1:]],
            "compressed entry for SM 90",
        ),
        ([entry(8, "9.0", b"LTO"), *images()[1:]], "entry of kind 0x8"),
    ],
)
def test_damage_is_found(damaged: list[bytes], text: str) -> None:
    found = fatbin.findings(fatbin.build(damaged), PLAN, "12.1")
    assert any(re.search(text, finding) for finding in found), found


@pytest.mark.parametrize("data", [b"", bytes(16), b"not a fatbin at all"])
def test_what_is_no_fatbin_is_found(data: bytes) -> None:
    assert len(fatbin.findings(data, PLAN, "12.1")) == 1


def test_truncation_is_found_at_every_length() -> None:
    data = fatbin.build(images())
    for length in range(0, len(data), 7):
        assert fatbin.findings(data[:length], PLAN, "12.1") != [], length


def test_truncated_elf_is_an_error() -> None:
    data = cubin("9.0")
    for length in (0, 6, 30, 63, len(data) - 1):
        with pytest.raises(elf.ElfError):
            elf.read(data[:length])


def test_sm_in_elf_flags() -> None:
    assert elf.sm_of_flags(7, 0x5A0500 | 86) == "8.6"
    assert elf.sm_of_flags(8, 0x6000000 | 121 << 8 | 4) == "12.1"
