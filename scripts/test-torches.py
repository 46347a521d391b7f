#!/usr/bin/env python3
"""Test one wheel of each torch on that torch, and write what came out as a page.

    make test-torches, or: scripts/test-torches.py --sagebuild bin/sagebuild --output docs/torches.md [TORCH...]

Of each torch it takes the wheel for the newest CUDA, or the newest up to --cuda, and the newest Python with a test on
the platform; TORCH, such as 2.15, picks some. Rows of torches that a run leaves out stay on the page. A torch takes
16 GB of the state directory while its test runs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HEAD = "| torch | target | result | passed | failed | skipped | seconds | ran with | day |"
TITLE = """<!-- Written by `make test-torches`. -->
# One wheel of each torch, tested on it

"""


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def minor(text: str) -> str:
    return ".".join(text.split(".")[:2])


def chosen(cells: list[dict[str, Any]], platform: str, newest: str) -> dict[str, str]:
    """The target to test for each torch, by its two numbers."""
    tested = [
        cell
        for cell in cells
        if cell["runtimes"]
        and not cell["universal"]
        and cell["platform"]["name"] == platform
        and version(minor(cell["cuda"])) <= version(newest)
    ]
    tested.sort(key=lambda cell: (version(cell["cuda"]), version(cell["python"])))
    return {minor(cell["torch"]): cell["target"] for cell in tested}  # the last of each torch


def test(sagebuild: str, target: str) -> dict[str, Any]:
    """What `sagebuild test` says about a target, whether its tests passed or not."""
    command = [sagebuild, "test", target, "--json", "--progress", "quiet"]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
    summary = json.loads(output)
    if "targets" not in summary:
        sys.exit(f"test-torches: {target}: {output}")
    return summary["targets"][0]


def row(torch: str, result: dict[str, Any]) -> str:
    counts = result.get("tests", {})
    versions = ", ".join(f"{name} {text}" for name, text in sorted(result.get("versions", {}).items()))
    columns = [
        torch,
        f"`{result['target']}`",
        result["outcome"],
        *(str(counts.get(key, "-")) for key in ("passed", "failed", "skipped")),
        f"{result['seconds']:.0f}",
        versions or "-",
        time.strftime("%Y-%m-%d", time.gmtime()),
    ]
    return f"| {' | '.join(columns)} |"


def read(path: Path) -> dict[str, str]:
    """The rows of a page by torch."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = (line for line in lines if line.startswith("| 2."))
    return {line.split(" | ")[0].removeprefix("| "): line for line in rows}


def write(path: Path, rows: dict[str, str]) -> None:
    lines = [HEAD, "|" + "---|" * (HEAD.count("|") - 1)]
    lines += [rows[torch] for torch in sorted(rows, key=version)]
    path.write_text(TITLE + "\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sagebuild", default="bin/sagebuild", metavar="FILE")
    parser.add_argument("--output", type=Path, default=Path("docs/torches.md"), metavar="FILE")
    parser.add_argument("--platform", default="linux")
    parser.add_argument("--cuda", default="99.9", help="newest CUDA of a wheel (default: any)", metavar="13.0")
    parser.add_argument("torches", nargs="*", metavar="TORCH")
    options = parser.parse_args()
    definition = subprocess.run([options.sagebuild, "matrix", "--json"], stdout=subprocess.PIPE, check=True)
    targets = chosen(json.loads(definition.stdout)["cells"], options.platform, options.cuda)
    if unknown := set(options.torches) - set(targets):
        sys.exit(f"test-torches: no test on torch {', '.join(sorted(unknown))}; there are {', '.join(targets)}")
    rows = read(options.output)
    for torch in sorted(options.torches or targets, key=version):
        rows[torch] = row(torch, test(options.sagebuild, targets[torch]))
        write(options.output, rows)
        print(rows[torch])
    if any("| passed |" not in rows[torch] for torch in options.torches or targets):
        sys.exit("test-torches: not every torch passed")


if __name__ == "__main__":
    main()
