"""Which kernel each function takes on each SM: the decision alone, with images that are said to exist."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch

from sageattention import _dispatch, _kernels, _library
from sageattention._call import Request, mask_form
from sageattention._dispatch import Operands, decide
from sageattention._operand import MASK, Operand

WGMMA = {"fp8_wgmma", "fp8_wgmma_masked", "fp8_wgmma_biased", "fp8_wgmma_varlen"}
FULL = {
    (7, 0): {"fp16", "fp16_masked", "fp16_biased"},
    (7, 5): {"fp16", "fp16_masked", "fp16_biased", "fp16_accum_f16"},
    (8, 0): {"fp16", "fp16_masked", "fp16_biased"},
    (8, 6): {"fp16", "fp16_masked", "fp16_biased", "fp16_accum_f16"},
    (8, 7): {"fp16", "fp16_masked", "fp16_biased"},
    (8, 9): {"fp16", "fp16_masked", "fp16_biased", "fp16_accum_f16", "fp8", "fp8_accum_f16"},
    (9, 0): {"fp16", "fp16_masked", "fp16_biased", "fp8", *WGMMA},
    (10, 0): {"fp16", "fp16_masked", "fp16_biased", "fp8"},
    (12, 0): {"fp16", "fp16_masked", "fp16_biased", "fp16_accum_f16", "fp8", "fp8_accum_f16", "fp8_scaled"},
    (12, 1): {"fp16", "fp16_masked", "fp16_biased", "fp16_accum_f16", "fp8", "fp8_accum_f16", "fp8_scaled"},
}
NO_TRITON = "Triton is not installed"


def kind(
    request: Request, sm: tuple[int, int], images: set[str], no_triton: str = NO_TRITON
) -> str:
    choice = decide(request, sm, images.__contains__, no_triton)
    assert choice.reason
    return choice.kind


@pytest.mark.parametrize(
    ("sm", "expected"),
    [
        ((7, 0), "fp16"),
        ((7, 5), "fp16_accum_f16"),
        ((8, 0), "fp16"),
        ((8, 6), "fp16_accum_f16"),
        ((8, 7), "fp16"),
        ((8, 9), "fp8_accum_f16"),
        ((9, 0), "fp8_wgmma"),
        ((10, 0), "fp16"),
        ((12, 0), "fp8_accum_f16"),
        ((12, 1), "fp8_accum_f16"),
    ],
)
def test_sageattn(sm: tuple[int, int], expected: str) -> None:
    assert kind(Request("auto"), sm, FULL[sm]) == expected
    assert kind(Request("auto"), sm, {"fp16"}) == "fp16"


@pytest.mark.parametrize("sm", [*FULL])
@pytest.mark.parametrize("mask", ["bool", "float", "other"])
def test_masks(sm: tuple[int, int], mask: str) -> None:
    wgmma = {"bool": "fp8_wgmma_masked", "float": "fp8_wgmma_biased"} if sm == (9, 0) else {}
    mma = "fp16_masked" if mask == "bool" else "fp16_biased"
    for method in ("auto", "fp8"):
        request = Request(method, mask=mask)
        assert kind(request, sm, FULL[sm]) == wgmma.get(mask, mma)
        assert kind(request, sm, FULL[sm] - WGMMA) == mma
    assert kind(Request("fp16", mask=mask), sm, FULL[sm]) == mma
    assert kind(Request("auto", mask=mask, varlen=True), sm, FULL[sm]) == mma


@pytest.mark.parametrize("sm", [*FULL])
def test_sequences_of_different_lengths(sm: tuple[int, int]) -> None:
    found = kind(Request("auto", varlen=True), sm, FULL[sm])
    assert found in (("fp8_wgmma_varlen",) if sm == (9, 0) else ("fp16", "fp16_accum_f16"))
    assert kind(Request("auto", varlen=True), sm, FULL[sm] - WGMMA) in ("fp16", "fp16_accum_f16")
    assert kind(Request("auto", varlen=True, mask="bool"), sm, FULL[sm]) == "fp16_masked"


def test_what_a_mask_is_to_the_kernels() -> None:
    def form(mask: torch.Tensor, *sizes: int) -> str:
        return mask_form(Operand.of(MASK, mask.expand(*sizes)))

    sizes = 2, 3, 10, 64
    assert mask_form(None) == ""
    assert form(torch.ones(2, 1, 1, 64, dtype=torch.bool), *sizes) == "bool"
    assert form(torch.ones(10, 64), *sizes) == "float"
    assert form(torch.ones(1, 3, 10, 64, dtype=torch.float16), *sizes) == "float"
    assert form(torch.ones(2, 1, 1, 63), 2, 3, 10, 63) == "float"
    assert form(torch.ones(2, 1, 1, 128)[..., ::2], *sizes) == "float"
    assert form(torch.ones(10, 63), 2, 3, 10, 63) == "other"
    assert form(torch.ones(10, 66)[:, :64], *sizes) == "other"
    assert form(torch.ones(64, 10).mT, *sizes) == "other"
    assert form(torch.ones(2, 1, 10, 1), *sizes) == "other"


@pytest.mark.parametrize("sm", [*FULL])
def test_what_is_asked_for_or_more_precise(sm: tuple[int, int]) -> None:
    images = FULL[sm]
    assert kind(Request("fp16"), sm, images) == "fp16"
    assert kind(Request("fp16_accum_f16"), sm, images) == ("fp16_accum_f16" if "fp16_accum_f16" in images else "fp16")
    fp8 = kind(Request("fp8"), sm, images)
    assert fp8 == ("fp8_wgmma" if sm == (9, 0) else "fp8" if "fp8" in images else "fp16")
    fastest = kind(Request("fp8_accum_f16"), sm, images)
    assert fastest == ("fp8_accum_f16" if "fp8_accum_f16" in images else fp8)
    assert kind(Request("triton"), sm, images, "") == "triton"
    assert kind(Request("triton"), sm, images) == "fp16"


def test_the_product_with_scales_is_taken_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGEATTN_FP8_SCALED", raising=False)
    assert kind(Request("fp8_scaled"), (12, 0), FULL[12, 0]) == "fp8_scaled"
    assert kind(Request("fp8_scaled"), (8, 9), FULL[8, 9]) == "fp8"
    assert kind(Request("fp8_scaled"), (9, 0), FULL[9, 0]) == "fp8_wgmma"
    assert kind(Request("fp8_scaled", mask="bool"), (12, 0), FULL[12, 0]) == "fp16_masked"
    assert kind(Request("fp8_scaled"), (12, 1), {"fp16", "fp8"}) == "fp8"
    monkeypatch.setenv("SAGEATTN_FP8_SCALED", "1")
    for method in ("auto", "quantised", "fp8", "fp8_accum_f16"):
        assert kind(Request(method), (12, 1), FULL[12, 1]) == "fp8_scaled"
        assert kind(Request(method), (8, 9), FULL[8, 9]).startswith("fp8")
    assert kind(Request("fp16"), (12, 1), FULL[12, 1]) == "fp16"


def test_the_compiler_may_lack_half_precision_sums() -> None:
    assert kind(Request("auto"), (8, 9), FULL[8, 9] - {"fp8_accum_f16"}) == "fp8"


def test_a_gpu_without_images_takes_triton_or_is_told_the_sms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_kernels, "images_text", lambda: "8.0 9.0 and PTX for 12.1")
    assert kind(Request("auto"), (11, 0), set(), "") == "triton"
    for method in _dispatch.METHODS:
        with pytest.raises(RuntimeError, match=r"SM 11.0: this wheel has SMs 8.0 9.0 and PTX for"):
            kind(Request(method), (11, 0), set())


def test_one_kind_alone() -> None:
    assert kind(Request("only:fp8"), (9, 0), FULL[9, 0]) == "fp8"
    with pytest.raises(RuntimeError, match="no attention_fp16_accum_f16 kernel for SM 9.0"):
        kind(Request("only:fp16_accum_f16"), (9, 0), FULL[9, 0])
    assert _dispatch.known("only:fp16")
    assert not _dispatch.known("only:best")


class Image(NamedTuple):
    sm: tuple[int, int]
    ptx: int = 0


def test_the_sms_of_the_wheel_are_told_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Image((9, 0)), Image((8, 0)), Image((9, 0)), Image((12, 1), 1), Image((12, 1), 1)]
    monkeypatch.setattr(_kernels, "images", lambda: found)
    assert _kernels.sms() == ([(8, 0), (9, 0)], [(12, 1)])
    assert _kernels.images_text() == "8.0 9.0 and PTX for 12.1"
    monkeypatch.setattr(_kernels, "images", list)
    assert _kernels.images_text() == "none"


@pytest.mark.parametrize(
    ("operands", "kinds", "expected"),
    [
        (Operands(128), {"fp16", "fp16_accum_f16"}, "fp16"),
        (Operands(128, sums_float16=True), {"fp16", "fp16_accum_f16"}, "fp16_accum_f16"),
        (Operands(128, sums_float16=True), {"fp16", "fp8_accum_f16"}, "fp16"),
        (Operands(128, sums_float16=True, bfloat16=True), {"fp16", "fp16_accum_f16"}, "fp16"),
        (Operands(128, sums_float16=True, mask="bool"), {"fp16", "fp16_masked"}, "fp16_masked"),
        (Operands(128, mask="float"), {"fp16", "fp16_masked", "fp16_biased"}, "fp16_biased"),
        (Operands(128, e4m3=True), {"fp16", "fp8", "fp8_accum_f16", "fp8_wgmma"}, "fp8"),
        (Operands(128, e4m3=True, sums_float16=True), {"fp8", "fp8_accum_f16"}, "fp8_accum_f16"),
        (Operands(128, e4m3=True, sums_float16=True), {"fp8", "fp16"}, "fp8"),
        (Operands(128, e4m3=True), {"fp16", "fp8_wgmma"}, None),
        (Operands(128, mask="bool"), {"fp16", "fp16_biased"}, None),
    ],
)
def test_quantised_operands_keep_their_kind(
    monkeypatch: pytest.MonkeyPatch, operands: Operands, kinds: set[str], expected: str | None
) -> None:
    monkeypatch.setattr(_kernels, "has", lambda device, kind, head_dim: kind.name in kinds)
    monkeypatch.setattr(_kernels, "images_text", lambda: "9.0")
    monkeypatch.setattr(_library, "device", lambda index: _library.Device("a GPU", (9, 0), True))
    choose = _dispatch.kind_for.__wrapped__
    if expected:
        assert choose(0, operands) == expected
        return
    with pytest.raises(RuntimeError, match=r"no kernel for .* on SM 9.0: this wheel has SMs 9.0"):
        choose(0, operands)
