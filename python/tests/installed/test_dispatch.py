"""Which kernel each function takes on each SM: the decision alone, with images that are said to exist."""

from __future__ import annotations

import pytest

from sageattention import _dispatch, _kernels
from sageattention._dispatch import Request, decide

FULL = {
    (7, 0): {"fp16", "fp16_masked"},
    (7, 5): {"fp16", "fp16_masked", "fp16_accum_f16"},
    (8, 0): {"fp16", "fp16_masked"},
    (8, 6): {"fp16", "fp16_masked", "fp16_accum_f16"},
    (8, 7): {"fp16", "fp16_masked"},
    (8, 9): {"fp16", "fp16_masked", "fp16_accum_f16", "fp8", "fp8_accum_f16"},
    (9, 0): {"fp16", "fp16_masked", "fp8", "fp8_wgmma"},
    (10, 0): {"fp16", "fp16_masked", "fp8"},
    (12, 0): {"fp16", "fp16_masked", "fp16_accum_f16", "fp8", "fp8_accum_f16"},
    (12, 1): {"fp16", "fp16_masked", "fp16_accum_f16", "fp8", "fp8_accum_f16"},
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
    assert kind(Request("auto", masked=True), sm, FULL[sm]) == "fp16_masked"
    assert kind(Request("auto"), sm, {"fp16"}) == "fp16"
    assert kind(Request("auto", varlen=True), sm, FULL[sm]) in ("fp16", "fp16_accum_f16")


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


def test_images_fit_their_own_major_and_ptx_everything_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = (("8.0", "9.0a"), ("12.0",))
    monkeypatch.setattr(_kernels, "images", lambda operation=None: found)
    runs = {(7, 5), (8, 0), (8, 9), (9, 0), (10, 0), (12, 0), (12, 1)}
    assert {sm for sm in runs if _kernels.runs_on("fp16", sm)} == runs - {(7, 5), (10, 0)}
    assert not _kernels.runs_on("fp16", (9, 1))
    assert _kernels.sms() == (["8.0", "9.0"], ["12.0"])
    monkeypatch.setattr(_kernels, "images", lambda operation=None: (("9.0", "9.0a"), ()))
    assert _kernels.images_text() == "9.0"
