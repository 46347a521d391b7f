"""The command `tune`: checks, measures, shows and stores a table for each model of GPU in this machine."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

from . import _cache, _choice, _diagnosis, _library, _probe, _tune, _tune_report
from ._forward import PLANS
from ._table import Table
from ._tune_gpu import Gpu

STORED, NOT_STORED, NO_GPU = 0, 1, _probe.NO_GPU


def main(as_json: bool, store: bool, seconds: float) -> int:
    """Returns the exit status."""
    devices, problem = _diagnosis.devices()
    if not problem and not torch.cuda.is_available():
        problem = _diagnosis.why_no_gpu()
    if problem:
        print(f"error: no GPU: {problem}", file=sys.stderr)
        return NO_GPU
    status, tables, seen = STORED, list[dict[str, Any]](), set[str]()
    for index, device in enumerate(devices[: torch.cuda.device_count()]):
        if device.name in seen:
            continue
        seen.add(device.name)
        table, notes = measured(index, seconds)
        if as_json:
            tables.append(table.to_json())
        else:
            print("\n".join([_tune_report.text(table), *(["", *notes] if notes else [])]))
        if store and not _store(table):
            status = NOT_STORED
    if as_json:
        print(json.dumps(tables, indent=1))
    return status


def measured(index: int, seconds: float) -> tuple[Table, list[str]]:
    """The table of one GPU, and a line for everything that was left out."""
    begin = time.monotonic()
    _say(f"{_library.device(index).name}: checking every kernel")
    gpu = Gpu(torch.device("cuda", index))
    result = _tune.measure(_tune.shapes(), gpu.source(), seconds, say=_say)
    PLANS.clear()
    _say(f"measured {len(result.cells)} calls in {time.monotonic() - begin:.0f} s")
    return Table(_cache.machine(_library.device(index).name), result.cells), [*gpu.wrong, *result.notes]


def _store(table: Table) -> bool:
    """Stores the table and its picture, and says where, or why not."""
    try:
        place = _cache.write(table)
        picture = place.with_suffix(".svg")
        picture.write_text(_tune_report.svg(table), encoding="utf-8")
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home, as in some containers
        print(f"error: the table is not stored: {error}", file=sys.stderr)
        return False
    _choice.forget()
    _say(f"stored {place}, which sageattn takes from now on; picture: {picture}")
    return True


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

