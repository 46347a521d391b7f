"""What scripts/gpu-results.sh measure left in its working folder → two Markdown pages, named after the GPU.

python3 csrc/tests/measured.py WORK OUT
"""

import json
import pathlib
import re
import sys

from report import slug

TUNE = """# tune on an {gpu}

What `python -m sageattention tune` measured: microseconds of the GPU for a call, bfloat16, 64 heads as batch 2 × 32
(4 × 16 for sequences behind each other) or 16 as batch 1. "torch" is what torch takes by itself, with rows that see no
key set to 0 behind a mask; the others are its backends one by one, in the largest calls alone. {took} with
`--seconds 60`, checks included; the wheel is {wheel}. See [docs/choice.md](../choice.md).

```
{table}
```
"""
BENCH = """# python/bench on an {gpu}

`sageattn` hands calls to torch by the [table](tune-{slug}.md) that was measured just before
([docs/choice.md](../choice.md)); `quantised` never does (SAGEATTN_ALWAYS=1).

{tables}"""


def main(work, output):
    """Writes OUT/tune-GPU.md, and OUT/bench-GPU.md if something was measured; prints their names."""
    work, output = pathlib.Path(work), pathlib.Path(output)
    table = json.loads((work / "tune.json").read_text(encoding="utf-8"))[0]
    gpu = table["machine"]["gpu"]
    pages = {"tune": tune(table, (work / "tune.log").read_text(encoding="utf-8"))}
    if (work / "bench.md").exists():
        text = (work / "bench.md").read_text(encoding="utf-8")
        pages["bench"] = BENCH.format(gpu=gpu, slug=slug(gpu), tables=text)
    for name, text in pages.items():
        target = output / f"{name}-{slug(gpu)}.md"
        target.write_text(text, encoding="utf-8")
        print(target)


def tune(table, log):
    """The page of a table: `tune --json` gave it, and said in the log how long it took."""
    from sageattention import _table, _tune_report

    took = re.search(r"^measured (\d+ calls in \d+ s)$", log, re.MULTILINE)[1]
    machine = table["machine"]
    shown = _tune_report.text(_table.Table.from_json(table))
    return TUNE.format(gpu=machine["gpu"], wheel=machine["wheel"], took=took, table=shown)


if __name__ == "__main__":
    main(*sys.argv[1:])
