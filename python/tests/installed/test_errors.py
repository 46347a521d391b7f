"""What goes wrong is named, by the exception classes of 2.2, and followed by what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.autocast import cuda_autocast
from torch._subclasses.fake_tensor import FakeTensorMode

import sageattention
from sageattention import _library, sageattn, sageattn_qk_int8_pv_fp16_cuda
from sageattention._forward import ForwardVarlen

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


def tensors(head_dim: int = 64, dtype: torch.dtype = torch.float16, device: str = "cuda") -> Any:
    return tuple(torch.empty(1, 2, 8, head_dim, dtype=dtype, device=device) for _ in "qkv")


def arguments_of(function: str) -> Any:
    """Positional arguments of sageattn, or of sageattn_varlen with one sequence."""
    if function == "sageattn":
        return tensors()
    starts = torch.empty(2, dtype=torch.int64, device="cuda")
    return (*(x.squeeze(0).transpose(0, 1) for x in tensors()), starts, starts, 8, 8)


@without_gpu
def test_cpu_tensors_without_a_gpu(distribution: Any) -> None:
    with pytest.raises(AssertionError, match="Input tensors must be on cuda: q is on cpu") as error:
        sageattn(*tensors(device="cpu"))
    assert any(word in str(error.value) for word in ("driver", "built without CUDA", "GPU"))


@without_gpu
def test_asking_for_devices_without_a_driver_says_so(distribution: Any) -> None:
    try:
        count = _library.device_count()
    except RuntimeError as error:
        assert "libcuda" in str(error) or "driver" in str(error)
        assert "nvidia-smi" in str(error)
    else:
        assert count == 0


def test_a_missing_library_names_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_library, "library_path", lambda: tmp_path / "libsageattn.so")
    with pytest.raises(RuntimeError, match="libsageattn.so.*reinstall the wheel"):
        _library._open()


def test_a_missing_fatbin_names_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, distribution: Any
) -> None:
    monkeypatch.setenv("SAGEATTN_FATBIN", str(tmp_path / "none.fatbin"))
    with pytest.raises(RuntimeError, match="none.fatbin"):
        _library._open()


def test_a_broken_fatbin_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, distribution: Any
) -> None:
    path = tmp_path / "broken.fatbin"
    path.write_bytes(b"not a fatbin")
    monkeypatch.setenv("SAGEATTN_FATBIN", str(path))
    with pytest.raises(RuntimeError, match="broken.fatbin"):
        _library._open()


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"tensor_layout": "BSHD"}, ValueError, "Unknown tensor layout: BSHD"),
        ({"causal_alignment": "left"}, ValueError, "Unknown causal_alignment: left"),
        ({"attn_mask": torch.ones(1)}, AssertionError, "attn_mask is on cpu"),
    ],
)
def test_bad_options(change: dict[str, Any], kind: type[Exception], text: str) -> None:
    with FakeTensorMode(), pytest.raises(kind, match=text):
        sageattn(*tensors(), **change)


@pytest.mark.parametrize(
    ("q", "k", "kind", "text"),
    [
        ({"dtype": torch.float32}, {"dtype": torch.float32}, AssertionError, "float16 or bfloat16"),
        ({"dtype": torch.bfloat16}, {}, AssertionError, "the same dtype"),
        ({"device": "cuda:1"}, {}, AssertionError, "the same device"),
        ({"device": "cpu"}, {}, AssertionError, "q is on cpu, k is on cuda"),
        ({"head_dim": 64}, {"head_dim": 80}, ValueError, "must share head_dim, got 64, 80 and 80"),
        ({"head_dim": 257}, {"head_dim": 257}, ValueError, "Unsupported head_dim: 257"),
        ({"head_dim": 0}, {"head_dim": 0}, ValueError, "Unsupported head_dim: 0"),
    ],
)
def test_bad_tensors(q: Any, k: Any, kind: type[Exception], text: str) -> None:
    with FakeTensorMode(), pytest.raises(kind, match=text):
        sageattn(tensors(**q)[0], *tensors(**k)[1:])


def test_head_dim_must_be_contiguous() -> None:
    with (
        FakeTensorMode(),
        pytest.raises(AssertionError, match="Last dim of qkv must be contiguous"),
    ):
        q, k, v = tensors()
        sageattn(
            torch.empty_strided((1, 2, 8, 64), (1024, 512, 1, 8), dtype=q.dtype, device="cuda"),
            k,
            v,
        )


def test_a_wanted_gradient_is_refused() -> None:
    with FakeTensorMode():
        q, k, v = tensors()
        q.requires_grad_()
        with pytest.raises(NotImplementedError, match="no_grad"):
            sageattn(q, k, v)
        with torch.no_grad():
            assert sageattn(q, k, v).shape == q.shape


@pytest.mark.parametrize("function", ["sageattn", "sageattn_varlen"])
def test_a_wanted_gradient_of_a_mask_is_refused(function: str) -> None:
    """A learned bias, whose gradient would silently be none."""
    with FakeTensorMode():
        arguments = arguments_of(function)
        bias = torch.empty(8, 8, device="cuda", requires_grad=True)
        with pytest.raises(NotImplementedError, match="no_grad.*detach attn_mask"):
            getattr(sageattention, function)(*arguments, attn_mask=bias)
        with torch.no_grad():
            getattr(sageattention, function)(*arguments, attn_mask=bias)
        assert not getattr(sageattention, function)(*arguments, attn_mask=bias.detach()).requires_grad


def test_keywords_of_other_callers_are_accepted() -> None:
    with FakeTensorMode():
        q, k, v = tensors()
        for keywords in (
            {"attn_mask": None, "dropout_p": 0.0},
            {"smooth_k": False, "pv_accum_dtype": "fp16", "quantization_backend": "cuda"},
            {"scale": 0.5, "enable_gqa": True},
            {"causal_alignment": "bottom_right", "is_causal": True},
        ):
            assert sageattn(q, k, v, **keywords).shape == q.shape


@pytest.mark.parametrize(
    ("function", "bad"),
    [
        (sageattention.sageattn_qk_int8_pv_fp16_cuda, ["fp64", "fp32+fp32", ""]),
        (sageattention.sageattn_qk_int8_pv_fp8_cuda, ["fp64", "fp16", "fp16+fp32"]),
        (sageattention.sageattn_qk_int8_pv_fp8_cuda_sm90, ["fp64", "fp32+fp16"]),
    ],
)
def test_accumulators_that_do_not_exist(function: Any, bad: list[str]) -> None:
    for accumulator in bad:
        with FakeTensorMode(), pytest.raises(ValueError, match="Unsupported pv_accum_dtype"):
            function(*tensors(), pv_accum_dtype=accumulator)


def test_fp32_of_sm90_is_not_implemented_as_in_2_2() -> None:
    with FakeTensorMode(), pytest.raises(NotImplementedError, match=r"fp32\+fp32"):
        sageattention.sageattn_qk_int8_pv_fp8_cuda_sm90(*tensors(), pv_accum_dtype="fp32")


def test_quantisation_backends() -> None:
    function = sageattention.sageattn_qk_int8_pv_fp16_triton
    with FakeTensorMode():
        for backend in ("triton", "cuda"):
            assert function(*tensors(), quantization_backend=backend).shape == (1, 2, 8, 64)
        with pytest.raises(ValueError, match="Unsupported quantization backend: numpy"):
            function(*tensors(), "HND", "numpy")


@pytest.mark.parametrize("shape", [(8, 8), (1, 8), (2, 8, 8), (1, 1, 8, 8), (1, 2, 8, 1), ()])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float16, torch.float32, torch.float64])
def test_masks_that_broadcast(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    with FakeTensorMode():
        mask = torch.empty(shape, dtype=dtype, device="cuda")
        assert sageattn(*tensors(), attn_mask=mask, is_causal=True).shape == (1, 2, 8, 64)


@pytest.mark.parametrize("shape", [(7, 8), (3, 8, 8), (2, 1, 8, 8), (1, 1, 1, 8, 8)])
def test_masks_that_do_not(shape: tuple[int, ...]) -> None:
    with FakeTensorMode(), pytest.raises(AssertionError, match="cannot be broadcast"):
        sageattn(*tensors(), attn_mask=torch.empty(shape, dtype=torch.bool, device="cuda"))


def test_a_mask_that_is_no_tensor_is_named() -> None:
    """Older releases of 2 have sm_scale in this place."""
    with FakeTensorMode(), pytest.raises(TypeError, match="attn_mask must be a tensor, got float"):
        sageattention.sageattn_qk_int8_pv_fp16_triton(*tensors(), "HND", "triton", False, 0.125)


def test_a_mask_of_integers_is_refused() -> None:
    with FakeTensorMode(), pytest.raises(AssertionError, match="must be bool or float"):
        sageattn(*tensors(), attn_mask=torch.empty(8, 8, dtype=torch.uint8, device="cuda"))


@pytest.mark.parametrize("function", ["sageattn", "sageattn_varlen"])
def test_dropout_is_ignored_with_a_warning(function: str) -> None:
    with FakeTensorMode():
        arguments = arguments_of(function)
        with pytest.warns(UserWarning, match="dropout_p is ignored"):
            getattr(sageattention, function)(*arguments, dropout_p=0.1)


@pytest.mark.parametrize(("name", "place"), [("max_seqlen_q", 5), ("max_seqlen_k", 6)])
def test_a_largest_length_that_is_none(name: str, place: int) -> None:
    """Before a kernel is chosen: Triton's took a negative one for no rows, and the others named what is theirs."""
    with FakeTensorMode():
        arguments = [*arguments_of("sageattn_varlen")]
        for wrong in (7.0, "8", None):
            arguments[place] = wrong
            with pytest.raises(TypeError, match=f"{name} must be an int or a tensor of one"):
                sageattention.sageattn_varlen(*arguments)
        q, k, v, starts = *arguments[:3], arguments[3].to(torch.int32)
        rows = [8, 8]
        rows[place - 5] = -1
        for method in ("auto", "triton", "fp16"):
            call = ForwardVarlen(q, k, v, None, starts, starts, *rows, 0, 0.1, method, 3, True, False)
            with pytest.raises(ValueError, match=f"{name} is -1, it must be 0 or more"):
                call._plan()


def test_a_largest_length_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    with FakeTensorMode():
        *tensors, rows, _ = arguments_of("sageattn_varlen")
        assert sageattention.sageattn_varlen(*tensors, numpy.int64(rows), numpy.int32(rows)).shape == (8, 2, 64)


def test_granularity_and_value_smoothing() -> None:
    with FakeTensorMode():
        with pytest.raises(AssertionError, match="per_warp"):
            sageattn_qk_int8_pv_fp16_cuda(*tensors(), qk_quant_gran="per_block")
        with pytest.warns(UserWarning, match="smooth_v will be ignored"):
            sageattn_qk_int8_pv_fp16_cuda(*tensors(), smooth_v=True)


def test_any_head_dim_to_256() -> None:
    with FakeTensorMode():
        for head_dim in (1, 8, 40, 64, 80, 96, 128, 160, 192, 255, 256):
            q, k, v = tensors(head_dim)
            output, lse = sageattn(q, k, v, return_lse=True)
            assert (output.shape, lse.shape) == (q.shape, (1, 2, 8))
            assert output.is_contiguous()


def test_autocast_casts_float32() -> None:
    with FakeTensorMode():
        q, k, v = tensors(dtype=torch.float32)
        with cuda_autocast(torch.bfloat16):
            assert sageattn(q, k, v).dtype == torch.bfloat16
            assert sageattn(q, k, v.bfloat16()).dtype == torch.bfloat16
            assert sageattn(*tensors()).dtype == torch.float16
        with pytest.raises(AssertionError, match="float16 or bfloat16, got torch.float32"):
            sageattn(q, k, v)


def test_the_scale_is_that_of_the_caller() -> None:
    scales = []
    original = torch.ops.sageattention.forward
    with FakeTensorMode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            torch.ops.sageattention,
            "forward",
            lambda *args: (scales.append(args[6]), original(*args))[1],
            raising=False,
        )
        sageattention.sageattn(*tensors(80))
        sageattention.sageattn(*tensors(80), scale=0.25)
        sageattention.sageattn(*tensors(80), sm_scale=0.5, scale=0.25)
    assert scales == [80**-0.5, 0.25, 0.5]
