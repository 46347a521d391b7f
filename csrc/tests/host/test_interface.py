"""The C library on every platform that wheels are for, each built here by zig and run where this machine can: Linux
itself, ARM64 under qemu-user, Windows under wine. Needs no GPU: the driver is missing, or one of ours."""

import ctypes
import importlib.util
import os
import pathlib
import platform
import re
import runpy
import shutil
import struct
import subprocess
import sys

import pytest

import binary

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
HOST = ROOT / "csrc" / "host"
FATBIN = "größe 日本.fatbin"
THREADS = 8

if importlib.util.find_spec("ziglang") is None:
    pytest.skip("zig is not installed: pip install ziglang", allow_module_level=True)


API = re.compile(r"SAGEATTN_API [^;(]*?(sageattn_\w+)\(")


class Linux:
    """Runs programs of a Linux machine: natively, or by qemu-user with that machine's C library."""

    library, driver, program = "libsageattn.so", "libcuda.so.1", "interface"
    options, host = ("-ldl", "-lpthread"), "0x10"
    needs = re.compile(r"lib(c|dl|m|pthread)\.so\.[0-9]|ld-linux-[a-z0-9-]+\.so\.[0-9]")  # glibc

    def __init__(self, machine, number):
        self.machine, self.number, self.target = machine, number, f"{machine}-linux-gnu.2.17"
        self.native = sys.platform == "linux" and platform.machine() == machine
        self.root = os.environ.get(f"{machine.upper()}_ROOT", f"/usr/{machine}-linux-gnu")

    def missing(self):
        if self.native:
            return ""
        if not shutil.which(f"qemu-{self.machine}"):
            return f"needs qemu-{self.machine}: apt-get install qemu-user"
        if not list(pathlib.Path(self.root, "lib").glob("ld-linux-*.so.1")):
            return f"{self.root} has no C library of {self.machine}: apt-get install libc6-arm64-cross"
        return ""

    def run(self, command, folder, with_driver):
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        if with_driver:
            environment["LD_LIBRARY_PATH"] = str(folder / "driver")
        emulator = [] if self.native else [f"qemu-{self.machine}", "-L", self.root]
        return call([*emulator, f"./{command[0]}", f"./{command[1]}", *command[2:]], folder, environment)

    def close(self, folder):
        pass


class Windows:
    """Runs programs of Windows under wine, in a Windows of its own."""

    target = "x86_64-windows-gnu"
    library, driver, program = "sageattn.dll", "nvcuda.dll", "interface.exe"
    options, host, number = (), "0x40", 0x8664
    needs = re.compile(r"kernel32\.dll|api-ms-win-crt-[a-z]+-l1-1-0\.dll")  # Windows 10 and newer

    def missing(self):
        return "" if shutil.which("wine") else "needs wine: apt-get install wine64 wine"

    def run(self, command, folder, with_driver):
        prefix, environment = self._environment(folder)
        if not prefix.exists():
            call(["wine", "wineboot", "--init"], folder, environment)
        driver = prefix / "drive_c" / "windows" / "system32" / self.driver
        if with_driver:
            shutil.copy(folder / "driver" / self.driver, driver)
        try:
            return call(["wine", *command], folder, environment)
        finally:
            driver.unlink(missing_ok=True)

    def close(self, folder):
        """Wine's server outlives its programs, and its Windows is large."""
        prefix, environment = self._environment(folder)
        if prefix.exists():
            for option in "--kill", "--wait":
                call(["wineserver", option], folder, environment)
            shutil.rmtree(prefix)

    def _environment(self, folder):
        prefix = folder / "wine"
        settings = {
            "LC_ALL": "C.UTF-8",
            "WINEPREFIX": str(prefix),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=",
            "DISPLAY": "",
        }
        return prefix, {**os.environ, **settings}


def call(command, folder, environment):
    return subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True, encoding="utf-8", timeout=300
    )


PLATFORMS = {"linux": Linux("x86_64", 62), "linux-arm64": Linux("aarch64", 183), "windows": Windows()}


def zig(target, *arguments):
    """With the library's own flags, for which zig has then compiled Windows' C runtime."""
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-O2", "-g0", "-s", "-fvisibility=hidden"]
    subprocess.run([*command, *arguments], check=True)


def build_library(target, output, host=HOST):
    command = [sys.executable, "-m", "build_backend", "host", "--target", target, "--output", str(output)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "python"), *sys.path])}
    command += map(str, host.glob("*.c"))
    result = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="session", params=PLATFORMS)
def built(request, tmp_path_factory):
    """A platform, and a folder with its library."""
    system, folder = PLATFORMS[request.param], tmp_path_factory.mktemp(request.param)
    build_library(system.target, folder / system.library)
    yield system, folder
    system.close(folder)


@pytest.fixture(scope="session")
def runnable(built):
    """The same where this machine runs it, with the test's program and, in driver/, a driver."""
    system, folder = built
    if system.missing():
        pytest.skip(system.missing())
    strict = ("-std=c11", "-Wall", "-Wextra", "-Werror")
    zig(system.target, *strict, "-o", folder / system.program, HERE / "interface.c", HERE / "calls.c", *system.options)
    (folder / "driver").mkdir()
    zig(system.target, "-w", "-shared", "-o", folder / "driver" / system.driver, HERE / "fake_driver.c")
    images = [container(image(name, 2, 90), image(name, 1, 121)) for name in (b"quantize", b"attention_fp16_sm80")]
    (folder / FATBIN).write_bytes(b"".join(images))
    return system, folder


def image(name, kind, sm, flags=0):
    """An entry of a fatbin, made on Linux: kind 2 is machine code, 1 PTX."""
    head = struct.pack("<HHIQIIIIIIQ", kind, 0x101, 96, 8, 0, 0, 0, sm, 64, len(name), flags | 0x11)
    return (head.ljust(64, b"\0") + name).ljust(96, b"\0") + bytes(8)


def container(*images):
    body = b"".join(images)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def run(runnable, devices):
    system, folder = runnable
    return system.run([system.program, system.library, str(devices)], folder, with_driver=devices > 0)


def test_without_a_driver(runnable):
    """One that lies in the program's folder is no driver."""
    system, folder = runnable
    shutil.copy(folder / "driver" / system.driver, folder)
    result = run(runnable, 0)
    assert (result.returncode, result.stderr) == (0, "")
    abi = runpy.run_path(str(ROOT / "python" / "sageattention" / "_abi.py"))
    sizes = dict(re.findall(r"^size (\w+) (\d+)$", result.stdout, re.MULTILINE))
    assert len(sizes) == 10 and sizes.keys() <= abi.keys()
    for name in sizes:
        assert int(sizes[name]) == ctypes.sizeof(abi[name]), name


def test_with_a_driver(runnable):
    """The fatbin, which was made on Linux, is loaded once, as one for this system."""
    system, _ = runnable
    result = run(runnable, 1)
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line for line in result.stdout.splitlines() if not line.startswith("size ")]
    first = [f"host {system.host}", "quantize mean"] + ["launch 2"] * (THREADS + 2)
    assert lines == [
        *first,
        f"host {system.host}",
        "attention_fp16_sm80 attention_fp16_hd96",
        "quantize quantize",
    ]


def test_exports_the_interface_and_needs_the_system_alone(built):
    system, folder = built
    found = binary.read((folder / system.library).read_bytes())
    assert found.machine == system.number
    declared = {name for header in HOST.glob("sageattn*.h") for name in API.findall(header.read_text("utf-8"))}
    assert "sageattn_attention" in declared and found.exports == declared
    assert found.needs and not [name for name in found.needs if not system.needs.fullmatch(name)]
    assert found.time in (0, 315532800) and not found.debug


def test_same_bytes_from_another_directory(built, tmp_path):
    system, folder = built
    shutil.copytree(HOST.parent, tmp_path / "csrc", ignore=shutil.ignore_patterns("tests"))
    again = tmp_path / system.library
    build_library(system.target, again, tmp_path / "csrc" / "host")
    data = again.read_bytes()
    assert data == (folder / system.library).read_bytes()
    assert str(ROOT).encode() not in data and str(tmp_path).encode() not in data
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"csrc", system.library, system.library + ".sha256"}, "something was left beside the library"
