"""The kernels alone: what the benchmark queues is what the package queues, up to the launch itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from bench import cases, inputs
from bench.methods import ours, package
from sageattention import _abi, _dispatch, _launch, _plan, _wgmma
from sageattention._forward import Forward, ForwardVarlen

PARAMS = {
    "sageattn_mean": "MeanParams",
    "sageattn_quantize": "QuantizeParams",
    "sageattn_quantize_value": "QuantizeValueParams",
    "sageattn_attention": "AttentionParams",
    "sageattn_wgmma_attention": "WgmmaParams",
}


def params_of(name: str, words: Any) -> dict[str, Any]:
    params = getattr(package.package().abi, PARAMS[name]).from_buffer_copy(words)
    return {
        name: getattr(params, name)
        for name, *_ in params._fields_
        if isinstance(getattr(params, name), (int, float))
    }


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The launches of the package, instead of them."""
    found: list[tuple[str, dict[str, Any]]] = []
    sizes = {"sageattn_value_workspace": lambda *_: 16, "sageattn_wgmma_workspace": lambda *_: 4096}
    for module in (_launch, _wgmma):
        monkeypatch.setattr(module, "library", lambda: SimpleNamespace(**sizes))

    def function(name: str) -> Any:
        return lambda words, *_: found.append((name, params_of(name, words)))

    monkeypatch.setattr(_plan, "_function", function)
    monkeypatch.setattr(torch._C, "_cuda_getCurrentRawStream", lambda index: 0, raising=False)
    return found


def operands_of(name: str) -> tuple[cases.Case, inputs.Operands]:
    case = cases.resized(cases.parse(name), None, 8, None, None)
    return case, inputs.make(case, device="cpu")


def pointers(params: dict[str, Any]) -> set[str]:
    """Which of the arguments are addresses: they differ from run to run."""
    return {name for name, value in params.items() if isinstance(value, int) and value > 1 << 20}


def same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert pointers(first) == pointers(second)
    plain = [
        {k: v for k, v in params.items() if k not in pointers(params)} for params in (first, second)
    ]
    assert plain[0] == plain[1]


@pytest.mark.parametrize("name", ["hd128-s300-causal-gqa4", "hd64-s128"])
def test_wgmma_attends_to_what_it_quantised(
    name: str, launches: list[tuple[str, dict[str, Any]]]
) -> None:
    case, operands = operands_of(name)
    kernel = ours._wgmma(package.package(), "fp8_wgmma", case, operands)
    kernel()
    kernel()
    assert [launch[0] for launch in launches] == ["sageattn_wgmma_attention"] * 3
    assert [launch[1]["steps"] for launch in launches] == [1, 2, 2]
    assert launches[1][1] == launches[2][1]
    assert (launches[0][1]["key_heads"], launches[0][1]["workspace_size"]) == (case.kv_heads, 4096)


@pytest.mark.parametrize("kind", ["fp16", "fp16_accum_f16", "fp8", "fp8_accum_f16"])
@pytest.mark.parametrize("name", ["hd128-s300-causal-gqa4", "hd64-varlen30.50"])
def test_plain_launches_what_the_package_launches(
    name: str,
    kind: str,
    launches: list[tuple[str, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "varlen" in name and kind.startswith("fp8"):
        pytest.skip("no such kernels")
    case, operands = operands_of(name)
    kernel = ours._plain(package.package(), kind, case, operands)
    before = len(launches)
    kernel()
    assert [launch[0] for launch in launches[before:]] == ["sageattn_attention"]
    bench = [*launches]
    launches.clear()
    monkeypatch.setattr(_dispatch, "choose", lambda device, request: _dispatch.Choice(kind, ""))
    q, k, v, starts, longest, _ = operands
    options = int(case.causal), case.head_dim**-0.5, f"only:{kind}", _abi.PER_THREAD, True, False
    if starts is None:
        Forward(q, k, v, None, False, *options)._plan()(q, k, v, None, None, None)
    else:
        call = ForwardVarlen(q, k, v, None, starts, starts, longest, longest, *options)
        call._plan()(q, k, v, None, starts, starts)
    assert [name for name, _ in bench] == [name for name, _ in launches]
    for (_, first), (_, second) in zip(bench, launches):
        same(first, second)
