"""probe: every kernel that this GPU can run is launched, and is right."""

from __future__ import annotations

import pytest
import torch
from support import gpu, kinds

import sageattention
from sageattention import _probe, _probe_cases
from sageattention._kinds import KINDS

gpu.require()


def test_every_kernel_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert sageattention.probe(), capsys.readouterr().out


def test_no_kernel_is_left_out() -> None:
    here = torch.device("cuda", torch.cuda.current_device())
    found = {finding.kernel: finding for finding in _probe.measure(_probe_cases.of_device(here))}
    for kind in KINDS.values():
        for head_dim in kind.head_dims:
            if kinds.available(kind.name, head_dim):
                assert found[kind.kernel(head_dim)].microseconds
