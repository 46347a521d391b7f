"""What a build from source decides: SMs, PTX, CUDA and the pinned compilers."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from build_backend import arch_list, choice, facts, gpu, tree
from build_backend.errors import BuildError

ROOT = Path(__file__).parents[3]
KERNELS = """
[[source]]
file = "quantize.cu"
sms = ["7.0", "8.0", "8.9", "9.0", "12.0"]
kernels = ["mean"]

[[source]]
file = "wgmma.cu"
sms = ["9.0"]
kernels = ["fp8_wgmma"]
suffix = "a"
note = "of no interest here"

[[kind]]
name = "fp4"
packages = ["sage3"]

[[source]]
kind = "fp4"
file = "of_another_package.cu"
sms = ["8.0"]

[[source]]
file = "of_another_package_too.cu"
sms = ["8.0"]
packages = ["sage3"]
"""


@pytest.fixture
def source(tmp_path: Path) -> tree.Tree:
    """The real matrix and locks, with kernels of few SMs."""
    for name in "lock", "matrix":
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "csrc").mkdir()
    (tmp_path / "csrc/kernels.toml").write_text(KERNELS)
    (tmp_path / "python").mkdir()
    return tree.locate(tmp_path / "python")


def choose(
    source: tree.Tree,
    sms: str = "",
    cuda: str = "",
    found: gpu.Found | None = None,
    listed: str = "",
) -> choice.Choice:
    def detect() -> gpu.Found:
        assert found is not None, "SAGEATTN_SMS is set: the driver need not be asked"
        return found

    return choice.choose(
        source,
        facts.read(source.root / "matrix/default.hcl"),
        tree.kernel_sources(source),
        {"SAGEATTN_SMS": sms, "SAGEATTN_CUDA": cuda, "TORCH_CUDA_ARCH_LIST": listed},
        detect,
    )


def gpus(*sms: str, driver: str = "13.0") -> gpu.Found:
    return gpu.Found(tuple(gpu.Device(f"GPU {sm}", sm) for sm in sms), driver)


@pytest.mark.parametrize(
    ("sms", "expected", "ptx", "note"),
    [
        ("8.9", ["8.9"], "", ""),
        ("9.0;8.9", ["8.9", "9.0"], "", ""),
        (" 12.0, 9.0 ,8.9,8.9;", ["8.9", "9.0", "12.0"], "", ""),
        ("8.6", ["8.0"], "", "8.6: SM 8.6 has no kernels of its own; it runs those of 8.0"),
        ("8.6;8.9", ["8.0", "8.9"], "", "it runs those of 8.0"),
        ("9.9", ["9.0"], "", "it runs those of 9.0"),
        ("12.1", ["12.0"], "", "12.1: SM 12.1 has no kernels of its own; it runs those of 12.0"),
        ("13.0", ["12.0"], "12.0", "newer than all kernels; the driver will compile PTX of 12.0"),
        ("13.0;8.9", ["8.9", "12.0"], "12.0", "PTX of 12.0"),
    ],
)
def test_sms(source: tree.Tree, sms: str, expected: list[str], ptx: str, note: str) -> None:
    made = choose(source, sms)
    assert (list(made.sms), made.ptx) == (expected, ptx)
    assert note in "\n".join(made.notes) and bool(note) == bool(made.notes)


@pytest.mark.parametrize(
    ("sms", "error"),
    [
        ("6.1", "SM 6.1: there are no kernels for it; there are for 7.0, 8.0, 8.9, 9.0, 12.0"),
        ("8.9;11.0", "SM 11.0: there are no kernels"),
        ("89", "'89' is not an SM such as 8.9"),
        ("sm_89", "'sm_89' is not an SM"),
        ("9.0a", "'9.0a' is not an SM"),
        ("8.9+PTX", "is not an SM"),
    ],
)
def test_unusable_sms(source: tree.Tree, sms: str, error: str) -> None:
    with pytest.raises(BuildError) as caught:
        choose(source, sms)
    assert error in str(caught.value)
    assert re.fullmatch(r'export SAGEATTN_SMS="[\d.;]+"', caught.value.hint)


@pytest.mark.parametrize(
    ("text", "expected", "ptx"),
    [
        ("8.0;8.6+PTX", ["8.0"], "8.0"),
        ("8.9 9.0a", ["8.9", "9.0"], ""),
        ("8.9,12.0f;", ["8.9", "12.0"], ""),
        ("9.0+PTX", ["9.0"], "9.0"),
        ("8.0+PTX;8.9", ["8.0", "8.9"], "8.0"),
        ("9.0+PTX 8.9+PTX", ["8.9", "9.0"], "9.0"),
        ("Ampere", ["8.0"], "8.0"),
        ("Ada;Hopper", ["8.9", "9.0"], "9.0"),
        ("Volta Ampere+Tegra", ["7.0", "8.0"], "7.0"),
        ("13.0", ["12.0"], "12.0"),  # has no kernels of its own but those of PTX
    ],
)
def test_arch_list_of_torch(source: tree.Tree, text: str, expected: list[str], ptx: str) -> None:
    made = choose(source, listed=text)
    assert (list(made.sms), made.ptx) == (expected, ptx)
    assert made.notes[0] == (
        "the SMs are those of TORCH_CUDA_ARCH_LIST; SAGEATTN_SMS would override it"
    )


def test_arch_list_of_an_image_for_all_gpus(source: tree.Tree) -> None:
    """SMs without kernels do not stop a build that others can use, and are told."""
    made = choose(source, listed="5.2 6.0 7.0 8.0 8.6 9.0+PTX")
    assert (made.sms, made.ptx) == (("7.0", "8.0", "9.0"), "9.0")
    assert "TORCH_CUDA_ARCH_LIST 6.0, SM 6.0: there are no kernels for it" in "\n".join(made.notes)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Pascal", "SM 6.0: there are no kernels for it"),
        ("Common", "'Common' is neither an SM such as 8.9 or 8.9\\+PTX nor one of .*Ampere"),
        ("8.9;sm_90", "'sm_90' is neither"),
        ("8.9+ptx", "'8.9\\+ptx' is neither"),
        ("ampere", "'ampere' is neither"),
    ],
)
def test_unusable_arch_lists(source: tree.Tree, text: str, error: str) -> None:
    with pytest.raises(BuildError, match=error) as caught:
        choose(source, listed=text)
    assert caught.value.hint


def test_our_setting_overrides_that_of_torch(source: tree.Tree) -> None:
    made = choose(source, "8.9", listed="Common")
    assert (made.sms, made.ptx, made.notes) == (("8.9",), "", ())
    assert choose(source, found=gpus("9.0"), listed=" ; ").sms == ("9.0",)


def test_generations_are_those_of_torch() -> None:
    """Where torch is installed. What Blackwell stands for depends on the release."""
    pytest.importorskip("torch")
    import inspect

    from torch.utils import cpp_extension

    listed = inspect.getsource(cpp_extension._get_cuda_arch_flags)
    theirs = re.findall(r"\('(\w[\w+]*)', '([\d.;+PTX]+)'\)", listed)
    assert len(theirs) >= 14
    for name, sms in theirs:
        ours = arch_list._GENERATIONS[name]
        assert ours == sms or "Blackwell" in name


def test_the_former_name_of_sm_11_0() -> None:
    assert arch_list.read("10.1a+PTX") == [("11.0", True)] == arch_list.read("11.0+PTX")
    assert arch_list.read("Blackwell+Tegra") == [("11.0", False)]


def test_gpus_of_this_machine(source: tree.Tree) -> None:
    made = choose(source, found=gpus("8.9", "6.1", "8.9"))
    assert made.sms == ("8.9",)
    assert made.notes == (
        "GPU 6.1, SM 6.1: there are no kernels for it; there are for 7.0, 8.0, 8.9, 9.0, 12.0",
    )


def test_only_unsupported_gpus(source: tree.Tree) -> None:
    with pytest.raises(BuildError, match=r"GPU 6.1, SM 6.1: there are no kernels for it"):
        choose(source, found=gpus("6.1"))


@pytest.mark.parametrize("sms", ["", " ; ", ","])
def test_no_gpu_says_what_to_set(source: tree.Tree, sms: str) -> None:
    with pytest.raises(
        BuildError, match="no driver here; set SAGEATTN_SMS to .* 7.0, 8.0"
    ) as error:
        choose(source, sms, found=gpu.Found(reason="no driver here"))
    assert "SAGEATTN_SMS=" in error.value.hint


@pytest.mark.parametrize(
    ("sms", "asked", "cuda"),
    [
        ("8.9", "", "12.9"),
        ("7.0", "", "12.9"),
        ("7.0", "12.6", "12.6"),
        ("8.9", "12.8.1", "12.8"),
        ("8.9", "13.0", "13.0"),
    ],
)
def test_cuda(source: tree.Tree, sms: str, asked: str, cuda: str) -> None:
    made = choose(source, sms, asked)
    assert made.cuda == cuda
    pins = made.requirements(source)
    assert [pin for pin in pins if re.match(rf"nvidia-cuda-nvrtc(-cu12)?=={cuda}\.\d+$", pin)]
    assert [pin for pin in pins if pin.startswith("ziglang==")]
    locks = f"toolchain-cu{cuda.replace('.', '')}.txt", "host-toolchain.txt"
    for pin in pins:
        assert any(f"\n{pin} \\\n" in (ROOT / "lock" / lock).read_text() for lock in locks)


@pytest.mark.parametrize(
    ("sms", "asked", "error"),
    [
        ("7.0", "13.0", "13.0 does not compile for all of 7.0; 12.9, 12.8, 12.6 does"),
        ("12.0", "12.6", "12.6 does not compile for all of 12.0"),
        ("8.9", "11.8", "'11.8' is not one of 12.6, 12.8, 12.9, 13.0, 13.2"),
        ("8.9", "12.4", "'12.4' is not one of"),
        ("8.9", "newest", "'newest' is not one of"),
    ],
)
def test_unusable_cuda(source: tree.Tree, sms: str, asked: str, error: str) -> None:
    with pytest.raises(BuildError) as caught:
        choose(source, sms, asked)
    assert error in str(caught.value) and caught.value.hint == "unset SAGEATTN_CUDA"


@pytest.mark.parametrize(
    ("sm", "driver", "cuda"),
    [
        ("8.9", "12.4", "12.9"),  # machine code runs on every driver of CUDA 12
        ("13.0", "12.8", "12.8"),  # PTX does not
        ("13.0", "13.0", "12.9"),
    ],
)
def test_driver_bounds_the_cuda(source: tree.Tree, sm: str, driver: str, cuda: str) -> None:
    assert choose(source, found=gpus(sm, driver=driver)).cuda == cuda


def test_driver_older_than_every_cuda(source: tree.Tree) -> None:
    with pytest.raises(
        BuildError, match=r"driver is for CUDA 11.8; .* CUDA 12.6 or newer"
    ) as error:
        choose(source, found=gpus("8.9", driver="11.8"))
    assert error.value.hint == 'export SAGEATTN_SMS="8.9"'


def test_lock_names_are_those_of_the_table() -> None:
    """Package bake, which says what a build copies, is held to the same table."""
    lines = (ROOT / "bake/testdata/locks.txt").read_text().splitlines()
    cases = [line.split() for line in lines if " toolchain " in line and line[:1] != "#"]
    assert len(cases) >= 2
    for name, _, cuda in cases:
        assert choice.lock_name(cuda) == name


def test_a_cuda_without_lock_is_not_taken(source: tree.Tree) -> None:
    (source.root / "lock/toolchain-cu129.txt").unlink()
    assert choose(source, "8.9").cuda == "13.2"
    assert choose(source, "7.0").cuda == "12.8"


def test_sources(source: tree.Tree) -> None:
    listed = tree.kernel_sources(source)

    def names(sms: str) -> list[str]:
        chosen = choose(source, sms).sources(listed)
        return [f"{entry.file} {sm}{entry.suffix}" for sm, entry in chosen]

    assert names("9.0;8.0") == ["quantize.cu 8.0", "quantize.cu 9.0", "wgmma.cu 9.0a"]
    assert names("8.9") == ["quantize.cu 8.9"]


def test_real_kernels_can_be_built_for_every_sm() -> None:
    real = tree.locate(ROOT / "python")
    listed = tree.kernel_sources(real)
    for sm in {sm for entry in listed for sm in entry.sms}:
        made = choose(real, sm)
        assert made.cuda == ("13.2" if sm == "11.0" else "12.9") and made.notes == ()
        files = [entry.file for _, entry in made.sources(listed)]
        assert "quantize/quantize.cu" in files and len(files) > 1
        assert all((real.device / file).is_file() for file in files)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "names no source"),
        ("[[source]]\nsms = []", "a source lacks file"),
        ('[[source]]\nfile = "a.cu"', "a source lacks sms"),
        ("[[source]\n", "line 1: expected ]"),
        ('source = "a.cu"', "kernels.toml: "),
        ('[[source]]\nkind = "fp4"\nfile = "a.cu"', "kernels.toml: 'fp4'"),
    ],
)
def test_unreadable_kernels(source: tree.Tree, text: str, error: str) -> None:
    (source.root / "csrc/kernels.toml").write_text(text)
    with pytest.raises(BuildError) as caught:
        tree.kernel_sources(source)
    assert error in str(caught.value)


def test_unreadable_matrix(tmp_path: Path) -> None:
    (tmp_path / "default.hcl").write_text('package "sage2" {\n}\n')
    with pytest.raises(BuildError, match="default.hcl: "):
        facts.read(tmp_path / "default.hcl")


def test_python_folder_alone(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no csrc/kernels.toml in"):
        tree.locate(tmp_path / "python")


# A driver with an RTX 4090 and a GPU of SM 12.1, or one that fails.
_DRIVER = r"""
#include <stdlib.h>
#include <string.h>
int cuInit(unsigned flags) { return atoi(getenv("FAIL")); }
int cuGetErrorName(int error, const char** name) {
    *name = error == 803 ? "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" : 0;
    return 0;
}
int cuDriverGetVersion(int* version) { *version = 12080; return 0; }
int cuDeviceGetCount(int* count) { *count = 2; return 0; }
int cuDeviceGet(int* device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char* name, int size, int device) { strcpy(name, device ? "GB10" : "RTX 4090"); return 0; }
int cuDeviceGetAttribute(int* value, int which, int device) {
    *value = which == 75 ? (device ? 12 : 8) : which == 76 ? (device ? 1 : 9) : -1;
    return 0;
}
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import importlib.util
    import subprocess
    import sys

    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("zig is not installed: pip install ziglang")
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(_DRIVER)
    command = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-o"]
    subprocess.run([*command, folder / "libcuda.so.1", folder / "driver.c"], check=True)
    return folder / "libcuda.so.1"


def test_driver_is_asked(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_DRIVER", str(driver))
    monkeypatch.setenv("FAIL", "0")
    devices = (gpu.Device("RTX 4090", "8.9"), gpu.Device("GB10", "12.1"))
    assert gpu.detect() == gpu.Found(devices, "12.8")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("100", "the NVIDIA driver sees no GPU"),
        ("803", "the NVIDIA driver failed: cuInit: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
        ("12345", "the NVIDIA driver failed: cuInit: error 12345"),
    ],
)
def test_failing_driver(
    driver: Path, monkeypatch: pytest.MonkeyPatch, error: str, reason: str
) -> None:
    monkeypatch.setattr(gpu, "_DRIVER", str(driver))
    monkeypatch.setenv("FAIL", error)
    assert gpu.detect() == gpu.Found(reason=reason)


def test_no_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "_DRIVER", str(tmp_path / "libcuda.so.1"))
    assert gpu.detect().reason.startswith("there is no NVIDIA driver")
