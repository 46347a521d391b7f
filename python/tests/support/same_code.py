"""SMs with the code or the PTX of an older one, by csrc/kernels.toml: would they get the same themselves?"""

from __future__ import annotations

import operator
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from build_backend import compile as compile_command
from build_backend import reader, relabel
from build_backend.nvrtc import Nvrtc
from build_backend.ptxas import Ptxas, retargeted
from build_backend.sass import cubin

CSRC = Path(__file__).parents[3] / "csrc"
DEVICE = CSRC / "device"


def pairs() -> list[tuple[str, str, list[Path]]]:
    """(SM, the SM whose code it runs, the sources of that code), of each row."""
    table = reader.parse_toml((CSRC / "kernels.toml").read_text("utf-8"))
    return [(row["sm"], row["of"], list(_shared(table["source"], row))) for row in table["same"]]


def _shared(sources: list[dict[str, Any]], row: dict[str, str]) -> Iterator[Path]:
    for source in sources:
        if {row["sm"], row["of"]} <= set(source["sms"]) and not source.get("suffix"):
            yield DEVICE / source["file"]


def groups() -> list[tuple[Path, list[str]]]:
    """(source, the SMs that share its PTX, old to new), of each list."""
    table = reader.parse_toml((CSRC / "kernels.toml").read_text("utf-8"))
    return [(DEVICE / source["file"], group) for source in table["source"] for group in source.get("ptx", ())]


def other_ptx(compiler: Nvrtc, source: Path, sms: list[str]) -> list[str]:
    """Those SMs whose PTX is not that of the first with another target."""
    shared = ptx(compiler, source, sms[0])
    targets = {sm: f"sm_{compile_command.architecture(sm)}" for sm in sms[1:]}
    return [sm for sm, target in targets.items() if ptx(compiler, source, sm) != retargeted(shared, target)]


_INCLUDE = re.compile(r'^\s*#include "([^"]+)"', re.MULTILINE)
_CONDITION = re.compile(r"\bSM (==|!=|<=|>=|<|>) (\d{3,4})\b")
_OPERATORS = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt
}  # fmt: skip


def conditions(source: Path, sms: list[str]) -> set[str]:
    """What a source and its headers ask of the SM that holds for some of the SMs and not for others."""
    numbers = [10 * int(compile_command.architecture(sm)) for sm in sms]
    return {
        f"SM {sign} {number}"
        for file in _with_headers(source)
        for sign, number in _CONDITION.findall(file.read_text("utf-8"))
        if len({_OPERATORS[sign](one, int(number)) for one in numbers}) > 1
    }


def _with_headers(source: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = [source]
    while waiting:
        file = waiting.pop()
        found.add(file)
        for name in _INCLUDE.findall(file.read_text("utf-8")):
            header = next(place / name for place in (file.parent, DEVICE) if (place / name).is_file()).resolve()
            waiting += [header] if header not in found else []
    return found


def ptx(compiler: Nvrtc, source: Path, sm: str) -> bytes:
    """The PTX that the compiler makes for an SM."""
    target = f"compute_{compile_command.architecture(sm)}"
    return compile_command.compile_source(compiler, source, target, [str(DEVICE)]).ptx


def compare(compiler: Nvrtc, source: Path, sm: str, of: str) -> dict[str, bool]:
    """Kernel -> whether its machine code, the section .text of the cubin, is the same bytes for both SMs."""
    own, others = code(compiler, source, sm), code(compiler, source, of)
    return {kernel: own.get(kernel) == others.get(kernel) for kernel in sorted(own.keys() | others.keys())}


def code(compiler: Nvrtc, source: Path, sm: str) -> dict[str, bytes]:
    """Kernel -> machine code."""
    target = f"sm_{compile_command.architecture(sm)}"
    made = compile_command.compile_source(compiler, source, target, [str(DEVICE)])
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, f"any.{target}.cubin")
        path.write_bytes(made.cubin)
        return {kernel.name: kernel.code for kernel in cubin.kernels(path)}


def twins() -> list[tuple[str, str, list[Path]]]:
    """(SM, the older SM whose cubins become its own, the sources of those cubins), of each row."""
    table = reader.parse_toml((CSRC / "kernels.toml").read_text("utf-8"))
    return [(row["sm"], row["of"], list(_made_over(table["source"], row))) for row in table["twin"]]


def _made_over(sources: list[dict[str, Any]], row: dict[str, str]) -> Iterator[Path]:
    both = {row["sm"], row["of"]}
    for source in sources:
        alone = [source["sms"]] if "suffix" in source else []
        if any(both <= set(group) for group in [*source.get("ptx", ()), *alone]):
            yield DEVICE / source["file"]


def other_twin(compiler: Nvrtc, source: Path, sm: str, of: str) -> bool:
    """Whether an SM's cubin has other bytes than the older SM's becomes for it: code, attributes and notes."""
    table = reader.parse_toml((CSRC / "kernels.toml").read_text("utf-8"))
    (row,) = [row for row in table["source"] if DEVICE / row["file"] == source]
    own, others = (digits + row.get("suffix", "") for digits in map(compile_command.architecture, (sm, of)))
    oldest = next((group[0] for group in row.get("ptx", ()) if sm in group), None)
    shared = ptx(compiler, source, oldest) if oldest else b""

    def make(digits: str) -> bytes:
        target = f"sm_{digits}"
        if shared:
            return Ptxas().assemble(retargeted(shared, target), source.name, target).cubin
        return compile_command.compile_source(compiler, source, target, [str(DEVICE)]).cubin

    return relabel.relabelled(make(others), others, own) != make(own)
