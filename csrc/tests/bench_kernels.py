"""Speed of the attention kernel alone against torch's SDPA, as a Markdown table.

SAGEATTN_LIBRARY=… SAGEATTN_FATBIN=… python3 csrc/tests/bench_kernels.py [--family NAME]
"""

import argparse

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from library import Library, abi


def milliseconds(function, repeats=20):
    """Median of CUDA-event times after a warm-up; inputs exceed the L2 cache at the sizes used here."""
    for _ in range(3):
        function()
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return sorted(times)[len(times) // 2]


def measure(library, batch, heads, rows, dim, causal, kernel_only):
    """Tera floating-point operations a second: kernel, with quantisation, flash, cuDNN (or kernel alone)."""
    q, k, v = (torch.randn(batch, heads, rows, dim, dtype=torch.bfloat16, device="cuda") for _ in range(3))
    k8, k_scale, _ = library.quantize(k, abi.KEY, 3, library.mean(k))
    q8, q_scale, _ = library.quantize(q, abi.QUERY, 3)
    output = torch.empty_like(q)
    operations = 4 * batch * heads * rows * rows * dim / (2 if causal else 1)

    def sdpa(backend):
        with sdpa_kernel(backend):
            try:
                return milliseconds(lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal))
            except RuntimeError:  # not at this head dim
                return float("inf")

    times = [milliseconds(lambda: library.attend(q8, k8, v, output, q_scale, k_scale, 3, dim**-0.5, causal))]
    if kernel_only:
        return [operations / times[0] / 1e9]
    times += [
        milliseconds(lambda: library.attention(q, k, v, causal=causal)),
        sdpa(SDPBackend.FLASH_ATTENTION),
        sdpa(SDPBackend.CUDNN_ATTENTION),
    ]
    return [operations / time / 1e9 for time in times]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[4096, 8192])
    parser.add_argument("--dims", type=int, nargs="+", default=[64, 96, 128, 192, 256])
    parser.add_argument("--kernel-only", action="store_true", help="neither quantisation nor torch")
    arguments = parser.parse_args()
    library = Library()
    columns = ["B H S D", "mask", "kernel TFLOP/s"]
    columns += [] if arguments.kernel_only else ["with quantisation", "torch flash bf16", "cuDNN bf16"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for rows in arguments.rows:
        for dim in arguments.dims:
            for causal in (False, True):
                numbers = measure(library, 2, 32, rows, dim, causal, arguments.kernel_only)
                cells = " | ".join(f"{number:.0f}" for number in numbers)
                print(f"| 2 32 {rows} {dim} | {'causal' if causal else 'full'} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
