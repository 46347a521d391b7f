"""torch.compile and torch.export see one graph without breaks, with fixed and with symbolic sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
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


FUNCTIONS = [sageattention.sageattn, sageattention.sageattn_qk_int8_pv_fp16_cuda]


def inputs(head_dim: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    q = torch.empty(2, 8, 100, head_dim, dtype=torch.bfloat16, device="cuda")
    k, v = (torch.empty(2, 2, 60, head_dim, dtype=torch.bfloat16, device="cuda") for _ in "kv")
    return q, k, v


def forward_calls(graph: torch.fx.Graph) -> int:
    return sum("sageattention.forward" in str(node.target) for node in graph.nodes)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("head_dim", [64, 80, 128])
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
