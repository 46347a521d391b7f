"""Skips modules that need a GPU, with the reason."""

from __future__ import annotations

import pytest


def missing() -> str:
    """Why no kernel can be tried here, or "". A GPU without kernels is no reason: that is a failure."""
    try:
        import torch
    except ImportError as error:
        return f"no torch: {error}"
    if torch.version.cuda is None:
        return "this torch is built without CUDA"
    return "" if torch.cuda.is_available() else "no GPU here"


def require() -> None:
    """Skips the calling module where there is no GPU: once, not for each of its hundreds of cases."""
    reason = missing()
    if reason:
        pytest.skip(reason, allow_module_level=True)
