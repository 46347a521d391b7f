"""cuDNN's FP8 attention through nvidia-cudnn-frontend: E4M3 in and out, one scale a tensor, the kernel alone."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .base import Calls, Method, why_not_imported

if TYPE_CHECKING:
    import torch

    from ..cases import Case
    from ..inputs import Operands

_HINT = "pip install nvidia-cudnn-frontend cuda-bindings, or --peers DIR"
E4M3_MAX = 448.0
# Of the probabilities, which are at most 1: a power of two costs no rounding.
PROBABILITIES = 256.0


class CudnnFp8(Method):
    """cuDNN has no quantiser: operands are made with torch, and only the kernel is timed."""

    name, title = "cudnn-fp8", "cuDNN FP8"

    def why_missing(self) -> str:
        for module in ("cudnn", "cuda.bindings.driver"):
            reason = why_not_imported(module, _HINT)
            if reason:
                return reason
        import cudnn  # type: ignore[import-not-found,unused-ignore]

        if not hasattr(cudnn.pygraph, "sdpa_fp8"):
            return f"nvidia-cudnn-frontend {self.version()} has no sdpa_fp8; {_HINT}"
        return ""

    def version(self) -> str:
        import cudnn

        return f"frontend {cudnn.__version__}, cuDNN {cudnn.backend_version()}"

    def why_not(self, case: Case) -> str:
        if case.lengths:
            return "sequences of different lengths are not measured here"
        if case.causal and case.query_rows != case.key_rows:
            return "causal masks of unequal lengths are not measured here"
        if case.mask:
            return "masks are not measured here"
        return "" if case.head_dim in (64, 128) else "measured with the head dims 64 and 128 alone"

    def parts(self, case: Case) -> tuple[str, ...]:
        return ("kernel",)

    def prepare(self, case: Case, operands: Operands) -> Calls:
        return _prepare(case, operands)


def quantise(x: torch.Tensor) -> tuple[torch.Tensor, float]:
    """E4M3 and the factor that gives the tensor back."""
    import torch

    factor = max(x.abs().max().item() / E4M3_MAX, 1e-12)
    return (x.float() / factor).clamp_(-E4M3_MAX, E4M3_MAX).to(torch.float8_e4m3fn), factor


def _scalar(value: float) -> torch.Tensor:
    import torch

    return torch.full((1, 1, 1, 1), value, dtype=torch.float32, device="cuda")


def graph(cudnn: Any, case: Case, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    """The graph of a case, validated, and its tensors by name. arguments: of pygraph, such as handle."""
    float32, e4m3 = cudnn.data_type.FLOAT, cudnn.data_type.FP8_E4M3
    built = cudnn.pygraph(
        io_data_type=e4m3,
        intermediate_data_type=float32,
        compute_data_type=float32,
        **arguments,
    )

    def operand(name: str, heads: int, rows: int) -> Any:
        return built.tensor(
            name=name, dim=[case.batch, heads, rows, case.head_dim], data_type=e4m3,
            stride=_strides(heads, rows, case.head_dim),
        )  # fmt: skip

    tensors = {
        "q": operand("q", case.heads, case.query_rows),
        "k": operand("k", case.kv_heads, case.key_rows),
        "v": operand("v", case.kv_heads, case.key_rows),
    }
    for name in ("descale_q", "descale_k", "descale_v", "descale_s", "scale_s", "scale_o"):
        tensors[name] = built.tensor(
            name=name, dim=[1, 1, 1, 1], stride=[1, 1, 1, 1], data_type=float32
        )
    output, _, amax_s, amax_o = built.sdpa_fp8(
        **tensors,
        attn_scale=case.head_dim**-0.5,
        generate_stats=False,
        use_causal_mask=case.causal,
    )
    strides = _strides(case.heads, case.query_rows, case.head_dim)
    shape = [case.batch, case.heads, case.query_rows, case.head_dim]
    output.set_output(True).set_dim(shape).set_stride(strides).set_data_type(e4m3)
    for amax in (amax_s, amax_o):
        amax.set_output(True).set_dim([1, 1, 1, 1]).set_stride([1, 1, 1, 1]).set_data_type(float32)
    built.validate()
    return built, {**tensors, "o": output, "amax_s": amax_s, "amax_o": amax_o}


def plan(cudnn: Any, built: Any) -> None:
    """Picks and builds cuDNN's first choice. Mode FALLBACK offers Hopper nothing and hides why others decline."""
    built.build_operation_graph()
    built.create_execution_plans([cudnn.heur_mode.A])
    built.check_support()
    built.build_plans()


@functools.lru_cache(maxsize=1)
def _handle() -> Any:
    """One for all graphs of the process: the benchmark uses one device."""
    import cudnn

    return cudnn.create_handle()


def _strides(heads: int, rows: int, head_dim: int) -> list[int]:
    return [heads * rows * head_dim, rows * head_dim, head_dim, 1]


def _largest_output(case: Case, operands: Operands) -> float:
    """The largest element of the output in 16 bit: what a training framework would know from the last step."""
    from torch.nn.functional import scaled_dot_product_attention

    output = scaled_dot_product_attention(
        operands.q,
        operands.k,
        operands.v,
        is_causal=case.causal,
        enable_gqa=case.heads != case.kv_heads,
    )
    return max(float(output.abs().max().item()), 1e-12)


@functools.lru_cache(maxsize=1)
def _planned(case: Case) -> tuple[Any, dict[str, Any]]:
    """Its values change, the case is the same: cuDNN compiles once."""
    import cudnn

    built, names = graph(cudnn, case, handle=_handle())
    plan(cudnn, built)
    return built, names


def _prepare(case: Case, operands: Operands) -> Calls:
    import cudnn
    import torch

    handle = _handle()
    built, names = _planned(case)
    factor_o = _largest_output(case, operands) / E4M3_MAX
    data: dict[str, torch.Tensor] = {}
    for name, x in zip("qkv", operands[:3]):
        data[name], factor = quantise(x)
        data[f"descale_{name}"] = _scalar(factor)
    data["scale_s"], data["descale_s"] = _scalar(PROBABILITIES), _scalar(1 / PROBABILITIES)
    data["scale_o"] = _scalar(1 / factor_o)
    data["o"] = torch.empty(operands.q.shape, dtype=torch.float8_e4m3fn, device="cuda")
    data["amax_s"], data["amax_o"] = _scalar(0.0), _scalar(0.0)
    bound = {tensor: data[name] for name, tensor in names.items()}
    workspace = torch.empty(max(built.get_workspace_size(), 1), dtype=torch.uint8, device="cuda")

    def kernel() -> None:
        cudnn.set_stream(handle, torch.cuda.current_stream().cuda_stream)
        built.execute(bound, workspace, handle=handle)

    def output() -> torch.Tensor:
        kernel()
        return data["o"].float() * factor_o

    return Calls({"kernel": kernel}, output, str(built.get_plan_name_at_index(0)))
