"""describe() says what is there and what would be taken, with and without a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import sageattention
from sageattention import _describe, _kernels, _library


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "sageattention", *arguments]
    result = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
    assert result.stderr == ""
    return result.stdout


def test_module_and_function_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    sageattention.describe()
    text = capsys.readouterr().out
    assert text == run()
    assert text.startswith(f"sageattention {sageattention.__version__}")
    assert f"torch {torch.__version__}" in text


def test_json() -> None:
    found = json.loads(run("--json"))
    assert found["torch"] == str(torch.__version__)
    assert found == json.loads(json.dumps(_describe.collect()))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_every_sm_of_the_wheel_is_explained(distribution: object) -> None:
    found = _describe.collect()
    assert found["gpus"] == []
    assert "driver" in found["problem"] or "GPU" in found["problem"]
    assert [*found["choices"]] == found["sms"]
    for sm, functions in found["choices"].items():
        assert [*functions] == [*_describe.FUNCTIONS]
        for function, rows in functions.items():
            assert all(row["kernel"] != "none" and row["why"] for row in rows), (sm, function, rows)
    text = _describe.render(found)
    assert f"SMs in the wheel: {' '.join(found['sms'])}" in text


def test_images_are_those_of_the_fatbin(distribution: object) -> None:
    from support import fatbin

    entries = fatbin.read_file(_library.fatbin_path())
    cubins, ptx = _kernels.sms()
    texts = [[_kernels.sm_text(sm) for sm in found] for found in (cubins, ptx)]
    assert set(texts[0]) == {e.sm for e in entries if e.kind == fatbin.CUBIN}
    assert set(texts[1]) == {e.sm for e in entries if e.kind == fatbin.PTX}


def test_a_missing_library_is_part_of_the_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_library, "_loaded", None)
    monkeypatch.setattr(_library, "library_path", lambda: tmp_path / "libsageattn.so")
    _kernels.images.cache_clear()
    try:
        found = _describe.collect()
    finally:
        _kernels.images.cache_clear()
    assert "libsageattn.so" in found["problem"]
    assert "SMs in the wheel: none" in _describe.render(found)
