"""TORCH_CUDA_ARCH_LIST, by which people tell torch's extensions which GPUs to build for.

Its spellings are those of torch.utils.cpp_extension, function _get_cuda_arch_flags: SMs with ";" or blanks between
them, names of generations, and +PTX. As SageAttention 2.2 does, commas are taken too.
https://github.com/pytorch/pytorch/blob/v2.8.0/torch/utils/cpp_extension.py

SM 11.0 was named 10.1 before CUDA 13; torch's own table went from one name to the other after 2.8.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import BuildError

VARIABLE = "TORCH_CUDA_ARCH_LIST"

# Combined names stand above single ones, as there.
_GENERATIONS = {
    "Kepler+Tesla": "3.7",
    "Kepler": "3.5+PTX",
    "Maxwell+Tegra": "5.3",
    "Maxwell": "5.0;5.2+PTX",
    "Pascal": "6.0;6.1+PTX",
    "Volta+Tegra": "7.2",
    "Volta": "7.0+PTX",
    "Turing": "7.5+PTX",
    "Ampere+Tegra": "8.7",
    "Ampere": "8.0;8.6+PTX",
    "Ada": "8.9+PTX",
    "Hopper": "9.0+PTX",
    "Blackwell+Tegra": "11.0",
    "Blackwell": "10.0;10.3;12.0;12.1+PTX",
}
_FORMER_NAMES = {"10.1": "11.0"}
_ENTRY = re.compile(r"(?P<sm>[1-9][0-9]?\.[0-9])[af]?(?P<ptx>\+PTX)?")
_SEPARATORS = re.compile(r"[;,\s]+")


class Entry(NamedTuple):
    """An SM such as "8.9", and whether PTX is wanted for the GPUs to come."""

    sm: str
    ptx: bool


def read(text: str) -> list[Entry]:
    """The SMs that a TORCH_CUDA_ARCH_LIST names; none for an empty one. Raises BuildError for what torch refuses.

    Whether an SM has variants ("9.0a", "12.0f") is decided by its kernels here, so those letters are not kept.
    """
    entries = []
    for word in filter(None, _SEPARATORS.split(text)):
        for part in _GENERATIONS.get(word, word).split(";"):
            match = _ENTRY.fullmatch(part)
            if match is None:
                raise _unknown(word)
            sm = _FORMER_NAMES.get(match["sm"], match["sm"])
            entries.append(Entry(sm, match["ptx"] is not None))
    return entries


def _unknown(word: str) -> BuildError:
    return BuildError(
        f"{VARIABLE}: {word!r} is neither an SM such as 8.9 or 8.9+PTX nor one of"
        f" {', '.join(_GENERATIONS)}",
        f'export {VARIABLE}="8.9;9.0+PTX"',
    )
