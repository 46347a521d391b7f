"""JUnit files of the kernel tests → a Markdown report.

python3 csrc/tests/report.py RESULTS/kernels-*.xml > report.md
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def main(paths):
    print(
        "| family | passed | failed | skipped | accuracy cases | lowest cosine | highest relative L1, per thread "
        "| per block |\n|" + " --- |" * 8
    )
    for path in sorted(paths):
        print(row(pathlib.Path(path)))


def row(path):
    """One line for the file of a family."""
    cases = list(ElementTree.parse(path).iter("testcase"))
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    errors = {case.get("name"): json.loads(item.get("value")) for case in cases for item in case.iter("property")}
    cosine = min(error["cosine"] for error in errors.values())
    worst = [
        max(error["relative_l1"] for name, error in errors.items() if kind in name) for kind in ("thread", "block")
    ]
    family = path.stem.replace("kernels-", "")
    return (
        f"| {family} | {len(cases) - failed - skipped} | {failed} | {skipped} | {len(errors)} | {cosine:.5f} | "
        f"{worst[0]:.4f} | {worst[1]:.4f} |"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
