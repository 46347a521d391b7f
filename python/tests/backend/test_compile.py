"""Compiling by NVRTC: the real one where it is installed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from support import fatbin as fatbin_reader

from build_backend import __main__ as command_line
from build_backend import compile as compile_command
from build_backend import compiled, fatbin, handover, nvrtc, packages
from build_backend.errors import BuildError

SOURCE = 'extern "C" __global__ void fill(int* x) { x[threadIdx.x] = %s; }\n'
SPILLING = """
extern "C" __global__ void __launch_bounds__(1024, 2) spill(float* x) {
    float v[64];
#pragma unroll
    for (int i = 0; i < 64; ++i) v[i] = x[i * 1024 + threadIdx.x];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 64; ++i) x[(63 - i) * 1024 + threadIdx.x] = v[i] * v[63 - i];
}
"""


def compile_one(directory: Path, text: str, *options: str) -> int:
    source = directory / "one.cu"
    source.write_text(text)
    return command_line.main(["compile", "--output", str(directory / "out"), *options, str(source)])


def test_cubin_and_ptx(compiler: nvrtc.Nvrtc, tmp_path: Path) -> None:
    assert compile_one(tmp_path, SOURCE % "1", "--sm", "9.0", "--ptx-sm", "9.0") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "one.compute_90.ptx",
        "one.compute_90.ptx.sha256",
        "one.sm_90.cubin",
        "one.sm_90.cubin.sha256",
    ]
    assert (tmp_path / "out" / "one.sm_90.cubin").read_bytes()[:4] == b"\x7fELF"
    assert b".target sm_90" in (tmp_path / "out" / "one.compute_90.ptx").read_bytes()


def test_no_ptx_for_another_sm(compiler: nvrtc.Nvrtc, tmp_path: Path) -> None:
    assert compile_one(tmp_path, SOURCE % "1", "--sm", "8.0", "--ptx-sm", "9.0") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"one.sm_80.cubin", "one.sm_80.cubin.sha256"}


def test_sources_side_by_side(
    compiler: nvrtc.Nvrtc, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each is reported; a mistake in one comes with its log, and with its hint."""
    names = [f"source{number}.cu" for number in range(3)]
    for number, name in enumerate(names):
        (tmp_path / name).write_text(SOURCE % number)
    command = ["compile", "--jobs", "2", "--output", str(tmp_path / "out"), *(str(tmp_path / name) for name in names)]
    assert command_line.main([*command, "--sm", "9.0"]) == 0
    assert len(list((tmp_path / "out").glob("*.cubin"))) == 3
    said = capfd.readouterr().out
    assert all(f"{name} sm_90: 1 kernels" in said for name in names)
    (tmp_path / names[1]).write_text(SOURCE % "undeclared")
    assert command_line.main([*command, "--sm", "9.0"]) == 1
    assert "source1.cu(1): error" in capfd.readouterr().err
    assert command_line.main([*command, "--sm", "4.2"]) == 1
    assert "hint: pip install" in capfd.readouterr().err


def test_same_source_gives_the_same_bytes(compiler: nvrtc.Nvrtc, tmp_path: Path) -> None:
    for name in "first", "second":
        (tmp_path / name).mkdir()
        assert compile_one(tmp_path / name, SOURCE % "1", "--sm", "9.0") == 0
    first, second = (tmp_path / name / "out" / "one.sm_90.cubin" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_errors_show_the_log(
    compiler: nvrtc.Nvrtc, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compile_one(tmp_path, SOURCE % "undeclared", "--sm", "9.0") == 1
    text = capsys.readouterr().err
    assert "one.cu(1): error" in text and "undeclared" in text
    assert not list((tmp_path / "out").iterdir())


def test_spills_fail(
    compiler: nvrtc.Nvrtc, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compile_one(tmp_path, SPILLING, "--sm", "9.0") == 1
    assert "one.cu for sm_90 spills registers: spill (" in capsys.readouterr().err
    assert compile_one(tmp_path, SPILLING, "--sm", "9.0", "--allow-spills") == 0


def test_unknown_sm_is_refused(
    compiler: nvrtc.Nvrtc, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compile_one(tmp_path, SOURCE % "1", "--sm", "4.2") == 1
    assert "cannot target SM 4.2" in capsys.readouterr().err


def test_missing_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.sys, "path", [])
    with pytest.raises(BuildError) as error:
        packages.load_library("nvrtc", "cuda_nvrtc", "nvidia-cuda-nvrtc-cu12")
    assert error.value.hint == "pip install nvidia-cuda-nvrtc-cu12"


@pytest.mark.parametrize(
    ("sm", "digits"), [("9.0", "90"), ("12.1", "121"), ("9.0a", "90a"), ("10.0f", "100f")]
)
def test_architecture(sm: str, digits: str) -> None:
    assert compile_command.architecture(sm) == digits


@pytest.mark.parametrize("sm", ["90", "9", "9.0b", "sm_90", "9.00", ""])
def test_malformed_architecture(sm: str) -> None:
    with pytest.raises(BuildError, match="malformed SM"):
        compile_command.architecture(sm)


def test_images_by_operation(tmp_path: Path) -> None:
    names = ["attention_sm80.sm_90.cubin", "attention_sm75.sm_75.cubin", "quantize.sm_90.cubin",
             "quantize.compute_90.ptx", "README"]  # fmt: skip
    for name in names:
        (tmp_path / name).write_bytes(b"")
    found = fatbin.collect([tmp_path])
    assert {operation: set(images) for operation, images in found.items()} == {
        "attention": {("cubin", "75"), ("cubin", "90")},
        "quantize": {("cubin", "90"), ("ptx", "90")},
    }


def test_two_images_of_an_operation_for_one_sm_are_refused(tmp_path: Path) -> None:
    for name in ("attention_sm80.sm_90.cubin", "attention_sm90.sm_90.cubin"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(BuildError, match="are both cubin for 90"):
        fatbin.collect([tmp_path])


def test_fatbin_holds_a_container_an_operation(compiler: nvrtc.Nvrtc, tmp_path: Path) -> None:
    try:
        fatbin.FatbinLinker()
    except BuildError as error:
        pytest.skip(f"{error}: {error.hint}")
    for name in ("attention_sm80", "quantize"):
        source = tmp_path / f"{name}.cu"
        source.write_text(SOURCE % "1")
        options = ["--sm", "9.0", "--ptx-sm", "9.0", "--output", str(tmp_path / "out")]
        assert command_line.main(["compile", *options, str(source)]) == 0
    output = tmp_path / "all.fatbin"
    assert command_line.main(["fatbin", "--output", str(output), str(tmp_path / "out")]) == 0
    data = output.read_bytes()
    assert data.startswith(b"\x50\xed\x55\xba") and data.count(b"\x50\xed\x55\xba") == 2
    for file in (tmp_path / "out").glob("*.cubin"):
        assert file.read_bytes() in data  # uncompressed (of PTX, nvFatbin drops blanks)


def test_compiled_json_has_what_went_into_the_fatbin(compiler: nvrtc.Nvrtc, tmp_path: Path) -> None:
    source = tmp_path / "quantize.cu"
    source.write_text(SOURCE % "1")
    folder, output, record = tmp_path / "out", tmp_path / "all.fatbin", tmp_path / "compiled.json"
    options = ["--sm", "9.0", "--ptx-sm", "9.0", "--output", str(folder)]
    assert command_line.main(["compile", *options, str(source)]) == 0
    pack = ["fatbin", "--output", str(output), "--compiled", str(record), str(folder)]
    assert command_line.main(pack) == 1  # nothing was checked
    cubin = (folder / "quantize.sm_90.cubin").read_bytes()
    found = {"cubin": "quantize.sm_90.cubin", "sha256": hashlib.sha256(cubin).hexdigest(), "kernels": {}}
    handover.write(folder / "quantize.sm_90.json", json.dumps(found).encode())
    assert command_line.main(pack) == 0
    images = json.loads(handover.read(record))["images"]
    names = [image.get("cubin") or image["ptx"] for image in images]
    assert names == ["quantize.compute_90.ptx", "quantize.sm_90.cubin"]
    assert images[1] == found
    ptx = [entry.payload for entry in fatbin_reader.read_file(output) if entry.kind == fatbin_reader.PTX]
    assert hashlib.sha256(compiled.plain_ptx(ptx[0].rstrip(b"\0"))).hexdigest() == images[0]["sha256"]
    handover.write(folder / "quantize.sm_90.json", json.dumps({**found, "sha256": "00"}).encode())
    with pytest.raises(BuildError, match="is of another cubin"):
        compiled.images([folder / "quantize.sm_90.cubin"])


def test_a_forged_hash_is_of_another_cubin(tmp_path: Path) -> None:
    # Cubin and hash changed alike: the record of the cubin's check, made by another step, holds the hash as well.
    cubin = tmp_path / "quantize.sm_90.cubin"
    handover.write(cubin, b"as it was compiled")
    record = {"cubin": cubin.name, "sha256": hashlib.sha256(cubin.read_bytes()).hexdigest()}
    handover.write(cubin.with_suffix(".json"), json.dumps(record).encode())
    assert json.loads(compiled.images([cubin]))["images"] == [record]
    handover.write(cubin, b"as it was changed")
    with pytest.raises(BuildError, match="is of another cubin") as refused:
        compiled.images([cubin])
    assert refused.value.hint == "sagebuild clean --all"


def test_fatbin_of_a_flipped_bit(compiler: nvrtc.Nvrtc, tmp_path: Path) -> None:
    source = tmp_path / "quantize.cu"
    source.write_text(SOURCE % "1")
    assert command_line.main(["compile", "--sm", "9.0", "--output", str(tmp_path / "out"), str(source)]) == 0
    cubin = tmp_path / "out" / "quantize.sm_90.cubin"
    data = bytearray(cubin.read_bytes())
    data[len(data) // 2] ^= 1
    cubin.write_bytes(data)
    with pytest.raises(BuildError, match="quantize.sm_90.cubin is damaged"):
        fatbin.FatbinLinker().link(fatbin.collect([tmp_path / "out"])["quantize"])
