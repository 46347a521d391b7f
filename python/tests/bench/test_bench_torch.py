"""PyTorch's attention as a peer, on the backend that a CPU has."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from bench import accuracy, cases, inputs
from bench.methods import torch_sdpa


class Math(torch_sdpa.TorchCudnn):
    backend = "MATH"


class WithoutGroups(Math):
    def attend(
        self,
        case: cases.Case,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if q.shape[1] != k.shape[1]:
            raise RuntimeError("No available kernel")
        return super().attend(case, q, k, v, mask)


@pytest.mark.parametrize("method", [Math(), WithoutGroups(), torch_sdpa.Torch()])
@pytest.mark.parametrize(
    "name",
    [
        "hd16-s40-causal", "hd16-s40-gqa4", "hd16-varlen5.33.17-causal-gqa2", "hd16-varlen5.33",
        "hd16-s40-k24-padding", "hd16-s40-pairs-gqa2", "hd16-s24-k40-bias",
    ],
)
def test_outputs(name: str, method: torch_sdpa.TorchSdpa) -> None:
    case = cases.parse(name)
    if case.lengths and isinstance(method, torch_sdpa.Torch):
        pytest.skip("torch's operator for sequences runs on a GPU alone")
    case = cases.resized(case, None, 8, None, None)
    operands = inputs.make(case, device="cpu")
    calls = method.prepare(case, operands)
    calls.parts["whole"]()
    output = calls.output()
    assert output.shape == operands.q.shape
    expected = accuracy.references(case, operands, torch.float64)
    assert accuracy.errors(case, output, expected).relative_l1 < 0.01
    repeated = isinstance(method, WithoutGroups) and case.heads != case.kv_heads
    assert ("repeated" in calls.kernel) == repeated
