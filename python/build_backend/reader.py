"""Reads the part of TOML and of HCL that this project's files are written in, and refuses the rest.

Python 3.9 and 3.10 have no TOML reader, and no Python has one for HCL. Both are lines of `key = value` here, where
a value is a string without escapes, a whole or decimal number, true, false, or a list of values over any number of
lines. What differs is the heading: `[table]` and `[[list.of.tables]]` in TOML, `type "label" { … }` in HCL.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+|\#[^\n]*)|(?P<end>\n)|(?P<string>"[^"\\\n]*")"""
    r"""|(?P<word>[A-Za-z0-9_.+-]+)|(?P<sign>[\[\]{}=,])"""
)
_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)(?P<decimals>\.[0-9]+)?")


class Block(NamedTuple):
    """`kind "label" { … }` of HCL."""

    kind: str
    label: str
    attributes: dict[str, Any]
    blocks: list[Block]


def parse_toml(text: str) -> dict[str, Any]:
    """The document as tomllib would give it. Raises ValueError, with the line, for anything beyond."""
    root: dict[str, Any] = {}
    table, tokens = root, _Tokens(text)
    while tokens.more():
        if tokens.take("["):
            table = _open_table(root, tokens)
        else:
            _pair(tokens, tokens.name(), table)
        tokens.end_of_line()
    return root


def parse_hcl(text: str) -> tuple[dict[str, Any], list[Block]]:
    """The attributes and the blocks of a document. Raises ValueError like parse_toml."""
    root, tokens = Block("", "", {}, []), _Tokens(text)
    while tokens.more():
        _member(tokens, root)
    return root.attributes, root.blocks


def _open_table(root: dict[str, Any], tokens: _Tokens) -> dict[str, Any]:
    many = tokens.take("[")
    *parents, name = _heading(tokens)
    for _ in range(2 if many else 1):
        tokens.expect("]")
    for parent in parents:
        root = root.setdefault(parent, {})
        if not isinstance(root, dict):
            raise tokens.error(f"{parent} is no table")
    table: dict[str, Any] = {}
    if not many:
        if name in root:
            raise tokens.error(f"table {name} is there twice")
        root[name] = table
    elif isinstance(root.setdefault(name, []), list):
        root[name].append(table)
    else:
        raise tokens.error(f"{name} is no list of tables")
    return table


def _heading(tokens: _Tokens) -> list[str]:
    """The parts of a table's name. The last one may stand in quotes, and holds dots then."""
    parts = tokens.name().split(".")
    if not parts[-1] and tokens.peek().startswith('"'):
        parts[-1] = tokens.string()
    if not all(parts):
        raise tokens.error("a part of the table's name is empty")
    return parts


def _block(tokens: _Tokens, kind: str) -> Block:
    label = "" if tokens.peek() == "{" else tokens.string()
    block = Block(kind, label, {}, [])
    tokens.expect("{")
    tokens.end_of_line()
    while not tokens.take("}"):
        _member(tokens, block)
    return block


def _member(tokens: _Tokens, block: Block) -> None:
    """An attribute or a block inside another, with the end of its line."""
    name = tokens.name()
    if tokens.peek() == "=":
        _pair(tokens, name, block.attributes)
    else:
        block.blocks.append(_block(tokens, name))
    tokens.end_of_line()


def _pair(tokens: _Tokens, key: str, table: dict[str, Any]) -> None:
    if key in table:
        raise tokens.error(f"{key} is there twice")
    if "." in key:
        raise tokens.error(f"{key} must be written as a table")
    tokens.expect("=")
    table[key] = _value(tokens)


def _value(tokens: _Tokens) -> Any:
    if tokens.take("["):
        return _list(tokens)
    text = tokens.peek()
    if text.startswith('"'):
        return tokens.string()
    word = tokens.name()
    if word in ("true", "false"):
        return word == "true"
    number = _NUMBER.fullmatch(word)
    if not number:
        raise tokens.error(f"{word} is no value: strings stand in double quotes")
    return float(word) if number["decimals"] else int(word)


def _list(tokens: _Tokens) -> list[Any]:
    values = []
    tokens.skip_lines()
    while not tokens.take("]"):
        values.append(_value(tokens))
        tokens.skip_lines()
        if not tokens.take(",") and tokens.peek() != "]":
            raise tokens.error("expected , or ]")
        tokens.skip_lines()
    return values


class _Tokens:
    """The words of a document, one after another, and the line of the one before."""

    def __init__(self, text: str):
        self._tokens = list(_scan(text))
        self._at = 0

    def more(self) -> bool:
        """Whether anything but blank lines is left."""
        self.skip_lines()
        return self._at < len(self._tokens)

    def peek(self) -> str:
        """The next token, "" at the end."""
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def take(self, text: str) -> bool:
        """Steps over the next token if it is this one."""
        self._at += (found := self.peek() == text)
        return found

    def expect(self, text: str) -> None:
        if not self.take(text):
            raise self.error(f"expected {text}")

    def name(self) -> str:
        """A bare word; in a heading, the quotes of `[a."b"]` are beyond this reader."""
        text = self.peek()
        if not text or text[0] in '"[]{}=,\n':
            raise self.error("expected a name or a value")
        self._at += 1
        return text

    def string(self) -> str:
        text = self.peek()
        if not text.startswith('"'):
            raise self.error("expected a string")
        self._at += 1
        return text[1:-1]

    def skip_lines(self) -> None:
        while self.take("\n"):
            pass

    def end_of_line(self) -> None:
        """Steps over line ends; anything else before one is an error."""
        if self.peek() and self.peek() != "\n":
            raise self.error("expected the end of the line")
        self.skip_lines()

    def error(self, text: str) -> ValueError:
        line = self._tokens[min(self._at, len(self._tokens) - 1)][0] if self._tokens else 1
        shown = {"": "the end of the file", "\n": "the end of the line"}.get(
            self.peek(), self.peek()
        )
        return ValueError(f"line {line}: {text}, at {shown}")


def _scan(text: str) -> Any:
    line, at = 1, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise ValueError(f"line {line}: cannot read {text[at : at + 20].splitlines()[0]!r}")
        if not match["blank"]:
            yield line, match[0]
        line += match[0] == "\n"
        at = match.end()
