"""The kernels in FP4: one step of the C library, which quantises into a workspace and attends."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import torch

from ._core import _abi, _operand
from ._core._forward import Outputs
from ._core._launch import view
from ._core._library import check, library
from ._core._operand import Operand
from ._core._plan import LibraryPlan, Plan, Result, Step, Workspace
from ._core._shapes import DTYPES, dims

if TYPE_CHECKING:
    from ._operator import Forward


def bias(mask: torch.Tensor, batch: int, heads: int, keys: int) -> torch.Tensor:
    """A mask that is the same for all rows as float32 [batch or 1, heads or 1, keys], contiguous.

    Bool: 0 where a key is seen, -infinity where it is hidden.
    """
    row = mask if mask.dim() < 2 else mask.select(-2, 0)
    row = row.reshape((1,) * (3 - row.dim()) + tuple(row.shape))
    row = row.expand(row.shape[0], row.shape[1], keys)
    if row.dtype == torch.bool:
        zeros = torch.zeros(row.shape, dtype=torch.float32, device=row.device)
        return zeros.masked_fill_(~row, float("-inf"))
    return row.to(torch.float32).contiguous()


def params(arguments: Forward, outputs: Outputs, bias_shape: tuple[int, ...] | None) -> _abi.Fp4Params:
    """The parameters of a call, without workspace and with symbols for addresses."""
    query, key, value, nhd = arguments.query, arguments.key, arguments.value, arguments.nhd
    q, k = dims(query, nhd), dims(key, nhd)
    output, lse = outputs.operands(query, batched=False)
    batches, heads = (0, 0) if bias_shape is None else bias_shape[:2]
    return _abi.Fp4Params(
        ctypes.sizeof(_abi.Fp4Params),
        view(Operand.of(_operand.QUERY, query), nhd),
        view(Operand.of(_operand.KEY, key), nhd),
        view(Operand.of(_operand.VALUE, value), nhd),
        view(output, nhd),
        None if bias_shape is None else _operand.symbol(_operand.MASK),
        heads * k.rows if batches > 1 else 0,
        k.rows if heads > 1 else 0,
        None,
        0,
        None if lse is None else lse.data_ptr(),
        q.batch,
        q.heads,
        k.heads,
        q.rows,
        k.rows,
        q.head_dim,
        arguments.sm_scale,
        _abi.CAUSAL_BOTTOM_RIGHT if arguments.causal else _abi.NOT_CAUSAL,
        arguments.per_block_mean,
        arguments.smooth_v,
        DTYPES[query.dtype],
        DTYPES[query.dtype],
    )


def plan(arguments: Forward, outputs: Outputs) -> Plan:
    """The plan of a call. Raises ValueError for parameters that the library refuses."""
    q, k = dims(arguments.query, arguments.nhd), dims(arguments.key, arguments.nhd)
    mask = arguments.mask
    shape = None if mask is None else tuple(bias(mask, q.batch, q.heads, k.rows).shape)
    filled = params(arguments, outputs, shape)
    size = int(library().sageattn_fp4_workspace(ctypes.byref(filled)))
    if size < 0:
        check(_abi.INVALID_ARGUMENT)
    workspace = Workspace()
    filled.workspace, filled.workspace_size = workspace.bytes(size), size
    launches = LibraryPlan([Step(_abi.RUN_FP4_ATTENTION, filled)], workspace, arguments.query.device)

    def run(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, *_: object
    ) -> Result:
        output, lse = outputs.room(query)
        added = None if mask is None else bias(mask, q.batch, q.heads, k.rows)
        launches.run(query, key, value, output, lse, added, None, None)
        return output, lse

    return run
