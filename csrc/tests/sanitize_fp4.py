"""Small calls of the FP4 path without PyTorch, for compute-sanitizer: on SM 12.0 and 12.1, or with emulated kernels.

SAGEATTN_LIBRARY=libsageattn.so SAGEATTN_FATBIN=fp4.fatbin compute-sanitizer python3 csrc/tests/sanitize_fp4.py
"""

import array
import ctypes
import math

from sanitize_cases import Case, Session, abi


def attend(session, case, per_block_mean):
    """Runs the case; fails unless every LSE is finite, or the row sees no key."""
    library = session.library
    size = 4 * case.BATCH * case.HEADS * case.rows
    lse = session.driver.upload(b"\xff" * size)  # NaN
    params = abi.Fp4Params(
        size=ctypes.sizeof(abi.Fp4Params), query=case.view(case.HEADS, case.rows, session.numbers),
        key=case.view(case.KEY_HEADS, case.keys, session.numbers),
        value=case.view(case.KEY_HEADS, case.keys, session.numbers),
        output=case.view(case.HEADS, case.rows, lambda elements: session.driver.allocate(2 * elements)), lse=lse,
        batch=case.BATCH, query_heads=case.HEADS, key_heads=case.KEY_HEADS, query_rows=case.rows, key_rows=case.keys,
        head_dim=case.dim, sm_scale=case.dim**-0.5, causal=case.causal, per_block_mean=per_block_mean,
        smooth_v=per_block_mean, dtype=case.dtype, output_dtype=case.dtype,
    )  # fmt: skip
    params.workspace_size = library.sageattn_fp4_workspace(ctypes.byref(params))
    params.workspace = session.driver.allocate(params.workspace_size)
    session.call("sageattn_fp4_attention", ctypes.byref(params), 0, None)
    found = array.array("f", session.driver.download(lse, size))
    unseen = max(0, case.rows - case.keys) if case.causal == 2 else 0
    if sum(map(math.isfinite, found)) != case.BATCH * case.HEADS * (case.rows - unseen):
        raise RuntimeError(f"the LSE is not finite: {case}")
    session.driver.free_all()


# Lengths around a block's and a warp's rows, aligned and odd rows, each kernel; emulated products are slow.
CASES = (
    (Case(1, 1, 64, 0, abi.FLOAT16, 0, 0, 1), 1),
    (Case(77, 131, 72, 2, abi.BFLOAT16, 0, 0, 1), 1),
    (Case(257, 65, 128, 0, abi.BFLOAT16, 1, 0, 1), 0),
    (Case(130, 700, 64, 1, abi.FLOAT16, 1, 3, 1), 1),
    (Case(200, 640, 128, 2, abi.BFLOAT16, 0, 0, 1), 1),
)


def main():
    session = Session()
    for case, per_block_mean in CASES:
        attend(session, case, per_block_mean)
    print(f"{len(CASES)} calls")


if __name__ == "__main__":
    main()
