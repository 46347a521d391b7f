"""torch.compile and torch.export see one graph without breaks, with fixed and with symbolic sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.autocast import cuda_autocast
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import ShapeEnv

import sageattention


class Attention(torch.nn.Module):
    """One call of the public function between two ordinary operators."""

    def __init__(self, function: Any = sageattention.sageattn, **options: Any) -> None:
        super().__init__()
        self.function, self.options = function, options

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        output, lse = self.function(q * 2, k, v, return_lse=True, **self.options)
        return output + 1, lse


FUNCTIONS = [
    sageattention.sageattn,
    sageattention.sageattn_qk_int8_pv_fp16_cuda,
    sageattention.sageattn_qk_int8_pv_fp16_triton,
    sageattention.sageattn_qk_int8_pv_fp8_cuda,
    sageattention.sageattn_qk_int8_pv_fp8_cuda_sm90,
]


def inputs(head_dim: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    q = torch.empty(2, 8, 100, head_dim, dtype=torch.bfloat16, device="cuda")
    k, v = (torch.empty(2, 2, 60, head_dim, dtype=torch.bfloat16, device="cuda") for _ in "kv")
    return q, k, v


def forward_calls(graph: torch.fx.Graph) -> int:
    return sum("sageattention.forward" in str(node.target) for node in graph.nodes)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("head_dim", [64, 80])
@pytest.mark.parametrize("dynamic", [False, True])
def test_compile_without_graph_breaks(function: Any, head_dim: int, dynamic: bool) -> None:
    graphs = []

    def backend(module: torch.fx.GraphModule, _: Any) -> Any:
        graphs.append(module.graph)
        return module.forward

    torch._dynamo.reset()
    module = Attention(function, is_causal=True)
    compiled = torch.compile(module, fullgraph=True, dynamic=dynamic, backend=backend)
    with FakeTensorMode(shape_env=ShapeEnv()):
        q, k, v = inputs(head_dim)
        output, lse = compiled(q, k, v)
    assert [forward_calls(graph) for graph in graphs] == [1]
    assert (output.shape, output.dtype, output.device) == (q.shape, q.dtype, q.device)
    assert (lse.shape, lse.dtype) == ((2, 8, 100), torch.float32)


@pytest.mark.parametrize("tensor_layout", ["HND", "NHD"])
def test_ahead_of_time_tracing(tensor_layout: str) -> None:
    with FakeTensorMode(shape_env=ShapeEnv()):
        q, k, v = inputs(64)
        if tensor_layout == "NHD":
            q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        graph = make_fx(Attention(tensor_layout=tensor_layout), tracing_mode="symbolic")(q, k, v)
    assert forward_calls(graph.graph) == 1


def test_export_with_symbolic_lengths() -> None:
    rows, keys = torch.export.Dim("rows"), torch.export.Dim("keys")
    with FakeTensorMode(shape_env=ShapeEnv()):
        program = torch.export.export(
            Attention(),
            inputs(64),
            dynamic_shapes=({2: rows}, {2: keys}, {2: keys}),
        )
    assert forward_calls(program.graph) == 1
    assert len(program.range_constraints) == 2


def test_errors_reach_the_caller_of_a_compiled_function() -> None:
    torch._dynamo.reset()
    compiled = torch.compile(Attention(), fullgraph=True, backend="eager")
    with FakeTensorMode(shape_env=ShapeEnv()):
        q, _, v = inputs(64)
        k = torch.empty(2, 2, 59, 64, dtype=torch.bfloat16, device="cuda")
        with pytest.raises(Exception, match="key and value differ in shape"):
            compiled(q, k, v)


def compiled_graph(function: Any, *arguments: Any) -> Any:
    """What one graph without breaks gives, and the names of its calls."""
    names: list[str] = []

    def backend(module: torch.fx.GraphModule, _: Any) -> Any:
        names.extend(str(node.target) for node in module.graph.nodes)
        return module.forward

    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, backend=backend)(*arguments), names


def test_masks_warnings_and_autocast_do_not_break_the_graph() -> None:
    def function(q: Any, k: Any, v: Any, mask: Any) -> Any:
        return sageattention.sageattn_qk_int8_pv_fp16_cuda(
            q.float(), k, v, attn_mask=mask, smooth_v=True, dropout_p=0.1, scale=0.2
        )

    with FakeTensorMode(), cuda_autocast(torch.float16):
        q, k, v = (x.half() for x in inputs(64))
        mask = torch.empty(100, 60, dtype=torch.bool, device="cuda")
        output, names = compiled_graph(function, q, k, v, mask)
    assert output.dtype == torch.float16
    assert sum("sageattention.forward" in name for name in names) == 1


def test_varlen_in_one_graph() -> None:
    def function(q: Any, k: Any, starts: Any, key_starts: Any) -> Any:
        return sageattention.sageattn_varlen(q, k, k, starts, key_starts, 30, 20, True) * 2

    with FakeTensorMode():
        q = torch.empty(70, 8, 64, dtype=torch.float16, device="cuda")
        k = torch.empty(60, 2, 64, dtype=torch.float16, device="cuda")
        starts = torch.empty(4, dtype=torch.int64, device="cuda")
        output, names = compiled_graph(function, q, k, starts, starts.int())
    assert output.shape == q.shape
    assert any("forward_varlen" in name for name in names)


def test_operators_of_the_extension_modules_in_one_graph() -> None:
    from sageattention import _qattn_sm89, quant

    def function(q: Any, k: Any, v: Any) -> Any:
        q_int8, q_scale, k_int8, k_scale = quant.per_warp_int8(q, k)
        values, scale, _ = quant.per_channel_fp8(v, smooth_v=False)
        output = torch.empty_like(q)
        lse = _qattn_sm89.qk_int8_sv_f8_accum_f32_fuse_v_scale_attn(
            q_int8, k_int8, values, output, q_scale, k_scale, scale, 1, 0, 2, 0.125, 1
        )
        return output, lse

    with FakeTensorMode():
        (output, lse), _ = compiled_graph(function, *inputs(64))
    assert (output.shape, lse.shape) == ((2, 8, 100, 64), (2, 8, 100))


LENGTHS = {
    "on the GPU": lambda starts: starts.diff().max(),
    "on the CPU": lambda starts: torch.tensor(20),
    "a number": lambda starts: 20,
}


@pytest.mark.parametrize("largest", [*LENGTHS])
@pytest.mark.parametrize("masked", [False, True])
def test_varlen_whose_largest_length_is_a_tensor(largest: str, masked: bool) -> None:
    def function(q: Any, k: Any, starts: Any, mask: Any) -> Any:
        longest = LENGTHS[largest](starts)
        return sageattention.sageattn_varlen(
            q, k, k, starts, starts, longest, longest, attn_mask=mask
        )

    with FakeTensorMode():
        q = torch.empty(60, 8, 64, dtype=torch.float16, device="cuda")
        k = torch.empty(60, 2, 64, dtype=torch.float16, device="cuda")
        starts = torch.empty(4, dtype=torch.int32, device="cuda")
        mask = torch.empty(3, 1, 20, 20, dtype=torch.bool, device="cuda") if masked else None
        output, names = compiled_graph(function, q, k, starts, mask)
        assert function(q, k, starts, mask).shape == output.shape == q.shape
    assert sum("forward_varlen" in name for name in names) == 1


def test_calls_by_torchs_names_in_one_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    functional = torch.nn.functional
    monkeypatch.setattr(functional, "scaled_dot_product_attention", sageattention.sageattn)

    def function(q: Any, k: Any, v: Any) -> Any:
        named = functional.scaled_dot_product_attention(
            query=q, key=k, value=v, attn_mask=None, dropout_p=0.0, is_causal=True, enable_gqa=True
        )
        return named + functional.scaled_dot_product_attention(q, k, v, None, 0.0, True, scale=0.2)

    with FakeTensorMode():
        output, names = compiled_graph(function, *inputs(64))
    assert output.shape == (2, 8, 100, 64)
    assert sum("sageattention.forward" in name for name in names) == 2
