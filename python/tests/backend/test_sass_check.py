"""The check of what the compiler made, on code that it made: real compilers and nvdisasm, where they are installed."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from build_backend import __main__ as command_line
from build_backend import packages
from build_backend.errors import BuildError
from build_backend.sass import cubin, disassembly, record

DATA = Path(__file__).parent / "sass"
BACKEND = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def disassembler() -> disassembly.Disassembler:
    try:
        return disassembly.Disassembler()
    except BuildError as error:
        pytest.skip(f"{error}: {error.hint}")


def toolchain(digits: str) -> str:
    """The folder with the compiler of a CUDA, which scripts/test-python.sh installs."""
    folder = Path(os.environ.get("SAGEBUILD_TOOLCHAINS", ""), f"cu{digits}")
    if not (folder / "nvidia").is_dir():
        pytest.skip(f"no compiler of CUDA {digits}: scripts/test-python.sh")
    return str(folder)


def compile_join(digits: str, directory: Path) -> Path:
    """A process of its own: one process loads one NVRTC."""
    subprocess.run(
        [sys.executable, "-m", "build_backend", "compile", "--sm=9.0", f"--output={directory}", str(DATA / "join.cu")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(BACKEND), toolchain(digits)))},
        check=True,
    )
    return directory / "join.sm_90.cubin"


@pytest.mark.parametrize("digits", ["126", "128"])
def test_the_fault_of_ptxas_is_found(
    digits: str, disassembler: disassembly.Disassembler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = compile_join(digits, tmp_path)
    assert command_line.main(["check", "--output", str(tmp_path), str(path)]) == 1
    error = capsys.readouterr().err
    assert "join.sm_90.cubin: straight: F2FP.F16.E4M3.UNPACK_B R" in error
    assert "join.sm_90.cubin: looping: F2FP.F16.E4M3.UNPACK_B R" in error
    assert "mended" not in error
    assert "hint: " in error


def test_right_code_passes_and_is_recorded(
    disassembler: disassembly.Disassembler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = compile_join("130", tmp_path)
    assert command_line.main(["check", "--output", str(tmp_path), str(tmp_path)]) == 0
    assert "sm_90 checked: 3 kernels" in capsys.readouterr().out
    written = json.loads((tmp_path / "join.sm_90.json").read_text())
    assert written["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert written["nvdisasm"].startswith("13.")
    assert sorted(written["kernels"]) == ["looping", "mended", "straight"]
    assert "unknown" not in written["kernels"]["looping"]


def test_the_record_is_the_same_each_time(disassembler: disassembly.Disassembler, tmp_path: Path) -> None:
    path = compile_join("130", tmp_path)
    for name in "first", "second":
        assert command_line.main(["check", "--output", str(tmp_path / name), str(path)]) == 0
    first, second = ((tmp_path / name / "join.sm_90.json").read_bytes() for name in ("first", "second"))
    assert first == second


@pytest.mark.parametrize(
    "name, registers",
    [
        ("straight-cu128", ["R0"]),
        ("looping-cu128", ["R16"]),
        ("mended-cu128", []),
        ("straight-cu130", []),
        ("looping-cu130", []),
    ],
)
def test_disassembly_as_it_was_captured(name: str, registers: list[str]) -> None:
    instructions = disassembly.parse((DATA / f"{name}.json").read_text())
    found = record.examine(instructions, "90")
    assert [fault.register for fault in found.faults] == registers
    assert (found.unknown, found.unclear, found.unreached, found.doubtful) == ({}, {}, 0, [])


@pytest.mark.parametrize("start", [0, 1, 60, 64, 300])
def test_a_damaged_cubin_is_an_error(start: int, tmp_path: Path) -> None:
    noise = random.Random(start).randbytes(400)
    path = tmp_path / "x.sm_90.cubin"
    path.write_bytes((b"\x7fELF\x02\x01\x01" + bytes(200))[:start] + noise)
    with pytest.raises(BuildError, match=r"x\.sm_90\.cubin is no cubin|holds no kernel"):
        cubin.kernels(path)


def test_names_tell_the_sm(tmp_path: Path) -> None:
    assert cubin.architecture(Path("a_sm80.sm_90a.cubin")) == "90a"
    with pytest.raises(BuildError, match="want a name such as"):
        cubin.architecture(Path("a.cubin"))


def test_volta_is_read_as_turing(disassembler: disassembly.Disassembler) -> None:
    assert disassembly.read_as("70") == "75"
    nop = (0x7918).to_bytes(8, "little") + (0x000FC00000000000).to_bytes(8, "little")
    [[instruction]] = disassembler.read("70", [nop])
    assert instruction == (0, "", "NOP", (), False)


def test_what_repeats_is_read_once_and_put_in_its_places(
    disassembler: disassembly.Disassembler, tmp_path: Path
) -> None:
    """Against nvdisasm's own reading of the whole: kernels twice, with their loops and branches."""
    codes = [kernel.code for kernel in cubin.kernels(compile_join("130", tmp_path))] * 2
    (tmp_path / "whole").write_bytes(b"".join(codes))
    program = packages.find(["nvidia/*/bin/nvdisasm"], "nvdisasm", "nvidia-cuda-nvdisasm")
    command = [program, "--binary", "SM90", "--emit-json", tmp_path / "whole"]
    whole = disassembly.parse(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    pieces = disassembler.read("90", codes)
    assert [instruction for piece in pieces for instruction in piece] == whole
    assert sum(one.opcode == "BRA" and int(one.operands[-1], 16) < one.address for one in whole) == 2


def test_a_part_of_an_instruction_is_an_error(disassembler: disassembly.Disassembler) -> None:
    with pytest.raises(BuildError, match="20 bytes are no whole number of instructions"):
        disassembler.read("90", [bytes(20)])


def test_noise_is_read_or_refused(disassembler: disassembly.Disassembler) -> None:
    """Whatever the bytes are: an error, or a record."""
    for seed in range(8):
        try:
            [piece] = disassembler.read("90", [random.Random(seed).randbytes(64 * 16)])
        except BuildError:
            continue
        record.examine(piece, "90")
