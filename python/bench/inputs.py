"""The tensors of a case."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from .cases import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

# name → what is added to random normal values, at the relative place 0 … 1 along a sequence
VALUES = {"randn": (0.0, 0.0), "randn+1": (1.0, 1.0), "randn+ramp": (0.0, 4.0)}
SEED = 0


class Operands(NamedTuple):
    """Query, key, value: [batch, heads, rows, head_dim]; with starts [rows of all sequences, heads, head_dim].

    starts: int32 [sequences + 1] on the device, where each sequence begins; longest: rows of the longest. mask: as
    cases.MASKS says, or None.
    """

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    starts: torch.Tensor | None = None
    longest: int = 0
    mask: torch.Tensor | None = None

    def sequences(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Query, key and value of each sequence, [heads, rows, head_dim], as views."""
        if self.starts is None:
            yield from zip(self.q, self.k, self.v)
            return
        places = self.starts.tolist()
        for first, last in zip(places, places[1:]):
            q, k, v = (x[first:last].transpose(0, 1) for x in (self.q, self.k, self.v))
            yield q, k, v

    def mask_of(self, sequence: int, head: int) -> torch.Tensor | None:
        """The mask of one sequence and query head, [query rows, key rows], as a view; None without a mask."""
        if self.mask is None:
            return None
        batch, heads, rows, _ = self.q.shape
        return self.mask.expand(batch, heads, rows, self.k.shape[2])[sequence, head]


def split(output: torch.Tensor, case: Case) -> list[torch.Tensor]:
    """The sequences of an output, [heads, rows, head_dim] each, as views."""
    if not case.lengths:
        return list(output)
    return [part.transpose(0, 1) for part in output.split(list(case.lengths))]  # type: ignore[no-untyped-call,unused-ignore]


def make(case: Case, values: str = "randn", device: str = "cuda") -> Operands:
    """Random normal operands, the same for a case each time; values: one of VALUES."""
    torch.manual_seed(SEED)
    dtype = getattr(torch, case.dtype)

    def normal(heads: int, rows: int) -> torch.Tensor:
        size = (sum(case.lengths), heads) if case.lengths else (case.batch, heads, rows)
        return torch.randn(*size, case.head_dim, device=device, dtype=dtype)

    q = normal(case.heads, case.query_rows)
    k = normal(case.kv_heads, case.key_rows)
    v = normal(case.kv_heads, case.key_rows)
    starts = None
    if case.lengths:
        places = [sum(case.lengths[:count]) for count in range(len(case.lengths) + 1)]
        starts = torch.tensor(places, dtype=torch.int32, device=device)
    operands = Operands(q, k, v, starts, max(case.lengths, default=0), _mask(case, q))
    _shift(operands, values)
    return operands


def _mask(case: Case, query: torch.Tensor) -> torch.Tensor | None:
    """A mask in which every query sees its first key."""
    rows, keys, device = case.query_rows, case.key_rows, query.device
    if case.mask == "padding":
        seen = torch.linspace(keys, (keys + 1) // 2, case.batch, device=device).long()
        return (torch.arange(keys, device=device) < seen[:, None])[:, None, None]
    if case.mask == "pairs":
        pairs = torch.rand(case.batch, 1, rows, keys, device=device) < 0.9
        pairs[..., 0] = True
        return pairs
    if case.mask == "bias":
        return torch.randn(1, case.heads, rows, keys, device=device, dtype=query.dtype)
    return None


def _shift(operands: Operands, values: str) -> None:
    first, last = VALUES[values]
    if first == last == 0:
        return
    for _, _, v in operands.sequences():
        ramp = torch.linspace(first, last, v.shape[1], device=v.device)
        v.add_(ramp[:, None].to(v.dtype))
