"""Which calls go to their plan without torch's dispatcher, and that they get what the operator would give them.

Tensors of the CPU stand for those of a GPU: alone() looks at no device.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from sageattention import _abi, _direct, _forward
from sageattention._forward import Forward, ForwardVarlen

Q = torch.zeros(1, 2, 4, 8, dtype=torch.float16)
STARTS = torch.tensor([0, 4], dtype=torch.int32)


class Dispatch(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*args, **(kwargs or {}))


class Function(TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*args, **(kwargs or {}))


class Own(torch.Tensor):
    pass


@pytest.fixture
def plans() -> Iterator[None]:
    _forward.PLANS.clear()
    yield
    _forward.PLANS.clear()


def call(query: Any = Q, key: Any = Q, value: Any = Q, mask: Any = None, **changes: Any) -> Forward:
    options = False, 0, 0.5, "fp16", _abi.PER_THREAD, True, False
    return Forward(query, key, value, mask, *options)._replace(**changes)


def remember(arguments: Forward | ForwardVarlen) -> None:
    """A plan that returns its arguments, for calls like this."""
    _forward.PLANS.get(arguments._identity(), lambda: lambda *given: (given, None))


def test_ordinary_tensors_are_alone() -> None:
    assert _direct.alone(Q, Q, Q, None) and _direct.alone(Q, Q, Q, torch.ones(4))


@pytest.mark.parametrize("where", range(4))
def test_others_are_not(where: int) -> None:
    negative = torch.zeros(4, dtype=torch.complex64).conj().imag
    for other in (Q.as_subclass(Own), torch.nn.Parameter(Q, requires_grad=False), negative):
        tensors = [Q, Q, Q, Q]
        tensors[where] = other
        assert not _direct.alone(*tensors)


def test_gradients_are_asked_for_by_the_operator_alone() -> None:
    wanting = Q.clone().requires_grad_()
    assert not _direct.alone(Q, wanting, Q, None)
    with torch.no_grad():
        assert _direct.alone(Q, wanting, Q, None) and _direct.alone(Q, Q, Q, wanting)
    assert not _direct.alone(Q, Q, Q, wanting) and _direct.alone(Q, Q, Q, wanting.detach())


def test_whoever_looks_on_sees_the_operator() -> None:
    for mode in (Dispatch(), Function(), torch.profiler.profile()):
        with mode:
            assert not _direct.alone(Q, Q, Q, None), mode
    torch.vmap(lambda x: _not_alone(x))(Q)
    torch.jit.trace(_not_alone, Q, check_trace=False)
    assert _direct.alone(Q, Q, Q, None)


def _not_alone(x: torch.Tensor) -> torch.Tensor:
    assert not _direct.alone(x, x, x, None)
    return x + 1


def test_a_call_that_was_not_planned_is_left_to_the_operator(plans: None) -> None:
    assert _direct.attend(call()) is None
    remember(call())
    found = _direct.attend(call())
    assert found is not None and found[0][:3] == (Q, Q, Q)  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    "change",
    [
        {"query": torch.zeros(1, 4, 4, 8, dtype=torch.float16)},
        {"value": Q.transpose(1, 2).contiguous().transpose(1, 2)},
        {"key": Q.bfloat16()},
        {"mask": torch.ones(4, 4, dtype=torch.bool)},
        {"nhd": True},
        {"causal": 1},
        {"sm_scale": 0.25},
        {"method": "fp8"},
        {"granularity": _abi.PER_WARP},
        {"smooth_k": False},
        {"return_lse": True},
    ],
)
def test_another_call_needs_its_own_plan(plans: None, change: dict[str, Any]) -> None:
    remember(call())
    assert _direct.attend(call(**change)) is None


def test_a_mask_that_kernels_cannot_read_where_it_lies_is_left_to_the_operator(plans: None) -> None:
    numbers = torch.ones(17, dtype=torch.bool)
    aligned, other = numbers[:16].view(4, 4), numbers[1:].view(4, 4)
    remember(call(mask=aligned))
    assert (_direct.attend(call(mask=aligned)) is None) == bool(aligned.data_ptr() % 16)
    assert (_direct.attend(call(mask=other)) is None) == bool(other.data_ptr() % 16)
    assert (aligned.data_ptr() - other.data_ptr()) % 16


def test_sequences(plans: None) -> None:
    rows = Q[0].transpose(0, 1)
    options = 4, 4, 0, 0.5, "auto", _abi.PER_THREAD, True, False
    arguments = ForwardVarlen(rows, rows, rows, None, STARTS, STARTS, *options)
    assert _direct.attend(arguments) is None
    remember(arguments)
    assert _direct.attend(arguments) is not None
    # Lengths on the device are read by the operator; other starts may have other lengths for queries and keys.
    for change in ({"largest_query": torch.tensor(4)}, {"key_starts": STARTS.clone()}, {"key_rows": 3}):
        assert _direct.attend(arguments._replace(**change)) is None
