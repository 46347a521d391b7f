"""Nothing that the backend started outlives it: neither a compiler behind its launcher, nor after Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from build_backend import family, native

posix = pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX's")

# A launcher that starts a compiler, which writes on and on into a folder.
COMPILER = """
import itertools, sys, time
for n in itertools.count():
    open(f"{sys.argv[1]}/{n % 100}", "w").close()
    time.sleep(0.001)
"""
LAUNCHER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {COMPILER!r}, sys.argv[1]])"

# The backend as pip runs it, with a launcher for a command.
BACKEND = f"""
import pathlib, sys
from build_backend import family, native
class Quiet(native._Runner):
    def __init__(self, directory):
        super().__init__(type("Tree", (), {{"project": pathlib.Path.cwd()}}), pathlib.Path(directory))
start = family.start
family.start = lambda command, environment: start([sys.executable, "-c", {LAUNCHER!r}, sys.argv[1]], environment)
with native.scratch() as directory:
    print(directory, flush=True)
    Quiet(directory).run([["compile"]])
"""


def writers(folder: Path) -> list[str]:
    """The processes that have the folder on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in text:
            found.append(text)
    return found


def wait_for_a_file(folder: Path) -> None:
    deadline = time.monotonic() + 60
    while not any(folder.iterdir()):
        assert time.monotonic() < deadline, "the compiler did not start"
        time.sleep(0.01)


@posix
def test_the_compiler_behind_its_launcher_ends_too(tmp_path: Path) -> None:
    process = family.start([sys.executable, "-c", LAUNCHER, str(tmp_path)], os.environ)
    wait_for_a_file(tmp_path)
    family.end(process)
    process.communicate()
    assert writers(tmp_path) == []
    before = sorted(file.stat().st_mtime_ns for file in tmp_path.iterdir())
    time.sleep(0.05)
    assert before == sorted(file.stat().st_mtime_ns for file in tmp_path.iterdir())


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_ended_backend_leaves_no_compiler_and_no_folder(number: signal.Signals, tmp_path: Path) -> None:
    backend = subprocess.Popen(
        [sys.executable, "-c", BACKEND, str(tmp_path)],
        cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a script's `make test &` ignores it
    )  # fmt: skip
    assert backend.stdout is not None
    scratch = Path(backend.stdout.readline().strip())
    wait_for_a_file(tmp_path)
    backend.send_signal(number)
    backend.communicate(timeout=60)
    assert backend.returncode not in (0, None)
    assert writers(tmp_path) == [] and not scratch.exists()


def test_a_folder_that_stays_hides_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "rmdir", lambda *_, **__: (_ for _ in ()).throw(OSError("not empty")))
    with pytest.raises(ValueError, match="the real one"), native.scratch() as directory:
        raise ValueError("the real one")
    monkeypatch.undo()
    os.rmdir(directory)
