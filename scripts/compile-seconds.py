#!/usr/bin/env python3
"""Write what a compiler takes for each source of csrc/kernels.toml and each SM, as a page.

    python3 -m pip install --target DIR --require-hashes --no-deps -r lock/toolchain-cu129.txt
    PYTHONPATH=python:DIR scripts/compile-seconds.py --output docs/compile-seconds.md

The figures are CPU seconds of the compiler, which other work on the machine changes little. SMs that the compiler
cannot target have an empty column.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import tomllib

from build_backend.nvrtc import Nvrtc

TITLE = """<!-- Written by scripts/compile-seconds.py. -->
# What the compiler takes

CPU seconds of NVRTC {version} for each source of csrc/kernels.toml and each SM that it is compiled for, on {day}.

"""


def version(sm: str) -> tuple[int, ...]:
    return tuple(map(int, sm.split(".")))


def seconds(source: dict[str, Any], sm: str) -> float:
    """CPU seconds of one compilation, in a process of its own; it fails as the build would."""
    arch = sm + source.get("suffix", "")
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "build_backend", "compile", "--sm", arch]
        command += ["--include", "csrc/device", "--output", output, f"csrc/device/{source['file']}"]
        before = os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def page(sources: list[dict[str, Any]], sms: list[str], taken: dict[tuple[str, str], float], compiler: str) -> str:
    lines = [f"| source | {' | '.join(sms)} | all |", "|---|" + "---:|" * (len(sms) + 1)]
    for source in sources:
        name = source["file"]
        row = [taken.get((name, sm)) for sm in sms]
        if any(row):
            lines.append(f"| {name} | {' | '.join(map(figure, row))} | {figure(total(row))} |")
    columns = [total(taken.get((source["file"], sm)) for source in sources) for sm in sms]
    lines.append(f"| all | {' | '.join(map(figure, columns))} | {figure(total(columns))} |")
    title = TITLE.format(version=compiler, day=time.strftime("%Y-%m-%d", time.gmtime()))
    return title + "\n".join(lines) + "\n"


def total(figures: Any) -> float:
    return sum(value or 0 for value in figures)


def figure(value: float | None) -> str:
    return f"{value:.1f}" if value else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("docs/compile-seconds.md"), metavar="FILE")
    options = parser.parse_args()
    table = tomllib.loads(Path("csrc/kernels.toml").read_text())
    sources, same = table["source"], {row["sm"]: row["of"] for row in table["same"]}
    compiler = Nvrtc()
    known = set(compiler.supported())
    sms = sorted({sm for source in sources for sm in source["sms"] if int(sm.replace(".", "")) in known}, key=version)
    taken = {}
    for source in sources:
        for sm in set(source["sms"]) & set(sms):
            if same.get(sm) in source["sms"] and not source.get("suffix"):
                continue
            taken[source["file"], sm] = seconds(source, sm)
            print(f"{source['file']} {sm}: {taken[source['file'], sm]:.1f} s", file=sys.stderr)
    release = ".".join(map(str, compiler.version))
    options.output.write_text(page(sources, sms, taken, release))


if __name__ == "__main__":
    main()
