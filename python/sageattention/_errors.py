"""The error for tensors and options that no kernel takes."""

from __future__ import annotations


class InputError(AssertionError, ValueError):
    """Both an AssertionError and a ValueError: 2.2 asserts, so callers may handle either of them.

    This package raises the error and never asserts, so that python -O keeps every check.
    """
