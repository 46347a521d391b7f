"""How a GPU loads device code, by the table that the Go rule and the C rule are tested with."""

from __future__ import annotations

from pathlib import Path

import pytest

from build_backend import load

TABLE = Path(__file__).parents[3] / "kernels/testdata/loads.txt"
CASES = [
    line.split() for line in TABLE.read_text().splitlines() if line and not line.startswith("#")
]


@pytest.mark.parametrize(("images", "sm", "way", "taken"), CASES)
def test_table(images: str, sm: str, way: str, taken: str) -> None:
    listed = [load.image(text) for text in images.split(",")]
    wanted = load.image(sm).sm
    for order in listed, listed[::-1]:
        found, how = load.best(order, wanted)
        assert (how.replace(" ", "-"), str(found or "-")) == (way, taken)


@pytest.mark.parametrize("text", ["", "90", "9.0b", "9.0af", "PTX", "ptx9.0", "9.00", "123.0"])
def test_unreadable(text: str) -> None:
    with pytest.raises(ValueError, match="is no image"):
        load.image(text)
