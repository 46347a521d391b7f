"""The operator torch.ops.sageattn3.forward: checks, the route of a call, and its plan.

Everything that depends on the GPU is decided inside, so that torch.compile sees one operator, whatever serves, and a
captured graph keeps what was decided. outputs() is what the fake runs.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch

from . import _fp4, _route, _torch
from ._core import _abi, _forward
from ._core._forward import Outputs, both, check_dense, identity_of, identity_of_other, nothing_seen
from ._core._plan import Pair, Plan, Plans

PLANS = Plans()

SCHEMA = (
    "forward(Tensor query, Tensor key, Tensor value, Tensor? mask, bool nhd, bool causal, float sm_scale, "
    "bool per_block_mean, bool smooth_v, bool return_lse, str backend) -> (Tensor, Tensor)"
)


class Forward(NamedTuple):
    """The arguments. causal is bottom right; an LSE that is not wanted is empty."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    nhd: bool
    causal: bool
    sm_scale: float
    per_block_mean: bool
    smooth_v: bool
    return_lse: bool
    backend: str

    def outputs(self) -> Pair:
        """Output like query, and LSE."""
        return self.checked().new(self.query)

    def checked(self) -> Outputs:
        """Raises ValueError, or InputError for masks, unless all tensors fit each other."""
        return check_dense(*self[:4], self.nhd, self.return_lse)

    def run(self) -> Pair:
        query, key, value, mask = self[:4]
        identity = (identity_of(query, key, value), identity_of_other(mask), self[4:])
        return both(query, PLANS.get(identity, self._plan)(query, key, value, mask))

    def _plan(self) -> Plan:
        outputs = self.checked()
        if not self.query.numel() or not self.key.numel():
            return nothing_seen(outputs)
        route = _route.choose(self.query.device.index, self.need())
        if route.warn and self.backend == "auto":
            _warn_once(route.reason)
        if route.by == _route.FP4:
            return _fp4.plan(self, outputs)
        return self.int8 if route.by == _route.INT8 else _torch.plan(self)

    def need(self) -> _route.Need:
        """What decides the route."""
        bfloat16 = self.query.dtype == torch.bfloat16
        return _route.Need(self.backend, self.query.shape[-1], bfloat16, mask_kind(self.mask), self.return_lse)

    def int8(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, *_: object
    ) -> Pair:
        """By the INT8 kernels of SageAttention 2: float16 values, sums in float32."""
        causal = _abi.CAUSAL_BOTTOM_RIGHT if self.causal else _abi.NOT_CAUSAL
        return _forward.Forward(
            query, key, value, mask, self.nhd, causal, self.sm_scale, "fp16", _abi.PER_THREAD, True, self.return_lse
        ).run()


def mask_kind(mask: torch.Tensor | None) -> str:
    """ "" without a mask, "keys" if it is the same for all rows, else "rows"."""
    if mask is None:
        return ""
    same = mask.dim() < 2 or mask.shape[-2] == 1 or mask.stride(-2) == 0
    return "keys" if same else "rows"


_warned: set[str] = set()


def _warn_once(reason: str) -> None:
    """One warning a process, however many calls."""
    if not _warned:
        _warned.add(reason)
        warnings.warn(f"sageattn3: {reason}; {_route.STRICT}=1 raises an error instead", stacklevel=2)


def _run(*arguments: object) -> Pair:
    return Forward(*arguments).run()  # type: ignore[arg-type]


def _fake(*arguments: object) -> Pair:
    return Forward(*arguments).outputs()  # type: ignore[arg-type]


def _register() -> torch.library.Library:
    library = torch.library.Library("sageattn3", "DEF")
    # Inductor may otherwise hand over operands whose head dim is not contiguous.
    tags = (torch.Tag.needs_fixed_stride_order, torch.Tag.pt2_compliant_tag)
    library.define(SCHEMA, tags=tags)
    library.impl("forward", _run, "CUDA")
    torch.library.register_fake("sageattn3::forward", _fake, lib=library)
    return library


# Registrations live as long as this object.
_registration = _register()
