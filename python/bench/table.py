"""Results as text for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .counts import Spread
from .record import MODES, Accuracy, Environment, Figure, Gap, Results, ratio

_ACCURACY = ["method", "values", "relative L1", "cosine", "mean error", "reference"]
_Writer = Callable[[Sequence[str], Sequence[Sequence[str]]], list[str]]


def text(results: Results) -> str:
    """For a terminal."""
    return "\n".join(_sections(results, _plain, "")) + "\n"


def markdown(results: Results) -> str:
    """For a document."""
    return "\n".join(_sections(results, _markdown, "## ")) + "\n"


def line(figure: Figure) -> str:
    """One figure while it is new."""
    load = "".join(f", {word}" for word in (_clock(figure), _watts(figure)) if word)
    spread = Spread(figure.milliseconds, figure.low, figure.high, figure.samples)
    return (
        f"{figure.case}  {figure.method} {figure.part}, {figure.mode}: {_tflops(figure, ' TFLOP/s, ')}"
        f"{_milliseconds(figure.milliseconds)} ms ± {spread.percent / 2:.1f} %{load}"
    )


def _sections(results: Results, write: _Writer, heading: str) -> list[str]:
    lines = [*_about(results.environment, heading), ""]
    for case, shape in results.shapes.items():
        figures = [figure for figure in results.figures if figure.case == case]
        accuracies = [found for found in results.accuracies if found.case == case]
        if not figures and not accuracies:
            continue
        lines += [f"{heading}{case}: {shape}", ""]
        if figures:
            lines += [*write(*speed_rows(figures, results.peers)), *_kernels(figures), ""]
        if accuracies:
            lines += [*write(_ACCURACY, [_accuracy_row(found) for found in accuracies]), ""]
    return [*lines, *_gaps(results.gaps, heading), *_modes(results.figures)]


def _about(environment: Environment, heading: str) -> list[str]:
    versions = ", ".join(f"{name} {found}" for name, found in environment.versions.items())
    return [
        f"{heading}{environment.device}, SM {environment.sm}, driver {environment.driver}",
        *([""] if heading else []),
        f"- versions: {versions}",
        f"- commit: {environment.commit}",
        f"- command: {environment.command}",
        f"- date: {environment.date}",
        *(f"- {note}" for note in environment.notes),
    ]


def speed_rows(figures: list[Figure], peers: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a figure each, and how many times as fast as each peer that has figures here."""
    present = {figure.method for figure in figures}
    columns = [peer for peer in peers if peer in present]
    header = ["method", "part", "mode", "ms", "spread", "TFLOP/s", "clock", "power"]
    header += [f"× {peer}" for peer in columns]
    rows = []
    for figure in figures:
        spread = Spread(figure.milliseconds, figure.low, figure.high, figure.samples)
        row = [figure.method, figure.part, figure.mode, _milliseconds(figure.milliseconds)]
        row += [f"{spread.percent:.1f} %", _tflops(figure), _clock(figure), _watts(figure)]
        rows.append(row + [_ratio(ratio(figures, figure, peer)) for peer in columns])
    return header, rows


def _kernels(figures: Sequence[Figure]) -> list[str]:
    named = dict.fromkeys(f"{f.method}: {f.kernel}" for f in figures if f.kernel)
    return ["", "Kernels: " + "; ".join(named) + "."] if named else []


def _accuracy_row(found: Accuracy) -> list[str]:
    return [
        found.method,
        found.values,
        f"{found.relative_l1:.5f}",
        f"{found.cosine:.6f}",
        f"{100 * found.mean_error:+.3f} %",
        found.reference,
    ]


def _gaps(gaps: Sequence[Gap], heading: str) -> list[str]:
    if not gaps:
        return []
    lines = [f"{heading}Not measured", ""]
    for gap in dict.fromkeys((g.method, g.reason, g.failed) for g in gaps):
        method, reason, failed = gap
        cases = [g.case for g in gaps if (g.method, g.reason, g.failed) == gap and g.case]
        where = f" ({', '.join(dict.fromkeys(cases))})" if cases else ""
        lines.append(f"- {method}{where}: {'FAILED: ' if failed else ''}{reason}")
    return [*lines, ""]


def _modes(figures: Sequence[Figure]) -> list[str]:
    return [f"- {mode}: {MODES[mode]}" for mode in dict.fromkeys(f.mode for f in figures)]


def _milliseconds(value: float) -> str:
    return f"{value:#.4g}" if value < 1000 else f"{value:.0f}"


def _tflops(figure: Figure, unit: str = "") -> str:
    return "" if figure.mode == "host" else f"{figure.tflops:.0f}{unit}"


def _clock(figure: Figure) -> str:
    return "" if figure.clock_mhz is None else f"{figure.clock_mhz:.0f} MHz"


def _watts(figure: Figure) -> str:
    return "" if figure.watts is None else f"{figure.watts:.0f} W"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _plain(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        for row in (header, *rows)
    ]


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in (header, *rows)]
    return [lines[0], "|" + " --- |" * len(header), *lines[1:]]
