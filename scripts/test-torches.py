#!/usr/bin/env python3
"""Test one wheel of each torch and package on that torch, and write what came out as a page.

    make test-torches, or: scripts/test-torches.py --sagebuild bin/sagebuild --output docs/torches.md [TORCH...]

Of each torch and package it takes the wheel for the newest CUDA, or the newest up to --cuda, and the newest Python
with a test on the platform; TORCH, such as 2.15, picks some. Rows of torches that a run leaves out stay on the page. A
torch takes 16 GB of the state directory while its tests run; packages that are tested on the same Python share it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HEAD = "| torch | package | target | result | passed | failed | skipped | seconds | ran with | day |"
TITLE = """<!-- Written by `make test-torches`. -->
# One wheel of each torch and package, tested on that torch

"""


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def minor(text: str) -> str:
    return ".".join(text.split(".")[:2])


Key = tuple[str, str]  # torch, by its two numbers, and package


def order(key: Key) -> tuple[tuple[int, ...], str]:
    return version(key[0]), key[1]


def chosen(cells: list[dict[str, Any]], platform: str, newest: str) -> dict[Key, str]:
    """The target to test for each torch and package."""
    tested = [
        cell
        for cell in cells
        if cell["runtimes"]
        and not cell["universal"]
        and cell["platform"]["name"] == platform
        and version(minor(cell["cuda"])) <= version(newest)
    ]
    tested.sort(key=lambda cell: (version(cell["cuda"]), version(cell["python"])))
    return {(minor(cell["torch"]), cell["package"]["name"]): cell["target"] for cell in tested}  # the last of each


def test(sagebuild: str, target: str) -> dict[str, Any]:
    """What `sagebuild test` says about a target, whether its tests passed or not."""
    command = [sagebuild, "test", target, "--json", "--progress", "quiet"]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
    summary = json.loads(output)
    if "targets" not in summary:
        sys.exit(f"test-torches: {target}: {output}")
    return summary["targets"][0]


def row(key: Key, result: dict[str, Any]) -> str:
    counts = result.get("tests", {})
    versions = ", ".join(f"{name} {text}" for name, text in sorted(result.get("versions", {}).items()))
    columns = [
        *key,
        f"`{result['target']}`",
        result["outcome"],
        *(str(counts.get(key, "-")) for key in ("passed", "failed", "skipped")),
        f"{result['seconds']:.0f}",
        versions or "-",
        time.strftime("%Y-%m-%d", time.gmtime()),
    ]
    return f"| {' | '.join(columns)} |"


def read(path: Path) -> dict[Key, str]:
    """The rows of a page by torch and package."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = (line for line in lines if line.startswith("| 2."))
    return {(columns[0], columns[1]): line for line in rows if (columns := line.removeprefix("| ").split(" | "))}


def write(path: Path, rows: dict[Key, str]) -> None:
    lines = [HEAD, "|" + "---|" * (HEAD.count("|") - 1)]
    lines += [rows[key] for key in sorted(rows, key=order)]
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
    torches = {torch for torch, _ in targets}
    if unknown := set(options.torches) - torches:
        known = ", ".join(sorted(torches, key=version))
        sys.exit(f"test-torches: no test on torch {', '.join(sorted(unknown))}; there are {known}")
    rows = read(options.output)
    wanted = [key for key in sorted(targets, key=order) if key[0] in (options.torches or torches)]
    for key in wanted:
        rows[key] = row(key, test(options.sagebuild, targets[key]))
        write(options.output, rows)
        print(rows[key])
    if any("| passed |" not in rows[key] for key in wanted):
        sys.exit("test-torches: not every torch passed")


if __name__ == "__main__":
    main()
