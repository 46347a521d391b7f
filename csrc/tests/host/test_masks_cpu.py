"""The kernels with a mask of floats on the CPU, from their own sources, against float64: cpu/masks.cpp. The tests on a
GPU, csrc/tests/test_masks.py, see what this leaves to hardware: asynchronous copies, exponentials, and any race."""

import platform
import subprocess
import sys

import pytest

from test_interface import HERE, HOST

if sys.platform != "linux" or platform.machine() != "x86_64":
    pytest.skip("the program is built for Linux on x86-64", allow_module_level=True)


@pytest.mark.parametrize("sm", ["7.5", "9.0"])
def test_masks(tmp_path, sm):
    """Of two blocks of rows and up to 30 tiles of keys, in each dtype; of head dims that end within 16 bytes, too."""
    program = tmp_path / "masks"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu.2.17", "-std=c++17", "-O1", "-g0"]
    command += ["-ffp-contract=off", "-fno-exceptions", "-fno-rtti"]
    command += ["-Wall", "-Wno-unused", "-Wno-shift-op-parentheses"]
    command += [f"-DSM={sm.replace('.', '')}0", "-Dfp4_memory=shared_memory"]
    command += [f"-I{HERE / 'cpu'}", f"-I{HOST.parent / 'device'}", "-o", program, HERE / "cpu" / "masks.cpp"]
    subprocess.run(command, check=True)
    found = subprocess.run([program], check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
