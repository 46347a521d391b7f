"""Says what keeps this machine from running the kernels, one sentence with the next step."""

from __future__ import annotations

import torch

from . import _library
from ._kernels import sm_text


def devices() -> tuple[list[_library.Device], str]:
    """The GPUs that the driver shows, or the reason why it shows none. Never raises."""
    try:
        found = [_library.device(index) for index in range(_library.device_count())]
    except (RuntimeError, ValueError) as error:
        return [], str(error)
    return found, "" if found else "the driver shows no GPU: `nvidia-smi` must list one"


def why_no_gpu() -> str:
    """Why tensors are not on a usable GPU, for error messages. Never raises."""
    if torch.version.cuda is None:
        return (
            f"this torch ({torch.__version__}) is built without CUDA: "
            "install a CUDA build, see https://pytorch.org/get-started/locally"
        )
    found, problem = devices()
    if problem:
        return problem
    if not any(device.usable for device in found):
        names = ", ".join(f"{device.name} (SM {sm_text(device.sm)})" for device in found)
        return f"the kernels of this wheel run on none of: {names}"
    return "move the tensors there, for example q.cuda()"
