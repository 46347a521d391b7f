"""Clock and power of a GPU while something runs, through NVML's C interface."""

from __future__ import annotations

import ctypes
import statistics
import sys
import threading
import time
from typing import Any, NamedTuple

_CLOCK_SM = 1
_NAMES = ("nvml.dll",) if sys.platform == "win32" else ("libnvidia-ml.so.1",)


class Load(NamedTuple):
    """Median SM clock and mean power; None where the GPU does not tell."""

    clock_mhz: float | None = None
    watts: float | None = None


class Gpu:
    """A GPU in NVML. Raises OSError without NVML or if it does not know the GPU."""

    def __init__(self, uuid: str, index: int = 0, library: Any = None) -> None:
        """uuid: as torch gives it, without "GPU-"; "" to take the index."""
        self._nvml = ctypes.CDLL(_NAMES[0]) if library is None else library
        self._handle = ctypes.c_void_p()
        self._call("nvmlInit_v2")
        pointer = ctypes.byref(self._handle)
        if uuid:
            self._call("nvmlDeviceGetHandleByUUID", f"GPU-{uuid}".encode(), pointer)
        else:
            self._call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), pointer)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._nvml, name)(*arguments)
        if status:
            raise OSError(f"{name} gave {status}")

    def _number(self, number: Any, name: str, *arguments: Any) -> int | None:
        try:
            self._call(name, self._handle, *arguments, ctypes.byref(number))
        except (OSError, AttributeError):
            return None
        return int(number.value)

    def clock(self) -> int | None:
        """SM clock in MHz."""
        return self._number(ctypes.c_uint(), "nvmlDeviceGetClockInfo", ctypes.c_int(_CLOCK_SM))

    def power(self) -> int | None:
        """Power in mW, averaged by the GPU over up to a second."""
        return self._number(ctypes.c_uint(), "nvmlDeviceGetPowerUsage")

    def energy(self) -> int | None:
        """mJ since the driver was loaded."""
        return self._number(ctypes.c_ulonglong(), "nvmlDeviceGetTotalEnergyConsumption")

    def driver(self) -> str:
        """Version of the driver, or ""."""
        text = ctypes.create_string_buffer(96)
        try:
            self._call("nvmlSystemGetDriverVersion", text, ctypes.c_uint(len(text)))
        except (OSError, AttributeError):
            return ""
        return text.value.decode("ascii", "replace")


class Sample(NamedTuple):
    """seconds on the host's clock; the rest as in Gpu."""

    seconds: float
    clock: int | None
    power: int | None
    energy: int | None


def load_of(samples: list[Sample]) -> Load:
    """Clock: median. Power: from the energy counter if it moved often enough, else the mean of the readings."""
    clocks = [sample.clock for sample in samples if sample.clock is not None]
    powers = [sample.power for sample in samples if sample.power is not None]
    watts = _from_energy(samples)
    if watts is None and powers:
        watts = statistics.fmean(powers) / 1000
    return Load(float(statistics.median(clocks)) if clocks else None, watts)


def mean_load(loads: list[Load]) -> Load:
    """Of several rounds, each as long: the means of what each knows."""
    clocks = [load.clock_mhz for load in loads if load.clock_mhz is not None]
    watts = [load.watts for load in loads if load.watts is not None]
    return Load(
        statistics.fmean(clocks) if clocks else None, statistics.fmean(watts) if watts else None
    )


def _from_energy(samples: list[Sample]) -> float | None:
    """Mean power between the first and the last step of the counter, which the GPU moves now and then."""
    steps: list[tuple[float, int]] = []
    for before, after in zip(samples, samples[1:]):
        if before.energy is None or after.energy is None:
            return None
        if after.energy != before.energy:
            steps.append((after.seconds, after.energy))
    if len(steps) < 3:
        return None
    (begin, low), (end, high) = steps[0], steps[-1]
    return (high - low) / 1000 / (end - begin)


class Watch:
    """Samples a GPU in a thread between start and stop. Without a GPU in NVML it samples nothing."""

    def __init__(self, gpu: Gpu | None, interval: float = 0.01) -> None:
        self._gpu, self._interval = gpu, interval
        self._samples: list[Sample] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        if self._gpu is not None:
            self._thread.start()

    def stop(self) -> Load:
        """What the samples say."""
        self._stop.set()
        if self._gpu is not None:
            self._thread.join()
        return load_of(self._samples)

    def _run(self) -> None:
        gpu = self._gpu
        while gpu is not None and not self._stop.wait(self._interval):
            self._samples.append(
                Sample(time.perf_counter(), gpu.clock(), gpu.power(), gpu.energy())
            )
