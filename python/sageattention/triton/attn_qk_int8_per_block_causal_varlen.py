"""Attention over INT8 blocks of sequences behind each other where query i of a sequence sees its keys 0 to i."""

from __future__ import annotations

from functools import partial

from ._forward import forward_varlen

forward = partial(forward_varlen, causal=1)
