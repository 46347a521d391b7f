"""Products with scales are compiled for the instructions of SM 12.0a and 12.1a, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from build_backend import __main__ as command_line
from build_backend import compile as compile_command
from build_backend import nvrtc, resources
from build_backend.errors import BuildError
from build_backend.sass import disassembly

DEVICE = Path(__file__).parents[3] / "csrc" / "device"
SOURCES = [DEVICE / "fp4" / name for name in ("attention_fp4_sm120.cu", "quantize_fp4_sm120.cu")]
SCALED = DEVICE / "mma" / "attention_fp8_scaled_sm120.cu"
PRODUCT = "OMMA.SF.16864.F32.E2M1.E2M1.UE4M3.4X"


@pytest.mark.parametrize("source", [*SOURCES, SCALED], ids=lambda path: path.stem)
@pytest.mark.parametrize("target", ["sm_90", "sm_100a", "sm_120"])
def test_no_other_target_is_compiled(compiler: nvrtc.Nvrtc, source: Path, target: str) -> None:
    """A wheel could otherwise hold the emulated form, which is for tests."""
    with pytest.raises(BuildError, match="needs? sm_120a or sm_121a"):
        compile_command.compile_source(compiler, source, target, [str(DEVICE)])


@pytest.mark.parametrize("target", ["sm_120a", "sm_121a"])
@pytest.mark.parametrize("source", [SOURCES[0], SCALED], ids=lambda path: path.stem)
def test_no_emulated_form_for_a_wheel(compiler: nvrtc.Nvrtc, source: Path, target: str) -> None:
    """A wheel's targets are these alone (csrc/kernels.toml): with the macro of the tests, they do not compile."""
    macro = "SAGEATTN_EMULATE_FP4" if source in SOURCES else "SAGEATTN_EMULATE_FP8_SCALED"
    with pytest.raises(BuildError, match=f"{macro} is for tests on other GPUs"):
        compile_command.compile_source(compiler, source, target, [str(DEVICE)], [macro])


@pytest.mark.parametrize("target", ["sm_120a", "sm_121a"])
def test_attention_multiplies_in_fp4_without_spills(compiler: nvrtc.Nvrtc, target: str, tmp_path: Path) -> None:
    made = compile_command.compile_source(compiler, SOURCES[0], target, [str(DEVICE)])
    kernels = resources.read(made.log)
    assert kernels.keys() == {"attention_fp4_hd64", "attention_fp4_hd128"}
    assert all(kernel["spill_bytes"] == 0 for kernel in kernels.values())
    try:
        disassembly.Disassembler()
    except BuildError as error:
        pytest.skip(f"{error}: {error.hint}")
    path = tmp_path / f"attention.{target}.cubin"
    path.write_bytes(made.cubin)
    assert command_line.main(["check", f"--output={tmp_path}", str(path)]) == 0
    document = json.loads((tmp_path / f"attention.{target}.json").read_text())
    products = {name: kernel["tensor"] for name, kernel in document["kernels"].items()}
    # 64 keys: the product with queries, that with values, and the sums of the probabilities.
    assert products == {"attention_fp4_hd64": {PRODUCT: 8 + 8 + 1}, "attention_fp4_hd128": {PRODUCT: 16 + 16 + 1}}
    # Calls of the driver would be unclear, and bulk copies around them doubtful.
    wrong = {"unknown", "spill_loads", "unclear", "doubtful"}
    assert not any(wrong & kernel.keys() for kernel in document["kernels"].values())
