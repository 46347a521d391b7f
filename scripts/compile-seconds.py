#!/usr/bin/env python3
"""Write what a compiler takes for each source of csrc/kernels.toml and each SM, as a page.

    python3 -m pip install --target DIR --require-hashes --no-deps -r lock/toolchain-cu129.txt -r lock/ptxas-cu129.txt
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
PTX that several SMs share ([same-code.md](same-code.md)) has a column: it is made once, and what stands below its SMs
is ptxas alone. An SM that has the cubin of an older one has no figure.

"""


def version(sm: str) -> tuple[int, ...]:
    return tuple(map(int, sm.split(".")))


def measure(source: dict[str, Any], sms: list[str], output: Path) -> dict[str, float]:
    """SM -> CPU seconds for a source, and "PTX" -> those of PTX that some of the SMs share."""
    file, arguments = f"csrc/device/{source['file']}", ["--include", "csrc/device"]
    taken, shared = {}, {}
    for group in source.get("ptx", ()):
        if len(own := [sm for sm in group if sm in sms]) > 1:
            made = seconds("compile", ["--sm", own[0], "--ptx-only", *arguments], output, file)
            taken["PTX"] = taken.get("PTX", 0) + made
            shared |= {sm: output / f"{Path(file).stem}.compute_{own[0].replace('.', '')}.ptx" for sm in own}
    for sm in sms:
        if sm in shared:
            taken[sm] = seconds("assemble", ["--sm", sm], output, str(shared[sm]))
        else:
            taken[sm] = seconds("compile", ["--sm", sm + source.get("suffix", ""), *arguments], output, file)
    return taken


def seconds(command: str, arguments: list[str], output: Path, file: str) -> float:
    """CPU seconds of one step of a build, in a process of its own; it fails as the build would."""
    before = os.times()
    line = [sys.executable, "-m", "build_backend", command, *arguments, "--output", str(output), file]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def page(taken: dict[str, dict[str, float]], sms: list[str], compiler: str) -> str:
    heads = ["PTX", *sms]
    lines = [f"| source | {' | '.join(heads)} | all |", "|---|" + "---:|" * (len(heads) + 1)]
    for name, of in taken.items():
        row = [of.get(head) for head in heads]
        lines.append(f"| {name} | {' | '.join(map(figure, row))} | {figure(total(row))} |")
    columns = [total(of.get(head) for of in taken.values()) for head in heads]
    lines.append(f"| all | {' | '.join(map(figure, columns))} | {figure(total(columns))} |")
    title = TITLE.format(version=compiler, day=time.strftime("%Y-%m-%d", time.gmtime()))
    return title + "\n".join(lines) + "\n"


def made_over(source: dict[str, Any], sm: str, twins: dict[str, str]) -> bool:
    """Whether an SM has the cubin of an older one."""
    alone = [source["sms"]] if source.get("suffix") else []
    return any({sm, twins.get(sm, "")} <= set(group) for group in [*source.get("ptx", ()), *alone])


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
    twins = {row["sm"]: row["of"] for row in table["twin"]}
    compiler = Nvrtc()
    known = set(compiler.supported())
    sms = sorted({sm for source in sources for sm in source["sms"] if int(sm.replace(".", "")) in known}, key=version)
    taken = {}
    for source in sources:
        left_out = set() if source.get("suffix") else {sm for sm, of in same.items() if of in source["sms"]}
        left_out |= {sm for sm in source["sms"] if made_over(source, sm, twins)}
        if own := [sm for sm in sms if sm in source["sms"] and sm not in left_out]:
            with tempfile.TemporaryDirectory() as output:
                taken[source["file"]] = measure(source, own, Path(output))
            print(f"{source['file']}: {total(taken[source['file']].values()):.1f} s", file=sys.stderr)
    release = ".".join(map(str, compiler.version))
    options.output.write_text(page(taken, sms, release))


if __name__ == "__main__":
    main()
