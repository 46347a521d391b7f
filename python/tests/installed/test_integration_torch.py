"""PyTorch's registry of flash attention: the real one, on a CPU. What a GPU computes is in tests/gpu."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from sageattention.integrations import torch as sage

HAS_REGISTRY = hasattr(torch.nn.attention, "register_flash_attention_impl")
needs_registry = pytest.mark.skipif(
    not HAS_REGISTRY or torch.version.cuda is None,
    reason="this torch has no registry, or no CUDA kernels",
)
SDPA, FORWARD = "_scaled_dot_product_flash_attention", "_flash_attention_forward"


@pytest.fixture
def active() -> Iterator[None]:
    """SAGE2 is active."""
    sage.register()
    torch.nn.attention.activate_flash_attention_impl(sage.NAME)
    yield
    restore = getattr(torch.nn.attention, "restore_flash_attention_impl", None)
    if restore is not None:  # torch 2.10 cannot
        restore()


def served_by(operator: str) -> str:
    """Where the CUDA kernel of an operator comes from."""
    table = torch._C._dispatch_dump(f"aten::{operator}").splitlines()
    return next(line for line in table if line.startswith("CUDA:"))


def call(operator: str, *args: Any, **kwargs: Any) -> Any:
    """The kernel that torch runs for CUDA tensors, called with tensors from anywhere."""
    keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CUDA)
    return getattr(torch.ops.aten, operator).default.redispatch(keys, *args, **kwargs)


def tensors(*sizes: int, device: str = "cuda") -> list[torch.Tensor]:
    return [torch.empty(*sizes, dtype=torch.float16, device=device) for _ in "qkv"]


@pytest.mark.skipif(HAS_REGISTRY, reason="this torch has the registry")
def test_an_older_torch_is_told_the_first_that_works() -> None:
    with pytest.raises(RuntimeError, match=r"torch 2\.10 is the first that has it"):
        sage.register()


@needs_registry
def test_registering_activates_nothing() -> None:
    before = served_by(SDPA), torch.nn.attention.current_flash_attention_impl()
    sage.register()
    assert sage.NAME in torch.nn.attention.list_flash_attention_impls()
    assert (served_by(SDPA), torch.nn.attention.current_flash_attention_impl()) == before


@needs_registry
def test_both_operators_are_served_until_torchs_own_are_restored() -> None:
    sage.register()
    overrides = sage.Overrides()
    assert all("integrations" in served_by(name) for name in (SDPA, FORWARD))
    overrides.remove()
    overrides.remove()
    assert not any("integrations" in served_by(name) for name in (SDPA, FORWARD))


@needs_registry
@pytest.mark.parametrize("nhd", [False, True])
def test_results_are_those_of_torchs_operator(active: None, nhd: bool) -> None:
    """Numbers, shapes, dtypes and strides, which compiled graphs rely on."""
    with FakeTensorMode():
        sizes = (2, 100, 4, 64) if nhd else (2, 4, 100, 64)
        q, k, v = (x.transpose(1, 2) if nhd else x for x in tensors(*sizes))
        ours = call(SDPA, q, k, v, is_causal=True, scale=0.1)
        theirs = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, is_causal=True)
    assert len(ours) == len(theirs) == 9
    for mine, other in zip(ours, theirs):
        if isinstance(mine, torch.Tensor) and other is not None and other.device.type == "cuda":
            assert (mine.shape, mine.dtype, mine.stride()) == (
                other.shape, other.dtype, other.stride()
            )  # fmt: skip
    assert ours[4:6] == theirs[4:6] == (100, 100)


@needs_registry
def test_layouts_of_the_forward_operator(active: None) -> None:
    with FakeTensorMode():
        starts = torch.empty(4, dtype=torch.int32, device="cuda")
        q, k, v = tensors(300, 4, 64)
        output, lse, *_ = call(FORWARD, q, k, v, starts, starts, 100, 100, 0.0, True, False)
        assert (output.shape, lse.shape) == ((300, 4, 64), (4, 300))
        q, k, v = tensors(2, 100, 4, 64)
        output, lse, *_ = call(FORWARD, q, k, v, None, None, 100, 100, 0.0, False, False)
        assert (output.shape, lse.shape) == ((2, 100, 4, 64), (2, 4, 100))


DENSE = (None, None, 100, 100)
TO_THE_ORIGINAL: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "dropout": (SDPA, (0.5, False, False), {}),
    "debug mask": (SDPA, (0.0, False, True), {}),
    "dropout of the forward": (FORWARD, (*DENSE, 0.5, False, False), {}),
    "window": (FORWARD, (*DENSE, 0.0, False, False), {"window_size_left": 16}),
    "slopes": (FORWARD, (*DENSE, 0.0, False, False), {"alibi_slopes": torch.ones(4)}),
    "used keys": (FORWARD, (*DENSE, 0.0, False, False), {"seqused_k": torch.ones(2).int()}),
}


@needs_registry
@pytest.mark.parametrize("case", [*TO_THE_ORIGINAL])
def test_what_torch_alone_can_do_goes_to_its_kernel(active: None, case: str) -> None:
    """Tensors of the CPU tell the two apart: this package refuses them, torch's kernel asks for a GPU."""
    operator, args, kwargs = TO_THE_ORIGINAL[case]
    with pytest.raises(RuntimeError) as raised:
        call(operator, *tensors(2, 4, 100, 64, device="cpu"), *args, **kwargs)
    assert "must be on cuda" not in str(raised.value)


@needs_registry
@pytest.mark.parametrize("grad_mode", [True, False])
def test_tensors_that_need_a_gradient_go_to_torchs_kernel(active: None, grad_mode: bool) -> None:
    q, k, v = tensors(2, 4, 100, 64, device="cpu")
    with torch.set_grad_enabled(grad_mode), pytest.raises(RuntimeError) as raised:
        call(SDPA, q, k.requires_grad_(), v)
    assert "must be on cuda" not in str(raised.value)


@needs_registry
def test_all_else_comes_here(active: None) -> None:
    with pytest.raises(AssertionError, match="must be on cuda"):
        call(SDPA, *tensors(2, 4, 100, 64, device="cpu"))
    window = {"window_size_left": -1, "window_size_right": 0}  # a causal mask
    with pytest.raises(AssertionError, match="must be on cuda"):
        call(FORWARD, *tensors(2, 4, 100, 64, device="cpu"), *DENSE, 0.0, False, False, **window)
