"""python -m sageattn3 [--check] [--json]: what serves calls on this machine, or whether its GPU computes right."""

from __future__ import annotations

import argparse
import io
import json
import sys

from . import _check, _describe


def main() -> int:
    """Prints the report. Exits 0; with --check 1 if a kernel is wrong, 3 without a GPU to check."""
    parser = argparse.ArgumentParser(prog="python -m sageattn3", description=__doc__)
    parser.add_argument("--check", action="store_true", help="run FP4 on this GPU and compare: a report to paste")
    parser.add_argument("--json", action="store_true", help="as JSON")
    arguments = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a Windows code page may lack letters of a path
        sys.stdout.reconfigure(errors="backslashreplace")
    status = 0
    if arguments.check:
        found, status = _check.run()
        text = _check.render(found)
    else:
        found = _describe.collect()
        text = _describe.render(found)
    print(json.dumps(found, indent=2) if arguments.json else text)
    return status


if __name__ == "__main__":
    sys.exit(main())
