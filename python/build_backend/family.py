"""A child process together with all that it starts: begun apart from this one, and ended as a whole.

A compiler may be a launcher (`python -m ziglang` starts zig). Whoever ends the launcher alone leaves a compiler that
goes on writing into a folder which is about to be removed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

_SECONDS = 5.0  # how long the kernel may take to end what was killed


def start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Starts a command as the head of a process group of its own, with both outputs piped."""
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        start_new_session=os.name == "posix",
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> None:
    """Ends a process of start() and all that it has started; returns when they are gone."""
    if sys.platform == "win32":
        # /T: with its children. No library of Python's gives job objects, and every Windows has this program.
        command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, check=False)
        return
    deadline = time.monotonic() + _SECONDS
    while _signal(process.pid, signal.SIGKILL) and time.monotonic() < deadline:
        process.poll()  # so that the head does not stay as a zombie, which counts as one of the group
        time.sleep(0.01)


def _signal(group: int, number: int) -> bool:
    """Sends a signal to a process group; whether it had a process to take it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        return False
    return True


@contextmanager
def ended_in_order() -> Iterator[None]:
    """While inside, SIGTERM raises SystemExit as SIGINT raises KeyboardInterrupt, so that children can be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
