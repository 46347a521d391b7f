"""A new kind of attention kernels, added to a copy of the tree as docs/adding.md says, is everywhere at once."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
LIBRARY, FATBIN = "libsageattn.so", "sageattn.fatbin"
WHEEL = "sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl"

ROW = """
[[kind]]
name = "toy"
values = "16bit"
sums = "float32"
mask = false
starts = false
head_dims = [64]
launcher = "attention"
packages = ["sage2"]

[[source]]
kind = "toy"
file = "mma/attention_toy_sm80.cu"
sms = ["8.0"]
"""

SOURCE = """// Attention of head dim 64 with sixteen rows a warp.
#include "attention.cuh"
#include "family_sm80.cuh"

struct Sm80Toy : Sm80 {
    static constexpr Shape shape(int) { return {4, 16, 2, 1, 1}; }
};

ATTENTION_KERNEL(toy, 64, Sm80Toy)
"""

PREFERENCE = '    (8, 0): (("toy", "a toy, but the first choice"),),\n'


def missing() -> str:
    """What this machine lacks, or ""."""
    modules = [name for name in ("ziglang", "nvidia") if importlib.util.find_spec(name) is None]
    programs = [name for name in ("go",) if not shutil.which(name)]
    return ", ".join(modules + programs)


if missing():
    pytest.skip(f"{missing()} are not installed", allow_module_level=True)
if sys.platform != "linux":
    pytest.skip("loads a Linux library", allow_module_level=True)


def call(*command: str | Path, status: int = 0, **environment: str) -> str:
    result = subprocess.run(
        list(map(str, command)),
        check=False,
        capture_output=True,
        text=True,
        cwd="/",  # nothing of the checkout is imported
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
    )
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout


def backend(tree: Path, *arguments: str | Path) -> str:
    path = os.pathsep.join([str(tree / "python"), *filter(None, sys.path)])
    return call(sys.executable, "-m", "build_backend", *arguments, PYTHONPATH=path)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy with the new kind, generated files and bin/sagebuild, a library and fatbins."""
    copy = tmp_path_factory.mktemp("kind") / "tree"
    ignored = shutil.ignore_patterns(".git", "bin", "dist", "tests", "__pycache__", "lib")
    shutil.copytree(ROOT, copy, ignore=ignored)
    kernels, dispatch = copy / "csrc/kernels.toml", copy / "python/sageattention/_dispatch.py"
    kernels.write_text(kernels.read_text() + ROW)
    (copy / "csrc/device/mma/attention_toy_sm80.cu").write_text(SOURCE)
    text = dispatch.read_text()
    changed = re.sub(r"(?m)^(_AUTO: .*\n)", lambda match: match[1] + PREFERENCE, text)
    assert changed != text
    dispatch.write_text(changed)
    go = {"CGO_ENABLED": "0", "GOFLAGS": "-trimpath"}
    call("go", "build", "-C", copy, "-o", "bin/sagebuild", "./cmd/sagebuild", **go)
    call(copy / "bin/sagebuild", "generate", "--source", copy)
    _compile(copy)
    return copy


def _compile(copy: Path) -> None:
    device, library = copy / "csrc/device", copy / "python/sageattention/lib"
    compile_for = ("compile", "--sm", "8.0", "--include", device, "--output")
    backend(copy, *compile_for, copy / "out/quantize", device / "quantize/quantize.cu")
    backend(copy, *compile_for, copy / "out/toy", device / "mma/attention_toy_sm80.cu")
    both = copy / "out/quantize", copy / "out/toy"
    backend(copy, "fatbin", "--output", library / FATBIN, *both)
    backend(copy, "fatbin", "--output", copy / "out/without.fatbin", both[0])
    target = "x86_64-linux-gnu.2.17"
    sources = sorted((copy / "csrc/host").glob("*.c"))
    backend(copy, "host", "--target", target, "--output", library / LIBRARY, *sources)


def test_the_fatbin_holds_it(tree: Path) -> None:
    from support import fatbin

    entries = fatbin.read_file(tree / "python/sageattention/lib" / FATBIN)
    found = frozenset().union(*map(fatbin.kernels, entries))
    assert found == {"mean", "quantize", "quantize_wide", "attention_toy_hd64"}


def test_the_plan_of_a_build_names_it(tree: Path) -> None:
    text = (tree / "docker-bake.hcl").read_text()
    assert "attention_toy_hd64@8.0" in text
    assert "csrc/device/mma/attention_toy_sm80.cu" in (tree / "dockerfiles/Dockerfile").read_text()


def audited(tree: Path, fatbin: Path, output: Path) -> Any:
    """What the copy's audit finds in a wheel with this fatbin; the wheel lacks most kernels, so that it fails."""
    backend(
        tree, "wheel", "--package", tree / "python/sageattention",
        "--library", tree / "python/sageattention/lib" / LIBRARY, "--fatbin", fatbin, "--version", "2.2.0",
        "--build-tag", "280.129", "--python-tag", "cp312", "--abi-tag", "cp312", "--platform-tag", "linux_x86_64",
        "--requires", "torch==2.8.*", "--requires-python", ">=3.12,<3.13", "--output", output,
    )  # fmt: skip
    return json.loads(call(tree / "bin/sagebuild", "audit", "--json", output / WHEEL, status=4))


def test_the_audit_misses_it_where_it_is_not(tree: Path, tmp_path: Path) -> None:
    for fatbin, expected in (
        (tree / "out/without.fatbin", True),
        (tree / "python/sageattention/lib" / FATBIN, False),
    ):
        found = json.dumps(audited(tree, fatbin, tmp_path / fatbin.stem))
        assert "attention_fp16_hd64" in found
        assert ("attention_toy_hd64" in found) == expected


def test_describe_chooses_it(tree: Path) -> None:
    pytest.importorskip("torch", reason="the package needs torch")
    code = "import json, sageattention._describe as d; print(json.dumps(d.collect()))"
    found = json.loads(
        call(sys.executable, "-c", code, PYTHONPATH=str(tree / "python"), CUDA_VISIBLE_DEVICES="")
    )
    assert "choices" in found, found["problem"]
    first = found["choices"]["8.0"]["sageattn"][0]
    assert first["kernel"] == "attention_toy_hd64" and first["head_dims"] == [64]
    assert first["why"] == "a toy, but the first choice"
