"""Sustained speed of the wgmma path beside PyTorch's cuDNN attention in bfloat16, in the same process.

SAGEATTN_LIBRARY=libsageattn.so SAGEATTN_FATBIN=sageattn.fatbin python3 csrc/tests/bench_wgmma.py [SECONDS]

Each method runs back to back for SECONDS (0.4) after half as long a warm-up: at the power cap, where a short burst's
clock depends on what ran before it. Up to 1024 rows by graph replay of 12 calls, since plain launches are host-bound.
Quantisation is from bfloat16. B 2, H 32.
"""

import sys

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from wgmma_library import Wgmma, abi

# head dim, rows, causal
CASES = [
    (128, 16384, False), (128, 8192, False), (128, 8192, True), (128, 4096, False), (128, 2048, False),
    (128, 1024, False), (128, 1024, True), (64, 8192, False), (64, 8192, True), (64, 1024, False),
]  # fmt: skip
CALLS = 12


def captured(call):
    """A function that replays CALLS calls."""
    call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(CALLS):
            call()
    return graph.replay


def sustained(call, seconds):
    """Milliseconds a call."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def timed(count):
        start.record()
        for _ in range(count):
            call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / count

    call()
    once = timed(2)
    timed(max(2, int(seconds * 500 / once)))
    return timed(max(4, int(seconds * 1000 / once)))


def methods(library, dim, rows, causal):
    """name → function, for one case."""
    q, k, v = (torch.randn(2, 32, rows, dim, device="cuda", dtype=torch.bfloat16) for _ in range(3))
    output = torch.empty_like(q)
    params = library.params(q, k, v, output, "top-left" if causal else None)
    workspace = torch.empty(library.workspace(params), dtype=torch.uint8, device="cuda")
    library.launch(params, workspace)

    def cudnn():
        with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
            torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

    return {
        "cuDNN bf16": cudnn,
        "kernel": lambda: library.launch(params, workspace, abi.WGMMA_ATTEND),
        "with quantisation": lambda: library.launch(params, workspace, abi.WGMMA_ALL),
    }


def main(seconds):
    library = Wgmma()
    print(torch.cuda.get_device_name(), "torch", torch.__version__, "cuDNN", torch.backends.cudnn.version())
    for dim, rows, causal in CASES:
        flops = 4 * 2 * 32 * rows * rows * dim * (0.5 if causal else 1.0)
        base = None
        for name, call in methods(library, dim, rows, causal).items():
            milliseconds = (
                sustained(captured(call), seconds) / CALLS if rows <= 1024 else sustained(call, seconds)
            )
            base = base or milliseconds
            print(
                f"hd {dim:3d} S {rows:5d} {'causal' if causal else 'full':6s} {name:18s} {milliseconds * 1e3:8.1f} us "
                f"{flops / milliseconds / 1e9:7.1f} TFLOP/s  x{base / milliseconds:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.4)
