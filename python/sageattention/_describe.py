"""What this installation found and what it would do: sageattention.describe() and python -m sageattention."""

from __future__ import annotations

import platform
import re
import sysconfig
from importlib import metadata
from typing import Any

import torch

from . import _dispatch, _driver, _kernels, _library, _triton
from ._dispatch import Request
from ._requirements import version

# function -> request; the choice depends on the head dim, so each is asked for two
FUNCTIONS = {
    "sageattn": Request("auto"),
    "sageattn, attn_mask": Request("auto", masked=True),
    "sageattn_varlen": Request("auto", varlen=True),
    "sageattn_qk_int8_pv_fp16_cuda": Request("fp16"),
    "sageattn_qk_int8_pv_fp16_cuda, fp16+fp32": Request("fp16_accum_f16"),
    "sageattn_qk_int8_pv_fp16_triton": Request("triton"),
    "sageattn_qk_int8_pv_fp8_cuda": Request("fp8_accum_f16"),
    "sageattn_qk_int8_pv_fp8_cuda_sm90": Request("fp8"),
}
HEAD_DIMS = (64, 128, 256)
# distributions that bring the module triton: releases, those for Windows, and torch's nightly builds
TRITONS = ("triton", "triton-windows", "pytorch-triton")


def collect() -> dict[str, Any]:
    """Everything describe() prints, as plain data for JSON. Never raises for what is missing: it says so."""
    found: dict[str, Any] = {
        "sageattention": version(),
        "build": _build_tag(),
        "python": platform.python_version(),
        "platform": sysconfig.get_platform(),
        "torch": str(torch.__version__),
        "torch_cuda": torch.version.cuda,
        "triton": _triton.version() or None,
        "driver": _driver.version(),
        "fatbin": str(_library.fatbin_path()),
    }
    found["sms"], found["ptx"], problem = _images()
    found["gpus"], no_gpu = ([], problem) if problem else _gpus()
    found["problem"] = no_gpu
    if not found["gpus"] and not problem:
        found["choices"] = {sm: _choices_for_sm(sm) for sm in found["sms"]}
    return found


def _images() -> tuple[list[str], list[str], str]:
    try:
        cubins, ptx = _kernels.sms()
    except (RuntimeError, ValueError) as error:
        return [], [], str(error)
    return cubins, ptx, ""


def _gpus() -> tuple[list[dict[str, Any]], str]:
    try:
        devices = [_library.device(index) for index in range(_library.device_count())]
    except (RuntimeError, ValueError) as error:
        return [], str(error)
    if not devices:
        return [], "the driver shows no GPU: `nvidia-smi` must list one"
    gpus = [
        {"name": device.name, "sm": device.sm, "choices": _choices_for_device(index)}
        for index, device in enumerate(devices)
    ]
    return gpus, ""


def _choices_for_device(index: int) -> dict[str, list[dict[str, Any]]]:
    def choose(request: Request) -> tuple[str, str]:
        choice = _dispatch.choose(index, request)
        if choice.kind == _dispatch.TRITON:
            return choice
        return _kernels.name(index, choice.kind, request.head_dim, request.varlen), choice.reason

    return _choices(choose)


def _choices_for_sm(sm: str) -> dict[str, list[dict[str, Any]]]:
    def choose(request: Request) -> tuple[str, str]:
        choice = _dispatch.choose_for_sm(_kernels.parse_sm(sm), request)
        kind = choice.kind
        return (kind if kind == _dispatch.TRITON else _kernels.operation(kind)), choice.reason

    return _choices(choose)


def _choices(choose: Any) -> dict[str, list[dict[str, Any]]]:
    """function -> the kernels of it, each with the head dims that take it and why."""
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


def _build_tag() -> str:
    try:
        text = metadata.distribution("sageattention").read_text("WHEEL") or ""
    except metadata.PackageNotFoundError:
        return ""
    match = re.search(r"^Build: (.*)$", text, re.MULTILINE)
    return match[1] if match else ""


def render(found: dict[str, Any]) -> str:
    """The report as text."""
    build = f", build {found['build']}" if found["build"] else ""
    cuda = f"CUDA {found['torch_cuda']}" if found["torch_cuda"] else "no CUDA"
    driver = found["driver"] or ("of unknown version" if found["gpus"] else "not found")
    lines = [
        f"sageattention {found['sageattention']}{build}",
        f"Python {found['python']} on {found['platform']}",
        f"torch {found['torch']} ({cuda}), Triton {found['triton'] or 'none'}",
        f"driver {driver}",
        f"SMs in the wheel: {' '.join(found['sms']) or 'none'}; PTX: {' '.join(found['ptx']) or 'none'}",
    ]
    if found["problem"]:
        lines.append(f"no GPU: {found['problem']}")
    for index, gpu in enumerate(found["gpus"]):
        lines += ["", f"GPU {index}: {gpu['name']}, SM {gpu['sm']}", *_rows(gpu["choices"])]
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
    """Prints versions, driver, GPUs, the SMs in the wheel, and which kernel each function takes, and why.

    Works without a GPU or driver: then it says what each SM of the wheel would take.
    """
    print(render(collect()))
