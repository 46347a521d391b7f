"""The Triton path. Only its calls import Triton: the package works without."""

from __future__ import annotations

import functools
import importlib.util
import re
from importlib import metadata
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from ._call import Call, Request
    from ._plan import Plan, Result


OLDEST = (3, 2)  # the first release whose interpreter runs the tests
# From this release on Triton does not serve the tensor cores of SM 7.5: the compiler fails, or each
# thread needs 5 KB of stack.
_AMPERE = (3, 3)
# The first release that declares setuptools, which Triton imports, as a dependency.
_DECLARED_SETUPTOOLS = (3, 3)
# SM -> the first release whose own ptxas compiles for that SM: older releases end the process. 3.3.0 has the
# ptxas for SM 12.0, but its pass TritonGPUAccelerateMatmul fails there; 3.3.1 mends it.
_NEEDED = {(10, 0): (3, 3), (10, 3): (3, 6), (11, 0): (3, 7), (12, 0): (3, 3, 1), (12, 1): (3, 6)}


def _there(module: str) -> bool:
    """Whether a module can be imported. A mere folder of its name is none, nor is a stub in its place."""
    try:
        found = importlib.util.find_spec(module)
    except ValueError:  # a module without a spec
        return False
    return found is not None and found.origin is not None


@functools.cache
def installed() -> bool:
    """Whether Triton and this package's Triton kernels can be imported. Imports neither."""
    return (
        _there("triton")
        and _there(f"{__package__}.triton")
        and _there(f"{__package__}.triton._attention")
    )


@functools.cache
def version() -> str:
    """Triton's version, such as "3.4.0", or "" without Triton. Imports Triton only where no package tells."""
    if not installed():
        return ""
    for name in ("triton", "triton-windows"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return str(importlib.import_module("triton").__version__)


def _release(text: str) -> tuple[int, ...]:
    """(3, 4, 0) from "3.4.0"."""
    return tuple(map(int, re.findall(r"\d+", text)[:3]))


def why_not(sm: tuple[int, int], request: Request) -> str:
    """Why Triton cannot serve a request on a GPU, or ""."""
    if not installed():
        return "Triton is not installed"
    release = _release(version())
    if release < OLDEST:
        return f"Triton {version()} is older than {OLDEST[0]}.{OLDEST[1]}"
    if release < _DECLARED_SETUPTOOLS and not _there("setuptools"):
        return f"Triton {version()} imports setuptools: pip install setuptools"
    if request.varlen and request.mask:
        return "Triton takes no mask for sequences of different lengths"
    oldest = (8, 0) if request.bfloat16 or release >= _AMPERE else (7, 5)
    if sm < oldest:
        dtype = "bfloat16" if request.bfloat16 else "float16"
        return f"Triton {version()} takes {dtype} from SM {oldest[0]}.{oldest[1]} on"
    if release < _NEEDED.get(sm, OLDEST):
        return f"Triton {version()} does not serve SM {sm[0]}.{sm[1]}"
    return ""


def plan(call: Call) -> Plan:
    """A plan that computes a call with the Triton kernels."""
    if call.lengths is None and call.mask is None and call.lse is None:
        from .triton import _plan  # type: ignore[import-not-found,unused-ignore]

        return _plan.plan(call)  # type: ignore[no-any-return,unused-ignore]
    return functools.partial(run, call)


def run(
    call: Call,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    query_starts: torch.Tensor | None,
    key_starts: torch.Tensor | None,
) -> Result:
    """Computes a planned call of these tensors with the Triton kernels.

    Raises NotImplementedError for the LSE of sequences of different lengths.
    """
    from .triton import _attention  # type: ignore[import-not-found,unused-ignore]

    options = call.causal, call.sm_scale, call.smooth_k
    wanted = call.lse is not None
    if call.lengths is None or query_starts is None or key_starts is None:
        output, lse = _attention.attention(query, key, value, call.nhd, *options, mask, wanted)
        return output, lse if wanted else None
    if wanted:
        raise NotImplementedError("the Triton path of sageattn_varlen gives no LSE")
    query_rows, key_rows = (lengths.rows for lengths in call.lengths)
    output = _attention.attention_varlen(
        query, key, value, query_starts, key_starts, query_rows, key_rows, *options
    )
    return output, None
