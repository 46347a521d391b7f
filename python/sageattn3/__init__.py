"""SageAttention3: attention in FP4 for PyTorch on Blackwell GPUs of SM 12.0 and 12.1.

``sageattn3_blackwell(q, k, v)`` is the function. Numerics are proven by emulation; no GPU of SM 12.x has run them
yet: ``python -m sageattn3 --check`` tests yours. Importing the package needs torch, but no driver and no GPU.
``describe()`` says what the package found, and what serves a call on each GPU.

_core is a copy of the package sageattention, whose INT8 kernels serve what FP4 does not.
"""

from __future__ import annotations

from pathlib import Path

from ._core import _library

_library.use(Path(__file__).parent / "lib", "sageattn3.fatbin", "SAGEATTN3_FATBIN")

from . import _operator as _operator  # registers torch.ops.sageattn3
from ._describe import describe, version
from .api import sageattn3_blackwell

__version__ = version()

__all__ = ["__version__", "describe", "sageattn3_blackwell"]
