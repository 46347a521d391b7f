"""What serves a call, by GPU, mask, LSE, head dim and backend."""

from __future__ import annotations

import pytest
import torch

from sageattn3 import _operator, _route
from sageattn3._route import FP4, INT8, TORCH, Need, decide

SM120, SM121, SM100, SM103, SM110 = (12, 0), (12, 1), (10, 0), (10, 3), (11, 0)


@pytest.fixture(autouse=True)
def _not_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(_route.STRICT, raising=False)
    monkeypatch.setattr(_route._kernels, "images_text", lambda: "10.0 12.0")


@pytest.mark.parametrize("sm", [SM120, SM121])
@pytest.mark.parametrize(
    ("need", "by"),
    [
        (Need(), FP4),
        (Need(head_dim=64, lse=True), FP4),
        (Need(mask="keys", lse=True), FP4),
        (Need(mask="rows"), INT8),
        (Need(head_dim=256), INT8),
        (Need(backend="int8"), INT8),
        (Need(backend="torch"), TORCH),
    ],
)
def test_blackwell_with_fp4(sm: tuple[int, int], need: Need, by: str) -> None:
    route = decide(need, sm, has_fp4=True, has_int8=True)
    assert route.by == by and not route.warn


def test_without_int8_torch_serves() -> None:
    assert decide(Need(mask="rows"), SM120, True, has_int8=False).by == TORCH
    assert decide(Need(head_dim=192), SM120, True, has_int8=False).by == TORCH


@pytest.mark.parametrize(
    ("sm", "int8", "need", "by"),
    [
        (SM100, True, Need(), TORCH),
        (SM100, True, Need(mask="keys"), INT8),
        (SM103, True, Need(mask="rows"), INT8),
        (SM103, True, Need(lse=True), INT8),
        (SM110, False, Need(), TORCH),
        (SM110, False, Need(lse=True), TORCH),
        (SM110, False, Need(mask="rows"), TORCH),
    ],
)
def test_without_fp4_something_serves_and_warns(sm: tuple[int, int], int8: bool, need: Need, by: str) -> None:
    route = decide(need, sm, has_fp4=False, has_int8=int8)
    assert route.by == by and route.warn and "tcgen05" in route.reason


@pytest.mark.parametrize("sm", [SM100, SM103, SM110])
def test_strict_refuses(sm: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_route.STRICT, "1")
    with pytest.raises(RuntimeError, match=f"SM {sm[0]}.{sm[1]}.*SAGEATTN3_STRICT is set"):
        decide(Need(), sm, False, True)
    assert decide(Need(backend="int8"), sm, False, True).by == INT8
    monkeypatch.setenv(_route.STRICT, "0")
    assert decide(Need(), sm, False, True).by == TORCH


@pytest.mark.parametrize("sm", [(7, 0), (8, 9), (9, 0), (13, 0)])
def test_other_gpus_are_told_what_to_use(sm: tuple[int, int]) -> None:
    with pytest.raises(RuntimeError, match=rf"this one has SM {sm[0]}.{sm[1]}; use the package sageattention"):
        decide(Need(), sm, False, True)


def test_a_wheel_without_the_gpus_fp4() -> None:
    with pytest.raises(RuntimeError, match="no FP4 code for SM 12.1.*CUDA 12.9 or newer"):
        decide(Need(), SM121, has_fp4=False, has_int8=True)


@pytest.mark.parametrize(
    ("need", "fp4", "int8"),
    [
        (Need("fp4", mask="rows"), True, True),
        (Need("fp4", head_dim=192), True, True),
        (Need("fp4"), False, True),
        (Need("int8"), True, False),
    ],
)
def test_a_backend_that_cannot_serve(need: Need, fp4: bool, int8: bool) -> None:
    with pytest.raises(RuntimeError, match=f"backend '{need.backend}'"):
        decide(need, SM120, fp4, int8)


def test_kinds_of_masks() -> None:
    for shape, kind in {
        (7,): "keys", (1, 7): "keys", (2, 1, 1, 7): "keys", (5, 7): "rows", (2, 1, 5, 7): "rows",
    }.items():  # fmt: skip
        assert _operator.mask_kind(torch.zeros(shape)) == kind
    assert _operator.mask_kind(torch.zeros(2, 1, 1, 7).expand(2, 4, 5, 7)) == "keys"
    assert _operator.mask_kind(None) == ""


def test_one_warning_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_operator, "_warned", set())
    with pytest.warns(UserWarning, match="SAGEATTN3_STRICT=1") as caught:
        _operator._warn_once("first")
        _operator._warn_once("second")
    assert len(caught) == 1
