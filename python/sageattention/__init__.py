"""SageAttention: quantised attention for PyTorch on NVIDIA GPUs from Volta to Blackwell.

``sageattn(q, k, v)`` replaces scaled dot product attention. Importing the package needs
torch, but no driver and no GPU; a call needs both. ``describe()`` says what the package found.
"""

from __future__ import annotations

from ._requirements import require_torch, version

require_torch()

from . import _operators as _operators  # registers torch.ops.sageattention
from . import _qattn as _qattn  # registers the operators of 2.2's extension modules
from ._describe import describe
from ._probe_cases import probe
from .core import (
    sageattn,
    sageattn_qk_int8_pv_fp8_cuda,
    sageattn_qk_int8_pv_fp8_cuda_sm90,
    sageattn_qk_int8_pv_fp16_cuda,
    sageattn_qk_int8_pv_fp16_triton,
    sageattn_varlen,
)
from .quant import per_block_int8, per_channel_fp8, per_warp_int8, sub_mean

__version__ = version()

__all__ = [
    "__version__",
    "describe",
    "per_block_int8",
    "per_channel_fp8",
    "per_warp_int8",
    "probe",
    "sageattn",
    "sageattn_qk_int8_pv_fp8_cuda",
    "sageattn_qk_int8_pv_fp8_cuda_sm90",
    "sageattn_qk_int8_pv_fp16_cuda",
    "sageattn_qk_int8_pv_fp16_triton",
    "sageattn_varlen",
    "sub_mean",
]
