"""The public function: signature, keywords, errors, and one operator behind it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from support.autocast import cuda_autocast
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from sageattn3 import _arguments, _operator, api, sageattn3_blackwell


def fake(*shape: int, dtype: torch.dtype = torch.float16) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="cuda")


def test_signature() -> None:
    parameters = inspect.signature(sageattn3_blackwell).parameters
    assert list(parameters)[:6] == ["q", "k", "v", "attn_mask", "is_causal", "per_block_mean"]
    assert parameters["per_block_mean"].default is True and parameters["smooth_v"].default is True
    own = [name for name, one in parameters.items() if name not in "qkv" and one.kind != one.VAR_KEYWORD]
    assert sorted(own) == sorted(_arguments._OWN)
    assert api.sageattn3_blackwell is sageattn3_blackwell


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"scal": 1.0}, r"unexpected keywords scal \(did you mean scale\?\); accepted and ignored are dropout_p, "),
        ({"colour": 1, "taste": 2}, "unexpected keywords colour, taste; "),
        ({"return_attn": True}, "return_attn"),
    ],
)
def test_unknown_keywords(keywords: dict[str, Any], text: str) -> None:
    with FakeTensorMode(), pytest.raises(TypeError, match=text):
        q = fake(1, 2, 8, 64)
        sageattn3_blackwell(q, q, q, **keywords)


@pytest.mark.parametrize("name", list(_arguments.IDIOMS))
def test_idioms_are_ignored(name: str) -> None:
    with FakeTensorMode():
        q = fake(1, 2, 8, 64)
        assert sageattn3_blackwell(q, q, q, **{name: 0.0}).shape == q.shape  # type: ignore[arg-type, union-attr]


@pytest.mark.parametrize(
    ("keywords", "kind", "text"),
    [
        ({"dropout_p": 0.1}, ValueError, "for inference"),
        ({"tensor_layout": "NDH"}, ValueError, "Unknown tensor layout"),
        ({"backend": "fp8"}, ValueError, "Unknown backend"),
        ({"scale": 0.1, "sm_scale": 0.2}, ValueError, "other name"),
        ({"sm_scale": 0.0}, ValueError, "above 0"),
        ({"scale": float("nan")}, ValueError, "above 0"),
        ({"attn_mask": [1]}, TypeError, "must be a tensor"),
        ({"attn_mask": "rows"}, ValueError, "cannot be broadcast"),
    ],
)
def test_options(keywords: dict[str, Any], kind: type[Exception], text: str) -> None:
    with FakeTensorMode(), pytest.raises(kind, match=text):
        q = fake(1, 2, 8, 64)
        if keywords.get("attn_mask") == "rows":
            keywords = {"attn_mask": torch.zeros(7, 8, device="cuda")}
        sageattn3_blackwell(q, q, q, **keywords)


def test_heads() -> None:
    with FakeTensorMode():
        q, k = fake(1, 8, 16, 64), fake(1, 2, 16, 64)
        assert sageattn3_blackwell(q, k, k).shape == q.shape  # type: ignore[union-attr]
        with pytest.raises(ValueError, match="8 heads and k has 2: that needs enable_gqa"):
            sageattn3_blackwell(q, k, k, enable_gqa=False)
        with pytest.raises(ValueError, match="divisible"):
            sageattn3_blackwell(fake(1, 7, 16, 64), k, k)


def test_dtypes() -> None:
    for dtypes in ((torch.float32,) * 3, (torch.float16, torch.float16, torch.bfloat16)):
        with FakeTensorMode(), pytest.raises(TypeError, match="must all be float16 or all bfloat16"):
            sageattn3_blackwell(*(fake(1, 2, 8, 64, dtype=dtype) for dtype in dtypes))


def test_autocast_casts_float32() -> None:
    with FakeTensorMode(), cuda_autocast(torch.bfloat16):
        q = fake(1, 2, 8, 64, dtype=torch.float32)
        assert sageattn3_blackwell(q, q, q).dtype == torch.bfloat16  # type: ignore[union-attr]


def test_cpu_tensors() -> None:
    q = torch.zeros(1, 2, 8, 64, dtype=torch.float16)
    with pytest.raises(ValueError, match="must be on cuda"):
        sageattn3_blackwell(q, q, q)


def test_gradients() -> None:
    with FakeTensorMode(), pytest.raises(NotImplementedError, match="no backward"):
        q = fake(1, 2, 8, 64).requires_grad_()
        sageattn3_blackwell(q, q, q)


def test_gradient_of_a_mask() -> None:
    with FakeTensorMode():
        q, bias = fake(1, 2, 8, 64), fake(8, 8).requires_grad_()
        with pytest.raises(NotImplementedError, match="detach attn_mask"):
            sageattn3_blackwell(q, q, q, bias)
        with torch.no_grad():
            assert sageattn3_blackwell(q, q, q, bias).shape == q.shape  # type: ignore[union-attr]


def test_no_head_dim() -> None:
    with FakeTensorMode(), pytest.raises(ValueError, match="head"):
        q = fake(1, 2, 8, 0)
        sageattn3_blackwell(q, q, q)


@pytest.mark.parametrize("nhd", [False, True])
def test_lse_and_layout(nhd: bool) -> None:
    with FakeTensorMode():
        q, k = (fake(2, 100, 8, 64), fake(2, 7, 2, 64)) if nhd else (fake(2, 8, 100, 64), fake(2, 2, 7, 64))
        output, lse = sageattn3_blackwell(q, k, k, tensor_layout="NHD" if nhd else "HND", return_lse=True)
    assert output.shape == q.shape and output.is_contiguous()
    assert lse.shape == (2, 8, 100) and lse.dtype == torch.float32


def test_operator() -> None:
    operator = torch.ops.sageattn3.forward.default
    assert str(operator._schema) == "sageattn3::" + _operator.SCHEMA
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    assert has_kernel("sageattn3::forward", "CUDA") and not has_kernel("sageattn3::forward", "CPU")
    assert not operator._schema.is_mutable


def test_fields_are_the_schema() -> None:
    names = [argument.name for argument in torch.ops.sageattn3.forward.default._schema.arguments]
    assert list(_operator.Forward._fields) == names


@pytest.mark.parametrize("dynamic", [False, True])
def test_traces_without_breaks(dynamic: bool) -> None:
    graphs = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    def attend(q: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        first = sageattn3_blackwell(q, q, q, is_causal=True)
        second, lse = sageattn3_blackwell(first, q, q, mask, return_lse=True)
        return second + lse.unsqueeze(-1).to(q.dtype)

    torch._dynamo.reset()
    compiled = torch.compile(attend, backend=backend, fullgraph=True, dynamic=dynamic)
    with FakeTensorMode(shape_env=ShapeEnv()):
        q = fake(1, 4, 200, 64)
        assert compiled(q, fake(200)).shape == q.shape
    calls = [str(node.target) for graph in graphs for node in graph.graph.nodes if "sageattn3" in str(node.target)]
    assert calls == ["sageattn3.forward.default"] * 2 or calls == ["sageattn3.forward"] * 2
