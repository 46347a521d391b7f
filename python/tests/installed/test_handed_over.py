"""Calls that go to torch: they give what this package promises, and go there only where a table says so."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import sageattention
from sageattention import _abi, _choice, _dispatch, _forward, _library, _operand, _sdpa, reference
from sageattention._call import Call, Lengths
from sageattention._operand import Operand
from sageattention._table import Cell, Machine, Shape, Table

ROWS, KEYS, HEADS, KEY_HEADS = 20, 20, 4, 2


def planned(query: Any, key: Any, mask: Any = None, **options: Any) -> Call:
    """A call as the operator plans it."""
    nhd = options.get("nhd", False)
    return Call(
        Operand.of(_operand.QUERY, query), Operand.of(_operand.KEY, key), Operand.of(_operand.VALUE, key),
        Operand.of(_operand.OUTPUT, query), options.get("lse"),
        None if mask is None else Operand.of(_operand.MASK, mask),
        nhd, options.get("causal", 0), options.get("sm_scale", 0.3), _abi.PER_THREAD, True,
        options.get("lengths"), options.get("same_lengths", False),
    )  # fmt: skip


def tensors(dtype: torch.dtype, head_dim: int = 24, keys: int = KEYS) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    shapes = (2, HEADS, ROWS, head_dim), (2, KEY_HEADS, keys, head_dim), (2, KEY_HEADS, keys, head_dim)
    q, k, v = (torch.randn(shape, generator=generator).to(dtype) for shape in shapes)
    return q, k, v


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("nhd", [False, True])
@pytest.mark.parametrize("causal", [0, 1, 2])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("newest", [False, True])
def test_what_torch_gives(
    dtype: torch.dtype, nhd: bool, causal: int, masked: bool, newest: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not newest:  # torch 2.4 has no enable_gqa
        monkeypatch.setattr(_sdpa, "_ENABLE_GQA", False)
    q, k, v = tensors(dtype)
    mask = torch.rand(2, 1, ROWS, KEYS, generator=torch.Generator().manual_seed(1)) < 0.7 if masked else None
    if mask is not None:
        mask[..., 0] = True
        mask[..., 5, :] = False  # a row that sees no key: 0
    wanted, _ = reference.attention(q, k, v, causal, 0.3, mask)
    if nhd:
        q, k, v, wanted = (x.transpose(1, 2).contiguous() for x in (q, k, v, wanted))
    call = planned(q, k, mask, nhd=nhd, causal=causal)
    if masked and causal:
        with pytest.raises(ValueError, match="a mask or is_causal"):
            _sdpa.plan(call)
        return
    output, lse = _sdpa.plan(call)(q, k, v, mask, None, None)
    if mask is not None:
        added = torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, float("-inf"))
        other, _ = _sdpa.plan(planned(q, k, added, nhd=nhd))(q, k, v, added, None, None)
        assert (other.double() - wanted).abs().max() < (0.02 if dtype == torch.bfloat16 else 0.003)
    assert output.is_contiguous() and output.dtype == dtype and output.shape == q.shape
    assert lse is None
    assert (output.double() - wanted).abs().max() < (0.02 if dtype == torch.bfloat16 else 0.003)


@pytest.mark.parametrize("shape", [(), (1,), (KEYS,), (ROWS, 1), (HEADS, 1, 1), (2, 1, 1, KEYS)])
@pytest.mark.parametrize("boolean", [False, True])
def test_masks_of_every_shape_that_broadcasts(shape: tuple[int, ...], boolean: bool) -> None:
    """torch itself takes masks of two dims and more."""
    q, k, v = tensors(torch.float16)
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(1)).to(torch.float16)
    mask = mask < 0.7 if boolean else mask
    wanted, _ = reference.attention(q, k, v, 0, 0.3, mask)
    output, _ = _sdpa.plan(planned(q, k, mask.expand(2, HEADS, ROWS, KEYS)))(q, k, v, mask, None, None)
    assert (output.double() - wanted).abs().max() < 0.003


def test_no_gradient_and_no_autocast() -> None:
    q, k, v = (x.requires_grad_() for x in tensors(torch.float16))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, _ = _sdpa.plan(planned(q, k))(q, k, v, None, None, None)
    assert not output.requires_grad


def test_a_program_that_replaced_torchs_function_does_not_recurse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", sageattention.sageattn)
    q, k, v = tensors(torch.float16)
    assert _sdpa.plan(planned(q, k))(q, k, v, None, None, None)[0].shape == q.shape


def lengths() -> tuple[Lengths, Lengths]:
    starts = Operand.of(_operand.QUERY_STARTS, torch.zeros(3, dtype=torch.int32))
    return Lengths(starts, 8), Lengths(starts, 8)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"lse": Operand.of(_operand.LSE, torch.zeros(1))}, "no LSE"),
        ({"mask": torch.zeros(1, dtype=torch.float32)}, "no mask of torch.float32"),
        ({"mask": torch.zeros(1, dtype=torch.float16)}, ""),
        ({"mask": torch.zeros(1, dtype=torch.bool)}, ""),
        ({"keys": 19}, ""),
        ({"keys": 19, "causal": 1}, "unequal lengths"),
        ({"keys": 19, "causal": 2}, "unequal lengths"),
        ({"lengths": lengths()}, ""),
        ({"lengths": lengths(), "head_dim": 20}, "multiples of 8"),
        ({"lengths": lengths(), "causal": 1}, "to the right"),
        ({"lengths": lengths(), "causal": 1, "same_lengths": True}, ""),
        ({"lengths": lengths(), "mask": torch.zeros(1, dtype=torch.bool)}, "no mask for sequences"),
    ],
)
def test_what_torch_computes_otherwise_stays(options: dict[str, Any], reason: str) -> None:
    q, k, _ = tensors(torch.float16, options.pop("head_dim", 24), options.pop("keys", KEYS))
    found = _sdpa.why_not(planned(q, k, options.pop("mask", None), **options))
    assert reason in found and bool(found) == bool(reason)


def table(kernel: str = "fp16") -> Table:
    machine = Machine("a GPU", "1", str(torch.__version__), "9.1", "-")
    cells = [
        Cell(Shape(128, False, "", varlen, rows, rows, 64), kernel, rows < 1000, {kernel: 1.0})
        for rows in (512, 4096)
        for varlen in (False, True)
    ]
    return Table(machine, tuple(cells))


@pytest.fixture
def with_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    def default(device: int, request: Any) -> _dispatch.Choice:
        method = request.method
        return _dispatch.Choice(method[5:] if method.startswith("only:") else "fp8", "the dispatcher's")

    monkeypatch.delenv("SAGEATTN_ALWAYS", raising=False)
    monkeypatch.setattr(_dispatch, "choose", default)
    monkeypatch.setattr(_choice, "table", lambda device: table())
    monkeypatch.setattr(_library, "device", lambda index: _library.Device("a GPU", (9, 0), True))
    _choice._tell.cache_clear()
    yield monkeypatch
    _forward.PLANS.clear()


@pytest.mark.parametrize(
    ("rows", "method", "expected"),
    [
        (20, "auto", "torch"),
        (600, "auto", "fp16"),
        (20, "quantised", "fp16"),
        (20, "fp8", "fp8"),
        (20, "only:fp8", "fp8"),
        (600, "only:torch", "torch"),
    ],
)
def test_the_table_decides_for_the_best_alone(
    rows: int, method: str, expected: str, with_table: pytest.MonkeyPatch
) -> None:
    q = torch.empty(1, 2, rows, 64, dtype=torch.float16)
    call = planned(q, q)
    assert _choice.choose(0, call, method).kind == expected
    with_table.setenv("SAGEATTN_ALWAYS", "1")
    assert _choice.choose(0, call, method).kind == ("fp16" if method == "auto" else expected)
    with_table.setattr(_choice, "table", lambda device: None)
    without = "torch" if method == "only:torch" else "fp8"
    assert _choice.choose(0, call, method).kind == without


def grouped() -> Table:
    """Of 512 rows and 64 heads torch is faster with plain heads, and our kernel where four of them share keys."""
    shapes = [Shape(128, False, "", varlen, 512, 512, 64, group) for varlen in (False, True) for group in (1, 4)]
    longest = [shape._replace(rows=4096, keys=4096) for shape in shapes if shape.group == 1]
    cells = [Cell(shape, "fp16", shape in shapes and shape.group == 1, {}) for shape in (*shapes, *longest)]
    return Table(table().machine, tuple(cells))


@pytest.mark.parametrize(("key_heads", "kind"), [(8, "torch"), (4, "torch"), (2, "fp16"), (1, "fp16")])
@pytest.mark.parametrize("nhd", [False, True])
def test_groups_of_heads_have_cells_of_their_own(
    key_heads: int, kind: str, nhd: bool, with_table: pytest.MonkeyPatch
) -> None:
    with_table.setattr(_choice, "table", lambda device: grouped())
    q, k = (torch.empty(2, heads, 300, 64, dtype=torch.float16) for heads in (8, key_heads))
    if nhd:
        q, k = q.transpose(1, 2), k.transpose(1, 2)
        varlen = planned(q[:1], k[:1], nhd=True, lengths=lengths())
        assert _choice.choose(0, varlen, "auto").kind == kind
    assert _choice.choose(0, planned(q, k, nhd=nhd), "auto").kind == kind
    assert _choice.choose(0, planned(q, k, nhd=nhd), "quantised").kind == "fp16"


def test_groups_are_described_by_what_becomes_of_their_calls(with_table: pytest.MonkeyPatch) -> None:
    short = [Cell(Shape(128, False, "", False, 256, 256, 64), "fp16", True, {})]
    with_table.setattr(_choice, "table", lambda device: grouped()._replace(cells=(*short, *grouped().cells)))
    told = _choice.describe(0)
    assert "head dim 128, groups of 4: up to 256 × 256; head dim 128, plain: up to 512 × 512; " in told
    assert told.endswith("head dim 128, sequences behind each other: up to 512 × 512")


def test_a_call_that_torch_computes_otherwise_takes_the_tables_kernel(with_table: pytest.MonkeyPatch) -> None:
    q = torch.empty(1, 2, 20, 64, dtype=torch.float16)
    lse = Operand.of(_operand.LSE, torch.zeros(1))
    assert _choice.choose(0, planned(q, q, lse=lse), "auto").kind == "fp16"
    for kernel in ("fp8_wgmma", "fp16_masked", "of another package"):
        with_table.setattr(_choice, "table", lambda device, kernel=kernel: table(kernel))
        varlen = planned(q, q, lse=lse, nhd=True, lengths=lengths())
        assert _choice.choose(0, varlen, "auto").kind == "fp8", "no kernel for sequences without a mask"
    with_table.setattr(_choice, "table", lambda device: table("triton"))
    varlen = planned(q, q, lse=lse, nhd=True, lengths=lengths())
    assert _choice.choose(0, varlen, "auto").kind == "fp8", "Triton gives no LSE there"


def test_it_is_said_once_and_described(
    with_table: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    q = torch.empty(1, 2, 20, 64, dtype=torch.float16)
    with caplog.at_level(logging.INFO, "sageattention"):
        for _ in range(2):
            _choice.choose(0, planned(q, q), "auto")
    (line,) = caplog.messages
    assert "go to torch's scaled_dot_product_attention" in line and "SAGEATTN_ALWAYS=1" in line
    assert "head dim 128, plain: up to 512 × 512" in _choice.describe(0)
    with_table.setenv("SAGEATTN_ALWAYS", "1")
    assert "keeps all calls from torch" in _choice.describe(0)
    with_table.setattr(_choice, "table", lambda device: None)
    assert "tune` measures one" in _choice.describe(0)


def test_the_operator_runs_the_choice(with_table: pytest.MonkeyPatch) -> None:
    """One decision for each shape, inside the operator: torch.compile sees the operator alone."""
    q, k, v = tensors(torch.float16)
    made = []
    real = _choice.choose
    with_table.setattr(_choice, "choose", lambda *given: made.append(given) or real(*given))
    options = False, 0, 0.3, "auto", _abi.PER_THREAD, True, False
    device = functools.partial(torch.device, "cpu", 0)
    with_table.setattr(torch.Tensor, "device", property(lambda self: device()), raising=False)
    first, _ = _forward.Forward(q, k, v, None, *options).run()
    second, _ = _forward.Forward(q * 1, k * 1, v * 1, None, *options).run()
    assert len(made) == 1 and torch.equal(first, second)
    assert (first.double() - reference.attention(q, k, v, 0, 0.3)[0]).abs().max() < 0.003


def test_the_keyword_reaches_the_operator() -> None:
    from sageattention._options import Options

    assert Options.of({}, False, None).auto == "auto"
    assert Options.of({"always_quantize": True}, False, None).auto == "quantised"
