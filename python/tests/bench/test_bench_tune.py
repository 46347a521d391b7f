"""tune on a driver that runs nothing: every way is queued, and kernels that compute nothing are not chosen."""

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
import json, sys, time
from pathlib import Path

import torch
from bench import stand_in

stand_in.package(Path(sys.argv[1]))
from sageattention import _probe, _triton, _tune, _tune_gpu
from sageattention._table import MASKS, Shape

def samples(call, count, number, before=0):
    begin = time.perf_counter()
    call()
    return [(time.perf_counter() - begin) * 1e6] * number

_probe.synchronize = lambda device: None
_tune_gpu._samples = samples
_triton.why_not = lambda *request: "no GPU here"
torch.is_autocast_enabled = lambda *device: False
gpu = _tune_gpu.Gpu(torch.device("cpu", 0))
variants = [(False, "", False), (True, "", False), *((False, mask, False) for mask in MASKS[1:]), (False, "", True)]
shapes = [Shape(64, *flags, 48, 48, 64, group) for flags in variants for group in (1, 4)]
honest = _tune.measure(shapes, gpu.source())
wrong = [*gpu.wrong]
gpu._wrong.clear()
trusting = _tune.measure(shapes, gpu.source())
found = [{"variant": cell.shape.variant, "times": cell.times} for cell in trusting.cells]
print(json.dumps({"honest": len(honest.cells), "wrong": wrong, "cells": found}))
"""


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler here")
@pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for the driver is a Linux library")
def test_kernels_that_compute_nothing_are_not_chosen(tmp_path: Path) -> None:
    if not (ROOT / "csrc/host").is_dir():
        pytest.skip("needs a checkout")
    stand_in.build(ROOT, "9.0", tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    result = subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
    found = json.loads(result.stdout)
    assert found["honest"] == 0
    assert any(line.startswith("attention_fp8_wgmma_hd64 is not chosen: ") for line in found["wrong"])
    assert not any(line.startswith("torch is not chosen") for line in found["wrong"]), "torch's attention is right here"
    times = {cell["variant"]: cell["times"] for cell in found["cells"]}
    assert {"fp16", "fp8_wgmma", "torch"} <= times["plain"].keys() & times["causal"].keys()
    for mask in ("key padding", "mask of pairs"):
        assert {"fp16_masked", "fp8_wgmma_masked", "torch"} <= times[mask].keys()
    assert {"fp16_biased", "fp8_wgmma_biased", "torch"} <= times["bias"].keys()
    assert "fp16" in times["sequences behind each other"]
    assert times["groups of 4"].keys() == times["plain"].keys()
    for variant in ("causal", "key padding", "sequences behind each other"):
        assert times[f"{variant}, groups of 4"].keys() == times[variant].keys()
