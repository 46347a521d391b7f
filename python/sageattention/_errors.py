"""The error for tensors and options that no kernel takes."""

from __future__ import annotations


class InputError(AssertionError, ValueError):
    """2.2 asserts what it takes: whoever handles its AssertionError, or a ValueError, handles this.

    It is raised, never asserted, so that python -O checks as much.
    """
