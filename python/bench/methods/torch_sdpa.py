"""PyTorch's scaled dot product attention on one of its backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import Calls, Method, cudnn_version, why_not_imported

if TYPE_CHECKING:
    import torch

    from ..cases import Case
    from ..inputs import Operands


class TorchSdpa(Method):
    """One backend, forced. Sequences of different lengths: see each class."""

    backend = ""

    def why_missing(self) -> str:
        reason = why_not_imported("torch.nn.attention", "install torch 2.5 or newer")
        if reason:
            return reason
        from torch.nn.attention import SDPBackend

        return "" if hasattr(SDPBackend, self.backend) else f"this torch has no {self.backend}"

    def version(self) -> str:
        import torch

        return str(torch.__version__)

    def why_not(self, case: Case) -> str:
        if case.causal and case.query_rows != case.key_rows:
            return "torch aligns causal masks of unequal lengths in another way on each backend"
        return ""

    def prepare(self, case: Case, operands: Operands) -> Calls:
        q = operands.q
        k, v, note = self.grouped(case, q, operands.k, operands.v)

        def whole() -> torch.Tensor:
            return self.attend(case, q, k, v, operands.mask)

        return Calls({"whole": whole}, whole, note)

    def grouped(self, case: Case, q: Any, k: Any, v: Any) -> tuple[Any, Any, str]:
        """Keys and values; repeated for every query head, and a note, where the backend takes no groups."""
        if case.heads == case.kv_heads:
            return k, v, ""
        try:
            self.attend(case, q, k, v)
        except RuntimeError:
            group = case.heads // case.kv_heads
            return k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), "keys repeated"
        return k, v, ""

    def attend(self, case: Case, q: Any, k: Any, v: Any, mask: Any = None) -> torch.Tensor:
        """One call, [batch, heads, rows, head_dim]."""
        from torch.nn.attention import SDPBackend, sdpa_kernel
        from torch.nn.functional import scaled_dot_product_attention

        with sdpa_kernel(getattr(SDPBackend, self.backend)):
            return scaled_dot_product_attention(
                q, k, v, mask, is_causal=case.causal, enable_gqa=q.shape[1] != k.shape[1]
            )


class TorchCudnn(TorchSdpa):
    """cuDNN. Sequences of different lengths are a call each: torch has no other way to cuDNN without padding."""

    name, title, backend = "torch-cudnn", "torch SDPA, cuDNN", "CUDNN_ATTENTION"

    def version(self) -> str:
        return f"{super().version()}, cuDNN {cudnn_version()}"

    def prepare(self, case: Case, operands: Operands) -> Calls:
        if not case.lengths:
            return super().prepare(case, operands)
        import torch

        views, note = [], ""
        for parts in operands.sequences():
            q, k, v = (x[None] for x in parts)
            k, v, note = self.grouped(case, q, k, v)
            views.append((q, k, v))

        def whole() -> list[torch.Tensor]:
            return [self.attend(case, *parts) for parts in views]

        def output() -> torch.Tensor:
            return torch.cat([part[0].transpose(0, 1) for part in whole()])

        return Calls({"whole": whole}, output, f"{len(views)} calls{note and ', ' + note}")


class TorchFlash(TorchSdpa):
    """FlashAttention-2 as torch ships it; sequences of different lengths through its operator, in one call."""

    name, title, backend = "torch-flash", "torch SDPA, FlashAttention-2", "FLASH_ATTENTION"

    def why_not(self, case: Case) -> str:
        return "takes no mask" if case.mask else super().why_not(case)

    def prepare(self, case: Case, operands: Operands) -> Calls:
        if not case.lengths:
            return super().prepare(case, operands)
        import torch

        q, k, v, starts, longest, _ = operands

        def whole() -> torch.Tensor:
            found = torch.ops.aten._flash_attention_forward(
                q, k, v, starts, starts, longest, longest, 0.0, case.causal, False
            )
            output: torch.Tensor = found[0]
            return output

        return Calls({"whole": whole}, whole)


class Torch(TorchFlash):
    """What a program gets that calls torch itself: the backend of torch's own choice, or its operator for sequences."""

    name, title = "torch", "torch SDPA, its own choice"

    def why_not(self, case: Case) -> str:
        return TorchSdpa.why_not(self, case)

    def attend(self, case: Case, q: Any, k: Any, v: Any, mask: Any = None) -> torch.Tensor:
        from torch.nn.functional import scaled_dot_product_attention

        return scaled_dot_product_attention(q, k, v, mask, is_causal=case.causal, enable_gqa=q.shape[1] != k.shape[1])


class TorchEfficient(TorchSdpa):
    """The memory-efficient backend, which takes masks on every GPU."""

    name, title, backend = "torch-efficient", "torch SDPA, memory-efficient", "EFFICIENT_ATTENTION"

    def why_not(self, case: Case) -> str:
        return "takes no sequences of different lengths" if case.lengths else super().why_not(case)


def torch_methods() -> list[Method]:
    return [Torch(), TorchCudnn(), TorchFlash(), TorchEfficient()]
