"""PyPI's sageattention 1.0.6, which is imported as this package is: loaded from a folder, under another name."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .base import Calls, Method, why_not_imported

if TYPE_CHECKING:
    import torch

    from ..cases import Case
    from ..inputs import Operands

MODULE = "sageattention_1_of_pypi"
VERSION = "1.0.6"
_HINT = "pip download --no-deps sageattention==1.0.6 && unzip sageattention-1.0.6-*.whl -d DIR"


def load(folder: Path) -> Any:
    """The package in a folder, as a module of our own name: all of its imports of itself are relative."""
    if MODULE in sys.modules:
        return sys.modules[MODULE]
    package = folder / "sageattention"
    spec = importlib.util.spec_from_file_location(
        MODULE, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{package} is no Python package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[MODULE]
        raise
    return module


def version_of(folder: Path) -> str:
    """The version by the wheel's metadata in the folder; "" if there is none."""
    for path in sorted(folder.glob("sageattention-*.dist-info/METADATA")):
        match = re.search(r"^Version: (\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        if match:
            return match[1]
    return ""


class SageAttention1(Method):
    """INT8 queries and keys, float16 values, in Triton."""

    name, title = "sageattention-1", "sageattention 1.0.6 (PyPI)"

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def why_missing(self) -> str:
        if self._folder is None:
            return f"--sageattention-1 DIR is not given; {_HINT}"
        if not (self._folder / "sageattention" / "__init__.py").is_file():
            return f"{self._folder} holds no sageattention; {_HINT}"
        found = version_of(self._folder)
        if found != VERSION:
            return f"{self._folder} holds sageattention {found or 'of no version'}, not {VERSION}; {_HINT}"
        reason = why_not_imported("triton", "pip install triton")
        if reason:
            return reason
        try:
            load(self._folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, the peer is missing
            return f"sageattention 1.0.6 cannot be imported: {error}"
        return ""

    def version(self) -> str:
        return version_of(self._folder) if self._folder else ""

    def why_not(self, case: Case) -> str:
        if case.mask:
            return "takes no mask"
        known = (64, 128) if case.lengths else (64, 96, 128)
        if case.head_dim not in known:
            return f"takes the head dims {', '.join(map(str, known))} alone"
        if case.causal and case.query_rows != case.key_rows:
            return "takes a causal mask for equal lengths alone"
        return ""

    def why_no_graph(self, case: Case) -> str:
        return (
            "reads the lengths of sequences on the host: no graph can capture that"
            if case.lengths
            else ""
        )

    def parts(self, case: Case) -> tuple[str, ...]:
        return ("whole",) if case.lengths else ("kernel", "whole")

    def prepare(self, case: Case, operands: Operands) -> Calls:
        """The keys are a copy: its smoothing writes them."""
        assert self._folder is not None
        package = load(self._folder)
        return (_varlen if case.lengths else _dense)(package, case, operands)


def _varlen(package: Any, case: Case, operands: Operands) -> Calls:
    q, k, v, starts, longest, _ = operands
    keys = k.clone()

    def whole() -> torch.Tensor:
        output: torch.Tensor = package.sageattn_varlen(
            q, keys, v, starts, starts, longest, longest, is_causal=case.causal
        )
        return output

    return Calls({"whole": whole}, whole)


def _dense(package: Any, case: Case, operands: Operands) -> Calls:
    import torch

    core = importlib.import_module(f"{MODULE}.core")
    q, k, v = operands.q, operands.k, operands.v
    quantise = core.per_block_int8_hd96 if case.head_dim == 96 else core.per_block_int8
    attend = getattr(
        core, ("attn_h96_" if case.head_dim == 96 else "attn_") + str(case.causal).lower()
    )
    q8, q_scale, k8, k_scale = quantise(q, k - k.mean(dim=2, keepdim=True))
    v16, keys = v.to(torch.float16), k.clone()

    def kernel() -> torch.Tensor:
        output: torch.Tensor = attend(
            q8, k8, v16, q_scale, k_scale, tensor_layout="HND", output_dtype=q.dtype
        )
        return output

    def whole() -> torch.Tensor:
        output: torch.Tensor = package.sageattn(q, keys, v, is_causal=case.causal)
        return output

    return Calls({"kernel": kernel, "whole": whole}, whole)
