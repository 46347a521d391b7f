"""The kernels alone: what the benchmark queues is what the package queues, up to the launch itself."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import sageattention  # noqa: F401
from bench import cases, inputs
from bench.methods import ours, package


def params_of(call: Any) -> dict[str, Any]:
    return {
        name: getattr(call, name)
        for name, *_ in call._fields_
        if isinstance(getattr(call, name), (int, float))
    }


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """The launches of the package, instead of them."""
    found: list[tuple[Any, dict[str, Any]]] = []
    modules = package.package()
    functions = {name: SimpleNamespace(name=name) for name in modules.abi.FUNCTIONS}
    library = SimpleNamespace(
        **{
            **functions,
            "sageattn_value_workspace": lambda *_: 16,
            "sageattn_wgmma_workspace": lambda *_: 4096,
        }
    )
    for module in (modules.library, modules.launch, modules.wgmma):
        monkeypatch.setattr(module, "library", lambda: library)

    def run(function: Any, params: ctypes.Structure, device: object) -> None:
        found.append((function.name, params_of(params)))

    for module in (modules.launch, modules.wgmma):
        monkeypatch.setattr(module, "run", run)
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
    name: str, launches: list[tuple[Any, dict[str, Any]]]
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
    name: str, kind: str, launches: list[tuple[Any, dict[str, Any]]]
) -> None:
    if "varlen" in name and kind.startswith("fp8"):
        pytest.skip("no such kernels")
    found = package.package()
    case, operands = operands_of(name)
    kernel = ours._plain(found, kind, case, operands)
    before = len(launches)
    kernel()
    assert [launch[0] for launch in launches[before:]] == ["sageattn_attention"]
    q, k, v = operands[:3]
    lengths = None
    if operands.starts is not None:
        q, k, v = q[None], k[None], v[None]
        lengths = (found.call.Lengths(operands.starts, operands.longest),) * 2
    call = found.call.Call(
        q, k, v, torch.empty_like(q), None, None, operands.starts is not None, int(case.causal), case.head_dim**-0.5,
        found.abi.PER_THREAD, True, lengths,
    )  # fmt: skip
    found.run.quantize_and_attend(call, found.kinds.KINDS[kind])
    same(launches[before][1], launches[-1][1])
    assert [launch[0] for launch in launches[:before]] == [
        launch[0] for launch in launches[before + 1 : -1]
    ]
