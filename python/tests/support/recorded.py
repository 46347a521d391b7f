"""Which of this package's operators, and which attention of torch's, a block of code runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = str(function).removesuffix(".default")
        if "sage" in name or "attention" in name:
            self.names.append(name)
        return function(*args, **(kwargs or {}))


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Collects the names of attention operators, such as "sageattention.forward"."""
    with _Recorder() as recorder:
        yield recorder.names
