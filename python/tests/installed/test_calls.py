"""Every way of calling that torch's scaled_dot_product_attention knows ends in the same arguments of the operator."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import sageattention
from sageattention import core, sageattn
from sageattention._calls import takes_torchs_calls


@takes_torchs_calls
def recorded(
    q: Any, k: Any, v: Any, tensor_layout: Any = "HND", *rest: Any, **named: Any
) -> tuple[Any, ...]:
    return q, k, v, tensor_layout, rest, named


def test_names() -> None:
    expected = (1, 2, 3, "HND", (), {"scale": 0.5})
    assert recorded(query=1, key=2, value=3, scale=0.5) == expected
    assert recorded(1, 2, value=3, scale=0.5) == expected
    assert recorded(q=1, k=2, v=3, scale=0.5) == expected
    assert recorded(1, 2, 3, "NHD", True, 0.5) == (1, 2, 3, "NHD", (True, 0.5), {})


MASK = torch.ones(1)


@pytest.mark.parametrize(
    ("given", "named", "expected"),
    [
        ((MASK,), {}, {"attn_mask": MASK}),
        ((None, 0.0), {}, {"attn_mask": None, "dropout_p": 0.0}),
        ((None, 0), {"is_causal": True}, {"attn_mask": None, "dropout_p": 0, "is_causal": True}),
        ((MASK, 0.1, True), {}, {"attn_mask": MASK, "dropout_p": 0.1, "is_causal": True}),
        ((None, True, 0.5), {}, {"attn_mask": None, "is_causal": True, "sm_scale": 0.5}),
        ((None,), {"attn_mask": MASK}, {"attn_mask": MASK}),
        ((None,), {"sm_scale": 0.5}, {"attn_mask": None, "sm_scale": 0.5}),
    ],
)
def test_order(given: Any, named: Any, expected: Any) -> None:
    assert recorded(1, 2, 3, *given, **named) == (1, 2, 3, "HND", (), expected)


@pytest.mark.parametrize(
    ("given", "named", "kind", "text"),
    [
        ((1, 2, 3), {"query": 4}, TypeError, "multiple values for argument 'q'"),
        ((), {"q": 1, "query": 1}, TypeError, "both q and query"),
        ((1, 2, 3, None, 0.0, True, 0.5), {}, TypeError, "at most 6 arguments by position"),
        ((1, 2, 3, MASK), {"attn_mask": MASK}, TypeError, "multiple values for .*attn_mask"),
        ((1, 2, 3, None, 0.0, True), {"is_causal": False}, TypeError, "values for .*is_causal"),
        ((1, 2, 3, 5), {}, ValueError, "Unknown tensor layout: 5"),
    ],
)
def test_calls_that_contradict_themselves(
    given: Any, named: Any, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        recorded(*given, **named)


def operator_arguments(*given: Any, **named: Any) -> tuple[Any, ...]:
    """What sageattn hands to the operator."""
    seen: list[tuple[Any, ...]] = []

    def forward(*arguments: Any) -> Any:
        seen.append(arguments)
        return arguments[:2]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "OPERATORS", SimpleNamespace(forward=forward))
        sageattn(*given, **named)
    return seen[0]


def test_all_ways_reach_the_operator_alike() -> None:
    with FakeTensorMode():
        q, k, v = (torch.empty(1, 2, 8, 64, dtype=torch.float16, device="cuda") for _ in "qkv")
        mask = torch.empty(8, 8, dtype=torch.bool, device="cuda")
        expected = operator_arguments(q, k, v, is_causal=True, sm_scale=0.5, attn_mask=mask)
        for found in (
            operator_arguments(q, k, v, mask, 0.0, True, scale=0.5),
            operator_arguments(q, k, v, mask, is_causal=True, sm_scale=0.5),
            operator_arguments(q, k, v, mask, 0.0, is_causal=True, scale=0.5, enable_gqa=True),
            operator_arguments(
                query=q, key=k, value=v, attn_mask=mask, dropout_p=0.0, is_causal=True, scale=0.5
            ),
        ):
            assert all(a is b or a == b for a, b in zip(found, expected))


@pytest.mark.parametrize("name", [n for n in sageattention.__all__ if n.startswith("sageattn")])
def test_what_callers_ask_the_signature(name: str) -> None:
    """ComfyUI looks for attn_mask there before it passes one."""
    parameters = inspect.signature(getattr(sageattention, name)).parameters
    assert [*parameters][:3] == ["q", "k", "v"]
    assert "attn_mask" in parameters


def test_a_warning_points_at_the_caller() -> None:
    with FakeTensorMode():
        q = torch.empty(1, 2, 8, 64, dtype=torch.float16, device="cuda")
        with pytest.warns(UserWarning, match="dropout_p is ignored") as caught:
            sageattn(query=q, key=q, value=q, dropout_p=0.1)
            sageattn(q, q, q, None, 0.1)
    assert {warning.filename for warning in caught} == {__file__}
