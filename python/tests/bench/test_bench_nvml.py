"""Clock and power out of samples, and what happens without NVML."""

from __future__ import annotations

import ctypes
import time
from typing import Any

import pytest

from bench.nvml import Gpu, Load, Sample, Watch, load_of


def test_power_comes_from_the_energy_counter() -> None:
    """700 W in steps of 0.1 s, read every 0.05 s; the first step's length is not known."""
    samples = [Sample(0.05 * i, 1500 + i, 100_000, 70_000 * (i // 2)) for i in range(12)]
    found = load_of(samples)
    assert found.watts == pytest.approx(700.0)
    assert found.clock_mhz == 1505.5


def test_power_falls_back_to_readings() -> None:
    assert load_of([Sample(0.0, None, 300_000, None), Sample(1.0, None, 500_000, None)]) == Load(
        None, 400.0
    )
    assert load_of([Sample(0.0, 1000, None, 5), Sample(1.0, 1200, None, 6)]) == Load(1100.0, None)
    assert load_of([]) == Load(None, None)


class Library:
    """NVML as far as Gpu calls it."""

    def __init__(self, fails: str = "") -> None:
        self._fails = fails

    def __getattr__(self, name: str) -> Any:
        def function(*arguments: Any) -> int:
            if name == self._fails:
                return 3
            if name == "nvmlSystemGetDriverVersion":
                arguments[0].value = b"580.1"
            elif name not in (
                "nvmlInit_v2",
                "nvmlDeviceGetHandleByUUID",
                "nvmlDeviceGetHandleByIndex_v2",
            ):
                arguments[-1]._obj.value = {
                    "nvmlDeviceGetClockInfo": 1600,
                    "nvmlDeviceGetPowerUsage": 690_000,
                }.get(name, 7)
            return 0

        return function


def test_a_gpu_answers() -> None:
    gpu = Gpu("0-1", library=Library())
    assert (gpu.clock(), gpu.power(), gpu.energy(), gpu.driver()) == (1600, 690_000, 7, "580.1")


def test_what_a_gpu_does_not_tell_is_none() -> None:
    assert Gpu("", library=Library("nvmlDeviceGetPowerUsage")).power() is None
    with pytest.raises(OSError, match="nvmlInit_v2 gave 3"):
        Gpu("", library=Library("nvmlInit_v2"))


def test_without_nvml_there_is_no_gpu() -> None:
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        with pytest.raises(OSError):
            Gpu("")
    else:
        pytest.skip("NVML is here")


def test_watch() -> None:
    watch = Watch(Gpu("", library=Library()), interval=0.001)
    watch.start()
    deadline = time.monotonic() + 10
    while not watch._samples and time.monotonic() < deadline:
        time.sleep(0.001)
    assert watch.stop() == Load(1600.0, 690.0)


def test_watch_without_a_gpu() -> None:
    watch = Watch(None)
    watch.start()
    assert watch.stop() == Load(None, None)
