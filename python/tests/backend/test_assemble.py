"""PTX that SMs share: ptxas makes of it what NVRTC makes by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.same_code import DEVICE

from build_backend import __main__ as command_line
from build_backend import handover, nvrtc, ptxas
from build_backend.errors import BuildError
from build_backend.sass import cubin

SOURCE = DEVICE / "quantize" / "quantize_value.cu"
NAMES = ["quantize_value.sm_{}.cubin", "quantize_value.compute_{}.ptx"]


@pytest.fixture(scope="module", autouse=True)
def assembler() -> ptxas.Ptxas:
    """ptxas; without it, these tests are skipped."""
    try:
        return ptxas.Ptxas()
    except BuildError as error:
        pytest.skip(f"{error}: {error.hint}")


@pytest.fixture(scope="module")
def shared(compiler: nvrtc.Nvrtc, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PTX for 8.9."""
    folder = tmp_path_factory.mktemp("ptx")
    options = ["--sm", "8.9", "--ptx-only", "--include", str(DEVICE), "--output", str(folder)]
    assert command_line.main(["compile", *options, str(SOURCE)]) == 0
    ptx = folder / "quantize_value.compute_89.ptx"
    assert sorted(path.name for path in folder.iterdir()) == [ptx.name, f"{ptx.name}.sha256"]
    return ptx


def assemble(folder: Path, sm: str, *paths: Path) -> int:
    options = ["--sm", sm, "--ptx-sm", "9.0", "--output", str(folder)]
    return command_line.main(["assemble", *options, *map(str, paths)])


def content(path: Path) -> dict[str, bytes]:
    """A file's bytes, by sections; without the note that names the assembler: NVRTC of CUDA 13 has another there."""
    data = path.read_bytes()
    parts = cubin.sections(data) if path.suffix == ".cubin" else {"": data}
    return {name: part for name, part in parts.items() if name != ".note.nv.tkinfo"}


@pytest.mark.parametrize("sm", ["8.9", "9.0"])
def test_the_code_is_that_of_nvrtc(shared: Path, tmp_path: Path, sm: str) -> None:
    own, digits = tmp_path / "own", sm.replace(".", "")
    options = ["--sm", sm, "--ptx-sm", "9.0", "--include", str(DEVICE), "--output", str(own)]
    assert command_line.main(["compile", *options, str(SOURCE)]) == 0
    assert assemble(tmp_path / "shared", sm, shared) == 0
    names = {path.name for path in own.iterdir()}
    assert names == {path.name for path in (tmp_path / "shared").iterdir()}
    assert names >= {name.format(digits) for name in NAMES[: 2 if sm == "9.0" else 1]}
    for name in names:
        if not name.endswith(".sha256"):
            assert content(own / name) == content(tmp_path / "shared" / name), name


@pytest.mark.parametrize("sm", ["8.6", "9.0a"])
def test_no_older_sm_and_none_with_a_suffix(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], sm: str
) -> None:
    assert assemble(tmp_path, sm, shared) == 1
    assert "quantize_value.compute_89.ptx is no PTX for sm_" in capsys.readouterr().err


def test_what_is_no_ptx(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert assemble(tmp_path, "9.0", tmp_path / "quantize.ptx") == 1
    assert "want a name such as quantize.compute_80.ptx" in capsys.readouterr().err
    path = tmp_path / "broken.compute_80.ptx"
    handover.write(path, b".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry broken\n")
    assert assemble(tmp_path, "9.0", path) == 1
    assert "broken.compute_80.ptx: ptxas cannot assemble it for sm_90:" in capsys.readouterr().err
    path.write_bytes(b"else")
    assert assemble(tmp_path, "9.0", path) == 1
    assert "is damaged" in capsys.readouterr().err


def test_a_target_is_replaced_once() -> None:
    assert ptxas.retargeted(b"//\n.target sm_80\n.target sm_80\n", "sm_86") == b"//\n.target sm_86\n.target sm_80\n"
    with pytest.raises(BuildError, match="no line .target"):
        ptxas.retargeted(b".version 8.0\n", "sm_86")
