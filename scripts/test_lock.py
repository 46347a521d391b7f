"""What scripts/lock.py writes, with the index's answer given: which files, which are left, what is refused."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which writes to a folder of the test."""
    spec = importlib.util.spec_from_file_location("lock", Path(__file__).with_name("lock.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "lock", module)
    spec.loader.exec_module(module)
    (tmp_path / "lint.in").write_text("ruff==1\nmypy==2\n")
    for name in ("clients", "kernels"):
        (tmp_path / f"{name}.in").write_text("")
    monkeypatch.setattr(module, "LOCK", tmp_path)
    return module


def block(name: str, version: str = "1") -> str:
    return f"{name}=={version} \\\n    --hash=sha256:{'0' * 64}"


def answer(lock: ModuleType, monkeypatch: pytest.MonkeyPatch, libraries: dict[str, str]) -> list[str]:
    """The index has a CUDA library of these versions, by Python; returns the Pythons that were asked for."""
    asked: list[str] = []

    def resolve(requirements: str, python: str, platform: str) -> list[str]:
        asked.append(python)
        return [block("nvidia-cublas", libraries[python]), block("torch", "2.8.0")]

    monkeypatch.setattr(lock, "resolve", resolve)
    return asked


def cell(platform: str, emulator: str, *runtimes: tuple[str, str]) -> dict[str, object]:
    return {
        "platform": {"name": platform, "emulator": emulator},
        "runtimes": [{"torch": torch, "python": python} for torch, python in runtimes],
    }


def test_runtimes_are_those_of_all_cells(lock: ModuleType) -> None:
    found = lock.runtimes(
        [
            cell("linux", "", ("2.8.0", "3.12")),
            cell("linux", "", ("2.8.0", "3.9"), ("2.8.0", "3.12")),
            cell("windows", "wine", ("2.8.0", "3.12")),
            cell("linux", ""),
        ]
    )
    assert found == [
        lock.Runtime("linux", False, "2.8.0", ["3.9", "3.12"]),
        lock.Runtime("windows", True, "2.8.0", ["3.12"]),
    ]
    assert [found[0].libraries(), found[0].packages("3.9"), found[1].packages("3.12")] == [
        "torch28-libraries",
        "torch28-python39",
        "torch28-python312-windows",
    ]


def test_pythons_share_a_file_of_libraries(
    lock: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(lock, monkeypatch, {"3.9": "1", "3.12": "1"})
    lock.lock_native(lock.Runtime("linux", False, "2.8.0", ["3.9", "3.12"]), missing=False)
    assert lock.read("torch28-libraries") == [block("nvidia-cublas")]
    assert lock.read("torch28-python39") == lock.read("torch28-python312") == [block("torch", "2.8.0")]
    assert sorted(path.suffix for path in tmp_path.glob("*.txt")) == [".txt"] * 3


def test_pythons_that_cannot_share_libraries_are_refused(lock: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(lock, monkeypatch, {"3.9": "1", "3.12": "2"})
    with pytest.raises(SystemExit, match=r"other CUDA libraries on Python 3\.12.*Remove lock/torch28-\*"):
        lock.lock_native(lock.Runtime("linux", False, "2.8.0", ["3.9", "3.12"]), missing=False)


def test_missing_leaves_the_pins_that_are_there(lock: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    lock.write("torch28-libraries", [block("nvidia-cublas")])
    lock.write("torch28-python39", [block("torch", "2.8.0"), block("numpy", "1")])
    asked = answer(lock, monkeypatch, {"3.12": "1"})
    lock.lock_native(lock.Runtime("linux", False, "2.8.0", ["3.9", "3.12"]), missing=True)
    assert asked == ["3.12"]
    assert lock.read("torch28-python39") == [block("torch", "2.8.0"), block("numpy", "1")]
    asked = answer(lock, monkeypatch, {"3.12": "2", "3.13": "2"})
    with pytest.raises(SystemExit, match=r"other CUDA libraries on Python 3\.13"):
        lock.lock_native(lock.Runtime("linux", False, "2.8.0", ["3.12", "3.13"]), missing=True)


def test_every_lock_file_is_of_this_form(lock: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(__file__).parent.parent / "lock"
    monkeypatch.setattr(lock, "LOCK", here)
    names = sorted(path.stem for path in here.glob("*.txt"))
    assert len(names) > 20
    for name in names:
        for text in lock.read(name):
            assert "==" in text.split()[0] and "--hash=sha256:" in text, f"{name}: {text[:60]}"


def test_one_runtime_has_the_type_checker_and_the_callers(lock: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    platform, torch, python = lock.EQUIPPED
    equipped = lock.Runtime(platform, False, torch, [python])
    (lock.LOCK / "clients.in").write_text("# two\ndiffusers==1\ntransformers==2\n")
    (lock.LOCK / "kernels.in").write_text("kernels==3\n")
    assert lock.equipment(equipped, python) == ["mypy==2", "diffusers==1", "transformers==2", "kernels==3"]
    assert lock.equipment(equipped, "3.9") == []

    monkeypatch.setattr(lock, "LOCK", Path(__file__).parent.parent / "lock")
    locked = {text.split()[0] for text in lock.read(equipped.packages(python))}
    assert {*lock.equipment(equipped, python)} <= locked, "run: make lock-missing, with that file removed"


def test_names_are_those_of_the_table(lock: ModuleType) -> None:
    """Package bake, which says what a build copies, is held to the same table."""
    table = Path(__file__).parent.parent / "bake/testdata/locks.txt"
    cases = [line.split() for line in table.read_text().splitlines() if line[:1] not in ("", "#")]
    names = {"libraries": 0, "packages": 0}
    for name, what, version, *where in cases:
        if what in ("toolchain", "ptxas"):
            continue
        python, platform, emulated = where or ("", "linux", "native")
        runtime = lock.Runtime(platform, emulated == "emulated", version, [python])
        composed = runtime.libraries() if what == "libraries" else runtime.packages(python)
        assert composed + ".txt" == name
        names[what] += 1
    assert all(names.values())
