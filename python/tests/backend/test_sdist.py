"""The hooks that pip calls, for real: an sdist, its installation into an empty environment, and what can go wrong."""

from __future__ import annotations

import ctypes
import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Callable, NamedTuple

import pytest
from support import fatbin, record

from build_backend import facts, hooks, nvrtc, reader, tree, wheel

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / "python"
SM = "8.9"

if not sys.platform.startswith("linux"):
    pytest.skip("builds from source are for Linux", allow_module_level=True)

Hook = Callable[..., "subprocess.CompletedProcess[str]"]


class Installed(NamedTuple):
    """An environment that pip installed the sdist into; output is what pip -v said."""

    python: Path
    distribution: metadata.Distribution
    output: str

    def file(self, name: str) -> Path:
        return Path(str(self.distribution.locate_file(name)))


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("sdist")
    return output / hooks.build_sdist(str(output))


@pytest.fixture(scope="session")
def installed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """One real build, in an environment without torch, NVRTC or zig, with no program on the path but Python's."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    binaries = folder / "bin"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SAGEATTN"))}
    environment.update(PATH=str(binaries), SAGEATTN_SMS=SM)
    command = [binaries / "python", "-m", "pip", "install", "--verbose", "--no-deps", archive]
    result = subprocess.run(
        command, check=False, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    for cached in re.findall(r"Stored in directory: (.*/pip/wheels/.*)", result.stdout):
        shutil.rmtree(cached)  # of a file that nobody will install again
    (site,) = folder.glob("lib/python*/site-packages")
    (distribution,) = metadata.distributions(name="sageattention", path=[str(site)])
    return Installed(binaries / "python", distribution, result.stdout)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A whole tree, unpacked elsewhere, with one kernel that compiles at once."""
    for name in "lock", "matrix", "csrc":
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in "build_backend", "sageattention":
        copied = tmp_path / "python" / name
        shutil.copytree(PYTHON / name, copied, ignore=shutil.ignore_patterns("__pycache__"))
    for name in "python/pyproject.toml", "python/README.md", "LICENSE":
        shutil.copy(ROOT / name, tmp_path / name)
    entry = '[[source]]\nfile = "fill.cu"\nsms = ["8.9", "12.1"]\nkernels = ["fill"]\n'
    (tmp_path / "csrc/kernels.toml").write_text(entry)
    kernel = 'extern "C" __global__ void fill(int* x) { x[threadIdx.x] = 1; }\n'
    (tmp_path / "csrc/device/fill.cu").write_text(kernel)
    return tmp_path


def call(python: Path | str, project: Path, hook: str, **settings: str) -> Hook:
    """Calls a hook as a front end does: in a process of its own, in the project's folder."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = (
            "import sys; sys.path.insert(0, '.'); from build_backend import hooks; "
            f"print(hooks.{hook}(*sys.argv[1:]))"
        )
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SAGEATTN")}
        environment.update(PYTHONDONTWRITEBYTECODE="1", **settings)
        command = [str(python), "-c", code, *arguments]
        return subprocess.run(
            command, check=False, cwd=project, env=environment, capture_output=True, text=True
        )

    return run


def names(archive: Path) -> set[str]:
    with tarfile.open(archive) as opened:
        return {name.split("/", 1)[1] for name in opened.getnames()}


def test_contents(archive: Path) -> None:
    assert archive.name == f"sageattention-{version()}.tar.gz"
    found = names(archive)
    assert found >= {
        "PKG-INFO", "LICENSE", "README.md", "pyproject.toml", "build_backend/hooks.py",
        "sageattention/__init__.py", "sageattention/py.typed", "csrc/kernels.toml",
        "csrc/host/sageattn.h", "lock/toolchain-cu129.txt", "lock/host-toolchain.txt",
        "matrix/default.hcl",
    }  # fmt: skip
    package = PYTHON / "sageattention"
    assert found >= {path.relative_to(PYTHON).as_posix() for path in package.rglob("*.py")}
    allowed = r"(build_backend|sageattention|csrc/(device|host)|lock|matrix)/.*\.(py|typed|cuh?|[ch]|inc|txt|hcl)"
    extra = {"PKG-INFO", "LICENSE", "README.md", "pyproject.toml", "csrc/kernels.toml"}
    assert [name for name in found - extra if not re.fullmatch(allowed, name)] == []
    assert not any(name.startswith("lock/torch") or "tests" in name for name in found)


def test_every_source_is_there_with_what_it_includes(archive: Path, tmp_path: Path) -> None:
    root = unpack(archive, tmp_path)
    unpacked = tree.locate(root)
    assert unpacked == tree.Tree(root, root)
    for entry in tree.kernel_sources(unpacked):
        assert (unpacked.device / entry.file).is_file()
    for path in (root / "csrc").rglob("*.[ch]*"):
        for header in re.findall(r'^\s*#\s*include\s*"([^"]*)"', path.read_text(), re.MULTILINE):
            assert any((base / header).is_file() for base in (path.parent, unpacked.device))


def test_archive_tells_nothing_of_this_machine(archive: Path) -> None:
    with tarfile.open(archive) as opened:
        for member in opened.getmembers():
            assert member.isfile() and member.name.startswith(f"sageattention-{version()}/")
            assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
            assert (member.mode, member.mtime, member.pax_headers) == (0o644, 315532800, {})
    assert gzip.decompress(archive.read_bytes())
    assert archive.read_bytes()[3] == 0  # no file name in the gzip header


def test_same_sources_give_the_same_bytes(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = unpack(archive, tmp_path)
    for path in root.rglob("*.py"):
        path.chmod(0o755)
        os.utime(path, (1, 1))
    (root / "sageattention/__pycache__").mkdir()
    (root / "sageattention/__pycache__/core.cpython-312.pyc").write_bytes(b"no")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    result = call(sys.executable, root, "build_sdist")(str(tmp_path / "again"))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "again" / archive.name).read_bytes() == archive.read_bytes()


@pytest.mark.parametrize("seconds", [1700000000, wheel.LAST_EPOCH])
def test_source_date_epoch(seconds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(seconds))
    with tarfile.open(tmp_path / hooks.build_sdist(str(tmp_path))) as opened:
        assert {member.mtime for member in opened.getmembers()} == {seconds}


def test_a_bad_epoch_is_found_before_anything_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "today")
    monkeypatch.setenv("SAGEATTN_SMS", "8.9")
    with pytest.raises(SystemExit):
        hooks.get_requires_for_build_wheel()


def test_a_failed_sdist_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(hooks.sdist.os, "replace", fail)
    with pytest.raises(SystemExit):
        hooks.build_sdist(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_sdist_needs_neither_gpu_nor_compilers() -> None:
    assert hooks.get_requires_for_build_sdist() == []


def test_pip_installs_it(installed: Installed) -> None:
    distribution = installed.distribution
    assert distribution.version == version()
    assert distribution.requires == ["torch>=2.4"]
    assert distribution.metadata["Requires-Python"] == ">=3.9"
    wheel_file = distribution.read_text("WHEEL") or ""
    assert re.search(r"^Tag: py3-none-linux_(x86_64|aarch64)$", wheel_file, re.MULTILINE)
    assert "Build:" not in wheel_file
    assert record.installed_findings(distribution) == []
    assert installed.file(f"sageattention-{version()}.dist-info/licenses/LICENSE").is_file()


def test_metadata_is_the_same_everywhere(
    archive: Path, installed: Installed, tmp_path: Path
) -> None:
    text = installed.distribution.read_text("METADATA")
    folder = hooks.prepare_metadata_for_build_wheel(str(tmp_path))
    assert (tmp_path / folder / "METADATA").read_text("utf-8") == text
    with tarfile.open(archive) as opened:
        member = opened.extractfile(f"sageattention-{version()}/PKG-INFO")
        assert member is not None and member.read().decode() == text


def test_installed_kernels_are_those_of_the_sm(installed: Installed) -> None:
    table = reader.parse_toml((ROOT / "csrc/kernels.toml").read_text())
    of_kind = {
        kind["name"]: [f"attention_{kind['name']}_hd{size}" for size in kind["head_dims"]]
        for kind in table["kind"]
    }
    planned = frozenset(
        name
        for entry in table["source"]
        if SM in entry["sms"]
        for name in of_kind.get(entry.get("kind"), entry.get("kernels", []))
    )
    data = installed.file("sageattention/lib/sageattn.fatbin").read_bytes()
    assert fatbin.findings(data, {SM: planned}, "") == []


def test_installed_library_loads_its_kernels(installed: Installed) -> None:
    library = ctypes.CDLL(str(installed.file("sageattention/lib/libsageattn.so")))
    path = installed.file("sageattention/lib/sageattn.fatbin")
    assert library.sageattn_load(os.fsencode(path)) == 0


def test_progress_and_pins_are_shown(installed: Installed) -> None:
    assert f"kernels for SM {SM}, compiled by CUDA 12.9" in installed.output
    for pin in ("nvidia-cuda-nvrtc-cu12==12.9", "nvidia-nvfatbin-cu12==12.9", "ziglang=="):
        assert f"needs {pin}" in installed.output
    steps = re.findall(r"\[(\d+)/(\d+)\] \S+ .*sm_89", installed.output)
    assert steps and {total for _, total in steps} == {str(len(steps) + 1)}  # and the C library


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"SAGEATTN_SMS": "6.1"}, r"error: SM 6\.1: there are no kernels for it; .*7\.0"),
        ({"SAGEATTN_SMS": "sm_89"}, r"error: SAGEATTN_SMS: 'sm_89' is not an SM"),
        ({"SAGEATTN_SMS": "7.0", "SAGEATTN_CUDA": "13.0"}, "error: SAGEATTN_CUDA: 13.0 does not"),
        ({"CUDA_VISIBLE_DEVICES": ""}, r"error: which GPUs to build for\? .*SAGEATTN_SMS"),
    ],
)
@pytest.mark.parametrize("hook", ["get_requires_for_build_wheel", "build_wheel"])
def test_errors_have_a_hint_and_no_traceback(
    hook: str, settings: dict[str, str], error: str, tmp_path: Path
) -> None:
    arguments = [str(tmp_path / "out")] if hook == "build_wheel" else []
    result = call(sys.executable, PYTHON, hook, **settings)(*arguments)
    assert result.returncode == 1
    assert re.fullmatch(rf"{error}.*\nhint: .*SAGEATTN_.*\n", result.stderr)
    assert not (tmp_path / "out").exists()


def test_without_compilers_the_error_says_what_to_install(
    installed: Installed, tmp_path: Path
) -> None:
    run = call(installed.python, PYTHON, "build_wheel", SAGEATTN_SMS=SM, PYTHONPATH="")
    result = run(str(tmp_path / "out"))
    assert result.returncode == 1
    assert re.search(r"^error: .* not found on the Python path$", result.stderr, re.MULTILINE)
    assert re.search(r"^hint: pip install \S+", result.stderr, re.MULTILINE)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def make_wheel(compiler: nvrtc.Nvrtc, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    zig = str(tmp_path_factory.mktemp("zig"))  # its own C library is compiled once

    def make(sources: Path, hook: str = "build_wheel", **settings: str) -> Path:
        run = call(
            sys.executable,
            sources / "python",
            hook,
            ZIG_GLOBAL_CACHE_DIR=zig,
            ZIG_LOCAL_CACHE_DIR=zig,
            **settings,
        )
        result = run(str(sources / "out"))
        assert result.returncode == 0, result.stderr
        return sources / "out" / result.stdout.splitlines()[-1]

    return make


def test_wheel_is_the_same_bytes_wherever_it_is_built(
    make_wheel: Callable[..., Path], sources: Path
) -> None:
    shutil.copytree(sources, sources / "elsewhere")
    first = make_wheel(sources, SAGEATTN_SMS="12.1;8.9")
    second = make_wheel(sources / "elsewhere", SAGEATTN_SMS="8.9,12.1", MAX_JOBS="1")
    assert first.read_bytes() == second.read_bytes()
    assert record.wheel_findings(first) == []
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_newer_gpus_get_ptx(make_wheel: Callable[..., Path], sources: Path) -> None:
    with zipfile.ZipFile(make_wheel(sources, SAGEATTN_SMS="13.0")) as opened:
        data = opened.read("sageattention/lib/sageattn.fatbin")
    assert fatbin.findings(data, {"12.1": frozenset(["fill"])}, "12.1") == []


def test_editable(make_wheel: Callable[..., Path], sources: Path) -> None:
    path = make_wheel(sources, hook="build_editable", SAGEATTN_SMS=SM)
    assert record.wheel_findings(path) == []
    with zipfile.ZipFile(path) as opened:
        assert opened.read("sageattention.pth").decode() == f"{sources / 'python'}\n"
        assert not any(name.startswith("sageattention/") for name in opened.namelist())
    folder = sources / "python/sageattention/lib"
    assert {file.name for file in folder.iterdir()} == {"libsageattn.so", "sageattn.fatbin"}
    data = (folder / "sageattn.fatbin").read_bytes()
    assert fatbin.findings(data, {SM: frozenset(["fill"])}, "") == []
    assert os.access(folder / "libsageattn.so", os.X_OK)


def test_a_failed_compilation_shows_its_log(compiler: nvrtc.Nvrtc, sources: Path) -> None:
    (sources / "csrc/device/fill.cu").write_text("broken\n")
    run = call(sys.executable, sources / "python", "build_wheel", SAGEATTN_SMS=SM)
    result = run(str(sources / "out"))
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert result.stderr.startswith("error: fill.cu") and "fill.cu(1): error" in result.stderr
    assert not (sources / "out").exists()


def unpack(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as opened:
        if hasattr(tarfile, "data_filter"):  # since 3.12, which warns without
            opened.extraction_filter = tarfile.data_filter
        opened.extractall(folder)
    return folder / archive.name[: -len(".tar.gz")]


def version() -> str:
    return facts.read(ROOT / "matrix/default.hcl").version
