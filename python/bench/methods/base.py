"""What every method offers: whether it is here, what it takes, and its calls for given tensors."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

    from ..cases import Case
    from ..inputs import Operands


class Calls(NamedTuple):
    """A method on given tensors. parts: each a function that queues one call on the current stream.

    output: computes once more and gives the result, like the query in shape, in any dtype.
    """

    parts: dict[str, Callable[[], Any]]
    output: Callable[[], torch.Tensor]
    kernel: str = ""


class Method:
    """One way to compute attention."""

    name = ""
    title = ""
    peer = True

    def why_missing(self) -> str:
        """Why it cannot be measured here at all, with what would help; "" if it can."""
        raise NotImplementedError

    def version(self) -> str:
        """The version of what computes; asked only if it is not missing."""
        return ""

    def why_not(self, case: Case) -> str:
        """Why it does not take a case; "" if it does."""
        return ""

    def why_no_graph(self, case: Case) -> str:
        """Why a CUDA graph cannot capture it; "" if it can."""
        return ""

    def identity(self, case: Case) -> str:
        """The kernel that runs, if other methods may run the same one; else ""."""
        return ""

    def parts(self, case: Case) -> tuple[str, ...]:
        """Which of record.PARTS it has."""
        return ("whole",)

    def prepare(self, case: Case, operands: Operands) -> Calls:
        """May raise anything: then the method failed."""
        raise NotImplementedError


def why_not_imported(module: str, hint: str) -> str:
    """Why a module cannot be imported, with what helps; "" if it can."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a peer's import may fail in any way, and that is what is asked
        text = str(error).strip().splitlines()
        return f"{module} cannot be imported: {text[0] if text else type(error).__name__}; {hint}"
    return ""


def distribution_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


def cudnn_version() -> str:
    """The version of the cuDNN that torch loads."""
    import torch

    return str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call,unused-ignore]
