"""The operators are registered, with the shapes, dtypes and devices that the CUDA ones return."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from sageattention import _abi, _operators

OPERATORS = torch.ops.sageattention
GRANULARITIES = (_abi.PER_BLOCK, _abi.PER_WARP, _abi.PER_THREAD)


def fake(*shape: int, dtype: torch.dtype = torch.float16) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="cuda")


@pytest.mark.parametrize("name", list(_operators.SCHEMAS))
def test_is_registered_with_its_schema(name: str) -> None:
    operator = getattr(OPERATORS, name).default
    assert str(operator._schema).replace("sageattention::" + name, "") == _operators.SCHEMAS[name]
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    assert has_kernel(f"sageattention::{name}", "CUDA")
    assert not has_kernel(f"sageattention::{name}", "CPU")


def test_no_operator_may_alias_or_mutate() -> None:
    for name in _operators.SCHEMAS:
        schema = getattr(OPERATORS, name).default._schema
        assert not schema.is_mutable
        assert all(value.alias_info is None for value in (*schema.arguments, *schema.returns))


@pytest.mark.parametrize("nhd", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("return_lse", [False, True])
def test_forward(nhd: bool, dtype: torch.dtype, return_lse: bool) -> None:
    with FakeTensorMode():
        shape, key_shape = (
            ((2, 100, 8, 64), (2, 7, 2, 64)) if nhd else ((2, 8, 100, 64), (2, 2, 7, 64))
        )
        q, k = fake(*shape, dtype=dtype), fake(*key_shape, dtype=dtype)
        output, lse = OPERATORS.forward(q, k, k, None, nhd, 0, 0.125, "auto", 3, True, return_lse)
    assert (output.shape, output.dtype, output.device) == (q.shape, dtype, q.device)
    assert output.is_contiguous()
    assert tuple(lse.shape) == ((2, 8, 100) if return_lse else (0,))
    assert (lse.dtype, lse.device) == (torch.float32, q.device)


def test_forward_output_is_contiguous_for_any_input_strides() -> None:
    with FakeTensorMode():
        q = fake(2, 100, 8, 64).transpose(1, 2)
        output, _ = OPERATORS.forward(q, q, q, None, False, 0, 0.125, "auto", 3, True, False)
    assert not q.is_contiguous()
    assert output.is_contiguous()


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_pieces_fit_together(granularity: int) -> None:
    with FakeTensorMode():
        q, k = fake(2, 8, 129, 128), fake(2, 4, 65, 128)
        mean = OPERATORS.mean(k, False)
        k_int8, k_scale = OPERATORS.quantize_key(k, mean, False, granularity)
        q_int8, q_scale, dot = OPERATORS.quantize_query(q, mean, False, granularity)
        output, lse = OPERATORS.attention(
            q_int8, k_int8, k, q_scale, k_scale, dot, False, granularity, 0.1, 1, True
        )
    assert (mean.shape, mean.dtype) == ((2, 4, 128), torch.float32)
    assert (k_int8.shape, k_int8.dtype) == (k.shape, torch.int8)
    per_head = {_abi.PER_BLOCK: (2, 2), _abi.PER_WARP: (8, 2), _abi.PER_THREAD: (64, 8)}
    assert (q_scale.shape[2], k_scale.shape[2]) == per_head[granularity]
    assert dot.shape == (2, 8, 129)
    assert (output.shape, lse.shape) == (q.shape, (2, 8, 129))


def call(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float16, nhd: bool = False) -> None:
    with FakeTensorMode():
        q, k, v = (fake(*shape, dtype=dtype) for shape in shapes)
        OPERATORS.forward(q, k, v, None, nhd, 0, 0.125, "auto", 3, True, False)


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        (((1, 8, 5, 64), (1, 8, 6, 64), (1, 8, 5, 64)), "key and value differ in shape"),
        (((2, 8, 5, 64), (1, 8, 5, 64), (1, 8, 5, 64)), "query has batch 2, key has 1"),
        (((1, 8, 5, 64), (1, 8, 5, 128), (1, 8, 5, 128)), "query has head_dim 64, key has 128"),
        (((1, 8, 5, 64), (1, 3, 5, 64), (1, 3, 5, 64)), r"num_qo_heads \(8\) must be divisible"),
        (((1, 8, 5, 257),) * 3, "Unsupported head_dim: 257"),
        (((8, 5, 64),) * 3, "expected a 4-D tensor"),
    ],
)
def test_wrong_shapes_are_refused(shapes: tuple[tuple[int, ...], ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call(*shapes)


def test_wrong_dtype_is_refused() -> None:
    with pytest.raises(ValueError, match="expected float16 or bfloat16"):
        call(*((1, 1, 1, 64),) * 3, dtype=torch.float32)


def test_scales_of_another_granularity_are_refused() -> None:
    with FakeTensorMode(), pytest.raises(ValueError, match="query_scale must be"):
        x = fake(1, 1, 128, 64, dtype=torch.int8)
        scale = fake(1, 1, 1, dtype=torch.float32)
        v = fake(1, 1, 128, 64)
        OPERATORS.attention(x, x, v, scale, scale, None, False, _abi.PER_THREAD, 1.0, 0, False)


def test_cpu_tensors_have_no_kernel() -> None:
    with pytest.raises(NotImplementedError, match="CPU"):
        OPERATORS.mean(torch.zeros(1, 1, 1, 64, dtype=torch.float16), False)


@pytest.mark.parametrize("nhd", [False, True])
def test_values_are_transposed_and_padded(nhd: bool) -> None:
    with FakeTensorMode():
        v = fake(2, 70, 3, 40) if nhd else fake(2, 3, 70, 40)
        values, scale, mean = OPERATORS.quantize_value(v, nhd, 448.0, True)
        assert tuple(values.shape) == ((2, 40, 3, 128) if nhd else (2, 3, 40, 128))
        assert values.dtype == torch.float8_e4m3fn
        assert tuple(scale.shape) == tuple(mean.shape) == (2, 3, 40)
        assert OPERATORS.quantize_value(v, nhd, 2.25, False)[2].numel() == 0
        with pytest.raises(ValueError, match="scale_max"):
            OPERATORS.quantize_value(v, nhd, 1000.0, False)


def varlen(**change: Any) -> tuple[torch.Tensor, torch.Tensor]:
    arguments: dict[str, Any] = {
        "query": fake(50, 8, 64),
        "key": fake(40, 2, 64),
        "value": fake(40, 2, 64),
        "mask": None,
        "query_starts": fake(4, dtype=torch.int32),
        "key_starts": fake(4, dtype=torch.int32),
        **change,
    }
    return OPERATORS.forward_varlen(*arguments.values(), 20, 30, 1, 0.1, "auto", 3, True, True)  # type: ignore[no-any-return]


def test_varlen() -> None:
    with FakeTensorMode():
        output, lse = varlen()
        assert (tuple(output.shape), tuple(lse.shape)) == ((50, 8, 64), (8, 50))
        assert lse.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "text"),
    [
        ("key_starts", (5,), torch.int32, "differ in length"),
        ("query_starts", (4,), torch.int64, "must be int32"),
        ("value", (41, 2, 64), torch.float16, "key and value differ in shape"),
        ("query", (50, 3, 64), torch.float16, "must be divisible"),
    ],
)
def test_varlen_errors(name: str, shape: Any, dtype: torch.dtype, text: str) -> None:
    with FakeTensorMode(), pytest.raises(ValueError, match=text):
        varlen(**{name: fake(*shape, dtype=dtype)})


def test_an_unknown_method_is_refused() -> None:
    with FakeTensorMode(), pytest.raises(ValueError, match="unknown method best"):
        q = fake(1, 1, 5, 64)
        OPERATORS.forward(q, q, q, None, False, 0, 0.125, "best", 3, True, False)
