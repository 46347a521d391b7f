"""How far a result is from its reference."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Accuracy(NamedTuple):
    """Cosine of the angle between two tensors, and sum |a - b| / sum |b|."""

    cosine: float
    relative_l1: float

    def good(self, relative_l1: float = 0.02) -> bool:
        """The project's bound. Written so that NaN is not good."""
        return self.cosine > 0.999 and self.relative_l1 < relative_l1


def compare(result: torch.Tensor, reference: torch.Tensor) -> Accuracy:
    """Measures in float64. Any NaN or infinity in result makes both numbers NaN."""
    a, b = result.double().flatten(), reference.double().flatten()
    if not bool(torch.isfinite(a).all()):
        return Accuracy(float("nan"), float("nan"))
    cosine = torch.dot(a, b) / (a.norm() * b.norm())
    return Accuracy(float(cosine), float((a - b).abs().sum() / b.abs().sum()))
