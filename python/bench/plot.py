"""Results as a picture: TFLOP/s of every method, one group of bars a case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .record import Figure, Results

_WIDTH, _LABEL_ROTATION = 0.8, 20


def why_not() -> str:
    """Why no picture can be drawn, with what helps; "" if one can."""
    try:
        import matplotlib  # type: ignore[import-not-found,unused-ignore] # noqa: F401
    except ImportError as error:
        return f"--plot needs matplotlib: {error}; pip install matplotlib"
    return ""


def bars(figures: list[Figure]) -> tuple[list[str], dict[str, list[float]]]:
    """Groups, "case, mode", and for each series, "method part", a height a group; NaN where there is none.

    The host's times give no TFLOP/s and are left out.
    """
    figures = [figure for figure in figures if figure.mode != "host"]
    groups = list(dict.fromkeys(f"{figure.case}, {figure.mode}" for figure in figures))
    series: dict[str, list[float]] = {}
    for figure in figures:
        heights = series.setdefault(f"{figure.method} {figure.part}", [float("nan")] * len(groups))
        heights[groups.index(f"{figure.case}, {figure.mode}")] = figure.tflops
    return groups, series


def write(results: Results, path: Path) -> None:
    """Raises ValueError if there is nothing to draw."""
    groups, series = bars(results.figures)
    if not groups:
        raise ValueError("there are no figures to plot")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    picture, axes = pyplot.subplots(figsize=(max(8.0, 1.6 * len(groups)), 6.0))
    _draw(axes, groups, series)
    environment = results.environment
    axes.set_title(f"{environment.device}, torch {environment.versions.get('torch', '')}")
    picture.tight_layout()
    picture.savefig(path, dpi=150)
    pyplot.close(picture)


def _draw(axes: Any, groups: list[str], series: dict[str, list[float]]) -> None:
    """A colour a method; kernels alone are full, wholes pale."""
    width = _WIDTH / len(series)
    methods = list(dict.fromkeys(name.rsplit(" ", 1)[0] for name in series))
    for number, (name, heights) in enumerate(series.items()):
        method, part = name.rsplit(" ", 1)
        left = (number + 0.5) * width - _WIDTH / 2
        axes.bar(
            [index + left for index in range(len(groups))], heights, width, label=name,
            color=f"C{methods.index(method)}", alpha=1.0 if part == "kernel" else 0.55,
        )  # fmt: skip
    axes.set_xticks(range(len(groups)), groups, rotation=_LABEL_ROTATION, ha="right")
    axes.set_ylabel("TFLOP/s")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
