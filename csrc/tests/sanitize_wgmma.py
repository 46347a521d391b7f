"""Small calls of the wgmma path without PyTorch, for compute-sanitizer on SM 9.0.

SAGEATTN_LIBRARY=libsageattn.so SAGEATTN_FATBIN=sageattn.fatbin compute-sanitizer python3 csrc/tests/sanitize_wgmma.py
"""

import array
import ctypes
import itertools
import math

from sanitize_cases import Case, Session, abi


def attend(session, case):
    """Runs the case; fails unless every LSE is finite, or the row sees no key."""
    library = session.library
    size = 4 * case.BATCH * case.HEADS * case.rows
    lse = session.driver.upload(b"\xff" * size)  # NaN
    params = abi.WgmmaParams(
        size=ctypes.sizeof(abi.WgmmaParams), query=case.view(case.HEADS, case.rows, session.numbers),
        key=case.view(case.KEY_HEADS, case.keys, session.numbers),
        value=case.view(case.KEY_HEADS, case.keys, session.numbers),
        output=case.view(case.HEADS, case.rows, lambda elements: session.driver.allocate(2 * elements)), lse=lse,
        batch=case.BATCH, query_heads=case.HEADS, key_heads=case.KEY_HEADS, query_rows=case.rows, key_rows=case.keys,
        head_dim=case.dim, sm_scale=case.dim**-0.5, causal=case.causal, smooth_k=1, dtype=case.dtype,
        output_dtype=case.dtype,
    )  # fmt: skip
    params.workspace_size = library.sageattn_wgmma_workspace(ctypes.byref(params))
    params.workspace = session.driver.allocate(params.workspace_size)
    session.call("sageattn_wgmma_attention", ctypes.byref(params), 0, None)
    found = array.array("f", session.driver.download(lse, size))
    unseen = max(0, case.rows - case.keys) if case.causal == 2 else 0
    if sum(map(math.isfinite, found)) != case.BATCH * case.HEADS * (case.rows - unseen):
        raise RuntimeError(f"the LSE is not finite: {case}")
    session.driver.free_all()


def grid():
    """Lengths around the tile sizes, both layouts, aligned and odd rows, each kernel."""
    lengths = ((1, 1, 0, 0), (77, 131, 0, 0), (257, 65, 1, 0), (100, 300, 1, 3))
    for dim, causal in itertools.product((64, 72, 128), (0, 1, 2)):
        for (rows, keys, nhd, gap), dtype in zip(lengths, itertools.cycle((abi.FLOAT16, abi.BFLOAT16))):
            yield Case(rows, keys, dim, causal, dtype, nhd, gap, 1)


def main():
    session = Session()
    count = 0
    for case in grid():
        attend(session, case)
        count += 1
    print(f"{count} calls")


if __name__ == "__main__":
    main()
