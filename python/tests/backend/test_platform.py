"""What differs between the platforms that wheels are for, as far as one of them can tell."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from build_backend import facts, host, native, packages
from build_backend.errors import BuildError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def matrix() -> facts.Facts:
    return facts.read(ROOT / "matrix/default.hcl")


@pytest.mark.parametrize(
    ("name", "platform"),
    [
        ("linux-x86_64", ("linux_x86_64", "x86_64-linux-gnu.2.17", "libsageattn.so")),
        ("linux-aarch64", ("linux_aarch64", "aarch64-linux-gnu.2.17", "libsageattn.so")),
        ("win-amd64", ("win_amd64", "x86_64-windows-gnu", "sageattn.dll")),
    ],
)
def test_platform_of_this_python(
    matrix: facts.Facts, monkeypatch: pytest.MonkeyPatch, name: str, platform: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sysconfig, "get_platform", lambda: name)
    found = native.platform(matrix)
    assert found == facts.Platform(*platform)
    assert host.platform_of(found.target)


@pytest.mark.parametrize("name", ["macosx-14.0-arm64", "win-arm64", "win32", "linux-riscv64"])
def test_other_platforms_are_refused(
    matrix: facts.Facts, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(sysconfig, "get_platform", lambda: name)
    with pytest.raises(BuildError, match="for linux_x86_64, linux_aarch64, win_amd64"):
        native.platform(matrix)


@pytest.mark.parametrize("target", ["aarch64-macos", "x86_64", "", "linux"])
def test_targets_that_zig_is_not_asked_for(target: str) -> None:
    with pytest.raises(BuildError, match="it is not for linux or windows"):
        host.command_line(target, Path("library"), [])


# What the wheels of NVIDIA hold.
_FILES = {
    "linux": (
        "nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
        "nvidia/cuda_nvrtc/lib/libnvrtc.alt.so.12",
        "nvidia/cuda_nvrtc/lib/libnvrtc-builtins.so.12.9",
    ),
    "win32": (
        "nvidia/cuda_nvrtc/bin/nvrtc64_120_0.dll",
        "nvidia/cuda_nvrtc/bin/nvrtc64_120_0.alt.dll",
        "nvidia/cuda_nvrtc/bin/nvrtc-builtins64_129.dll",
    ),
}


@pytest.mark.parametrize("system", _FILES)
def test_libraries_of_the_compilers(
    system: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    main, _, builtins = (tmp_path / name for name in _FILES[system])
    for name in _FILES[system]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    opened: list[str] = []
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(ctypes, "CDLL", opened.append)
    packages.load_library("nvrtc", "cuda_nvrtc", "nvidia-cuda-nvrtc-cu12")
    assert opened == [str(builtins), str(main)]


def test_all_cpus_serve_where_none_are_set_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_HAS_AFFINITY", False)
    monkeypatch.delenv("MAX_JOBS", raising=False)
    assert native.workers() == os.cpu_count()


_MANAGEMENT = r"""
#include <string.h>
int nvmlInit_v2(void) { return FAILS; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char* text, unsigned size) { strncpy(text, "580.65.06", size); return 0; }
"""

_ASK = """
import pathlib, runpy, sys
module = runpy.run_path(sys.argv[1])
module["version"].__globals__["_KERNEL_MODULE"] = pathlib.Path(sys.argv[2])
print(module["version"]())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="builds a Linux library")
@pytest.mark.parametrize(
    ("fails", "module", "version"),
    [
        (0, "", "580.65.06"),
        (9, "", "None"),
        (9, "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  575.57.08  Release", "575.57.08"),
    ],
)  # fmt: skip
def test_driver_version(fails: int, module: str, version: str, tmp_path: Path) -> None:
    """The kernel module tells it, and without one NVML, which fails in some containers."""
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("zig is not installed: pip install ziglang")
    (tmp_path / "nvml.c").write_text(_MANAGEMENT)
    zig = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", f"-DFAILS={fails}", "-o"]
    subprocess.run([*zig, tmp_path / "libnvidia-ml.so.1", tmp_path / "nvml.c"], check=True)
    (tmp_path / "version").write_text(module)
    driver = ROOT / "python/sageattention/_driver.py"
    result = subprocess.run(
        [sys.executable, "-c", _ASK, str(driver), str(tmp_path / "version")],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
    )
    assert result.stdout.strip() == version
