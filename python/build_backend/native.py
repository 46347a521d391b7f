"""Builds what a wheel holds besides Python: kernels and C library, each compilation in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from . import family
from .choice import Choice
from .errors import BuildError
from .facts import Facts, Platform
from .tree import Source, Tree

_HAS_AFFINITY = hasattr(os, "sched_getaffinity")


def platform(facts: Facts) -> Platform:
    """The platform that this Python runs on. Raises BuildError unless wheels can be for it."""
    tag = re.sub(r"[-.]", "_", sysconfig.get_platform())
    if tag not in facts.platforms:
        known = ", ".join(facts.platforms)
        raise BuildError(f"{tag}: the kernels' driver and compilers are for {known}")
    return facts.platforms[tag]


def build(
    tree: Tree, facts: Facts, choice: Choice, sources: list[Source], directory: Path
) -> tuple[Path, Path]:
    """Writes the C library and the fatbin into directory; returns their paths. Raises BuildError."""
    kernels = directory / "kernels"
    here = platform(facts)
    library = directory / here.library
    host = ["host", "--target", here.target, "--output", str(library)]
    host += map(str, sorted(tree.host.glob("*.c")))
    jobs = [
        _compile(tree, sm, source, choice.ptx, kernels) for sm, source in choice.sources(sources)
    ]
    runner = _Runner(tree, directory)
    runner.run([host, *jobs])
    fatbin = directory / facts.fatbin
    runner.run([["fatbin", "--output", str(fatbin), str(kernels)]])
    return library, fatbin


def _compile(tree: Tree, sm: str, source: Source, ptx: str, output: Path) -> list[str]:
    """PTX for a target such as 9.0a would not run on newer SMs: compile writes none, as its SM is not the PTX's."""
    command = ["compile", "--sm", sm + source.suffix, "--include", str(tree.device)]
    command += ["--output", str(output)]
    if ptx:
        command += ["--ptx-sm", ptx]
    return [*command, str(tree.device / source.file)]


def workers() -> int:
    """How many compilers run at a time: the CPUs that this process may use, or MAX_JOBS if that is fewer."""
    available = len(os.sched_getaffinity(0)) if _HAS_AFFINITY else os.cpu_count() or 1
    limit = os.environ.get("MAX_JOBS", "")
    return min(available, int(limit)) if limit.isdigit() and int(limit) else available


class _Runner:
    """Runs commands of this backend side by side; the first failure ends the others."""

    def __init__(self, tree: Tree, scratch: Path):
        self._environment = {
            "ZIG_GLOBAL_CACHE_DIR": str(scratch / "zig"),
            "ZIG_LOCAL_CACHE_DIR": str(scratch / "zig"),
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
            # Whatever path pip gave this process; a child would not find the compilers otherwise.
            "PYTHONPATH": os.pathsep.join([str(tree.project), *filter(None, sys.path)]),
        }
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, commands: list[list[str]]) -> None:
        """Runs them all and prints a line about each that is done. Raises BuildError with a failed one's output."""
        with family.ended_in_order(), ThreadPoolExecutor(workers()) as pool:
            futures = [pool.submit(self._run_one, command) for command in commands]
            try:
                for count, future in enumerate(as_completed(futures), 1):
                    report(f"[{count}/{len(commands)}] {future.result()}")
            except BaseException:
                self._stop()
                raise

    def _run_one(self, command: list[str]) -> str:
        whole = [sys.executable, "-m", __package__, *command]
        with self._lock:
            if self._stopped:
                raise BuildError("stopped")
            process = family.start(whole, self._environment)
            self._running.add(process)
        started = time.monotonic()
        output, errors = process.communicate()
        with self._lock:
            self._running.discard(process)
        if process.returncode:
            raise _failure(command, process.returncode, errors)
        lines = output.strip().splitlines()
        return f"{lines[-1] if lines else command[0]} ({time.monotonic() - started:.0f} s in all)"

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                family.end(process)


def _failure(command: list[str], status: int, errors: str) -> BuildError:
    """The child's own message and hint; a child that was killed has none."""
    if status < 0:
        text = f"{command[0]} {command[-1]} was ended by signal {-status}: too little memory?"
        return BuildError(text, "export MAX_JOBS=1")
    message, _, hint = errors.strip().partition("\nhint: ")
    return BuildError(message.removeprefix("error: "), hint or None)


def place(path: Path, directory: Path) -> None:
    """Copies a finished file into a directory, where no reader meets half of it."""
    directory.mkdir(exist_ok=True)
    aside = directory / f".{path.name}.{os.getpid()}"
    try:
        shutil.copy(path, aside)
        os.replace(aside, directory / path.name)
    finally:
        aside.unlink(missing_ok=True)


def report(text: str) -> None:
    """A progress line; pip shows it with -v."""
    print(text, flush=True)


@contextmanager
def scratch() -> Iterator[str]:
    """A folder for everything that is not finished. What goes wrong inside is told, not that the folder stayed."""
    directory = tempfile.mkdtemp(prefix="sageattention-build-")
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
