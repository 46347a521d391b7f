"""python -m sageattention [--json]: what was found, and which kernel each function would take."""

from __future__ import annotations

import argparse
import io
import json
import sys

from ._describe import collect, describe


def main() -> None:
    """Prints the report. Always exits 0: the report also names what is missing."""
    parser = argparse.ArgumentParser(prog="python -m sageattention", description=__doc__)
    parser.add_argument("--json", action="store_true", help="as JSON")
    if isinstance(
        sys.stdout, io.TextIOWrapper
    ):  # a Windows code page may lack letters of a path
        sys.stdout.reconfigure(errors="backslashreplace")
    if parser.parse_args().json:
        print(json.dumps(collect(), indent=2))
    else:
        describe()


if __name__ == "__main__":
    main()
