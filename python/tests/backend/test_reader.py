"""The reader of TOML and HCL: the same as tomllib on our files, and strict."""

from __future__ import annotations

from pathlib import Path

import pytest

from build_backend import reader

ROOT = Path(__file__).parents[3]

TOML = """
# a comment
title = "a # in a string" # and one behind

[project]
list = ["a", "b"]
empty = []
over-lines = [ # comment
    "a",

    ["b", 2],
]
[tool.deep.table]
yes = true
no = false
number = -12
half = 2.5

[tool.deep."with.dots"]
one = "of:two"

[[source]]
file = "one"
[[source]]
file = "two"
"""

HCL = """
default = "one"

package "sage2" {

  version = "2.2.0" # comment
  list    = [
    "a",
  ]

}

cells {
  cuda = "12.9.1"

  test {
    torch = "2.8.0"
  }
}
"""


@pytest.mark.parametrize("path", ["python/pyproject.toml", "csrc/kernels.toml", None])
def test_toml_reads_as_tomllib_does(path: str | None) -> None:
    tomllib = pytest.importorskip("tomllib", reason="this Python has no tomllib")
    text = (ROOT / path).read_text("utf-8") if path else TOML
    assert reader.parse_toml(text) == tomllib.loads(text)


def test_toml() -> None:
    table = reader.parse_toml(TOML)
    assert table["title"] == "a # in a string"
    assert table["project"] == {"list": ["a", "b"], "empty": [], "over-lines": ["a", ["b", 2]]}
    values = {"yes": True, "no": False, "number": -12, "half": 2.5}
    assert table["tool"] == {"deep": {"table": values, "with.dots": {"one": "of:two"}}}
    assert table["source"] == [{"file": "one"}, {"file": "two"}]
    assert reader.parse_toml("") == reader.parse_toml("\n# nothing") == {}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a", "line 2: expected =, at the end of the file"),
        ("a = \n", "expected a name or a value, at the end of the line"),
        ("= 1", "expected a name or a value, at ="),
        ("a = x", "x is no value"),
        ("a = 1.5e3", "1.5e3 is no value"),
        ("a = 01", "01 is no value"),
        ('a = "x" "y"', "expected the end of the line"),
        ('a = """x"""', "expected the end of the line"),
        ("a = 'x'", "line 2: cannot read"),
        ('a = "\\n"', "line 2: cannot read"),
        ('a = "x', "line 2: cannot read"),
        ("a = { b = 1 }", "expected a name or a value, at {"),
        ("a = [1 2]", "expected , or ]"),
        ("a = [1,,2]", "expected a name or a value, at ,"),
        ("a = [1", "expected , or ], at the end of the file"),
        ("a.b = 1", "a.b must be written as a table"),
        ("a = 1\na = 2", "line 3: a is there twice"),
        ("[[a]", "expected ]"),
        ('["a"]', "expected a name"),
        ("[a.]", "a part of the table's name is empty"),
        ('[a"b"]', "expected ]"),
        ("[a]\n[a]", "table a is there twice"),
        ("[a]\n[[a]]", "a is no list of tables"),
        ("[[a]]\n[a.b]", "a is no table"),
        ("[a] b = 1", "expected the end of the line"),
    ],
)
def test_other_toml_is_refused(text: str, error: str) -> None:
    with pytest.raises(ValueError) as caught:
        reader.parse_toml("# one\n" + text)
    assert error in str(caught.value)


def test_hcl() -> None:
    attributes, blocks = reader.parse_hcl(HCL)
    test = reader.Block("test", "", {"torch": "2.8.0"}, [])
    assert attributes == {"default": "one"}
    assert blocks == [
        reader.Block("package", "sage2", {"version": "2.2.0", "list": ["a"]}, []),
        reader.Block("cells", "", {"cuda": "12.9.1"}, [test]),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'a "b" "c" {\n}',
        "a {",
        "a { b = 1 }",
        "a {\n b {\n }",
        "a {\n b {\n } c = 1\n}",
        "a {\n} b {\n}",
        "a",
        "a = b.c",
        "}",
    ],
)
def test_other_hcl_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="^line "):
        reader.parse_hcl(text)
