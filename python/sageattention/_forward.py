"""The operators forward and forward_varlen: checks, and the plan of a call. _operators registers them.

outputs() is what torch.compile's fake runs. run() is the CUDA implementation: the first call of its kind is checked and
planned, the next ones of the same shapes, strides, dtypes and options run that plan.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import torch

from . import _choice, _dispatch, _operand, _run, _sdpa, _shapes, _triton
from ._call import Call, Lengths
from ._kinds import KINDS, Kind
from ._operand import Operand
from ._plan import LibraryPlan, Pair, Plan, Plans, Result, Workspace

PLANS = Plans()

_MASK_ALIGNMENT = 16  # bytes that kernels read of a mask at a time; torch allocates multiples of it


class Outputs(NamedTuple):
    """Shapes of a call's output, which has the query's dtype, and of its float32 LSE, (0,) if none is wanted.

    alike: the query is contiguous too, so that empty_like, which takes half the time of new_empty, serves.
    """

    output: tuple[int, ...]
    lse: tuple[int, ...]
    alike: bool = False

    def room(self, query: torch.Tensor) -> Result:
        """Room for the output and for an LSE that is wanted, contiguous."""
        output = torch.empty_like(query) if self.alike else query.new_empty(self.output)
        return output, None if self.lse == (0,) else query.new_empty(self.lse, dtype=torch.float32)

    def new(self, query: torch.Tensor) -> Pair:
        """As the operators return them: an LSE that is not wanted is empty."""
        return both(query, self.room(query))

    def operands(self, query: torch.Tensor, batched: bool) -> tuple[Operand, Operand | None]:
        """Both as operands, the LSE only if it is wanted; batched: with a batch of 1 in front."""
        front = (1,) if batched else ()
        output = Operand.contiguous(
            _operand.symbol(_operand.OUTPUT), (*front, *self.output), query.dtype
        )
        if self.lse == (0,):
            return output, None
        lse = _operand.symbol(_operand.LSE)
        return output, Operand.contiguous(lse, (*front, *self.lse), torch.float32)


def both(query: torch.Tensor, result: Result) -> Pair:
    """A plan's result as an operator returns it, whose schema has two tensors."""
    output, lse = result
    return output, query.new_empty(0, dtype=torch.float32) if lse is None else lse


def _check_method(method: str) -> None:
    if not _dispatch.known(method):
        raise ValueError(f"unknown method {method}, it must be one of {_dispatch.METHODS}")


def identity_of(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> tuple[Hashable, ...]:
    """What a plan depends on of the operands."""
    return (
        query.shape, query.stride(), query.dtype, query.device,
        key.shape, key.stride(), key.dtype, key.device,
        value.shape, value.stride(), value.dtype, value.device,
    )  # fmt: skip


def identity_of_other(tensor: torch.Tensor | None) -> Hashable:
    """The same of a tensor that not every call has."""
    return None if tensor is None else (tensor.shape, tensor.stride(), tensor.dtype, tensor.device)


def check_dense(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    nhd: bool,
    return_lse: bool,
) -> Outputs:
    """Output and LSE of tensors that fit each other.

    Raises ValueError, or InputError for masks, for others.
    """
    q, k = _shapes.check_quantizable(query, nhd), _shapes.check_quantizable(key, nhd)
    _shapes.check_attention(q, k, _shapes.check_quantizable(value, nhd))
    _shapes.check_same_dtype(query, key, value)
    _shapes.check_same_device(query, key, value, mask)
    if mask is not None:
        _shapes.check_mask(mask, (q.batch, q.heads, q.rows, k.rows))
    return Outputs(query.shape, (q.batch, q.heads, q.rows) if return_lse else (0,))


class Forward(NamedTuple):
    """Quantisation and attention."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    nhd: bool
    causal: int
    sm_scale: float
    method: str
    granularity: int
    smooth_k: bool
    return_lse: bool

    def outputs(self) -> Pair:
        """Output like query, and LSE."""
        return self._checked().new(self.query)

    def _checked(self) -> Outputs:
        query, key, value, mask = self[:4]
        outputs = check_dense(query, key, value, mask, self.nhd, self.return_lse)
        _check_method(self.method)
        return outputs

    def run(self) -> Pair:
        query, key, value, mask = self[:4]
        if mask is not None and mask.data_ptr() % _MASK_ALIGNMENT:
            return self._replace(mask=mask.clone()).run()
        plan = PLANS.get(self._identity(), self._plan)
        return both(query, plan(query, key, value, mask, None, None))

    def run_again(self) -> Result | None:
        """What run computes, if such a call was checked and planned before, else None."""
        query, key, value, mask = self[:4]
        plan = PLANS.find(self._identity())
        if plan is None or (mask is not None and mask.data_ptr() % _MASK_ALIGNMENT):
            return None
        return plan(query, key, value, mask, None, None)

    def _identity(self) -> Hashable:
        return (identity_of(*self[:3]), identity_of_other(self.mask), self[4:])

    def _plan(self) -> Plan:
        query, key, mask = self.query, self.key, self.mask
        outputs = self._checked()._replace(alike=query.is_contiguous())
        if not query.numel() or not key.numel():
            return nothing_seen(outputs)
        if mask is not None:
            q, k = _shapes.dims(query, self.nhd), _shapes.dims(key, self.nhd)
            mask = mask.expand(q.batch, q.heads, q.rows, k.rows)
        output, lse = outputs.operands(query, batched=False)
        call = Call(
            Operand.of(_operand.QUERY, query), Operand.of(_operand.KEY, key),
            Operand.of(_operand.VALUE, self.value), output, lse,
            None if mask is None else Operand.of(_operand.MASK, mask),
            self.nhd, self.causal, self.sm_scale, self.granularity, self.smooth_k,
        )  # fmt: skip
        return _plan(call, self.method, outputs, query.device)


SymInt = int


class ForwardVarlen(NamedTuple):
    """As Forward, for sequences behind each other.

    Tensors are [rows of all, heads, head_dim], the LSE is [query heads, rows of all]. largest_query
    and largest_key, integer tensors of one element, hold the largest lengths at run time, which may
    be below query_rows and key_rows.
    """

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    query_starts: torch.Tensor
    key_starts: torch.Tensor
    query_rows: SymInt
    key_rows: SymInt
    causal: int
    sm_scale: float
    method: str
    granularity: int
    smooth_k: bool
    return_lse: bool
    largest_query: torch.Tensor | None = None
    largest_key: torch.Tensor | None = None

    def outputs(self) -> Pair:
        """Output like query, and LSE."""
        return self._checked().new(self.query)

    def _checked(self) -> Outputs:
        query, mask = self.query, self.mask
        tensors = query, self.key, self.value
        q, k, v = (_shapes.check_quantizable(x.unsqueeze(0), nhd=True) for x in tensors)
        _shapes.check_attention(q, k, v)
        _shapes.check_same_dtype(*tensors)
        _shapes.check_same_device(*tensors, mask, self.query_starts, self.key_starts)
        batch = _shapes.check_starts("cu_seqlens_q", self.query_starts)
        if _shapes.check_starts("cu_seqlens_k", self.key_starts) != batch:
            raise ValueError("cu_seqlens_q and cu_seqlens_k differ in length")
        _check_method(self.method)
        if mask is not None:
            rows = None if self.largest_query is not None else self.query_rows
            keys = None if self.largest_key is not None else self.key_rows
            _shapes.check_mask(mask, (batch, q.heads, rows, keys))
        return Outputs(query.shape, (q.heads, q.rows) if self.return_lse else (0,))

    def run(self) -> Pair:
        if self.largest_query is not None or self.largest_key is not None:
            return self._with_lengths().run()
        plan = PLANS.get(self._identity(), self._plan)
        return both(self.query, plan(*self[:6]))

    def run_again(self) -> Result | None:
        """What run computes, if such a call was checked and planned before, else None."""
        lengths_known = self.largest_query is None and self.largest_key is None
        plan = PLANS.find(self._identity()) if lengths_known else None
        return None if plan is None else plan(*self[:6])

    def _identity(self) -> Hashable:
        others = identity_of_other(self.mask), identity_of_other(self.query_starts), identity_of_other(self.key_starts)
        return (identity_of(*self[:3]), others, self[6:14], self._same_lengths())

    def _same_lengths(self) -> bool:
        """Whether queries and keys surely have the same lengths."""
        starts = self.query_starts.data_ptr(), self.key_starts.data_ptr()
        return starts[0] == starts[1] and self.query_rows == self.key_rows

    def _plan(self) -> Plan:
        query, key, mask = self.query, self.key, self.mask
        outputs = self._checked()._replace(alike=query.is_contiguous())
        # Not for a fake, whose numbers nobody knows yet.
        _shapes.check_longest("max_seqlen_q", self.query_rows)
        _shapes.check_longest("max_seqlen_k", self.key_rows)
        if not query.numel() or not key.numel():
            return nothing_seen(outputs)
        starts = (
            Operand.of(_operand.QUERY_STARTS, self.query_starts),
            Operand.of(_operand.KEY_STARTS, self.key_starts),
        )
        lengths = Lengths(starts[0], self.query_rows), Lengths(starts[1], self.key_rows)
        if mask is not None:
            mask = mask.expand(lengths[0].batch, query.shape[1], self.query_rows, self.key_rows)
        output, lse = outputs.operands(query, batched=True)
        call = Call(
            Operand.of(_operand.QUERY, query[None]), Operand.of(_operand.KEY, key[None]),
            Operand.of(_operand.VALUE, self.value[None]), output, lse,
            None if mask is None else Operand.of(_operand.MASK, mask),
            True, self.causal, self.sm_scale, self.granularity, self.smooth_k, lengths,
            self._same_lengths(),
        )  # fmt: skip
        return _plan(call, self.method, outputs, query.device)

    def _with_lengths(self) -> ForwardVarlen:
        """The same arguments with the largest lengths read from their tensors."""
        return self._replace(
            query_rows=_at_most("max_seqlen_q", self.largest_query, self.query_rows),
            key_rows=_at_most("max_seqlen_k", self.largest_key, self.key_rows),
            largest_query=None,
            largest_key=None,
        )


def _at_most(name: str, largest: torch.Tensor | None, rows: int) -> int:
    if largest is None:
        return rows
    _shapes.check_length(name, largest)
    return min(int(largest), rows)


def nothing_seen(outputs: Outputs) -> Plan:
    """The result without keys: output 0, LSE -infinity."""

    def run(query: torch.Tensor, *_: torch.Tensor | None) -> Result:
        output, lse = outputs.room(query)
        return output.zero_(), None if lse is None else lse.fill_(float("-inf"))

    return run


def _plan(call: Call, method: str, outputs: Outputs, device: torch.device) -> Plan:
    """The plan of a call whose operands have no addresses yet."""
    choice = _choice.choose(device.index, call, method)
    if choice.kind == _dispatch.TORCH:
        return _sdpa.plan(call)
    if choice.kind == _dispatch.TRITON:
        return _triton.plan(call)
    return _by_library(call, KINDS[choice.kind], outputs, device)


def _by_library(call: Call, kind: Kind, outputs: Outputs, device: torch.device) -> Plan:
    """One allocation holds everything that the steps of the C library hand to each other."""
    converts = _run.takes_float16(kind) and call.value.dtype == torch.bfloat16
    if converts:
        value = _operand.symbol(_operand.VALUE)
        call = call._replace(value=Operand.contiguous(value, tuple(call.value.shape), torch.float16))
    workspace = Workspace()
    plan = LibraryPlan(_run.steps(call, kind, workspace), workspace, device)

    def run(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        query_starts: torch.Tensor | None,
        key_starts: torch.Tensor | None,
    ) -> Result:
        output, lse = outputs.room(query)
        if converts:
            value = _run.to_float16(value)
        plan.run(query, key, value, output, lse, mask, query_starts, key_starts)
        return output, lse

    return run
