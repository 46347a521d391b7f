"""The C interface of libsageattn, field for field: csrc/host/sageattn.h, sageattn_wgmma.h and
sageattn_fp4.h are the original.

Nothing here touches the library; ``tests/installed/test_abi.py`` compares every constant, size and
offset with the headers.
"""

from __future__ import annotations

import ctypes
from typing import Any

ABI_VERSION = 6

# sageattn_status
OK = 0
INVALID_ARGUMENT = 1
NO_DRIVER = 2
NO_IMAGE = 3
CUDA_ERROR = 4

# sageattn_dtype
FLOAT16 = 0
BFLOAT16 = 1
FLOAT32 = 2
BOOL = 3
FLOAT8_E4M3 = 4

# sageattn_granularity
PER_BLOCK = 1
PER_WARP = 2
PER_THREAD = 3

# sageattn_operand
QUERY = 0
KEY = 1

# sageattn_causal
NOT_CAUSAL = 0
CAUSAL_TOP_LEFT = 1
CAUSAL_BOTTOM_RIGHT = 2

# sageattn_way
NO_WAY = 0
JIT = 1
SAME_MAJOR = 2
NATIVE = 3

# sageattn_wgmma_steps
WGMMA_ALL = 0
WGMMA_QUANTIZE = 1
WGMMA_ATTEND = 2

# Rows per scale group.
QUERY_BLOCK = 128
QUERY_WARP = 32
KEY_BLOCK = 64

# sageattn_function
RUN_MEAN = 0
RUN_QUANTIZE = 1
RUN_QUANTIZE_VALUE = 2
RUN_ATTENTION = 3
RUN_WGMMA_ATTENTION = 4
RUN_FP4_ATTENTION = 5

# Of the symbols in steps
SOURCE_SHIFT = 56


class Tensor(ctypes.Structure):
    """A [batch, heads, rows, head_dim] view; strides count elements, the head dim is contiguous."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("batch_stride", ctypes.c_int64),
        ("head_stride", ctypes.c_int64),
        ("row_stride", ctypes.c_int64),
    ]


class MeanParams(ctypes.Structure):
    """sageattn_mean_params."""

    _fields_ = [
        ("size", ctypes.c_uint64),
        ("input", Tensor),
        ("mean", ctypes.c_void_p),
        ("starts", ctypes.c_void_p),
        ("batch", ctypes.c_int64),
        ("heads", ctypes.c_int64),
        ("rows", ctypes.c_int64),
        ("head_dim", ctypes.c_int64),
        ("dtype", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class QuantizeParams(ctypes.Structure):
    """sageattn_quantize_params."""

    _fields_ = [
        ("size", ctypes.c_uint64),
        ("input", Tensor),
        ("output", Tensor),
        ("scale", ctypes.c_void_p),
        ("mean", ctypes.c_void_p),
        ("mean_dot", ctypes.c_void_p),
        ("starts", ctypes.c_void_p),
        ("batch", ctypes.c_int64),
        ("heads", ctypes.c_int64),
        ("key_heads", ctypes.c_int64),
        ("rows", ctypes.c_int64),
        ("total_rows", ctypes.c_int64),
        ("head_dim", ctypes.c_int64),
        ("dtype", ctypes.c_int32),
        ("operand", ctypes.c_int32),
        ("granularity", ctypes.c_int32),
        ("block_rows", ctypes.c_int32),
        ("warp_rows", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class QuantizeValueParams(ctypes.Structure):
    """sageattn_quantize_value_params."""

    _fields_ = [
        ("size", ctypes.c_uint64),
        ("input", Tensor),
        ("output", Tensor),
        ("scale", ctypes.c_void_p),
        ("mean", ctypes.c_void_p),
        ("workspace", ctypes.c_void_p),
        ("batch", ctypes.c_int64),
        ("heads", ctypes.c_int64),
        ("rows", ctypes.c_int64),
        ("padded_rows", ctypes.c_int64),
        ("head_dim", ctypes.c_int64),
        ("scale_max", ctypes.c_float),
        ("dtype", ctypes.c_int32),
        ("smooth", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class AttentionParams(ctypes.Structure):
    """sageattn_attention_params."""

    _fields_ = [
        ("size", ctypes.c_uint64),
        ("query", Tensor),
        ("key", Tensor),
        ("value", Tensor),
        ("output", Tensor),
        ("mask", Tensor),
        ("mask_column_stride", ctypes.c_int64),
        ("workspace", ctypes.c_void_p),
        ("workspace_size", ctypes.c_int64),
        ("query_scale", ctypes.c_void_p),
        ("key_scale", ctypes.c_void_p),
        ("mean_dot", ctypes.c_void_p),
        ("value_scale", ctypes.c_void_p),
        ("value_mean", ctypes.c_void_p),
        ("query_starts", ctypes.c_void_p),
        ("key_starts", ctypes.c_void_p),
        ("lse", ctypes.c_void_p),
        ("batch", ctypes.c_int64),
        ("query_heads", ctypes.c_int64),
        ("key_heads", ctypes.c_int64),
        ("query_rows", ctypes.c_int64),
        ("key_rows", ctypes.c_int64),
        ("total_query_rows", ctypes.c_int64),
        ("total_key_rows", ctypes.c_int64),
        ("head_dim", ctypes.c_int64),
        ("sm_scale", ctypes.c_float),
        ("causal", ctypes.c_int32),
        ("granularity", ctypes.c_int32),
        ("kind", ctypes.c_int32),
        ("value_dtype", ctypes.c_int32),
        ("output_dtype", ctypes.c_int32),
        ("mask_dtype", ctypes.c_int32),
        ("query_block_rows", ctypes.c_int32),
        ("query_warp_rows", ctypes.c_int32),
        ("key_block_rows", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class WgmmaParams(ctypes.Structure):
    """sageattn_wgmma_params."""

    _fields_ = [
        ("size", ctypes.c_uint64),
        ("query", Tensor),
        ("key", Tensor),
        ("value", Tensor),
        ("output", Tensor),
        ("mask", Tensor),
        ("mask_column_stride", ctypes.c_int64),
        ("query_starts", ctypes.c_void_p),
        ("key_starts", ctypes.c_void_p),
        ("workspace", ctypes.c_void_p),
        ("workspace_size", ctypes.c_int64),
        ("lse", ctypes.c_void_p),
        ("batch", ctypes.c_int64),
        ("query_heads", ctypes.c_int64),
        ("key_heads", ctypes.c_int64),
        ("query_rows", ctypes.c_int64),
        ("key_rows", ctypes.c_int64),
        ("head_dim", ctypes.c_int64),
        ("total_query_rows", ctypes.c_int64),
        ("total_key_rows", ctypes.c_int64),
        ("sm_scale", ctypes.c_float),
        ("causal", ctypes.c_int32),
        ("smooth_k", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
        ("output_dtype", ctypes.c_int32),
        ("steps", ctypes.c_int32),
        ("mask_dtype", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class Fp4Params(ctypes.Structure):
    """sageattn_fp4_params."""

    _fields_ = [
        ("size", ctypes.c_uint64),
        ("query", Tensor),
        ("key", Tensor),
        ("value", Tensor),
        ("output", Tensor),
        ("bias", ctypes.c_void_p),
        ("bias_batch_stride", ctypes.c_int64),
        ("bias_head_stride", ctypes.c_int64),
        ("workspace", ctypes.c_void_p),
        ("workspace_size", ctypes.c_int64),
        ("lse", ctypes.c_void_p),
        ("batch", ctypes.c_int64),
        ("query_heads", ctypes.c_int64),
        ("key_heads", ctypes.c_int64),
        ("query_rows", ctypes.c_int64),
        ("key_rows", ctypes.c_int64),
        ("head_dim", ctypes.c_int64),
        ("sm_scale", ctypes.c_float),
        ("causal", ctypes.c_int32),
        ("per_block_mean", ctypes.c_int32),
        ("smooth_v", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
        ("output_dtype", ctypes.c_int32),
    ]


class ImageInfo(ctypes.Structure):
    """sageattn_image_info."""

    operation: bytes
    sm_major: int
    sm_minor: int
    ptx: int
    way: int
    suffix: bytes
    _fields_ = [
        ("operation", ctypes.c_char * 32),
        ("sm_major", ctypes.c_int32),
        ("sm_minor", ctypes.c_int32),
        ("ptx", ctypes.c_int32),
        ("way", ctypes.c_int32),
        ("suffix", ctypes.c_char * 4),
    ]

    @property
    def sm(self) -> tuple[int, int]:
        """(9, 0) for SM 9.0."""
        return self.sm_major, self.sm_minor


class Step(ctypes.Structure):
    """sageattn_step."""

    _fields_ = [
        ("params", ctypes.c_void_p),
        ("words", ctypes.c_void_p),
        ("word_count", ctypes.c_int32),
        ("function", ctypes.c_int32),
    ]


class DeviceInfo(ctypes.Structure):
    """sageattn_device_info."""

    _fields_ = [
        ("size", ctypes.c_uint64),
        ("sm_major", ctypes.c_int32),
        ("sm_minor", ctypes.c_int32),
        ("usable", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("name", ctypes.c_char * 96),
    ]


STRUCTS: dict[str, type[ctypes.Structure]] = {
    "sageattn_tensor": Tensor,
    "sageattn_mean_params": MeanParams,
    "sageattn_quantize_params": QuantizeParams,
    "sageattn_quantize_value_params": QuantizeValueParams,
    "sageattn_attention_params": AttentionParams,
    "sageattn_wgmma_params": WgmmaParams,
    "sageattn_fp4_params": Fp4Params,
    "sageattn_image_info": ImageInfo,
    "sageattn_step": Step,
    "sageattn_device_info": DeviceInfo,
}

# name -> (result type, argument types)
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "sageattn_abi_version": (ctypes.c_int, []),
    "sageattn_last_error": (ctypes.c_char_p, []),
    "sageattn_load": (ctypes.c_int, [ctypes.c_char_p]),
    "sageattn_device_count": (ctypes.c_int, [ctypes.POINTER(ctypes.c_int32)]),
    "sageattn_device": (ctypes.c_int, [ctypes.c_int32, ctypes.POINTER(DeviceInfo)]),
    "sageattn_scale_count": (ctypes.c_int64, [ctypes.c_int32, ctypes.c_int32, ctypes.c_int64]),
    "sageattn_value_workspace": (
        ctypes.c_int64,
        [ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64],
    ),
    "sageattn_has": (
        ctypes.c_int,
        [ctypes.c_int32, ctypes.c_int64, ctypes.c_int32, ctypes.POINTER(ctypes.c_int32)],
    ),
    "sageattn_image": (
        ctypes.c_int,
        [ctypes.c_int32, ctypes.c_int64, ctypes.c_int32, ctypes.POINTER(ImageInfo)],
    ),
    "sageattn_images": (
        ctypes.c_int,
        [ctypes.POINTER(ImageInfo), ctypes.c_int64, ctypes.POINTER(ctypes.c_int64)],
    ),
    "sageattn_mean": (ctypes.c_int, [ctypes.POINTER(MeanParams), ctypes.c_int32, ctypes.c_void_p]),
    "sageattn_quantize": (
        ctypes.c_int,
        [ctypes.POINTER(QuantizeParams), ctypes.c_int32, ctypes.c_void_p],
    ),
    "sageattn_quantize_value": (
        ctypes.c_int,
        [ctypes.POINTER(QuantizeValueParams), ctypes.c_int32, ctypes.c_void_p],
    ),
    "sageattn_attention": (
        ctypes.c_int,
        [ctypes.POINTER(AttentionParams), ctypes.c_int32, ctypes.c_void_p],
    ),
    "sageattn_attention_workspace": (ctypes.c_int64, [ctypes.POINTER(AttentionParams)]),
    "sageattn_wgmma_workspace": (ctypes.c_int64, [ctypes.POINTER(WgmmaParams)]),
    "sageattn_wgmma_attention": (
        ctypes.c_int,
        [ctypes.POINTER(WgmmaParams), ctypes.c_int32, ctypes.c_void_p],
    ),
    "sageattn_fp4_workspace": (ctypes.c_int64, [ctypes.POINTER(Fp4Params)]),
    "sageattn_fp4_attention": (
        ctypes.c_int,
        [ctypes.POINTER(Fp4Params), ctypes.c_int32, ctypes.c_void_p],
    ),
    "sageattn_fp4_product": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p],
    ),
    # The addresses are bytes: packed numbers, which cost less than an array of them.
    "sageattn_run_steps": (
        ctypes.c_int,
        [ctypes.POINTER(Step), ctypes.c_int64, ctypes.c_char_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_void_p],
    ),
}
