"""Reports what this installation found and which kernels it would take.

sageattention.describe() and python -m sageattention print the report.
"""

from __future__ import annotations

import platform
import sysconfig
from typing import Any

import torch

from . import _abi, _choice, _diagnosis, _dispatch, _driver, _kernels, _library, _requirements, _triton
from ._call import Request
from ._kernels import Sm, sm_text
from ._kinds import KINDS

# function -> request. The kernel depends on the head dim: the report asks for each of HEAD_DIMS.
FUNCTIONS = {
    "sageattn": Request("auto"),
    "sageattn, attn_mask": Request("auto", mask="bool"),
    "sageattn_varlen": Request("auto", varlen=True),
    "sageattn_qk_int8_pv_fp16_cuda": Request("fp16"),
    "sageattn_qk_int8_pv_fp16_cuda, fp16+fp32": Request("fp16_accum_f16"),
    "sageattn_qk_int8_pv_fp16_triton": Request("triton"),
    "sageattn_qk_int8_pv_fp8_cuda": Request("fp8_accum_f16"),
    "sageattn_qk_int8_pv_fp8_cuda_sm90": Request("fp8"),
}
HEAD_DIMS = (64, 128, 256)


def versions() -> dict[str, Any]:
    """Versions of the package and of what it runs on, as plain data for JSON. Never raises."""
    return {
        "sageattention": _requirements.version(),
        "build": _requirements.build_tag(),
        "python": platform.python_version(),
        "platform": sysconfig.get_platform(),
        "torch": str(torch.__version__),
        "torch_cuda": torch.version.cuda,
        "triton": _triton.version() or None,
        "driver": _driver.version(),
    }


def collect() -> dict[str, Any]:
    """The report of describe() as plain data for JSON. Names what is missing, never raises."""
    found = versions()
    found["fatbin"] = str(_library.fatbin_path())
    cubins, ptx, problem = _images()
    found["sms"], found["ptx"] = [*map(sm_text, cubins)], [*map(sm_text, ptx)]
    found["gpus"], found["problem"] = ([], problem) if problem else _gpus()
    if not found["gpus"] and not problem:
        found["choices"] = {sm_text(sm): _choices_for_sm(sm) for sm in cubins}
    return found


def _images() -> tuple[list[Sm], list[Sm], str]:
    try:
        cubins, ptx = _kernels.sms()
    except (RuntimeError, ValueError) as error:
        return [], [], str(error)
    return cubins, ptx, ""


def _gpus() -> tuple[list[dict[str, Any]], str]:
    devices, problem = _diagnosis.devices()
    gpus = [
        {
            "name": device.name,
            "sm": sm_text(device.sm),
            "choices": _choices_for_device(index),
            "table": _choice.describe(index),
        }
        for index, device in enumerate(devices)
    ]
    return gpus, problem


def _choices_for_device(index: int) -> dict[str, list[dict[str, Any]]]:
    sm = _library.device(index).sm
    return _choices(lambda request: _kernel(_dispatch.choose(index, request), request, sm))


def _choices_for_sm(sm: Sm) -> dict[str, list[dict[str, Any]]]:
    return _choices(lambda request: _kernel(_dispatch.choose_for_sm(sm, request), request, sm))


def _kernel(choice: _dispatch.Choice, request: Request, sm: Sm) -> tuple[str, str]:
    """The kernel's name, and the reason for it.

    The reason also names the code that a GPU of this SM loads where it has no code of its own.
    """
    if choice.kind == _dispatch.TRITON:
        return choice
    kind = KINDS[choice.kind]
    image = _kernels.image(sm, kind, request.head_dim)
    loads = ""
    if image and image.way == _abi.JIT:
        loads = f"; the driver compiles PTX of {sm_text(image.sm)}"
    elif image and image.way == _abi.SAME_MAJOR:
        loads = f"; code for SM {sm_text(image.sm)}"
    return kind.kernel(request.head_dim), choice.reason + loads


def _choices(choose: Any) -> dict[str, list[dict[str, Any]]]:
    """function -> its kernels, each with its head dims and the reason for it."""
    table: dict[str, list[dict[str, Any]]] = {}
    for function, request in FUNCTIONS.items():
        rows: dict[tuple[str, str], list[int]] = {}
        for head_dim in HEAD_DIMS:
            try:
                key = choose(request._replace(head_dim=head_dim))
            except (RuntimeError, ValueError) as error:
                key = ("none", str(error))
            rows.setdefault(key, []).append(head_dim)
        table[function] = [
            {"kernel": kernel, "head_dims": dims, "why": why}
            for (kernel, why), dims in rows.items()
        ]
    return table


def header(found: dict[str, Any], package: str = "sageattention") -> list[str]:
    """The lines of versions(); found has that of the package under its name."""
    build = f", build {found['build']}" if found["build"] else ""
    cuda = f"CUDA {found['torch_cuda']}" if found["torch_cuda"] else "no CUDA"
    driver = found["driver"] or ("of unknown version" if found["gpus"] else "not found")
    return [
        f"{package} {found[package]}{build}",
        f"Python {found['python']} on {found['platform']}",
        f"torch {found['torch']} ({cuda}), Triton {found['triton'] or 'none'}",
        f"driver {driver}",
    ]


def render(found: dict[str, Any]) -> str:
    """The report as text."""
    sms, ptx = (" ".join(found[name]) or "none" for name in ("sms", "ptx"))
    lines = [*header(found), f"SMs in the wheel: {sms}; PTX: {ptx}"]
    if found["problem"]:
        lines.append(f"no GPU: {found['problem']}")
    for index, gpu in enumerate(found["gpus"]):
        lines += ["", f"GPU {index}: {gpu['name']}, SM {gpu['sm']}", *_rows(gpu["choices"])]
        lines.append(f"  {gpu['table']}")
    for sm, choices in found.get("choices", {}).items():
        lines += ["", f"on SM {sm}", *_rows(choices)]
    return "\n".join(lines)


def _rows(choices: dict[str, list[dict[str, Any]]]) -> list[str]:
    lines = []
    for function, rows in choices.items():
        for row in rows:
            dims = "" if len(rows) == 1 else f" (head dim {', '.join(map(str, row['head_dims']))})"
            lines.append(f"  {function}{dims}: {row['kernel']}; {row['why']}")
    return lines


def describe() -> None:
    """Prints versions, driver, GPUs, the SMs in the wheel, each function's kernel and the reason.

    Without a GPU or driver the report says which kernels each SM of the wheel would take.
    """
    print(render(collect()))
