"""What torch serves is attention: masks, causal bottom right, groups, both layouts, LSE, rows that see nothing."""

from __future__ import annotations

import math

import pytest
import torch

from sageattn3 import _fp4, _torch
from sageattn3._operator import Forward


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def expected(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, causal: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    group = q.shape[1] // k.shape[1]
    q, k, v = q.double(), k.double().repeat_interleave(group, 1), v.double().repeat_interleave(group, 1)
    scores = q @ k.transpose(2, 3) * 0.3
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    if causal:
        rows, keys = scores.shape[2:]
        order = torch.arange(keys) <= torch.arange(rows)[:, None] + keys - rows
        scores = scores.masked_fill(~order, -math.inf)
    lse = scores.logsumexp(-1)
    return (torch.softmax(scores, -1).nan_to_num(0.0) @ v), lse


MASKS = {
    "none": None,
    "keys": torch.rand(2, 1, 1, 9, generator=torch.Generator().manual_seed(5)) < 0.7,
    "rows": torch.rand(12, 9, generator=torch.Generator().manual_seed(6)) < 0.5,
    "one hidden row": torch.arange(12)[:, None].expand(12, 9) != 3,
    "float": random(1, 4, 12, 9, seed=7),
    "float keys": random(9, seed=8),
    "one number": torch.tensor(0.5),
}


@pytest.mark.parametrize("nhd", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", list(MASKS))
def test_attention(name: str, causal: bool, nhd: bool) -> None:
    q, k, v = random(2, 4, 12, 16), random(2, 2, 9, 16, seed=1), random(2, 2, 9, 16, seed=2)
    mask = MASKS[name]
    want, want_lse = expected(q, k, v, mask, causal)
    given = (x.transpose(1, 2).contiguous() if nhd else x for x in (q, k, v))
    output, lse = _torch.attend(Forward(*given, mask, nhd, causal, 0.3, True, True, True, "torch"))
    assert output.is_contiguous()
    torch.testing.assert_close(output.transpose(1, 2) if nhd else output, want.float(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(lse, want_lse.float(), atol=1e-5, rtol=1e-5)


def test_lse_by_blocks_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k = random(1, 2, 50, 16), random(1, 2, 30, 16, seed=1)
    whole = _torch._lse(Forward(q, k, k, None, False, False, 0.3, True, True, True, "torch"), q, k, MASKS["none"])
    monkeypatch.setattr(_torch, "_CHUNK", 7 * 60)
    parts = _torch._lse(Forward(q, k, k, None, False, False, 0.3, True, True, True, "torch"), q, k, MASKS["none"])
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("shape", [(9,), (1, 9), (2, 1, 1, 9), (4, 1, 9), (1, 4, 1, 9), (2, 4, 1, 9), (1, 1, 1, 1)])
def test_bias_is_the_mask(shape: tuple[int, ...]) -> None:
    seen = torch.rand(shape, generator=torch.Generator().manual_seed(1)) < 0.5
    for mask in (seen, random(*shape), random(*shape).bfloat16()):
        found = _fp4.bias(mask, 2, 4, 9)
        assert found.dtype == torch.float32 and found.is_contiguous() and found.dim() == 3 and found.shape[2] == 9
        added = torch.zeros(2, 4, 5, 9)
        added = added.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else added + mask.float()
        assert torch.equal(found[:, :, None, :].expand(2, 4, 5, 9), added)


def test_bias_of_an_expanded_mask() -> None:
    mask = random(2, 1, 1, 9)
    assert torch.equal(_fp4.bias(mask.expand(2, 4, 5, 9), 2, 4, 9), mask.expand(2, 4, 1, 9)[:, :, 0])
