"""SageAttention: quantised attention for PyTorch on NVIDIA GPUs from Volta to Blackwell.

``sageattn(q, k, v)`` replaces scaled dot product attention. Importing needs torch and nothing else:
neither a driver nor a GPU, which calling then asks for.
"""

from __future__ import annotations

from ._requirements import require_torch, version

require_torch()

from . import _operators as _operators  # registers torch.ops.sageattention
from .core import sageattn, sageattn_qk_int8_pv_fp16_cuda

__version__ = version()

__all__ = ["__version__", "sageattn", "sageattn_qk_int8_pv_fp16_cuda"]
