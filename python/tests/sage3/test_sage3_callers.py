"""Calls as known programs write them, with fake tensors: shapes, dtypes, and no keyword swallowed."""

from __future__ import annotations

import pytest
import torch
from sage3_callers import CALLERS
from torch._subclasses.fake_tensor import FakeTensorMode


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", list(CALLERS))
def test_caller(name: str, dtype: torch.dtype, capfd: pytest.CaptureFixture[str]) -> None:
    with FakeTensorMode():
        q, k, v = (torch.empty(1, 8, rows, 128, dtype=dtype, device="cuda") for rows in (1100, 330, 330))
        out = CALLERS[name](q, k, v)
    assert (out.shape, out.dtype, out.device) == (q.shape, dtype, q.device)
    assert capfd.readouterr() == ("", "")


def test_comfyui_falls_back_on_what_is_raised() -> None:
    """It catches any exception and calls torch: dtypes that do not fit must raise, not print."""
    x = torch.zeros(1, 8, 64, 128)
    with pytest.raises(TypeError, match="float16 or all bfloat16, got torch.float32"):
        CALLERS["ComfyUI"](x, x, x)
