"""The command line as it is typed, on a machine without a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import attention, cases, record

PYTHON = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(PYTHON)}
    command = [sys.executable, "-m", "bench.attention", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd="/", check=False
    )


def test_help_has_examples() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "hd128-s8192" in done.stdout and "exit status" in done.stdout


def test_without_a_gpu_nothing_is_measured() -> None:
    done = run("--case", "hd128-s8192")
    assert done.returncode == 3
    assert done.stderr.startswith("error: torch ") and "\n  try: " in done.stderr


def test_list_names_what_is_missing() -> None:
    done = run("--list")
    assert done.returncode == 0
    for name in (
        "hd128-varlen",
        "sageattention-1",
        "comfy-int8",
        "cudnn-fp8",
        "torch-flash",
        "torch-cudnn",
    ):
        assert f"  {name}" in done.stdout
    assert "missing: --sageattention-1 DIR is not given" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--case", "hd128s8192"], "did you mean hd128-s8192?"),
        (["--method", "sageatn"], "did you mean sageattn?"),
        (["--case", "short", "--causal"], "--case does not go with"),
        (["--varlen", "4,5", "--sequence", "3"], "--varlen does not go with"),
        (["--heads", "32", "--kv-heads", "5"], "evenly"),
        (["--peers", "/nowhere"], "/nowhere is no folder"),
        (["--read", "/nowhere"], "/nowhere"),
        (["--mode", "warm"], "invalid choice"),
        (["--sequence", "0"], "no number of 1 or more"),
        (["--varlen", "3,x"], "no number of 1 or more"),
        (["--seconds", "-1"], "no time in seconds"),
    ],
)
def test_usage(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_earlier_run_is_printed_again(results: record.Results, tmp_path: Path) -> None:
    record.write(results, tmp_path / "in.json")
    done = run("--read", str(tmp_path / "in.json"), "--markdown", str(tmp_path / "out.md"))
    assert done.returncode == 0, done.stderr
    assert "torch-cudnn" in done.stdout
    assert (tmp_path / "out.md").read_text().startswith("## GPU, SM 9.0")


def test_a_plot_without_matplotlib_says_so() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        done = run("--plot", "x.png")
        assert done.returncode == 3
        assert "error: --plot needs matplotlib" in done.stderr
        assert "pip install matplotlib" in done.stderr
    else:
        pytest.skip("matplotlib is here")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], [case.name for case in cases.DEFAULT]),
        (["--head-dim", "64", "128", "--sequence", "1024"], ["hd64-s1024", "hd128-s1024"]),
        (["--sequence", "8", "--key-sequence", "9", "--causal"], ["hd128-s8-k9-causal"]),
        (["--varlen", "mixed", "--causal"], ["hd128-varlen-causal"]),
        (["--causal"], ["hd128-s8192-causal"]),
        (["--case", "hd64-s8192", "--kv-heads", "8"], ["hd64-s8192-gqa4"]),
    ],
)
def test_axes(arguments: list[str], names: list[str]) -> None:
    options = attention.parser().parse_args(arguments)
    assert [case.name for case in attention.chosen_cases(options)] == names
