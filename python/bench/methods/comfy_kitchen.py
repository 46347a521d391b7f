"""comfy-kitchen's INT8 attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Calls, Method, distribution_version, why_not_imported

if TYPE_CHECKING:
    import torch

    from ..cases import Case
    from ..inputs import Operands

_HINT = "pip install comfy-kitchen==0.2.40 (Python 3.12 or newer), or --peers DIR"


class ComfyInt8(Method):
    """INT8 throughout, Hadamard-rotated queries and keys. It takes [batch, heads, rows, head_dim]."""

    name, title = "comfy-int8", "comfy-kitchen INT8"

    def why_missing(self) -> str:
        reason = why_not_imported("comfy_kitchen", _HINT)
        if reason:
            return reason
        import comfy_kitchen  # type: ignore[import-not-found,unused-ignore]

        if not hasattr(comfy_kitchen, "prequantize_int8_attention"):
            return f"comfy-kitchen {self.version()} has no prequantize_int8_attention; {_HINT}"
        if not comfy_kitchen.int8_attention_is_available():
            return (
                "comfy-kitchen has no INT8 attention for this GPU, or its extension is not loaded"
            )
        return ""

    def version(self) -> str:
        return distribution_version("comfy-kitchen")

    def why_not(self, case: Case) -> str:
        if case.lengths:
            return "takes no sequences of different lengths"
        if case.mask:
            return "masks are not measured here"
        return "takes a causal mask only as a tensor of all scores" if case.causal else ""

    def parts(self, case: Case) -> tuple[str, ...]:
        return ("kernel", "whole")

    def prepare(self, case: Case, operands: Operands) -> Calls:
        import comfy_kitchen

        q, k, v = operands.q, operands.k, operands.v
        quantised = comfy_kitchen.prequantize_int8_attention(q, k, v)

        def kernel() -> torch.Tensor:
            output: torch.Tensor = comfy_kitchen.int8_attention_from_prequantized(quantised)
            return output

        def whole() -> torch.Tensor:
            output: torch.Tensor = comfy_kitchen.int8_attention(q, k, v)
            return output

        return Calls({"kernel": kernel, "whole": whole}, whole)
