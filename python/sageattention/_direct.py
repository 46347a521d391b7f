"""Calls that go to their plan without torch's dispatcher, which costs the host as much as a plan's own Python does.

Only where a call was planned before, and where nothing else may see it: see alone(). All other calls go through the
operators. torch's functions here have no public names; where a torch lacks one of them, no call is direct.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._forward import Forward, ForwardVarlen
from ._plan import Result

_FOUND: list[Any] = [
    getattr(torch._C, "_len_torch_dispatch_stack", None),
    getattr(torch._C, "_len_torch_function_stack", None),
    getattr(getattr(torch._C, "_functorch", None), "peek_interpreter_stack", None),
    getattr(torch._C, "_get_tracing_state", None),
    getattr(torch.autograd, "_profiler_enabled", None),
]
_dispatch_modes, _function_modes, _transforms, _tracing, _profiling = _FOUND
_KNOWN = None not in _FOUND


def attend(arguments: Forward | ForwardVarlen) -> Result | None:
    """Output and LSE of a call that may be direct, or None."""
    return arguments.run_again() if alone(*arguments[:4]) else None


def alone(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> bool:
    """Whether these are ordinary tensors, no gradient is asked for, and no mode, transform, trace or profile looks on.

    A negative view (of a conjugated complex tensor) holds other numbers than it stands for.
    """
    return (
        _KNOWN
        and type(query) is Tensor
        and type(key) is Tensor
        and type(value) is Tensor
        and (mask is None or (type(mask) is Tensor and not mask.is_neg()))
        and not (_dispatch_modes() or _function_modes() or _transforms() or _tracing() or _profiling())
        and not (query.is_neg() or key.is_neg() or value.is_neg())
        and not (torch.is_grad_enabled() and (query.requires_grad or key.requires_grad or value.requires_grad))
        and not (mask is not None and mask.requires_grad and torch.is_grad_enabled())  # a learned bias
    )
