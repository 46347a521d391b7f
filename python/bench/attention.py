"""TFLOP/s and accuracy of attention: this package's functions beside every peer that is installed.

Each figure is a median with its spread, says whether it is of the kernel alone (operands quantised before) or of the
whole (from 16-bit tensors), and in which mode it was taken. Peers that are missing are named, with the reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import cases, environment, methods, nvml, plan, plot, record, table
from .methods.base import Method

OK, FAILED, USAGE, NO_GPU = 0, 1, 2, 3
VALUES = ("randn", "randn+1", "randn+ramp")
EPILOG = """\
examples, from python/ or with PYTHONPATH=python:
  python -m bench.attention                                   the default cases, all methods
  python -m bench.attention --list                            cases and methods, and which are missing
  python -m bench.attention --case hd128-s8192 hd64-s1024-causal --json out.json --plot out.png
  python -m bench.attention --case short --mode sustained bursts cold
  python -m bench.attention --case hd128-s16384-causal --seconds 0.2 --rounds 5   methods in turn, for fair ratios
  python -m bench.attention --head-dim 64 128 --sequence 4096 --causal --heads 32 --kv-heads 8
  python -m bench.attention --varlen 512,1024,4096 --method sageattn torch-flash
  python -m bench.attention --sageattention-1 DIR --peers DIR
  python -m bench.attention --read out.json --markdown out.md  an earlier run, on any machine

exit status: 0 measured (what was left out is named), 1 a method of this package failed, 2 usage, 3 nothing can be
measured here
"""


class _UsageError(Exception):
    """What the user typed does not work."""


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m bench.attention",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_cases(found.add_argument_group("what is computed"))
    _add_methods(found.add_argument_group("by what, and how it is measured"))
    _add_outputs(found.add_argument_group("output"))
    return found


def _add_cases(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--case",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="cases or sets: default, short, other, all",
    )
    add(
        "--head-dim",
        nargs="+",
        type=_positive,
        metavar="D",
        help="instead of --case: these head dims (128)",
    )
    add("--sequence", nargs="+", type=_positive, metavar="ROWS", help="these rows (8192)")
    add("--key-sequence", type=_positive, metavar="ROWS", help="rows of keys, if they differ")
    add(
        "--varlen",
        type=_lengths,
        metavar="R,R,…",
        help='sequences behind each other; "mixed" for eight',
    )
    add("--causal", action="store_true", help="causal, with --head-dim, --sequence or --varlen")
    add("--batch", type=_positive, help="of every case (2)")
    add("--heads", type=_positive, help="of every case (32)")
    add("--kv-heads", type=_positive, help="of every case")
    add("--dtype", choices=cases.DTYPES, help="of every case (bfloat16)")


def _add_methods(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--method", nargs="+", action="extend", metavar="NAME", help="only these; see --list")
    add("--sageattention-1", type=Path, metavar="DIR", help="PyPI's sageattention 1.0.6, unpacked")
    add(
        "--peers",
        type=Path,
        metavar="DIR",
        help="a folder of further packages, from pip install --target",
    )
    add(
        "--mode", nargs="+", action="extend", choices=(plan.AUTO, *record.MODES),
        help="auto: host up to 64 rows, graph up to 1024, else sustained",
    )  # fmt: skip
    add(
        "--seconds",
        type=_seconds,
        default=0.4,
        help="of each sustained method (0.4), and its warm-up",
    )
    add(
        "--rounds",
        type=_positive,
        default=1,
        metavar="N",
        help="measure every method so often, in turn, and take the median of all samples (1)",
    )
    add("--budget", type=_seconds, default=0.0, help="seconds after which no case is begun")
    add("--values", nargs="+", choices=(*VALUES, "none"), help="of the accuracy (all)")
    add(
        "--reference",
        choices=("float64", "float32"),
        default="float64",
        help="dtype of the reference",
    )


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--json", type=Path, metavar="FILE", help="all results, also if the run is cut off")
    add("--markdown", type=Path, metavar="FILE", help="the tables")
    add("--plot", type=Path, metavar="FILE.png", help="a picture; needs matplotlib")
    add(
        "--read", type=Path, metavar="FILE", help="print an earlier --json FILE and measure nothing"
    )
    add("--list", action="store_true", help="print cases and methods")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no time in seconds")
    return value


def _lengths(text: str) -> tuple[int, ...]:
    return cases.MIXED if text == "mixed" else tuple(map(_positive, text.split(",")))


def chosen_cases(options: argparse.Namespace) -> list[cases.Case]:
    """The cases that the options ask for. Raises ValueError for a name or an axis that gives none."""
    axes = (
        options.head_dim,
        options.sequence,
        options.key_sequence,
        options.varlen,
        options.causal,
    )
    if options.case and any(axes):
        raise ValueError("--case does not go with --head-dim, --sequence, --varlen or --causal")
    if any(axes):
        if options.varlen and (options.sequence or options.key_sequence):
            raise ValueError("--varlen does not go with --sequence")
        found = cases.product(
            options.head_dim or [128], options.sequence or [8192], options.key_sequence,
            options.causal, options.varlen or (),
        )  # fmt: skip
    else:
        found = cases.named(options.case or ["default"])
    sizes = options.batch, options.heads, options.kv_heads, options.dtype
    return list(dict.fromkeys(cases.resized(case, *sizes) for case in found))


def listing(available: Sequence[Method], no_gpu: str) -> str:
    """Cases and methods as text."""
    lines = [f"cases ({', '.join(cases.SETS)} are sets; any other of this form is one too):"]
    lines += [f"  {case.name}: {case.shape}" for case in cases.DEFAULT]
    lines += ["", "methods:"]
    for method in available:
        reason = method.why_missing() or no_gpu
        state = f"missing: {reason}" if reason else method.version()
        lines.append(f"  {method.name} ({method.title}): {state}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(arguments)
    try:
        return _run(options, arguments)
    except _UsageError as error:
        return _fail(str(error), USAGE)


def _fail(reason: str, status: int) -> int:
    """Prints "the problem; what helps" as an error and its hint."""
    problem, _, hint = reason.partition("; ")
    print(f"error: {problem}", file=sys.stderr)
    if hint:
        print(f"  try: {hint}", file=sys.stderr)
    return status


def _run(options: argparse.Namespace, arguments: list[str]) -> int:
    if options.plot and plot.why_not():
        return _fail(plot.why_not(), NO_GPU)
    if options.read:
        return _read(options)
    if options.peers:
        if not options.peers.is_dir():
            raise _UsageError(f"--peers: {options.peers} is no folder")
        sys.path.append(str(options.peers.resolve()))
    available = methods.all_methods(options.sageattention_1)
    try:
        wanted = chosen_cases(options)
        used = methods.selected(available, options.method) if options.method else available
    except ValueError as error:
        raise _UsageError(str(error)) from error
    no_gpu = environment.why_no_gpu()
    if options.list:
        print(listing(available, no_gpu))
        return OK
    if no_gpu:
        return _fail(no_gpu, NO_GPU)
    return _measure(options, arguments, wanted, used)


def _read(options: argparse.Namespace) -> int:
    try:
        results = record.from_json(options.read.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _UsageError(f"--read {options.read}: {error}") from error
    _write(options, results)
    return OK


def _write(options: argparse.Namespace, results: record.Results) -> None:
    print(table.text(results), end="")
    if options.markdown:
        options.markdown.write_text(table.markdown(results), encoding="utf-8")
    if options.plot and plot.bars(results.figures)[0]:
        plot.write(results, options.plot)


def _measure(
    options: argparse.Namespace,
    arguments: list[str],
    wanted: list[cases.Case],
    used: list[Method],
) -> int:
    from . import run  # needs torch

    made = plan.make(wanted, used, options.mode or [plan.AUTO], every=bool(options.method))
    for gap in made.gaps:
        if not gap.case:
            print(f"missing: {gap.method}: {gap.reason}", flush=True)
    gpu, note = environment.gpu()
    results = _results(made, used, gpu, [note] if note else [], arguments)
    if not made.jobs:
        _write(options, results)
        return _fail("nothing can be measured: no method that is here takes a case; --list", NO_GPU)
    values = () if options.values == ["none"] else tuple(options.values or VALUES)
    settings = run.Settings(
        options.seconds, options.budget, options.rounds, values, options.reference
    )

    def saved() -> None:
        if options.json:
            record.write(results, options.json)

    status = OK
    try:
        run.execute(made, settings, results, gpu, saved)
    except run.DeviceLostError as error:
        status = _fail(str(error), FAILED)
    saved()
    print()
    _write(options, results)
    return FAILED if results.failed else status


def _results(
    made: plan.Plan,
    used: Sequence[Method],
    gpu: nvml.Gpu | None,
    notes: list[str],
    arguments: list[str],
) -> record.Results:
    here = {job.method.name: job.method for job in made.jobs}
    about = environment.collect(list(here.values()), gpu, notes, arguments)
    peers = [method.name for method in used if method.peer and method.name in here]
    return record.Results(about, peers=peers, gaps=list(made.gaps))


if __name__ == "__main__":
    raise SystemExit(main())
