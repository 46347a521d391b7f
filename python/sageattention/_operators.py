"""Operators in torch's registry: torch.ops.sageattention.{mean, quantize_query, quantize_key, quantize_value,
attention, forward, forward_varlen}.

torch.library.Library defines the operators: custom_op costs three times as much per call. Each
operator is a tuple of its arguments, and the tuple's fields give the schema. outputs() checks the
arguments and allocates, for the CUDA implementation and for the fake alike, so that both have the
same shapes under torch.compile. run() launches.

Layouts: nhd=False is [batch, heads, rows, head_dim], nhd=True is [batch, rows, heads, head_dim].
granularity: 1 per block, 2 per warp, 3 per thread. causal: 0 no, 1 top left, 2 bottom right. method: see
_dispatch. accumulation: 0 float32, 1 float16 within a key tile where there is such a kernel. An
output that the caller did not ask for is empty.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import torch

from . import _abi, _dispatch, _launch, _run, _shapes
from ._dispatch import Operands
from ._forward import Forward, ForwardVarlen
from ._kinds import KINDS
from ._namespace import NAMESPACE
from ._shapes import Blocks, new_float32, new_lse

_Pair = tuple[torch.Tensor, torch.Tensor]
_Triple = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _contiguous(like: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(like.shape, dtype=dtype, device=like.device)


class _Mean(NamedTuple):
    input: torch.Tensor
    nhd: bool

    def outputs(self) -> torch.Tensor:
        """float32 [batch, heads, head_dim]."""
        sizes = _shapes.check_quantizable(self.input, self.nhd)
        return new_float32(self.input, sizes.batch, sizes.heads, sizes.head_dim)

    def run(self) -> torch.Tensor:
        output = self.outputs()
        if self.input.numel():
            _launch.mean(self.input, output, self.nhd)
        return output


class _QuantizeQuery(NamedTuple):
    query: torch.Tensor
    key_mean: torch.Tensor | None
    nhd: bool
    granularity: int
    block_rows: int = _abi.QUERY_BLOCK
    warp_rows: int = _abi.QUERY_WARP

    def outputs(self) -> _Triple:
        """int8 like query, float32 scales, float32 query . mean of the key head."""
        query, key_mean = self.query, self.key_mean
        sizes, blocks = _shapes.check_quantizable(query, self.nhd), self._blocks()
        _shapes.check_blocks(blocks)
        if key_mean is not None:
            key_heads = key_mean.shape[1]
            _shapes.check_groups(sizes.heads, key_heads)
            _shapes.check_float32("key_mean", key_mean, (sizes.batch, key_heads, sizes.head_dim))
            _shapes.check_same_device(query, key_mean)
        count = _shapes.scale_count(_abi.QUERY, self.granularity, sizes.rows, blocks)
        return (
            _contiguous(query, torch.int8),
            new_float32(query, sizes.batch, sizes.heads, count),
            new_lse(query, self.nhd, key_mean is not None),
        )

    def run(self) -> _Triple:
        output, scale, mean_dot = self.outputs()
        if self.query.numel():
            dot = None if self.key_mean is None else mean_dot
            _launch.quantize(
                self.query, output, scale, self.key_mean, dot,
                self.nhd, _abi.QUERY, self.granularity, self._blocks(),
            )  # fmt: skip
        return output, scale, mean_dot

    def _blocks(self) -> Blocks:
        return Blocks(self.block_rows, self.warp_rows)


class _QuantizeKey(NamedTuple):
    key: torch.Tensor
    mean: torch.Tensor | None
    nhd: bool
    granularity: int
    block_rows: int = _abi.KEY_BLOCK

    def outputs(self) -> _Pair:
        """int8 like key, float32 scales."""
        key, mean = self.key, self.mean
        sizes, blocks = _shapes.check_quantizable(key, self.nhd), Blocks(key=self.block_rows)
        _shapes.check_blocks(blocks)
        if mean is not None:
            _shapes.check_float32("mean", mean, (sizes.batch, sizes.heads, sizes.head_dim))
            _shapes.check_same_device(key, mean)
        count = _shapes.scale_count(_abi.KEY, self.granularity, sizes.rows, blocks)
        return _contiguous(key, torch.int8), new_float32(key, sizes.batch, sizes.heads, count)

    def run(self) -> _Pair:
        output, scale = self.outputs()
        if self.key.numel():
            _launch.quantize(
                self.key, output, scale, self.mean, None,
                self.nhd, _abi.KEY, self.granularity, Blocks(key=self.block_rows),
            )  # fmt: skip
        return output, scale


class _QuantizeValue(NamedTuple):
    value: torch.Tensor
    nhd: bool
    scale_max: float
    smooth: bool

    def outputs(self) -> _Triple:
        """E4M3, transposed, keys permuted and padded; float32 scale and mean [batch, heads, head_dim]."""
        _shapes.check_quantizable(self.value, self.nhd)
        if not 0 < self.scale_max <= 448:
            raise ValueError(f"scale_max is {self.scale_max}, it must be above 0 and at most 448")
        shape = _run.e4m3_shape(self.value, self.nhd)
        sizes = _shapes.dims(self.value, self.nhd)
        scale = new_float32(self.value, sizes.batch, sizes.heads, sizes.head_dim)
        mean = torch.empty_like(scale) if self.smooth else new_float32(self.value, 0)
        return self.value.new_empty(shape, dtype=torch.float8_e4m3fn), scale, mean

    def run(self) -> _Triple:
        output, scale, mean = self.outputs()
        if self.value.numel():
            wanted = mean if self.smooth else None
            _launch.quantize_value(self.value, output, scale, wanted, self.nhd, self.scale_max)
        return output, scale, mean


class _Attention(NamedTuple):
    """Arguments of attention with quantised queries and keys, and 16-bit values."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    query_scale: torch.Tensor
    key_scale: torch.Tensor
    mean_dot: torch.Tensor | None
    nhd: bool
    granularity: int
    sm_scale: float
    causal: int
    return_lse: bool
    mask: torch.Tensor | None = None
    accumulation: int = 0

    def outputs(self) -> _Pair:
        """Output shaped like query in value's dtype, and the LSE as natural logarithms."""
        query, mean_dot, mask = self.query, self.mean_dot, self.mask
        q, k = _shapes.check_int8(query, self.nhd), _shapes.check_int8(self.key, self.nhd)
        _shapes.check_attention(q, k, _shapes.check_quantizable(self.value, self.nhd))
        scales = self.query_scale, self.key_scale
        _shapes.check_same_device(query, self.key, self.value, *scales, mean_dot, mask)
        query_scales = _shapes.scale_count(_abi.QUERY, self.granularity, q.rows)
        key_scales = _shapes.scale_count(_abi.KEY, self.granularity, k.rows)
        _shapes.check_float32("query_scale", scales[0], (q.batch, q.heads, query_scales))
        _shapes.check_float32("key_scale", scales[1], (k.batch, k.heads, key_scales))
        if mean_dot is not None:
            _shapes.check_float32("mean_dot", mean_dot, (q.batch, q.heads, q.rows))
        if mask is not None:
            _shapes.check_mask(mask, (q.batch, q.heads, q.rows, k.rows))
        return _contiguous(query, self.value.dtype), new_lse(query, self.nhd, self.return_lse)

    def run(self) -> _Pair:
        output, lse = self.outputs()
        if _has_work(self.key, output, lse):
            _launch.attention(
                KINDS[_dispatch.kind_for(self.query.device.index, self._operands())],
                self.query, self.key, self.value, self.query_scale, self.key_scale, output,
                nhd=self.nhd, granularity=self.granularity, sm_scale=self.sm_scale,
                causal=self.causal, mean_dot=self.mean_dot, lse=lse if self.return_lse else None,
                mask=_expand(self.mask, self.query, self.key, self.nhd),
            )  # fmt: skip
        return output, lse

    def _operands(self) -> Operands:
        return Operands(
            self.query.shape[-1],
            bfloat16=self.value.dtype == torch.bfloat16,
            mask="" if self.mask is None else "bool" if self.mask.dtype == torch.bool else "float",
            sums_float16=self.accumulation == 1,
        )


def _expand(
    mask: torch.Tensor | None, query: torch.Tensor, key: torch.Tensor, nhd: bool
) -> torch.Tensor | None:
    if mask is None:
        return None
    q, k = _shapes.dims(query, nhd), _shapes.dims(key, nhd)
    return mask.expand(q.batch, q.heads, q.rows, k.rows)


def _has_work(key: torch.Tensor, output: torch.Tensor, lse: torch.Tensor) -> bool:
    """The result without keys: output 0, LSE -infinity."""
    if key.numel() == 0:
        output.zero_()
        lse.fill_(float("-inf"))
    return key.numel() > 0 and output.numel() > 0


_OPERATORS: dict[str, tuple[Any, int]] = {  # arguments, and the number of tensors returned
    "mean": (_Mean, 1),
    "quantize_query": (_QuantizeQuery, 3),
    "quantize_key": (_QuantizeKey, 2),
    "quantize_value": (_QuantizeValue, 3),
    "attention": (_Attention, 2),
    "forward": (Forward, 2),
    "forward_varlen": (ForwardVarlen, 2),
}

# annotation -> type of a schema
_TYPES = {
    "torch.Tensor": "Tensor",
    "torch.Tensor | None": "Tensor?",
    "SymInt": "SymInt",
    "bool": "bool",
    "int": "int",
    "float": "float",
    "str": "str",
}


def _schema(arguments: Any, outputs: int) -> str:
    """ "(Tensor input, bool nhd) -> Tensor"."""
    parameters = []
    for name, annotation in arguments.__annotations__.items():
        text = _TYPES[getattr(annotation, "__forward_arg__", annotation)] + " " + name
        if name in arguments._field_defaults:
            text += f"={arguments._field_defaults[name]}"
        parameters.append(text)
    result = "Tensor" if outputs == 1 else f"({', '.join(['Tensor'] * outputs)})"
    return f"({', '.join(parameters)}) -> {result}"


SCHEMAS = {name: _schema(*operator) for name, operator in _OPERATORS.items()}


def _functions(arguments: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The CUDA implementation and the fake."""

    def run(*given: Any) -> Any:
        return arguments(*given).run()

    def fake(*given: Any) -> Any:
        return arguments(*given).outputs()

    return run, fake


def _register() -> torch.library.Library:
    library = torch.library.Library(NAMESPACE, "DEF")
    # Inductor may otherwise hand over operands whose head dim is not contiguous.
    tags = (torch.Tag.needs_fixed_stride_order, torch.Tag.pt2_compliant_tag)
    for name, (arguments, _) in _OPERATORS.items():
        run, fake = _functions(arguments)
        library.define(name + SCHEMAS[name], tags=tags)
        library.impl(name, run, "CUDA")
        torch.library.register_fake(f"{NAMESPACE}::{name}", fake, lib=library)
    return library


# Registrations live as long as this object.
_registration = _register()
