"""Says what keeps this machine from running the kernels, one sentence with the next step."""

from __future__ import annotations

import torch

from . import _library


def why_no_gpu() -> str:
    """Why tensors are not on a usable GPU. Never raises: it serves error messages."""
    if torch.version.cuda is None:
        return (
            f"this torch ({torch.__version__}) is built without CUDA: "
            "install a CUDA build, see https://pytorch.org/get-started/locally"
        )
    try:
        devices = [_library.device(index) for index in range(_library.device_count())]
    except (RuntimeError, ValueError) as error:
        return str(error)
    if not devices:
        return "the driver shows no GPU: `nvidia-smi` must list one"
    if not any(device.usable for device in devices):
        names = ", ".join(f"{device.name} (SM {device.sm})" for device in devices)
        return f"the kernels of this wheel run on none of: {names}"
    return "move the tensors there, for example q.cuda()"
