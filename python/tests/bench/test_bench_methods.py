"""Loading peers and the package: which module is found, and what is said if it is another."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.methods import package, sageattention_1


def fake_sageattention_1(folder: Path, version: str = "1.0.6") -> Path:
    """A package with relative imports, as that on PyPI, and its metadata."""
    inner = folder / "sageattention"
    inner.mkdir(parents=True)
    (inner / "__init__.py").write_text("from .core import answer\n")
    (inner / "core.py").write_text("answer = __name__\n")
    metadata = folder / f"sageattention-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: sageattention\nVersion: {version}\n"
    )
    return folder


@pytest.fixture
def _forget() -> object:
    yield
    for name in [name for name in sys.modules if name.startswith(sageattention_1.MODULE)]:
        del sys.modules[name]


@pytest.mark.usefixtures("_forget")
def test_sageattention_1_is_loaded_beside_ours(tmp_path: Path) -> None:
    module = sageattention_1.load(fake_sageattention_1(tmp_path))
    assert module.answer == f"{sageattention_1.MODULE}.core"
    assert sageattention_1.load(tmp_path) is module
    assert (
        "sageattention.core" not in sys.modules or sys.modules["sageattention.core"] is not module
    )


@pytest.mark.usefixtures("_forget")
def test_a_package_that_breaks_is_forgotten(tmp_path: Path) -> None:
    fake_sageattention_1(tmp_path)
    (tmp_path / "sageattention" / "core.py").write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        sageattention_1.load(tmp_path)
    assert sageattention_1.MODULE not in sys.modules


def test_sageattention_1_says_what_is_missing(tmp_path: Path) -> None:
    assert "--sageattention-1 DIR" in sageattention_1.SageAttention1().why_missing()
    assert "holds no sageattention" in sageattention_1.SageAttention1(tmp_path).why_missing()
    other = fake_sageattention_1(tmp_path / "other", "2.2.0")
    assert "sageattention 2.2.0, not 1.0.6" in sageattention_1.SageAttention1(other).why_missing()


def test_the_sources_are_left_out_however_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = ["", str(tmp_path), f"{tmp_path}/x/..", "/usr/lib", "."]
    (tmp_path / "x").mkdir()
    assert package.without_sources(path, tmp_path) == ["/usr/lib"]


def test_a_library_makes_a_package_usable(tmp_path: Path) -> None:
    assert not package.has_library(tmp_path)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libsageattn.so").touch()
    assert package.has_library(tmp_path)
