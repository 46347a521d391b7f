"""What a run leaves behind: figures and what explains them, as dataclasses and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

SCHEMA = 1
PARTS = ("kernel", "whole")
MODES = {
    "sustained": "the method alone, back to back, after a warm-up as long: at the power cap, where there is one",
    "graph": "as sustained, but by replaying a CUDA graph of several calls: no launch costs",
    "bursts": "short bursts of every method in turn: the clock depends on what ran before",
    "cold": "single calls, the L2 cache overwritten before each",
    "host": "the host's time to queue a call, the GPU idle before each sample: no time of the GPU",
}


@dataclass(frozen=True)
class Environment:
    """Where and with what the figures were taken."""

    device: str
    sm: str
    driver: str
    versions: dict[str, str]
    commit: str
    command: str
    date: str
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Figure:
    """One speed. part: "kernel" (operands quantised before) or "whole" (from 16-bit tensors); times a call."""

    case: str
    method: str
    part: str
    mode: str
    milliseconds: float
    low: float
    high: float
    samples: int
    tflops: float
    clock_mhz: float | None = None
    watts: float | None = None
    kernel: str = ""


@dataclass(frozen=True)
class Accuracy:
    """Errors of one output for one distribution of values against a reference in higher precision.

    mean_error: mean of the output minus mean of the reference, over the mean of the reference's absolutes.
    """

    case: str
    method: str
    values: str
    relative_l1: float
    cosine: float
    mean_error: float
    reference: str


@dataclass(frozen=True)
class Gap:
    """What was not measured, and why. case "" stands for all. failed: it was tried."""

    case: str
    method: str
    reason: str
    failed: bool = False


@dataclass
class Results:
    """A whole run. shapes: case → what its name leaves out."""

    environment: Environment
    shapes: dict[str, str] = field(default_factory=dict)
    peers: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    accuracies: list[Accuracy] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether a method failed that is no peer: not every GPU runs every peer, and its gap says so."""
        return any(gap.failed and gap.method not in self.peers for gap in self.gaps)


def to_json(results: Results) -> str:
    return json.dumps({"schema": SCHEMA, **asdict(results)}, indent=1) + "\n"


_Record = TypeVar("_Record", Environment, Figure, Accuracy, Gap)


def _record(kind: type[_Record], data: Any) -> _Record:
    names = {item.name for item in fields(kind)}
    if not isinstance(data, dict) or not set(data) <= names:
        raise ValueError(f"not a {kind.__name__.lower()}: {data!r}")
    try:
        return kind(**data)
    except TypeError as error:
        raise ValueError(f"not a {kind.__name__.lower()}: {error}") from error


def from_json(text: str) -> Results:
    """Raises ValueError for text that to_json did not write."""
    data = json.loads(text)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise ValueError(f"no results of schema {SCHEMA}")
    try:
        return Results(
            _record(Environment, data["environment"]),
            data["shapes"],
            data["peers"],
            [_record(Figure, item) for item in data["figures"]],
            [_record(Accuracy, item) for item in data["accuracies"]],
            [_record(Gap, item) for item in data["gaps"]],
        )
    except KeyError as error:
        raise ValueError(f"the results lack {error}") from error


def write(results: Results, path: Path) -> None:
    """Replaces the file at once: a run that is cut off leaves what was measured until then."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(to_json(results), encoding="utf-8")
    temporary.replace(path)


def counterpart(figures: list[Figure], figure: Figure, peer: str) -> Figure | None:
    """The peer's figure that a figure is compared with: same case and mode; its same part.

    A kernel alone is compared with the whole of a peer that quantises nothing; a whole never with a kernel alone.
    """
    found = {
        other.part: other
        for other in figures
        if (other.case, other.mode, other.method) == (figure.case, figure.mode, peer)
    }
    if figure.part == "kernel":
        return found.get("kernel") or found.get("whole")
    return found.get("whole")


def ratio(figures: list[Figure], figure: Figure, peer: str) -> float | None:
    """How many times as fast as the peer; None where there is nothing to compare with."""
    other = counterpart(figures, figure, peer)
    return None if other is None else other.milliseconds / figure.milliseconds
