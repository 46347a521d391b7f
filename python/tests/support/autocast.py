"""torch.autocast("cuda") as it is on a machine with a GPU; by itself it does nothing on one without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def cuda_autocast(dtype: torch.dtype) -> Iterator[None]:
    """Sets what torch.autocast("cuda", dtype) sets."""
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", dtype)
    try:
        yield
    finally:
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])
