"""Launches kernels again without what Triton does with the arguments of every call, which costs the host most of it.

Triton compiles a kernel for the dtypes of its pointers, for which of them are multiples of 16, and for its numbers and
constants. What was compiled for one set of those is kept here, and launched as Triton itself would: by the
CompiledKernel that the first launch returned. Triton before 3.3 expects other arguments there, and always binds.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Callable

import torch
import triton

_LIMIT = 4096  # programs may call with ever new lengths
_KEEPS = tuple(map(int, triton.__version__.split(".")[:2])) >= (3, 3)
Tensors = tuple[Any, ...]  # torch.Tensor or None
# A launch again: a tensor, whose device it runs on, and the addresses of all.
Again = Callable[[torch.Tensor, tuple[Any, ...]], None]
_found: dict[Hashable, Again] = {}


def launch(
    kernel: Any,
    programs: int,
    tensors: Tensors,
    numbers: tuple[float, ...],
    constants: dict[str, Any],
    options: dict[str, Any],
) -> Again | None:
    """Queues programs of a kernel on the current stream of the tensors' device, whichever device is current.

    tensors and numbers are the kernel's first parameters, constants its last ones. Returns what launches it again, on
    tensors of these dtypes, at addresses of which the same are multiples of 16; None where Triton has to bind.
    """
    device = tensors[0].device
    if device.type != "cuda":  # the interpreter
        kernel[(programs,)](*tensors, *numbers, **constants, **options)
        return None
    addresses = [x if x is None else x.data_ptr() for x in tensors]
    pointers = [a if a is None else (x.dtype, a % 16) for x, a in zip(tensors, addresses)]
    known = (id(kernel), device.index, programs, numbers, *pointers, *constants.values(), *options.values())
    again = _found.get(known)
    if again is not None:
        again(tensors[0], tuple(addresses))
        return again
    with torch.cuda.device(device):  # Triton launches on the current one
        compiled = kernel[(programs,)](*tensors, *numbers, **constants, **options)
    return _keep(known, compiled, kernel, programs, numbers, constants)


def _keep(
    known: Hashable, compiled: Any, kernel: Any, programs: int, numbers: tuple[float, ...], constants: dict[str, Any]
) -> Again | None:
    if not _KEEPS or compiled is None:
        return None
    launcher = compiled[programs, 1, 1]
    rest = *numbers, *(constants[name] for name in kernel.arg_names[-len(constants) :])

    def again(tensor: torch.Tensor, addresses: tuple[Any, ...]) -> None:
        device = tensor.device
        stream = torch._C._cuda_getCurrentRawStream(device.index)
        if torch.cuda.current_device() == device.index:
            launcher(*addresses, *rest, stream=stream)
        else:
            with torch.cuda.device(device):
                launcher(*addresses, *rest, stream=stream)

    if len(_found) >= _LIMIT:
        _found.clear()
    _found[known] = again
    return again
