"""Names of cases, sets, and what the axes make."""

from __future__ import annotations

import pytest

from bench import cases


@pytest.mark.parametrize("case", cases.ALL, ids=lambda case: case.name)
def test_a_name_gives_its_case(case: cases.Case) -> None:
    assert cases.parse(case.name) == case


def test_names_are_unique() -> None:
    names = [case.name for case in cases.ALL]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "sequences"),
    [
        ("hd64-s1024", [(1024, 1024)] * 2),
        ("hd128-s1000-k300-causal-gqa4", [(1000, 300)] * 2),
        ("hd128-varlen7.9", [(7, 7), (9, 9)]),
        ("hd128-varlen", [(rows, rows) for rows in cases.MIXED]),
    ],
)
def test_sequences(name: str, sequences: list[tuple[int, int]]) -> None:
    case = cases.parse(name)
    assert case.sequences() == sequences
    assert case.name == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hd128-s819", None),
        ("hd128s8192", "did you mean hd128-s8192?"),
        ("defualt", "did you mean default?"),
        ("zzz", "unknown case"),
        ("hd128-s8192-gqa5", "groups of 5"),
        ("hd0-s1", "1 or more"),
        ("hd128-s64-causal-bias", "a mask goes"),
        ("hd128-varlen-padding", "a mask goes"),
        ("hd128-varlen0.3", "1 or more"),
    ],
)
def test_bad_names(name: str, message: str | None) -> None:
    if message is None:
        assert cases.parse(name).query_rows == 819
        return
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        cases.parse(name)


def test_all_has_what_programs_call() -> None:
    names = {case.name for case in cases.ALL}
    short = {f"hd128-s{rows}{causal}" for rows in (1024, 2048, 4096, 8192, 16384) for causal in ("", "-causal")}
    masks = {f"hd128-s4096-{mask}" for mask in cases.MASKS}
    wide = {f"hd{dim}-s4096" for dim in (64, 160, 192, 256)}
    assert short | masks | wide | {"hd128-varlen", "hd128-s4096-k512", "hd128-s4096-k77", "hd128-s64"} <= names


def test_named_takes_sets_and_drops_doubles() -> None:
    found = cases.named(["hd128-s8192", "short"])
    assert found[0].name == "hd128-s8192"
    assert sorted(map(hash, found)) == sorted(map(hash, cases.SHORT))


def test_resized_keeps_the_group() -> None:
    case = cases.resized(cases.parse("hd128-s8192-gqa4"), 1, 16, None, "float16")
    assert (case.batch, case.heads, case.kv_heads, case.dtype) == (1, 16, 4, "float16")


@pytest.mark.parametrize(("heads", "kv_heads"), [(32, 5), (8, 16)])
def test_resized_refuses_uneven_heads(heads: int, kv_heads: int) -> None:
    with pytest.raises(ValueError, match="evenly"):
        cases.resized(cases.parse("hd128-s8192"), None, heads, kv_heads, None)


def test_batch_does_not_go_with_sequences() -> None:
    with pytest.raises(ValueError, match="--batch"):
        cases.resized(cases.parse("hd128-varlen"), 3, None, None, None)
