"""Which registers an instruction reads and writes: nvdisasm's own marks against ours, on kernels of this project.

nvdisasm analyses code of CUDA 13 alone. It marks less than is so in a few places, each with its reason below.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_sass_check import BACKEND, DATA, toolchain

from build_backend import packages
from build_backend.errors import BuildError
from build_backend.sass import operands, registers

DEVICE = BACKEND.parent / "csrc" / "device"
FILES = {"GPR": "R", "PRED": "P", "UGPR": "UR", "UPRED": "UP"}

# /*0080*/  @P0 LDG.E R8, desc[UR4][R2.64+0x8] ;  // | 10  :vv: |…
LINE = re.compile(r"\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?(U?P\w+)\s+)?([A-Z][\w.]*)\s*(.*?)\s*;\s*// \|(.*)$")


def marks(listing: str) -> Iterator[tuple[str, tuple[str, ...], int, int, int]]:
    """Opcode, operands, the registers that nvdisasm marks as read and as written, and the guard: marked as read."""
    titles: list[str] = []
    columns: list[int] = []
    for line in listing.splitlines():
        if " GPR " in line:
            titles, columns = re.findall(r"[A-Z]+", line[line.index("// |") :]), []
        elif titles and not columns and "#" in line:
            columns = [cell.index("#") + 2 for cell in line.split("// |")[1].split("|") if "#" in cell]
        elif match := LINE.match(line):
            reads = writes = 0
            for title, column, cell in zip(titles, columns, match[4].split("|")):
                for number, mark in enumerate(cell[column:]):
                    reads |= registers.group(FILES[title], number) if mark in "vx" else 0
                    writes |= registers.group(FILES[title], number) if mark in "^x" else 0
            names = tuple(text.strip() for text in match[3].replace(" `(", ", `(").split(",")) if match[3] else ()
            guard = registers.predicate(match[1] or "")
            yield match[2], names, reads, writes, guard[0] if guard else 0


def excused(opcode: str, names: tuple[str, ...]) -> int:
    """Registers that are not compared."""
    base = opcode.split(".")[0]
    if any(operands._kept(opcode, index, names) for index in range(len(names))):
        return operands.registers_of(names[0], opcode)
    if ".E" in opcode and not any("desc[" in name for name in names):
        return registers.group("UR", 0, 256)  # before SM 9.0, the descriptor is marked and not printed
    if base == "CALL":
        return registers.EVERY  # all that a function may use, by the calling convention
    if base == "QGMMA":
        return unused_descriptor(names)
    if base in ("P2R", "R2P", "LDGSTS", "BREAK", "USETMAXREG"):
        return registers.PREDICATES  # P2R's and R2P's are not marked; of the others, those read are marked as written
    return 0


def unused_descriptor(names: tuple[str, ...]) -> int:
    """Where fragment A is in registers, the lower half of gdesc[UR24], A's, is marked and has no meaning.

    Compilers leave it without a value: UMOV UR26 and UR27, then QGMMA R24, R60, gdesc[UR24], R24.
    """
    first = int(next(name for name in names if name.startswith("gdesc["))[8:-1])
    assert names[1].startswith("R")
    return registers.group("UR", first, 2)


def test_a_product_of_registers_reads_the_second_descriptor_alone() -> None:
    from_registers = operands.access("QGMMA.64x72x32.F32.E4M3.E4M3", ("R24", "R60", "gdesc[UR24]", "R24"))
    assert [*registers.names(from_registers.reads)][-2:] == ["UR26", "UR27"]
    from_shared = operands.access("IGMMA.64x128x32.S8.S8", ("R24", "gdesc[UR8]", "R24"))
    assert [*registers.names(from_shared.reads)][-4:] == ["UR8", "UR9", "UR10", "UR11"]


@pytest.mark.parametrize(
    "source, sm",
    [
        (DEVICE / "quantize" / "quantize_value.cu", "8.9"),
        (DEVICE / "quantize" / "quantize_value.cu", "9.0"),
        (DEVICE / "quantize" / "quantize_value.cu", "12.0"),
        (DEVICE / "quantize" / "quantize.cu", "10.0"),
        (DEVICE / "mma" / "attention_fp16_masked_sm80.cu", "12.0"),
        (DEVICE / "wgmma" / "attention_fp8_wgmma_sm90.cu", "9.0a"),
        (DEVICE / "fp4" / "attention_fp4_sm120.cu", "12.0a"),
        (DATA / "operands.cu", "7.5"),
        (DATA / "operands.cu", "8.0"),
        (DATA / "operands.cu", "12.0"),
    ],
    ids=lambda value: str(getattr(value, "stem", value)),
)
def test_sizes_are_nvdisasms(source: Path, sm: str, tmp_path: Path) -> None:
    try:
        program = packages.find(["nvidia/*/bin/nvdisasm"], "nvdisasm", "nvidia-cuda-nvdisasm")
    except BuildError as error:
        pytest.skip(f"{error}: {error.hint}")
    options = [f"--sm={sm}", f"--include={DEVICE}", f"--output={tmp_path}"]
    command = [sys.executable, "-m", "build_backend", "compile", *options, str(source)]
    subprocess.run(command, env={"PYTHONPATH": f"{BACKEND}:{toolchain('130')}"}, check=True)
    [path] = tmp_path.glob("*.cubin")
    command = [str(program), "--print-code", "--life-range-mode=narrow", str(path)]
    listing = subprocess.run(command, capture_output=True, check=True).stdout.decode(errors="replace")
    compared = 0
    wrong: dict[str, object] = {}
    for opcode, names, reads, writes, guard in marks(listing):
        found = operands.access(opcode, names)
        reads &= found.reads | ~guard  # the check reads guards by itself
        compared += 1
        if ((found.reads ^ reads) | (found.writes ^ writes)) & ~excused(opcode, names):
            wrong[opcode] = names, *(list(registers.names(each)) for each in (found.reads, reads, found.writes, writes))
        if not operands.known(opcode):
            wrong.setdefault(opcode, "not known")
    assert compared > 100
    assert not wrong
