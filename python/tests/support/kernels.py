"""Reads kernels.toml: which kernels each SM must have."""

from __future__ import annotations

import re


def expected(text: str, sms: list[str]) -> dict[str, frozenset[str]]:
    """SM -> names of its kernels, for these SMs. Raises ValueError for an SM that the file does not know."""
    found: dict[str, set[str]] = {sm: set() for sm in sms}
    for source in parse(text):
        for sm in source["sms"]:
            if sm in found:
                found[sm] |= set(source["kernels"])
    unknown = [sm for sm, names in found.items() if not names]
    if unknown:
        raise ValueError(f"kernels.toml has nothing for SM {', '.join(unknown)}")
    return {sm: frozenset(names) for sm, names in found.items()}


def parse(text: str) -> list[dict[str, list[str]]]:
    """The [[source]] tables, every value as a list of strings.

    Python 3.9 and 3.10 have no TOML reader; the file holds strings and lists of strings only.
    """
    bare = re.sub(r'^((?:[^"#]|"[^"]*")*)#.*$', r"\1", text, flags=re.MULTILINE)
    return [
        {
            key: re.findall(r'"([^"]*)"', value)
            for key, value in re.findall(r'(\w+)\s*=\s*("[^"]*"|\[[^\]]*\])', table)
        }
        for table in re.split(r"^\[\[source\]\]\s*$", bare, flags=re.MULTILINE)[1:]
    ]
