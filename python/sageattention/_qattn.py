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
from ._kinds import KINDS
from ._shapes import Blocks, dims

_LOG2_E = math.log2(math.e)
_TAIL = (
    "int tensor_layout, int is_causal, int qk_quant_gran, float sm_scale, int return_lse) -> Tensor"
)


class Kernel(NamedTuple):
    """One operator: what its values are, which blocks its scales have (None: see the scales)."""

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


_SM90_BLOCKS = Blocks(64, 16, 128)
_F32, _F16 = "qk_int8_sv_f8_accum_f32_", "qk_int8_sv_f8_accum_f16_"

SM80 = (
    Kernel("sageattention", "qk_int8_sv_f16_accum_f32_attn"),
    Kernel("sageattention", "qk_int8_sv_f16_accum_f16_attn", sums_float16=True),
    Kernel("sageattention", "qk_int8_sv_f16_accum_f16_attn_inst_buf", sums_float16=True),
    Kernel(
        "sageattention",
        "qk_int8_sv_f16_accum_f16_fuse_v_mean_attn",
        smoothed=True,
        sums_float16=True,
    ),
)
SM89 = (
    Kernel("sageattention_sm89", _F32 + "attn"),
    Kernel("sageattention_sm89", _F32 + "attn_inst_buf"),
    Kernel("sageattention_sm89", _F32 + "fuse_v_scale_attn", scaled=True),
    Kernel("sageattention_sm89", _F32 + "fuse_v_scale_attn_inst_buf", scaled=True),
    Kernel(
        "sageattention_sm89", _F32 + "fuse_v_scale_fuse_v_mean_attn", scaled=True, smoothed=True
    ),
    Kernel("sageattention_sm89", _F16 + "attn_inst_buf", sums_float16=True),
    Kernel(
        "sageattention_sm89", _F16 + "fuse_v_scale_attn_inst_buf", scaled=True, sums_float16=True
    ),
)
SM90 = (
    Kernel("sageattention_sm90", _F32 + "attn_inst_buf", blocks=_SM90_BLOCKS),
    Kernel(
        "sageattention_sm90", _F32 + "fuse_v_scale_attn_inst_buf", scaled=True, blocks=_SM90_BLOCKS
    ),
)


def _blocks(kernel: Kernel, query_scale: torch.Tensor, rows: int, granularity: int) -> Blocks:
    """The blocks that the number of scales of a query head fits. Raises ValueError if none does."""
    known = (kernel.blocks,) if kernel.blocks else (Blocks(), Blocks(warp=16))
    for blocks in known:
        if query_scale.shape[-1] == _shapes.scale_count(_abi.QUERY, granularity, rows, blocks):
            return blocks
    raise ValueError(
        f"query_scale has {query_scale.shape[-1]} scales a head, which fits no blocks of {rows} rows"
    )


def _check(kernel: Kernel, query: Any, key: Any, value: Any, output: Any, nhd: bool) -> None:
    q, k = _shapes.check_int8(query, nhd), _shapes.check_int8(key, nhd)
    _shapes.check_groups(q.heads, k.heads)
    wanted = torch.float16 if kernel.namespace == "sageattention" else torch.float8_e4m3fn
    if value.dtype != wanted:
        raise ValueError(f"value must be {wanted}, got {value.dtype}")
    if output.shape != query.shape or output.dtype not in _shapes.DTYPES or output.stride(-1) != 1:
        raise ValueError("output must be float16 or bfloat16, shaped like query, rows contiguous")
    _shapes.check_same_device(query, key, value, output)


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
        _check(kernel, query, key, value, output, nhd)
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
        key, value, output, _, _, *given = rest
        layout, _, _, _, return_lse = kernel.split(tuple(given))[2]
        _check(kernel, query, key, value, output, layout == 0)
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


# Registrations live as long as these objects. _operators defines the namespace sageattention.
_registrations = [_register(SM80, "FRAGMENT"), _register(SM89, "DEF"), _register(SM90, "DEF")]


def functions(kernels: tuple[Kernel, ...]) -> dict[str, Any]:
    """The operators by name, callable like those of 2.2's modules."""
    return {k.name: getattr(getattr(torch.ops, k.namespace), k.name) for k in kernels}
