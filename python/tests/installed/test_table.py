"""Measured tables: which cell a call takes, what a file may say, and when a stored one counts."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sageattention import _cache, _library, _operand, _shipped
from sageattention._call import Call, Lengths
from sageattention._kinds import KINDS
from sageattention._operand import Operand
from sageattention._table import Cell, Machine, Shape, Table

HERE = Machine("NVIDIA Test 1", "580.1", "2.8.0+cu128", "9.10", "2.2.0 - 5")


def shape(
    rows: int, keys: int, heads: int = 64, head_dim: int = 128, causal: bool = False, group: int = 1
) -> Shape:
    return Shape(head_dim, causal, "", False, rows, keys, heads, group)


def cell(
    rows: int, keys: int, heads: int = 64, head_dim: int = 128, handed: bool = False, group: int = 1
) -> Cell:
    return Cell(shape(rows, keys, heads, head_dim, group=group), "fp16", handed, {"fp16": 2.0, "torch": 1.0})


TABLE = Table(
    HERE,
    (
        *(cell(rows, rows, heads, handed=rows <= 1024) for rows in (256, 1024, 4096) for heads in (16, 64)),
        cell(4096, 112, handed=True),
        cell(4096, 4096, 64, 256, handed=True),
        cell(1024, 1024, 64, group=4),
    ),
)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (shape(256, 256), (256, 256, 64)),
        (shape(257, 256), (1024, 1024, 64)),
        (shape(100, 100, 8), (256, 256, 16)),
        (shape(1024, 1024, 17), (1024, 1024, 64)),
        (shape(1024, 1024, 1000), (1024, 1024, 64)),
        (shape(2000, 2000, 1), (4096, 4096, 16)),
        (shape(100000, 100000), (4096, 4096, 64)),
        (shape(100000, 77), (4096, 112, 64)),
        (shape(2048, 512), (4096, 4096, 64)),
        (shape(2048, 512, head_dim=80), (4096, 4096, 64)),
        (shape(300, 77), (4096, 112, 64)),
        (shape(200, 77), (256, 256, 64)),
    ],
)
def test_a_call_takes_the_smallest_cell_that_is_as_large(call: Shape, expected: tuple[int, ...]) -> None:
    found = TABLE.find(call)
    assert found is not None and (found.shape.rows, found.shape.keys, found.shape.heads) == expected
    assert found.shape.head_dim == 128


@pytest.mark.parametrize(
    ("call", "size", "group"),
    [
        (shape(1024, 1024), 1024, 1),
        (shape(1024, 1024, group=3), 1024, 1),
        (shape(1024, 1024, group=4), 1024, 4),
        (shape(1024, 1024, group=64), 1024, 4),
        (shape(900, 300, group=4), 1024, 4),
        (shape(900, 300, 16, group=4), 1024, 1),
        (shape(200, 200, group=4), 256, 1),
        (shape(1025, 1025, group=4), 4096, 1),
        (shape(100000, 100000, group=4), 4096, 1),
        (shape(1024, 1024, head_dim=96, group=8), 1024, 4),
        (shape(1024, 1024, head_dim=160, group=8), 4096, 1),
    ],
)
def test_of_one_size_the_largest_group_that_is_no_larger_counts(call: Shape, size: int, group: int) -> None:
    found = TABLE.find(call)
    assert found is not None and (found.shape.rows, found.shape.group) == (size, group)
    assert found.torch == (group == 1 and (size <= 1024 or call.head_dim > 128))


def test_a_larger_group_says_nothing_of_a_smaller_one() -> None:
    table = Table(HERE, (cell(1024, 1024, group=4),))
    assert table.find(shape(1024, 1024, group=3)) is None


def test_nothing_is_said_of_what_was_not_measured() -> None:
    assert TABLE.find(shape(128, 128, causal=True)) is None
    assert TABLE.find(shape(128, 128, head_dim=257)) is None
    wide = TABLE.find(shape(128, 128, head_dim=160))
    assert wide is not None and wide.shape.head_dim == 256
    assert Table(HERE, ()).find(shape(1, 1)) is None


def test_each_form_of_mask_has_cells_of_its_own() -> None:
    padding, pairs = cell(256, 256)._replace(shape=shape(256, 256)._replace(mask="padding")), cell(256, 256)
    found = Table(HERE, (padding, pairs._replace(shape=pairs.shape._replace(mask="pairs"))))
    assert found.find(padding.shape) == padding
    assert found.find(shape(256, 256)) is None and found.find(shape(256, 256)._replace(mask="bias")) is None


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (None, ""),
        (torch.ones(2, 1, 1, 9, dtype=torch.bool), "padding"),
        (torch.ones(9, dtype=torch.bool), "padding"),
        (torch.ones(5, 9, dtype=torch.bool), "pairs"),
        (torch.zeros(1, 4, 5, 9), "bias"),
        (torch.zeros(9), "bias"),
    ],
)
def test_a_mask_is_told_by_what_it_is(mask: torch.Tensor | None, expected: str) -> None:
    def operand(place: int, *sizes: int) -> Operand:
        return Operand.contiguous(place, sizes, torch.float16)

    given = None if mask is None else Operand.of(_operand.MASK, mask.expand(2, 4, 5, 9))
    keys = operand(_operand.KEY, 2, 4, 9, 8)
    query = operand(_operand.QUERY, 2, 4, 5, 8)
    call = Call(query, keys, keys, query, None, given, False, 0, 1.0, 1, True)
    assert Shape.of(call) == Shape(8, False, expected, False, 5, 9, 8)


@pytest.mark.parametrize(("heads", "key_heads", "group"), [(8, 8, 1), (8, 2, 4), (8, 1, 8)])
def test_a_group_is_what_shares_a_key_head(heads: int, key_heads: int, group: int) -> None:
    q, k = torch.empty(3, heads, 5, 64, dtype=torch.float16), torch.empty(3, key_heads, 9, 64, dtype=torch.float16)
    for nhd in (False, True):
        there = (x.transpose(1, 2).contiguous() if nhd else x for x in (q, k))
        assert Shape.of(_call(*there, nhd)) == Shape(64, False, "", False, 5, 9, 3 * heads, group)
    starts = Operand.of(_operand.QUERY_STARTS, torch.zeros(4, dtype=torch.int32))
    packed = torch.empty(1, 20, heads, 64, dtype=torch.float16), torch.empty(1, 30, key_heads, 64, dtype=torch.float16)
    call = _call(*packed, True)._replace(lengths=(Lengths(starts, 7), Lengths(starts, 11)))
    assert Shape.of(call) == Shape(64, False, "", True, 7, 11, 3 * heads, group)


def _call(query: torch.Tensor, key: torch.Tensor, nhd: bool) -> Call:
    q, k = Operand.of(_operand.QUERY, query), Operand.of(_operand.KEY, key)
    return Call(q, k, k, q, None, None, nhd, 0, 1.0, 1, True)


@pytest.mark.parametrize(
    ("flags", "group", "variant"),
    [
        ((False, "", False), 1, "plain"),
        ((False, "", False), 4, "groups of 4"),
        ((True, "", False), 4, "causal, groups of 4"),
        ((False, "padding", False), 8, "key padding, groups of 8"),
        ((True, "", True), 2, "sequences behind each other, causal, groups of 2"),
    ],
)
def test_a_shape_in_words(flags: tuple[bool, str, bool], group: int, variant: str) -> None:
    found = Shape(128, *flags, 8, 9, 32, group)
    assert found.variant == variant
    assert found.text() == f"8 queries, 9 keys, 32 heads of 128, {variant}"


def test_json_gives_the_same_table() -> None:
    assert Table.from_json(json.loads(json.dumps(TABLE.to_json()))) == TABLE


def changed(**values: Any) -> dict[str, Any]:
    return {**TABLE.to_json(), **values}


BROKEN_CELL = {**TABLE.to_json()["cells"][0]}


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        changed(format=2),
        changed(machine={}),
        changed(machine={**HERE._asdict(), "gpu": 1}),
        changed(cells=None),
        changed(cells=[{}]),
        changed(cells=[{**BROKEN_CELL, "rows": 0}]),
        changed(cells=[{**BROKEN_CELL, "rows": True}]),
        changed(cells=[{**BROKEN_CELL, "group": 0}]),
        changed(cells=[{**BROKEN_CELL, "group": "4"}]),
        changed(cells=[{name: value for name, value in BROKEN_CELL.items() if name != "group"}]),
        changed(cells=[{**BROKEN_CELL, "mask": True}]),
        changed(cells=[{**BROKEN_CELL, "mask": "keys"}]),
        changed(cells=[{**BROKEN_CELL, "rows": "8"}]),
        changed(cells=[{**BROKEN_CELL, "torch": 1}]),
        changed(cells=[{**BROKEN_CELL, "times": {"fp16": "fast"}}]),
        changed(cells=[{**BROKEN_CELL, "times": [1]}]),
        changed(cells=[{**BROKEN_CELL, "times": {"fp16": 10**400}}]),
    ],
)
def test_anything_else_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="it "):
        Table.from_json(data)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.delenv("SAGEATTN_TUNE", raising=False)
    return tmp_path


def test_what_was_written_is_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _cache.read(HERE) is None
    place = _cache.write(TABLE)
    assert place == cache / "sageattention" / "choice-NVIDIA-Test-1.json"
    assert [*place.parent.iterdir()] == [place]
    assert _cache.read(HERE) == TABLE
    assert _cache.read(HERE._replace(gpu="NVIDIA Test 2")) is None
    monkeypatch.setenv("SAGEATTN_TUNE", "0")
    assert _cache.read(HERE) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has another variable")
@pytest.mark.parametrize("value", ["", "relative", "./relative", "~/.cache"])
def test_a_relative_cache_folder_is_ignored(value: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be another one in every folder: https://specifications.freedesktop.org/basedir-spec/latest/"""
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", str(cache))
    assert _cache.path("a GPU") == cache / ".cache" / "sageattention" / "choice-a-GPU.json"


def test_a_failed_write_leaves_the_old_table(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = _cache.write(TABLE)

    def fails(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="No space"):
        _cache.write(Table(HERE, ()))
    assert _cache.read(HERE) == TABLE
    assert [*place.parent.iterdir()] == [place]


@pytest.mark.parametrize("field", Machine._fields[1:])
def test_a_table_of_another_machine_is_ignored_with_one_line(
    field: str, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _cache.write(TABLE)
    assert _cache.read(HERE._replace(**{field: "another"})) is None
    (line,) = caplog.messages
    assert f"measured with {field}" in line and "run it again" in line


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format": 3}', b" " * ((1 << 20) + 1), b"null"],
    ids=["empty", "cut", "bytes", "deep", "short", "large", "null"],
)
def test_a_damaged_file_is_ignored_with_one_line(
    data: bytes, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _cache.write(TABLE).write_bytes(data)
    assert _cache.read(HERE) is None
    (line,) = caplog.messages
    assert "is ignored" in line and caplog.records[0].levelno == logging.WARNING


def test_a_table_of_an_older_package_is_ignored_with_one_line(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Format 2 is that of packages whose cells had no groups."""
    cells = [{name: value for name, value in found.items() if name != "group"} for found in TABLE.to_json()["cells"]]
    _cache.write(TABLE).write_text(json.dumps(changed(format=2, cells=cells)))
    assert _cache.read(HERE) is None
    (line,) = caplog.messages
    assert "tune` is ignored" in line and "it has format 2, this package reads 3" in line


def test_a_folder_in_its_place_is_ignored_with_one_line(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    _cache.path(HERE.gpu).mkdir(parents=True)
    assert _cache.read(HERE) is None
    assert len(caplog.messages) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_its_place_is_ignored_with_one_line(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing waits for somebody to write to it."""
    place = _cache.path(HERE.gpu)
    place.parent.mkdir()
    os.mkfifo(place)
    assert _cache.read(HERE) is None
    assert "is no file" in caplog.text and len(caplog.messages) == 1
    assert _cache.write(TABLE) == place and _cache.read(HERE) == TABLE


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_ignored_with_one_line(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.chown(_cache.write(TABLE), 65534, 65534)
    assert _cache.read(HERE) is None
    assert "another user" in caplog.text and len(caplog.messages) == 1


def test_a_shipped_table_is_for_its_card_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shipped, "TABLES", (TABLE,))
    assert _shipped.find(HERE._replace(driver="1", wheel="-", torch="2.8.1+cu126")) is TABLE
    for other in ({"gpu": "NVIDIA Test"}, {"torch": "2.9.0"}, {"torch": "2.80.0"}, {"cudnn": "9.1"}):
        assert _shipped.find(HERE._replace(**other)) is None


@pytest.mark.parametrize("table", _shipped.TABLES, ids=lambda table: table.machine.gpu)
def test_shipped_tables_name_kernels_that_serve_their_calls(table: Table) -> None:
    assert Table.from_json(json.loads(json.dumps(table.to_json()))) == table
    for found in table.cells:
        kind = KINDS[found.kernel]
        assert kind.mask == bool(found.shape.mask) and (kind.starts or not found.shape.varlen)
        assert table.find(found.shape) == found
        assert found.kernel != "fp8_scaled", "it is the owner's to choose"
        assert found.torch == (found.times["torch"] < 0.98 * found.times[found.kernel])


def test_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_library, "fatbin_path", lambda: tmp_path / "none")
    found = _cache.machine("a GPU")
    assert found.gpu == "a GPU" and found.torch and found.wheel.endswith(" 0")
