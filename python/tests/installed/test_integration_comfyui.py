"""ComfyUI, which no registry has: its published interface, in our words.

Comfy-Org/ComfyUI 05080f6022b2572df36a0aa6bcba413209c3d265, comfy/ldm/modules/attention.py:
register_attention_function (lines 57 to 63), AttentionTensorContainer (181 to 197), and wrap_attn (200 to 238),
which hands containers to an override or to a function that has a container_function, and else the
tensors in them.
"""

from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import Any, Callable

import pytest
import torch
from support.recorded import recorded
from torch._subclasses.fake_tensor import FakeTensorMode

from sageattention.integrations import comfyui as sage


class Container:
    """One tensor, which take() gives away."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor: torch.Tensor | None = tensor

    def take(self) -> torch.Tensor:
        tensor, self.tensor = self.tensor, None
        assert tensor is not None
        return tensor


def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        contained = isinstance(args[0], Container)
        override = kwargs.get("transformer_options", {}).get("optimized_attention_override")
        kwargs["_inside_attn_wrapper"] = True
        if contained:
            target = run if override is None else override
            return target.container_function(*args, **kwargs)  # type: ignore[attr-defined]
        if override is not None:
            return override(function, *args, **kwargs)
        return function(*args, **kwargs)

    return run


class Program(ModuleType):
    """comfy.ldm.modules.attention."""

    def __init__(self) -> None:
        super().__init__("comfy.ldm.modules.attention")
        self.functions: dict[str, Callable[..., Any]] = {}
        self.fallen_back: list[dict[str, Any]] = []

    wrap_attn = staticmethod(wrap)

    def register_attention_function(self, name: str, function: Callable[..., Any]) -> None:
        self.functions[name] = function

    def attention_pytorch(self, q: torch.Tensor, *_: Any, **kwargs: Any) -> torch.Tensor:
        self.fallen_back.append(kwargs)
        return q


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    attention = Program()
    for name in ("comfy", "comfy.ldm", "comfy.ldm.modules"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["comfy.ldm.modules"].attention = attention  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, attention.__name__, attention)
    sage.register()
    return attention


def tensors(
    split: bool, key_heads: int = 4, dtype: torch.dtype = torch.bfloat16
) -> tuple[torch.Tensor, ...]:
    """query, key and value: [batch, heads, rows, 64] if split, else [batch, rows, heads * 64]."""
    heads = (4, 100), (key_heads, 60), (key_heads, 60)
    sizes = [(2, h, rows, 64) if split else (2, rows, h * 64) for h, rows in heads]
    return tuple(torch.empty(size, dtype=dtype, device="cuda") for size in sizes)


MERGED, SPLIT = (2, 100, 256), (2, 4, 100, 64)


@pytest.mark.parametrize("key_heads", [4, 2])
@pytest.mark.parametrize("split_output", [False, True])
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("mask", [None, (100, 60), (2, 100, 60), (2, 1, 100, 60)])
def test_every_form_of_a_call(
    program: Program, split: bool, split_output: bool, key_heads: int, mask: Any
) -> None:
    with FakeTensorMode(), recorded() as operators:
        seen = None if mask is None else torch.ones(mask, dtype=torch.bfloat16, device="cuda")
        output = program.functions["sageattention"](
            *tensors(split, key_heads), 4, mask=seen, skip_reshape=split,
            skip_output_reshape=split_output, enable_gqa=key_heads != 4,
        )  # fmt: skip
    assert output.shape == (SPLIT if split_output else MERGED)
    assert operators == ["sageattention.forward"]


@pytest.mark.parametrize("override", [False, True])
def test_containers_are_emptied(program: Program, override: bool) -> None:
    options = {"optimized_attention_override": sage.override()} if override else {}
    function = wrap(program.attention_pytorch) if override else program.functions["sageattention"]
    with FakeTensorMode(), recorded() as operators:
        containers = [Container(tensor) for tensor in tensors(split=False)]
        output = function(*containers, 4, transformer_options=options)
    assert (output.shape, operators) == (MERGED, ["sageattention.forward"])
    assert [container.tensor for container in containers] == [None] * 3


def test_the_override_of_a_model(program: Program) -> None:
    options = {"optimized_attention_override": sage.override()}
    with FakeTensorMode():
        wrap(program.attention_pytorch)(*tensors(split=False), 4, transformer_options=options)
    assert program.fallen_back == []


@pytest.mark.parametrize(
    "dtype, options",
    [(torch.float32, {}), (torch.bfloat16, {"low_precision_attention": False})],
)
def test_what_no_kernel_takes_is_said_and_served_by_torch(
    program: Program, dtype: torch.dtype, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    sage._told.clear()
    with FakeTensorMode(), caplog.at_level(logging.WARNING):
        for _ in range(2):
            program.functions["sageattention"](*tensors(False, dtype=dtype), 4, **options)
    assert [kwargs["skip_reshape"] for kwargs in program.fallen_back] == [False, False]
    assert len(caplog.messages) == 1 and "attention_pytorch serves" in caplog.messages[0]


@pytest.mark.parametrize("wanted", range(4))
def test_training_is_served_by_torch(
    program: Program, wanted: int, caplog: pytest.LogCaptureFixture
) -> None:
    """As --use-sage-attention does it, which takes attention_pytorch where sageattn raises."""
    sage._told.clear()
    options = {"optimized_attention_override": sage.override()}
    with FakeTensorMode():
        mask = torch.zeros(100, 60, dtype=torch.bfloat16, device="cuda")
        given = [*tensors(split=False), mask]
        given[wanted].requires_grad_()
        call = wrap(program.attention_pytorch)
        with caplog.at_level(logging.WARNING):
            call(*given[:3], 4, mask=mask, transformer_options=options)
            program.functions["sageattention"](*map(Container, given[:3]), 4, mask=mask)
        assert len(program.fallen_back) == 2 and program.fallen_back[0]["mask"] is mask
        with torch.no_grad():
            call(*given[:3], 4, mask=mask, transformer_options=options)
    assert len(program.fallen_back) == 2
    assert [text.partition(":")[0] for text in caplog.messages] == ["a gradient is wanted"]
