"""The attention operators of 2.2's extension modules, as torch operators on the C library.

All take (query, key, value, output, query_scale, key_scale [, value_scale] [, value_mean], tensor_layout 0 = NHD
or 1 = HND, is_causal 0 or 1, granularity 2 = per warp or 3 = per thread, sm_scale, return_lse 0 or 1), write
output (float16 or bfloat16) and return the LSE: float32 [batch, query heads, query rows] to base 2 of the
quantised scores, or an empty tensor. Keys and queries are INT8. Values are float16, or E4M3 transposed as
per_channel_fp8 writes them. Where the wheel has no kernel that sums as coarsely as 2.2's, a more
precise one serves.
"""

from __future__ import annotations

import math
from typing import Any, Callable, NamedTuple

import torch

from . import _abi, _launch, _shapes
from ._dispatch import Operands, kind_for
from ._errors import InputError
from ._kinds import KINDS
from ._namespace import NAMESPACE
from ._shapes import Blocks, Dims, dims

_LOG2_E = math.log2(math.e)
_TAIL = (
    "int tensor_layout, int is_causal, int qk_quant_gran, float sm_scale, int return_lse) -> Tensor"
)


class Kernel(NamedTuple):
    """One operator: its values, and the blocks of its scales (None: the number of scales tells)."""

    namespace: str
    name: str
    scaled: bool = False
    smoothed: bool = False
    sums_float16: bool = False
    blocks: Blocks | None = None

    @property
    def schema(self) -> str:
        values = [name for name, has in self._optional() if has]
        return (
            "(Tensor query, Tensor key, Tensor value, Tensor(a!) output, Tensor query_scale, "
            "Tensor key_scale, " + "".join(f"Tensor {name}, " for name in values) + _TAIL
        )

    def _optional(self) -> tuple[tuple[str, bool], ...]:
        return ("value_scale", self.scaled), ("value_mean", self.smoothed)

    def split(self, given: tuple[Any, ...]) -> tuple[Any, Any, tuple[Any, ...]]:
        """value_scale, value_mean (None if the operator has none) and the five numbers."""
        scale = given[0] if self.scaled else None
        mean = given[int(self.scaled)] if self.smoothed else None
        return scale, mean, given[self.scaled + self.smoothed :]


_NAMESPACE_SM89, _NAMESPACE_SM90 = f"{NAMESPACE}_sm89", f"{NAMESPACE}_sm90"
_SM90_BLOCKS = Blocks(64, 16, 128)
_F32, _F16 = "qk_int8_sv_f8_accum_f32_", "qk_int8_sv_f8_accum_f16_"

SM80 = (
    Kernel(NAMESPACE, "qk_int8_sv_f16_accum_f32_attn"),
    Kernel(NAMESPACE, "qk_int8_sv_f16_accum_f16_attn", sums_float16=True),
    Kernel(NAMESPACE, "qk_int8_sv_f16_accum_f16_attn_inst_buf", sums_float16=True),
    Kernel(
        NAMESPACE,
        "qk_int8_sv_f16_accum_f16_fuse_v_mean_attn",
        smoothed=True,
        sums_float16=True,
    ),
)
SM89 = (
    Kernel(_NAMESPACE_SM89, _F32 + "attn"),
    Kernel(_NAMESPACE_SM89, _F32 + "attn_inst_buf"),
    Kernel(_NAMESPACE_SM89, _F32 + "fuse_v_scale_attn", scaled=True),
    Kernel(_NAMESPACE_SM89, _F32 + "fuse_v_scale_attn_inst_buf", scaled=True),
    Kernel(_NAMESPACE_SM89, _F32 + "fuse_v_scale_fuse_v_mean_attn", scaled=True, smoothed=True),
    Kernel(_NAMESPACE_SM89, _F16 + "attn_inst_buf", sums_float16=True),
    Kernel(_NAMESPACE_SM89, _F16 + "fuse_v_scale_attn_inst_buf", scaled=True, sums_float16=True),
)
SM90 = (
    Kernel(_NAMESPACE_SM90, _F32 + "attn_inst_buf", blocks=_SM90_BLOCKS),
    Kernel(_NAMESPACE_SM90, _F32 + "fuse_v_scale_attn_inst_buf", scaled=True, blocks=_SM90_BLOCKS),
)


def _blocks(kernel: Kernel, query_scale: torch.Tensor, rows: int, granularity: int) -> Blocks:
    """The blocks that fit the number of scales of a query head. Raises ValueError if none fit."""
    known = (kernel.blocks,) if kernel.blocks else (Blocks(), Blocks(warp=16))
    for blocks in known:
        if query_scale.shape[-1] == _shapes.scale_count(_abi.QUERY, granularity, rows, blocks):
            return blocks
    raise ValueError(
        f"query_scale has {query_scale.shape[-1]} scales a head, which fits no blocks of {rows} rows"
    )


def _check(
    kernel: Kernel,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    output: torch.Tensor,
    query_scale: torch.Tensor,
    key_scale: torch.Tensor,
    *given: Any,
) -> None:
    """Checks operands as far as tensors tell. Raises ValueError."""
    value_scale, value_mean, (layout, _, granularity, _, _) = kernel.split(given)
    nhd = layout == 0
    q, k = _shapes.check_int8(query, nhd), _shapes.check_int8(key, nhd)
    _check_value(kernel, value, q, k, nhd)
    if output.shape != query.shape or output.dtype not in _shapes.DTYPES or output.stride(-1) != 1:
        raise ValueError("output must be float16 or bfloat16, shaped like query, rows contiguous")
    blocks = _blocks(kernel, query_scale, q.rows, granularity)
    key_scales = _shapes.scale_count(_abi.KEY, granularity, k.rows, blocks)
    _check_scales("query_scale", query_scale, (q.batch, q.heads, query_scale.shape[-1]))
    _check_scales("key_scale", key_scale, (k.batch, k.heads, key_scales))
    for name, tensor in (("value_scale", value_scale), ("value_mean", value_mean)):
        if tensor is not None:
            _check_channels(name, tensor, (k.batch, k.heads, k.head_dim))
    _shapes.check_same_device(
        query, key, value, output, query_scale, key_scale, value_scale, value_mean
    )


def _check_value(kernel: Kernel, value: torch.Tensor, q: Dims, k: Dims, nhd: bool) -> None:
    """Checks float16 values, shaped like the keys, or E4M3 ones as per_channel_fp8 writes them."""
    wanted = torch.float16 if kernel.namespace == NAMESPACE else torch.float8_e4m3fn
    if value.dtype != wanted:
        raise InputError(f"value must be {wanted}, got {value.dtype}")
    if wanted == torch.float16:
        _shapes.check_attention(q, k, _shapes.check_quantizable(value, nhd))
        return
    _shapes.check_attention(q, k, k)
    inner = (k.head_dim, k.heads) if nhd else (k.heads, k.head_dim)
    keys = (k.rows + 63) // 64 * 64
    if value.dim() != 4 or tuple(value.shape[:3]) != (k.batch, *inner) or value.shape[3] < keys:
        raise ValueError(
            f"value must be {(k.batch, *inner, keys)} or have more keys, got {tuple(value.shape)}"
        )
    if value.stride(-1) != 1:
        raise ValueError("the keys of value must be contiguous")


def _check_scales(name: str, scales: torch.Tensor, shape: tuple[int, ...]) -> None:
    if scales.dtype != torch.float32 or tuple(scales.shape) != shape:
        raise InputError(
            f"{name} must be float32 of shape {shape}, got {scales.dtype} of shape {tuple(scales.shape)}"
        )


def _check_channels(name: str, tensor: torch.Tensor, shape: tuple[int, ...]) -> None:
    if not tensor.is_floating_point() or tuple(tensor.shape) != shape:
        raise InputError(
            f"{name} must be float of shape {shape}, got {tensor.dtype} of shape {tuple(tensor.shape)}"
        )


def _implementation(kernel: Kernel) -> Callable[..., torch.Tensor]:
    def run(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        output: torch.Tensor,
        query_scale: torch.Tensor,
        key_scale: torch.Tensor,
        *given: Any,
    ) -> torch.Tensor:
        value_scale, value_mean, numbers = kernel.split(given)
        layout, is_causal, granularity, sm_scale, return_lse = numbers
        nhd = layout == 0
        _check(kernel, query, key, value, output, query_scale, key_scale, *given)
        lse = _shapes.new_lse(query, nhd, bool(return_lse))
        if query.numel() == 0 or key.numel() == 0:
            output.zero_()
            return lse.fill_(float("-inf"))
        fp8 = value.dtype == torch.float8_e4m3fn
        if fp8 and value_scale is None:
            sizes = dims(key, nhd)
            value_scale = torch.ones(sizes.batch, sizes.heads, sizes.head_dim, device=key.device)
        operands = Operands(query.shape[-1], e4m3=fp8, sums_float16=kernel.sums_float16)
        _launch.attention(
            KINDS[kind_for(query.device.index, operands)],
            query,
            key,
            value,
            query_scale.contiguous(),
            key_scale.contiguous(),
            output,
            nhd=nhd,
            granularity=granularity,
            sm_scale=sm_scale,
            causal=_abi.CAUSAL_TOP_LEFT if is_causal else _abi.NOT_CAUSAL,
            lse=lse if return_lse else None,
            value_scale=_float32(value_scale),
            value_mean=_float32(value_mean) if fp8 else None,
            blocks=_blocks(kernel, query_scale, dims(query, nhd).rows, granularity),
        )
        if value_mean is not None and not fp8:
            _add_mean(output, value_mean, nhd)
        return lse.mul_(_LOG2_E)

    return run


def _float32(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else tensor.to(torch.float32).contiguous()


def _add_mean(output: torch.Tensor, mean: torch.Tensor, nhd: bool) -> None:
    """Adds the values' mean [batch, key heads, head_dim] to the output of every query head."""
    group = dims(output, nhd).heads // mean.shape[1]
    output.add_(mean.repeat_interleave(group, 1).unsqueeze(1 if nhd else 2))


def _fake(kernel: Kernel) -> Callable[..., torch.Tensor]:
    def fake(query: torch.Tensor, *rest: Any) -> torch.Tensor:
        _check(kernel, query, *rest)
        layout, _, _, _, return_lse = kernel.split(rest[5:])[2]
        return _shapes.new_lse(query, layout == 0, bool(return_lse))

    return fake


def _register(kernels: tuple[Kernel, ...], kind: str) -> torch.library.Library:
    namespace = kernels[0].namespace
    library = torch.library.Library(namespace, kind)
    tags = (torch.Tag.needs_fixed_stride_order, torch.Tag.pt2_compliant_tag)
    for kernel in kernels:
        library.define(kernel.name + kernel.schema, tags=tags)
        library.impl(kernel.name, _implementation(kernel), "CUDA")
        torch.library.register_fake(f"{namespace}::{kernel.name}", _fake(kernel), lib=library)
    return library


# Registrations live as long as these objects. _operators defines the namespace of SM80.
_registrations = [_register(SM80, "FRAGMENT"), _register(SM89, "DEF"), _register(SM90, "DEF")]


def functions(kernels: tuple[Kernel, ...]) -> dict[str, Any]:
    """The operators by name, callable like those of 2.2's modules."""
    return {k.name: getattr(getattr(torch.ops, k.namespace), k.name) for k in kernels}


# Fakes of 2.2 that serve several operators -> one of those operators.
# https://github.com/thu-ml/SageAttention/blob/d1a57a5/sageattention/sm80_compile.py, sm89_compile.py
_SHARED_FAKES = {
    "sm80_qk_fake_impl": "qk_int8_sv_f16_accum_f32_attn",
    "sm89_qk_with_key_value": _F32 + "fuse_v_scale_attn",
    "sm89_qk_with_key_value_mean": _F32 + "fuse_v_scale_fuse_v_mean_attn",
}


def fakes(kernels: tuple[Kernel, ...]) -> dict[str, Any]:
    """The operators' fakes, which torch.compile runs, by the names of 2.2's torch.compile wrappers.

    Some programs import one of these names to learn whether a GPU's operators are there.
    """
    found = {kernel.name: _fake(kernel) for kernel in kernels}
    shared = {name: found[of] for name, of in _SHARED_FAKES.items() if of in found}
    return {**{f"{name}_fake_impl": fake for name, fake in found.items()}, **shared}
