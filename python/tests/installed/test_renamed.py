"""A copy of the package under another name works beside it in one process, and without it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sageattention

BESIDE = """
import torch, sageattention, another.copied_attention as copy
from another.copied_attention import _triton, quant, sm90_compile
from torch._subclasses.fake_tensor import FakeTensorMode

with FakeTensorMode():
    q = torch.empty(1, 2, 200, 64, dtype=torch.float16, device="cuda")
    for package in (sageattention, copy):
        output, lse = package.sageattn(q, q, q, return_lse=True)
        print(package.__name__, tuple(output.shape), tuple(lse.shape))
        starts = torch.empty(2, dtype=torch.int32, device="cuda")
        packed = q.squeeze(0).transpose(0, 1)
        package.sageattn_varlen(packed, packed, packed, starts, starts, 200, 200)
    quant.per_warp_int8(q, q)
ops = torch.ops
assert ops.sageattention.forward is not ops.another_copied_attention.forward
name = "qk_int8_sv_f8_accum_f32_attn_inst_buf"
assert getattr(sm90_compile, name) is getattr(ops.another_copied_attention_sm90, name)
print(_triton.installed() == sageattention._triton.installed())
"""
ALONE = """
import sys, another.copied_attention as copy
from another.copied_attention import _triton
_triton.installed()
copy.sageattn, copy._describe.collect()
print([name for name in sys.modules if name.split(".")[0] == "sageattention"], copy.__version__)
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("renamed")
    source = Path(str(sageattention.__file__)).parent
    ignored = shutil.ignore_patterns("__pycache__")
    # Not by copy2, for which Python 3.12 calls CopyFile2 on Windows: Wine 8.0 lacks it.
    copied = folder / "another/copied_attention"
    shutil.copytree(source, copied, ignore=ignored, copy_function=shutil.copyfile)
    return folder


def run(code: str, folder: Path) -> str:
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    result = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_both_in_one_process(elsewhere: Path) -> None:
    assert run(BESIDE, elsewhere).splitlines() == [
        "sageattention (1, 2, 200, 64) (1, 2, 200)",
        "another.copied_attention (1, 2, 200, 64) (1, 2, 200)",
        "True",
    ]


def test_alone(elsewhere: Path) -> None:
    """It neither imports the package of the usual name nor takes its version for its own."""
    assert run(ALONE, elsewhere) == "[] 0+source\n"
