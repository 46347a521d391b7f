"""The Triton attention kernel: INT8 query and key, 16-bit value, float32 softmax and sums.

No `from __future__ import annotations` here: Triton reads the constexpr annotations as objects.
Offsets into tensors are int64. Scores live in base 2: the scales of the queries hold sm_scale * log2(e).
"""

# mypy: ignore-errors
import triton
import triton.language as tl

_LOG2E = tl.constexpr(1.4426950408889634)
# A finite mask value stays finite in base 2: a row of such values still sees its keys.
_LOWEST = tl.constexpr(-3.4e38)
# Probabilities lie in (0, 2**8], which keeps 8 more bits of the small ones in float16.
_HEADROOM = tl.constexpr(8.0)


@triton.jit
def load_tile(
    pointers, rows_exist, columns_exist, CHECK_ROWS: tl.constexpr, CHECK_COLUMNS: tl.constexpr
):
    """A tile with zeros outside of the tensor. No mask where none is needed, for wide loads."""
    if CHECK_ROWS and CHECK_COLUMNS:
        tile = tl.load(pointers, mask=rows_exist & columns_exist, other=0)
    elif CHECK_ROWS:
        tile = tl.load(pointers, mask=rows_exist, other=0)
    elif CHECK_COLUMNS:
        tile = tl.load(pointers, mask=columns_exist, other=0)
    else:
        tile = tl.load(pointers)
    return tile


@triton.jit
def masked(
    scores, Mask, row, key, query_rows, key_rows, row_stride, key_stride, MASK: tl.constexpr
):
    """Scores with attn_mask: MASK 1 is bool (uint8, 0 is not seen), 2 is float in natural units."""
    exists = (row[:, None] < query_rows) & (key[None, :] < key_rows)
    offsets = row[:, None].to(tl.int64) * row_stride + key[None, :].to(tl.int64) * key_stride
    mask = tl.load(Mask + offsets, mask=exists, other=0)
    if MASK == 1:
        scores = tl.where(mask != 0, scores, float("-inf"))
    else:
        mask = mask.to(tl.float32)
        bias = tl.where(mask == float("-inf"), mask, tl.maximum(mask * _LOG2E, _LOWEST))
        scores += bias
    return scores


@triton.jit
def attend_keys(
    output,
    peak,
    total,
    query,
    query_scale,
    Key,
    Value,
    KeyScale,
    Mask,
    row,
    first,
    last,
    query_rows,
    key_rows,
    shift,
    key_row_stride,
    value_row_stride,
    key_scale_stride,
    mask_row_stride,
    mask_key_stride,
    D: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK_N: tl.constexpr,
    KEY_BLOCK: tl.constexpr,
    CHECKED: tl.constexpr,
    CAUSAL: tl.constexpr,
    MASK: tl.constexpr,
    SCORE: tl.constexpr,
    PRODUCT: tl.constexpr,
):
    """Online softmax over keys first ... last - 1. Without CHECKED every row sees all of them."""
    column = tl.arange(0, WIDTH)
    for start in range(first, last, BLOCK_N):
        key = start + tl.arange(0, BLOCK_N)
        key_pointers = Key + key[None, :].to(tl.int64) * key_row_stride + column[:, None]
        key_tile = load_tile(
            key_pointers, key[None, :] < key_rows, column[:, None] < D, CHECKED, WIDTH != D
        )
        scale = query_scale * tl.load(KeyScale + start // KEY_BLOCK * key_scale_stride)
        scores = tl.dot(query, key_tile.to(SCORE)).to(tl.float32) * scale
        if MASK != 0:
            scores = masked(
                scores, Mask, row, key, query_rows, key_rows, mask_row_stride, mask_key_stride, MASK
            )
        if CHECKED:
            seen = key[None, :] < key_rows
            if CAUSAL:
                seen = seen & (key[None, :] <= row[:, None] + shift)
            scores = tl.where(seen, scores, float("-inf"))

        new_peak = tl.maximum(peak, tl.max(scores, axis=1))
        # A row that has seen no key yet: any finite anchor gives probabilities of 0, and no NaN.
        anchor = tl.where(new_peak == float("-inf"), 0.0, new_peak - _HEADROOM)
        weights = tl.exp2(scores - anchor[:, None])
        decay = tl.exp2(peak - _HEADROOM - anchor)
        total = total * decay + tl.sum(weights, axis=1)
        value_pointers = Value + key[:, None].to(tl.int64) * value_row_stride + column[None, :]
        value = load_tile(
            value_pointers, key[:, None] < key_rows, column[None, :] < D, CHECKED, WIDTH != D
        )
        output = tl.dot(weights.to(PRODUCT), value.to(PRODUCT), output * decay[:, None])
        peak = new_peak
    return output, peak, total


@triton.jit
def attention_kernel(
    Query,
    Key,
    Value,
    Output,
    QueryScale,
    KeyScale,
    Mask,
    Lse,  # float32 [batch, heads, query rows] in base 2, contiguous
    QueryStarts,
    KeyStarts,
    QueryScaleStarts,
    KeyScaleStarts,
    query_rows,
    key_rows,
    blocks,
    heads,
    head_group,
    query_batch_stride,
    query_head_stride,
    query_row_stride,
    key_batch_stride,
    key_head_stride,
    key_row_stride,
    value_batch_stride,
    value_head_stride,
    value_row_stride,
    output_batch_stride,
    output_head_stride,
    output_row_stride,
    query_scale_batch_stride,
    query_scale_head_stride,
    query_scale_stride,
    key_scale_batch_stride,
    key_scale_head_stride,
    key_scale_stride,
    mask_batch_stride,
    mask_head_stride,
    mask_row_stride,
    mask_key_stride,
    D: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    QUERY_BLOCK: tl.constexpr,
    KEY_BLOCK: tl.constexpr,
    CAUSAL: tl.constexpr,  # 0 none, 1 top left, 2 bottom right
    MASK: tl.constexpr,  # 0 none, 1 bool, 2 float
    VARLEN: tl.constexpr,
    RETURN_LSE: tl.constexpr,
    SCORE: tl.constexpr,  # dtype of the operands of query . key: int8, or float16
    PRODUCT: tl.constexpr,  # dtype of the operands of probabilities . value
):
    """BLOCK_M query rows of one head. Last rows first: under a causal mask they see most."""
    block = blocks - 1 - tl.program_id(0) % blocks
    head = (tl.program_id(0) // blocks % heads).to(tl.int64)
    batch = (tl.program_id(0) // blocks // heads).to(tl.int64)
    key_head = head // head_group

    Query += batch * query_batch_stride + head * query_head_stride
    Key += batch * key_batch_stride + key_head * key_head_stride
    Value += batch * value_batch_stride + key_head * value_head_stride
    Output += batch * output_batch_stride + head * output_head_stride
    QueryScale += batch * query_scale_batch_stride + head * query_scale_head_stride
    KeyScale += batch * key_scale_batch_stride + key_head * key_scale_head_stride
    if MASK != 0:
        Mask += batch * mask_batch_stride + head * mask_head_stride
    queries = query_rows
    keys = key_rows
    if VARLEN:
        first_query = tl.load(QueryStarts + batch).to(tl.int64)
        first_key = tl.load(KeyStarts + batch).to(tl.int64)
        queries = (tl.load(QueryStarts + batch + 1) - first_query).to(tl.int32)
        keys = (tl.load(KeyStarts + batch + 1) - first_key).to(tl.int32)
        Query += first_query * query_row_stride
        Key += first_key * key_row_stride
        Value += first_key * value_row_stride
        Output += first_query * output_row_stride
        QueryScale += tl.load(QueryScaleStarts + batch).to(tl.int64) * query_scale_stride
        KeyScale += tl.load(KeyScaleStarts + batch).to(tl.int64) * key_scale_stride

    first_row = block * BLOCK_M
    row = first_row + tl.arange(0, BLOCK_M)
    column = tl.arange(0, WIDTH)
    query = load_tile(
        Query + row[:, None].to(tl.int64) * query_row_stride + column[None, :],
        row[:, None] < queries,
        column[None, :] < D,
        True,
        WIDTH != D,
    ).to(SCORE)
    exists = first_row < queries
    query_scale = tl.load(
        QueryScale + first_row // QUERY_BLOCK * query_scale_stride, mask=exists, other=0.0
    )

    # Every row of the block sees keys 0 ... full - 1; no row sees keys from last on.
    shift = 0
    full = keys
    last = keys
    if CAUSAL:
        if CAUSAL == 2:
            shift = keys - queries
        full = tl.maximum(tl.minimum(keys, first_row + 1 + shift), 0)
        last = tl.maximum(tl.minimum(keys, first_row + BLOCK_M + shift), 0)
    full = tl.where(exists, full // BLOCK_N * BLOCK_N, 0)
    last = tl.where(exists, last, 0)

    output = tl.zeros([BLOCK_M, WIDTH], dtype=tl.float32)
    peak = tl.zeros([BLOCK_M], dtype=tl.float32) + float("-inf")
    total = tl.zeros([BLOCK_M], dtype=tl.float32)
    for CHECKED in tl.static_range(2):
        output, peak, total = attend_keys(
            output,
            peak,
            total,
            query,
            query_scale,
            Key,
            Value,
            KeyScale,
            Mask,
            row,
            full if CHECKED else 0,
            last if CHECKED else full,
            queries,
            keys,
            shift,
            key_row_stride,
            value_row_stride,
            key_scale_stride,
            mask_row_stride,
            mask_key_stride,
            D,
            WIDTH,
            BLOCK_N,
            KEY_BLOCK,
            CHECKED,
            CAUSAL,
            MASK,
            SCORE,
            PRODUCT,
        )

    output = output / tl.where(total == 0.0, 1.0, total)[:, None]
    tl.store(
        Output + row[:, None].to(tl.int64) * output_row_stride + column[None, :],
        output.to(Output.dtype.element_ty),
        mask=(row[:, None] < queries) & (column[None, :] < D),
    )
    if RETURN_LSE:
        lse = tl.where(total == 0.0, float("-inf"), peak - _HEADROOM + tl.log2(total))
        tl.store(Lse + (batch * heads + head) * queries + row, lse, mask=row < queries)
