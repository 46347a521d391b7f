"""Cubins that become those of a newer SM: the bytes that the compiler makes for it, and a record of the check."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from support import same_code
from support.same_code import DEVICE

from build_backend import __main__ as command_line
from build_backend import handover, nvrtc, ptxas, relabel
from build_backend.errors import BuildError
from build_backend.sass import cubin, disassembly

SMALL = ("pack_mask.cu", "quantize.cu", "attention_fp4_sm120.cu")
TWINS = [(sm, of, source) for sm, of, sources in same_code.twins() for source in sources if source.name in SMALL]


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    """ptxas and nvdisasm; without them, these tests are skipped."""
    try:
        ptxas.Ptxas()
        disassembly.Disassembler()
    except BuildError as error:
        pytest.skip(f"{error}: {error.hint}")


def test_each_row_has_a_small_source() -> None:
    assert [(sm, of) for sm, of, _ in TWINS] == [("8.9", "8.6"), ("8.9", "8.6"), ("12.1", "12.0")]


@pytest.mark.parametrize(("sm", "of", "source"), TWINS)
def test_the_cubin_is_what_the_compiler_makes(compiler: nvrtc.Nvrtc, sm: str, of: str, source: Path) -> None:
    if int(sm.replace(".", "")) not in compiler.supported():
        pytest.skip(f"this NVRTC cannot target SM {sm}")
    assert not same_code.other_twin(compiler, source, sm, of), f"take the row of {sm} from csrc/kernels.toml"


def test_another_code_is_seen(compiler: nvrtc.Nvrtc) -> None:
    """8.7 has other code than 8.6."""
    assert same_code.other_twin(compiler, DEVICE / "mma" / "pack_mask.cu", "8.7", "8.6")


@pytest.fixture(scope="module")
def checked(compiler: nvrtc.Nvrtc, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pack_mask for 8.6, and what the check says of it."""
    folder = tmp_path_factory.mktemp("older")
    source = str(DEVICE / "mma" / "pack_mask.cu")
    options = ["--sm", "8.6", "--include", str(DEVICE), "--output", str(folder)]
    assert command_line.main(["compile", *options, source]) == 0
    assert command_line.main(["check", "--output", str(folder), str(folder)]) == 0
    return folder / "pack_mask.sm_86.cubin"


def test_the_record_is_taken_over(checked: Path, tmp_path: Path) -> None:
    assert command_line.main(["relabel", "--sm", "8.9", "--output", str(tmp_path), str(checked)]) == 0
    made, record = tmp_path / "pack_mask.sm_89.cubin", handover.read(tmp_path / "pack_mask.sm_89.json")
    found, older = json.loads(record), json.loads(checked.with_suffix(".json").read_text())
    assert (found["cubin"], found["sha256"]) == (made.name, hashlib.sha256(handover.read(made)).hexdigest())
    assert (found["read_as"], found["kernels"]) == ("SM86", older["kernels"])
    assert cubin.kernels(made) == cubin.kernels(checked)
    assert command_line.main(["check", "--output", str(tmp_path / "again"), str(made)]) == 0
    again = json.loads((tmp_path / "again" / "pack_mask.sm_89.json").read_text())
    assert again == {key: value for key, value in found.items() if key != "read_as"}


def test_a_cubin_that_was_not_checked(checked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / checked.name
    handover.write(other, checked.read_bytes())
    assert command_line.main(["relabel", "--sm", "8.9", "--output", str(tmp_path), str(other)]) == 1
    assert "pack_mask.sm_86.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"x" + data[1:], "not a 64-bit little-endian ELF file"),
        (lambda data: data + b"more", "its parts do not lie behind each other"),
    ],
)
def test_another_file_is_refused(
    checked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: object, message: str
) -> None:
    other = tmp_path / checked.name
    assert callable(damage)
    handover.write(other, damage(checked.read_bytes()))
    assert command_line.main(["relabel", "--sm", "8.9", "--output", str(tmp_path), str(other)]) == 1
    assert f"{checked.name} cannot become a cubin for sm_89: {message}" in capsys.readouterr().err


def test_a_note_of_another_sm_is_refused() -> None:
    with pytest.raises(ValueError, match="names SM"):
        relabel.noted(bytes(30), 86, 89)
