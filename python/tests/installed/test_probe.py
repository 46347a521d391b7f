"""probe: what its cases allow, how it judges, and what it says without a GPU. The engine runs on CPU tensors here."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Callable

import pytest
import torch

import sageattention
from sageattention import _abi, _probe, _probe_cases, reference
from sageattention._probe import Case


def case(launch: Callable[[], Any], bound: float = 0.1) -> Case:
    return Case("attention", "9.0", "only:fp16", ((launch, lambda: torch.ones(4)),), bound)


def fails() -> torch.Tensor:
    raise RuntimeError("an illegal\nmemory access")


def test_right_and_wrong_are_told_apart() -> None:
    nan = torch.ones(4).index_fill(0, torch.tensor([2]), float("nan"))
    launches = (lambda: torch.ones(4), lambda: torch.full((4,), 1.2), lambda: nan, fails)
    right, wrong, not_finite, raised = _probe.measure(map(case, launches))
    assert right.right and right.error == 0 and right.microseconds is not None
    assert not wrong.right and "the error is 0.2, 0.1 is allowed" in wrong.problem
    assert not not_finite.right and "finite" in not_finite.problem
    assert raised.problem == "RuntimeError: an illegal memory access"


def test_the_worst_call_of_a_case_counts() -> None:
    ones = torch.ones(4)
    calls = ((lambda: ones, lambda: ones), (lambda: ones * 3, lambda: ones))
    (found,) = _probe.measure([Case("attention", "", "", calls, 0.1)])
    assert found.error == 2 and not found.right


def test_after_the_gpu_is_lost_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_probe, "_is_lost", lambda: True)
    ran: list[int] = []
    first, second = _probe.measure([case(fails), case(lambda: ran.append(1))])
    assert not first.right
    assert second.problem.startswith("not run: the GPU does not answer since attention")
    assert not ran


def of_precision(e4m3: bool, granularity: int, head_dim: int, shift: int = 0) -> torch.Tensor:
    """What a kernel computes, in PyTorch; shift: the values belong to other keys."""
    q, k, v = _probe_cases.operands(head_dim, torch.float16)
    if e4m3:
        v = reference.dequantize_value(*reference.quantize_value(v, smooth=True), v.shape[2])
    return reference.quantized_attention(q, k, v.roll(shift, 2), granularity=granularity)[0]


@pytest.mark.parametrize("head_dim", [64, 96, 128, 192, 256])
@pytest.mark.parametrize("granularity", [_abi.PER_BLOCK, _abi.PER_THREAD])
@pytest.mark.parametrize("e4m3", [False, True])
def test_bounds_allow_the_precision_of_the_kernels_and_no_mistake(
    head_dim: int, granularity: int, e4m3: bool
) -> None:
    wanted = _probe_cases.expected(head_dim, torch.float16, 0, False)
    bound = _probe_cases.BOUND_E4M3 if e4m3 else _probe_cases.BOUND
    assert _probe.relative_l1(of_precision(e4m3, granularity, head_dim), wanted) < 0.9 * bound
    assert _probe.relative_l1(of_precision(e4m3, granularity, head_dim, shift=1), wanted) > 5 * bound


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sageattention", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd="/")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    result = run("probe", "--json")
    found = json.loads(result.stdout)
    assert (result.returncode, result.stderr, found["gpus"]) == (_probe.NO_GPU, "", [])
    assert found["torch"] == str(torch.__version__)
    result = run("probe")
    assert result.returncode == _probe.NO_GPU
    assert f"no GPU: {found['problem']}" in result.stdout
    assert not sageattention.probe()
    assert capsys.readouterr().out == result.stdout


def test_usage() -> None:
    result = run("prob")
    assert result.returncode == 2 and "choose from" in result.stderr
    assert "exit status of probe" in run("--help").stdout


def test_the_report() -> None:
    found = {
        **_probe.collect(lambda device: ()),
        "problem": "",
        "gpus": [{"name": "a GPU", "sm": "9.0", "kernels": []}],
    }
    assert _probe.status(found) == _probe.NO_GPU, "nothing ran, so that nothing is proved"
    findings = [*_probe.measure([case(lambda: torch.ones(4)), case(fails)])]
    for count, status, text in ((1, _probe.ALL_RIGHT, "all 1 kernels"), (2, _probe.WRONG, "1 of 2 kernels FAILED")):
        kernels = [{**finding._asdict(), "right": finding.right} for finding in findings[:count]]
        found["gpus"] = [{"name": "a GPU", "sm": "9.0", "kernels": kernels}]
        assert _probe.status(found) == status
        assert f"GPU 0: a GPU, SM 9.0: {text}" in _probe.render(found)
