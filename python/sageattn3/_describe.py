"""Reports what this installation found and what would serve a call: describe() and python -m sageattn3 print it."""

from __future__ import annotations

import functools
from typing import Any, Callable

from . import _route
from ._core import _describe as _core_describe
from ._core import _diagnosis, _kernels, _requirements
from ._core._kernels import Sm, sm_text

PROOF = "numerics proven by emulation, not yet run on SM 12.x: python -m sageattn3 --check tests this GPU"
SHORT = "below about 1,024 rows quantising costs more than FP4 gains: use sageattention or torch there"

# What a call may ask for.
CALLS = {
    "sageattn3_blackwell": _route.Need(),
    "with a mask of keys": _route.Need(mask="keys"),
    "with a mask of rows": _route.Need(mask="rows"),
    "with return_lse": _route.Need(lse=True),
    "head dim 256": _route.Need(head_dim=256),
    "backend='int8'": _route.Need(backend="int8"),
}
_SHARED = ("python", "platform", "torch", "torch_cuda", "driver", "fatbin", "sms", "ptx", "problem")
_BLACKWELL: tuple[Sm, ...] = ((10, 0), (10, 3), (11, 0), (12, 0), (12, 1))


def version() -> str:
    """The installed version, or "0+source" in a source tree."""
    return _requirements.version("sageattn3")


def package() -> dict[str, str]:
    """Version and build tag of the installed wheel."""
    return {"sageattn3": version(), "build": _requirements.build_tag("sageattn3")}


def collect() -> dict[str, Any]:
    """The report as plain data for JSON. Names what is missing, never raises."""
    core = _core_describe.collect()
    found: dict[str, Any] = {**package(), "proof": PROOF, "short": SHORT}
    found.update({name: core[name] for name in _SHARED})
    found["fp4"] = fp4_sms()
    devices, problem = _diagnosis.devices()
    found["gpus"] = [
        {"name": device.name, "sm": sm_text(device.sm), "calls": _calls(functools.partial(_route.choose, index))}
        for index, device in enumerate([] if problem else devices)
    ]
    if not found["gpus"]:
        routes = ((sm, functools.partial(_route.choose_for_sm, sm)) for sm in _BLACKWELL)
        found["blackwell"] = {sm_text(sm): _calls(choose) for sm, choose in routes}
    return found


def fp4_sms() -> list[str]:
    """The SMs that the wheel has FP4 code for: each for exactly that SM."""
    try:
        images = _kernels.images()
    except (RuntimeError, ValueError):
        return []
    return sorted({sm_text(image.sm) for image in images if image.operation == b"attention_fp4"})


def _calls(choose: Callable[[_route.Need], _route.Route]) -> dict[str, dict[str, str]]:
    table = {}
    for name, need in CALLS.items():
        try:
            route = choose(need)
        except (RuntimeError, ValueError) as error:
            route = _route.Route("none", str(error))
        table[name] = {"by": route.by, "why": route.reason}
    return table


def render(found: dict[str, Any]) -> str:
    """The report as text."""
    build = f", build {found['build']}" if found["build"] else ""
    lines = [
        f"sageattn3 {found['sageattn3']}{build}: {found['proof']}",
        f"Python {found['python']} on {found['platform']}",
        f"torch {found['torch']} (CUDA {found['torch_cuda'] or 'none'})",
        f"driver {found['driver'] or 'not found'}",
        f"SMs in the wheel: {' '.join(found['sms']) or 'none'}; PTX: {' '.join(found['ptx']) or 'none'}",
        f"FP4 for exactly SM {' '.join(found['fp4']) or 'none'}: it is no code for newer GPUs",
        found["short"],
    ]
    if found["problem"]:
        lines.append(f"no GPU: {found['problem']}")
    for index, gpu in enumerate(found["gpus"]):
        lines += ["", f"GPU {index}: {gpu['name']}, SM {gpu['sm']}", *_rows(gpu["calls"])]
    for sm, calls in found.get("blackwell", {}).items():
        lines += ["", f"on SM {sm}", *_rows(calls)]
    return "\n".join(lines)


def _rows(calls: dict[str, dict[str, str]]) -> list[str]:
    return [f"  {name}: {call['by']}; {call['why']}" for name, call in calls.items()]


def describe() -> None:
    """Prints versions, driver, GPUs, and what serves each kind of call, with the reason.

    Without a GPU or driver the report says what each Blackwell GPU would take.
    """
    print(render(collect()))
