"""How far an output is from attention in higher precision, on a few heads of a case."""

from __future__ import annotations

from typing import NamedTuple

import torch

from .cases import Case
from .inputs import Operands, split

SCORES = 1 << 26  # elements of scores at a time: 512 MiB in float64


class Errors(NamedTuple):
    """relative_l1: sum |output - reference| / sum |reference|. mean_error: see record.Accuracy."""

    relative_l1: float
    cosine: float
    mean_error: float


class Place(NamedTuple):
    """A sequence of the batch, and a query head of it."""

    sequence: int
    head: int


def places(case: Case) -> list[Place]:
    """The heads that are compared: the first of the longest sequence and the last of the shortest."""
    rows = [query for query, _ in case.sequences()]
    longest, shortest = rows.index(max(rows)), len(rows) - 1 - rows[::-1].index(min(rows))
    return list(dict.fromkeys([Place(longest, 0), Place(shortest, case.heads - 1)]))


def reference(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    causal: bool,
    dtype: torch.dtype,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention of one head, [rows, head_dim] each, in a dtype, some rows at a time; causal from the top left.

    mask: [rows, key rows], bool (True: seen) or added to the scores.
    """
    rows, keys = q.shape[0], k.shape[0]
    k, v = k.to(dtype), v.to(dtype)
    output = torch.empty(rows, v.shape[1], dtype=dtype, device=q.device)
    step = max(1, SCORES // keys)
    for first in range(0, rows, step):
        scores = q[first : first + step].to(dtype) @ k.T * q.shape[1] ** -0.5
        if causal:
            row = torch.arange(first, first + scores.shape[0], device=q.device)
            hidden = torch.arange(keys, device=q.device)[None] > row[:, None]
            scores.masked_fill_(hidden, float("-inf"))
        if mask is not None:
            part = mask[first : first + step]
            scores = scores.masked_fill(~part, float("-inf")) if part.dtype == torch.bool else scores + part
        output[first : first + step] = scores.softmax(-1) @ v
    return output


def references(case: Case, operands: Operands, dtype: torch.dtype) -> list[torch.Tensor]:
    """The references of places(case), in their order."""
    group = case.heads // case.kv_heads
    found = list(operands.sequences())
    answers = []
    for place in places(case):
        q, k, v = found[place.sequence]
        head = place.head // group
        mask = operands.mask_of(place.sequence, place.head)
        answers.append(reference(q[place.head], k[head], v[head], case.causal, dtype, mask))
    return answers


def errors(case: Case, output: torch.Tensor, expected: list[torch.Tensor]) -> Errors:
    """Errors over all places together. A NaN anywhere gives NaN."""
    sequences = split(output, case)
    found = [sequences[place.sequence][place.head] for place in places(case)]
    x = torch.cat([part.double().flatten() for part in found])
    y = torch.cat([part.double().flatten() for part in expected])
    magnitude = y.abs().sum()
    return Errors(
        ((x - y).abs().sum() / magnitude).item(),
        ((x @ y) / (x.norm() * y.norm())).item(),
        ((x.sum() - y.sum()) / magnitude).item(),
    )
