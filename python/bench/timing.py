"""Times of calls by CUDA events, in the modes that record.MODES explains. All results are milliseconds a call."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .counts import chunks, repeats
from .nvml import Gpu, Load, Watch

SAMPLES = 10
GRAPH_CALLS = 12
ROUNDS = 7
BURST_SECONDS = 0.025
COLD_CALLS = 20
HOST_CALLS = 50  # fewer than a stream queues before it makes the host wait
LEAST_CALLS = 4
FLUSH_BYTES = 1 << 30

Call = Callable[[], Any]


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call,unused-ignore]


def samples(call: Call, counts: Sequence[int]) -> list[float]:
    """Runs the calls back to back without waiting in between: one time for each count of calls."""
    events = [_event() for _ in range(len(counts) + 1)]
    events[0].record()
    for count, event in zip(counts, events[1:]):
        for _ in range(count):
            call()
        event.record()
    events[-1].synchronize()
    pairs = zip(events, events[1:])
    return [begin.elapsed_time(end) / count for (begin, end), count in zip(pairs, counts)]


def once(call: Call) -> float:
    """About how long a call takes, after one that may compile and load."""
    call()
    torch.cuda.synchronize()
    return samples(call, [2])[0]


def sustained(call: Call, seconds: float, gpu: Gpu | None) -> tuple[list[float], Load]:
    """Back to back for so long, after a warm-up of the same length; clock and power of the timed part."""
    count = repeats(seconds, once(call), LEAST_CALLS)
    samples(call, [count])
    watch = Watch(gpu)
    watch.start()
    try:
        times = samples(call, chunks(count, SAMPLES))
    finally:
        load = watch.stop()
    return times, load


def captured(call: Call, calls: int = GRAPH_CALLS) -> Call:
    """A function that replays a CUDA graph of so many calls."""
    call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(calls):
            call()
    return graph.replay


def replayed(call: Call, seconds: float, gpu: Gpu | None) -> tuple[list[float], Load]:
    """As sustained, by graph replay."""
    times, load = sustained(captured(call), seconds, gpu)
    return [time / GRAPH_CALLS for time in times], load


def bursts(calls: Sequence[Call]) -> list[list[float]]:
    """Every call in turn, a burst each, ROUNDS times: the times of each, in the order of the calls."""
    counts = [repeats(BURST_SECONDS, once(call), 1) for call in calls]
    found: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for times, call, count in zip(found, calls, counts):
            times += samples(call, [count])
    return found


def host(call: Call, clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """The host's time to queue a call: the GPU is idle before each sample and is not waited for within it."""
    once(call)
    found = []
    for _ in range(SAMPLES):
        torch.cuda.synchronize()
        begin = clock()
        for _ in range(HOST_CALLS):
            call()
        found.append((clock() - begin) * 1000 / HOST_CALLS)
    torch.cuda.synchronize()
    return found


def flusher(cache_bytes: int) -> Call:
    """A write of more than the L2 cache holds, long enough to hide most launches too."""
    memory = torch.empty(max(4 * cache_bytes, FLUSH_BYTES), dtype=torch.uint8, device="cuda")
    return lambda: memory.fill_(1)


def cold(call: Call, flush: Call) -> list[float]:
    """Single calls, each after a flush."""
    once(call)
    pairs = [(_event(), _event()) for _ in range(COLD_CALLS)]
    for begin, end in pairs:
        flush()
        begin.record()
        call()
        end.record()
    torch.cuda.synchronize()
    return [begin.elapsed_time(end) for begin, end in pairs]
