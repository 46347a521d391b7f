"""Small calls of the wgmma path without PyTorch, for compute-sanitizer on SM 9.0.

SAGEATTN_LIBRARY=libsageattn.so SAGEATTN_FATBIN=sageattn.fatbin compute-sanitizer python3 csrc/tests/sanitize_wgmma.py
"""

import array
import ctypes
import itertools
import math

from sanitize_cases import Case, Session, abi


def mask_of(session, case, form):
    """A mask that shows key 0 to every row, as fields of the parameters. form: keys, pairs, bias or key-bias."""
    rows = case.rows if form in ("pairs", "bias") else 1
    count = case.BATCH * rows * case.keys
    if form in ("keys", "pairs"):
        shown = bytearray(session.random.choices((0, 1), k=count))
        shown[:: case.keys] = b"\1" * (case.BATCH * rows)
        address, dtype = session.driver.upload(bytes(shown)), abi.BOOL
    else:
        address, dtype = session.numbers(count), case.dtype
    row_stride = case.keys if rows > 1 else 0
    mask = abi.Tensor(data=address, batch_stride=rows * case.keys, head_stride=0, row_stride=row_stride)
    return {"mask": mask, "mask_column_stride": 1, "mask_dtype": dtype}


def lengths_of(session, case):
    return {
        "query_starts": session.starts(case, case.rows),
        "key_starts": session.starts(case, case.keys),
        "total_query_rows": case.BATCH * case.rows,
        "total_key_rows": case.BATCH * case.keys,
    }


def attend(session, case, form=""):
    """Runs the case; fails unless every LSE is finite, or the row sees no key."""
    library = session.library
    size = 4 * case.BATCH * case.HEADS * case.rows
    lse = session.driver.upload(b"\xff" * size)  # NaN
    more = lengths_of(session, case) if case.sequences else mask_of(session, case, form) if form else {}
    params = abi.WgmmaParams(
        size=ctypes.sizeof(abi.WgmmaParams), query=case.view(case.HEADS, case.rows, session.numbers),
        key=case.view(case.KEY_HEADS, case.keys, session.numbers),
        value=case.view(case.KEY_HEADS, case.keys, session.numbers),
        output=case.view(case.HEADS, case.rows, lambda elements: session.driver.allocate(2 * elements)), lse=lse,
        batch=case.BATCH, query_heads=case.HEADS, key_heads=case.KEY_HEADS, query_rows=case.longest(case.rows),
        key_rows=case.longest(case.keys), head_dim=case.dim, sm_scale=case.dim**-0.5, causal=case.causal, smooth_k=1,
        dtype=case.dtype, output_dtype=case.dtype, **more,
    )  # fmt: skip
    params.workspace_size = library.sageattn_wgmma_workspace(ctypes.byref(params))
    params.workspace = session.driver.allocate(params.workspace_size)
    session.call("sageattn_wgmma_attention", ctypes.byref(params), 0, None)
    found = array.array("f", session.driver.download(lse, size))
    unseen = max(0, case.rows - case.keys) if case.causal == 2 else 0
    if sum(map(math.isfinite, found)) != case.BATCH * case.HEADS * (case.rows - unseen):
        raise RuntimeError(f"the LSE is not finite: {case} {form}")
    session.driver.free_all()


def grid():
    """Lengths around the tile sizes, both layouts, aligned and odd rows, each kernel: (case, mask)."""
    dtypes = itertools.cycle((abi.FLOAT16, abi.BFLOAT16))
    lengths = ((1, 1, 0, 0), (77, 131, 0, 0), (257, 65, 1, 0), (100, 300, 1, 3))
    for dim, causal in itertools.product((64, 72, 128), (0, 1, 2)):
        for rows, keys, nhd, gap in lengths:
            yield Case(rows, keys, dim, causal, next(dtypes), nhd, gap, 1), ""
    for dim, causal in itertools.product((64, 128), (0, 1)):
        for form in ("keys", "pairs", "bias", "key-bias"):
            yield Case(200, 300, dim, causal, next(dtypes), 0, 0, 1), form
        yield Case(200, 300, dim, causal, next(dtypes), 1, 0, 1, sequences=True), ""


def main():
    session = Session()
    count = 0
    for case, form in grid():
        attend(session, case, form)
        count += 1
    print(f"{count} calls")


if __name__ == "__main__":
    main()
