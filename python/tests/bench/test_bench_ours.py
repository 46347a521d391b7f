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

FUNCTIONS = {
    _abi.RUN_MEAN: ("mean", _abi.MeanParams),
    _abi.RUN_QUANTIZE: ("quantize", _abi.QuantizeParams),
    _abi.RUN_QUANTIZE_VALUE: ("quantize_value", _abi.QuantizeValueParams),
    _abi.RUN_ATTENTION: ("attention", _abi.AttentionParams),
    _abi.RUN_WGMMA_ATTENTION: ("wgmma_attention", _abi.WgmmaParams),
}


def launch_of(step: _abi.Step) -> tuple[str, dict[str, Any]]:
    """The name of a step's function, and its parameters without those that are structs."""
    name, struct = FUNCTIONS[step.function]
    params = struct.from_address(step.params)
    fields = {field: getattr(params, field) for field, *_ in struct._fields_}
    return name, {field: value for field, value in fields.items() if isinstance(value, (int, float))}


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The launches of the package, instead of them."""
    found: list[tuple[str, dict[str, Any]]] = []

    def run_steps(steps: Any, count: int, *_: Any) -> int:
        found.extend(launch_of(steps[index]) for index in range(count))
        return _abi.OK

    functions = {
        "sageattn_value_workspace": lambda *_: 16,
        "sageattn_attention_workspace": lambda *_: 0,
        "sageattn_wgmma_workspace": lambda *_: 4096,
        "sageattn_run_steps": run_steps,
    }
    for module in (_launch, _wgmma, _plan):
        monkeypatch.setattr(module, "library", lambda: SimpleNamespace(**functions))
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
    assert [launch[0] for launch in launches] == ["wgmma_attention"] * 3
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
    assert [launch[0] for launch in launches[before:]] == ["attention"]
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
