"""python -m sageattention: what was found, and which kernel each function would take.

python -m sageattention probe launches every kernel that this machine's GPUs can run, on tiny tensors, and compares
each with a float64 reference: paste it into a report.

python -m sageattention tune measures, in under a minute, which kernel or torch's own attention is the fastest for which
calls on this machine's GPUs, shows that as text, and stores it with a picture in your cache folder, where sageattn and
sageattn_varlen find it. Another GPU, driver, torch, cuDNN or wheel needs another run. SAGEATTN_TUNE=0 ignores stored
tables, SAGEATTN_ALWAYS=1 hands no call to torch.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence

from . import _probe, _probe_cases, _tune_main
from ._describe import collect, describe
from ._tune import SECONDS

EPILOG = """\
examples:
  python -m sageattention                 versions, GPUs, the kernel of each function and why
  python -m sageattention probe           do the kernels compute what they should, here?
  python -m sageattention probe --json    the same for programs
  python -m sageattention tune            measure once, and take the fastest from then on
  python -m sageattention tune --no-store --seconds 10

exit status of probe: 0 all kernels are right, 1 one failed, 2 usage, 3 no GPU; of tune: 0 stored, 1 not stored, 2, 3.
Without a command it is always 0: that report also names what is missing.
"""


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m sageattention",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = found.add_argument
    add("command", nargs="?", choices=("probe", "tune"), help="without one: the report of describe()")
    add("--json", action="store_true", help="as JSON")
    add("--no-store", action="store_true", help="tune: show the table and store nothing")
    add("--seconds", type=float, default=SECONDS, help=f"tune: measure for so long ({SECONDS:.0f})")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the report and returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a Windows code page may lack letters of a path
        sys.stdout.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    if options.command == "tune":
        return _tune_main.main(options.json, not options.no_store, options.seconds)
    if options.command == "probe":
        found = _probe.collect(_probe_cases.of_device)
        print(json.dumps(found, indent=2) if options.json else _probe.render(found))
        return _probe.status(found)
    if options.json:
        print(json.dumps(collect(), indent=2))
    else:
        describe()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
