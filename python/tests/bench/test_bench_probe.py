"""probe on a driver that runs nothing: it reaches every kernel, and what no kernel wrote is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from bench import stand_in

ROOT = Path(__file__).parents[3]
PROGRAM = """
import json, sys
from pathlib import Path

import torch
from bench import stand_in

stand_in.package(Path(sys.argv[1]))
from sageattention import _probe, _probe_cases

torch.empty = lambda *size, **named: torch.zeros(*size, **named)  # memory may hold an earlier, right output
_probe.synchronize = lambda device: None
cases = _probe_cases.of_device(torch.device("cpu", 0))
print(json.dumps([finding._asdict() for finding in _probe.measure(cases)]))
"""


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler here")
@pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for the driver is a Linux library")
@pytest.mark.parametrize(
    ("sm", "kernels"),
    [
        ("9.0", {"attention_fp16_masked_hd256", "attention_fp8_wgmma_hd64", "attention_fp8_hd96", "quantize_value"}),
        ("12.0", {"attention_fp8_accum_f16_hd192", "attention_fp16_accum_f16_hd128"}),
    ],
)
def test_every_kernel_is_launched_and_judged(sm: str, kernels: set[str], tmp_path: Path) -> None:
    if not (ROOT / "csrc/host").is_dir():
        pytest.skip("needs a checkout")
    stand_in.build(ROOT, sm, tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    result = subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
    found = {finding["kernel"]: finding for finding in json.loads(result.stdout)}
    assert kernels | {"mean", "quantize"} <= found.keys()
    for name, finding in found.items():
        if not name.startswith("triton"):
            assert "wrong" in finding["problem"] or "finite" in finding["problem"], finding
