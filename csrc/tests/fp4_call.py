"""A call of sageattn_fp4_attention, and what it must give. Arrays of NumPy on the CPU, of torch on a GPU: an object
with these members stands for either:

    x                       numpy or torch
    store(values, dtype)    float32 [batch, heads, rows, head_dim] -> the 16-bit array, "float16" or "bfloat16"
    floats(array)           the way back
    double(array)           float32 -> float64
    like(array)             an array of the CPU -> one where the others are
    address(array), strides(array)      of its data; in elements
    filled(bytes)           an array of uint8, each 255: NaN, read as any number
    view(array, dtype)      bytes read as "float32", "int32" …
    stream()
"""

import ctypes
import math

import fp4_reference as reference

ROLES = ("query", "key", "value")
CAUSAL = {None: 0, "top-left": 1, "bottom-right": 2}
DTYPES = {"float16": 0, "bfloat16": 1}
UNIT_BLOCKS, DELTA_BYTES = 48, 256 << 20
LN_2, LOG2_E = math.log(2), 1 / math.log(2)


class Failure(Exception):
    """The library's text."""


def layout(batch, query_heads, key_heads, query_rows, key_rows, head_dim, per_block_mean):
    """name -> (offset, bytes) of the arrays in the workspace, and its size: csrc/host/fp4_layout.c, stated anew."""
    columns = 64 if head_dim <= 64 else 128
    blocks = {"query": -(-query_rows // 128), "key": -(-key_rows // 128)}
    blocks["value"] = blocks["key"]
    heads = {"query": batch * query_heads, "key": batch * key_heads, "value": batch * key_heads}
    rows = {"query": query_rows, "key": key_rows, "value": key_rows}
    places, end = {}, 0

    def take(name, size):
        nonlocal end
        places[name] = (end, size)
        end += -(-size // 128) * 128

    for role in ROLES:
        take(f"{role}", heads[role] * blocks[role] * 72 * columns)
        take(f"{role} mean", heads[role] * columns * 4)
        take(f"{role} multiplier", heads[role] * 4)
        take(f"{role} statistics", heads[role] * -(-rows[role] // 512) * 3 * columns * 4)
    means = blocks["query"] if per_block_mean else 1
    unit_means = min(means, UNIT_BLOCKS)
    units = heads["query"] * -(-means // unit_means) if unit_means else 0
    unit_bytes = unit_means * blocks["key"] * 512
    take("means of queries", heads["query"] * means * columns * 4)
    take("rest", heads["query"] * query_rows * 4)
    take("delta", (min(units, max(1, DELTA_BYTES // unit_bytes)) if unit_bytes else units) * unit_bytes)
    return places, end


class Call:
    """One call with poisoned output, LSE and workspace; `run` makes it."""

    def __init__(self, arrays, q, k, v, causal=None, per_block_mean=True, smooth_v=False, bias=None, dtype="bfloat16",
                 output=None, sm_scale=None, want_lse=True):  # fmt: skip
        self.arrays, self.q, self.k, self.v, self.bias = arrays, q, k, v, bias
        self.causal, self.per_block_mean, self.smooth_v = causal, per_block_mean, smooth_v
        self.dtype = dtype
        self.batch, self.query_heads, self.query_rows, self.head_dim = q.shape
        self.key_heads, self.key_rows = k.shape[1], k.shape[2]
        self.sm_scale = sm_scale or self.head_dim**-0.5
        x = arrays.x
        self.output = arrays.store(x.full(q.shape, math.nan), dtype) if output is None else output
        self.lse = arrays.like(x.full(q.shape[:3], math.nan, dtype=x.float32)) if want_lse else None
        self.columns = 64 if self.head_dim <= 64 else 128
        self.places, self.size = layout(self.batch, self.query_heads, self.key_heads, self.query_rows, self.key_rows,
                                        self.head_dim, per_block_mean)  # fmt: skip

    def params(self, abi):
        def tensor(array):
            return abi.Tensor(self.arrays.address(array), *self.arrays.strides(array)[:3])

        strides = self.arrays.strides(self.bias) if self.bias is not None else (0, 0)
        return abi.Fp4Params(
            size=ctypes.sizeof(abi.Fp4Params),
            query=tensor(self.q),
            key=tensor(self.k),
            value=tensor(self.v),
            output=tensor(self.output),
            bias=None if self.bias is None else self.arrays.address(self.bias),
            bias_batch_stride=strides[0],
            bias_head_stride=strides[1],
            lse=None if self.lse is None else self.arrays.address(self.lse),
            batch=self.batch,
            query_heads=self.query_heads,
            key_heads=self.key_heads,
            query_rows=self.query_rows,
            key_rows=self.key_rows,
            head_dim=self.head_dim,
            sm_scale=self.sm_scale,
            causal=CAUSAL[self.causal],
            per_block_mean=int(self.per_block_mean),
            smooth_v=int(self.smooth_v),
            dtype=DTYPES[self.dtype],
            output_dtype=DTYPES[self.dtype],
        )

    def run(self, library, abi):
        """Launches it; the workspace is kept."""
        params = self.params(abi)
        size = library.sageattn_fp4_workspace(ctypes.byref(params))
        if size < 0:
            raise Failure(library.sageattn_last_error().decode())
        assert size == self.size
        self.workspace = self.arrays.filled(size + 128)
        start = -self.arrays.address(self.workspace) % 128
        self.workspace = self.workspace[start : start + size]
        params.workspace, params.workspace_size = self.arrays.address(self.workspace), size
        if library.sageattn_fp4_attention(ctypes.byref(params), 0, self.arrays.stream()):
            raise Failure(library.sageattn_last_error().decode())
        return self

    # ---- what the kernels left in the workspace

    def _bytes(self, name):
        offset, size = self.places[name]
        return self.workspace[offset : offset + size]

    def _numbers(self, name, *shape):
        return self.arrays.view(self._bytes(name), "float32").reshape(*shape)

    def multiplier(self, role):
        return self._numbers(f"{role} multiplier", -1, 1, 1)

    def mean(self, role):
        return self._numbers(f"{role} mean", -1, 1, self.columns)

    def means_of_queries(self):
        """[heads, rows, columns]: each row's mean."""
        means = self._numbers("means of queries", self.batch * self.query_heads, -1, self.columns)
        order = reference._arange(self.arrays.x, self.query_rows, means)
        return means[:, order // 128 if self.per_block_mean else order * 0]

    def packed(self, role):
        """[heads, padded rows, columns]: what codes and scales mean."""
        blocks = self._bytes(role).reshape(self._heads(role), -1, 72 * self.columns)
        return reference.decode(self.arrays.x, role, blocks, self.columns, self.arrays.like)

    def _heads(self, role):
        return self.batch * (self.query_heads if role == "query" else self.key_heads)

    def rows(self, role):
        """float32 [heads, rows, columns] of the input, zeros behind the head dim."""
        array = {"query": self.q, "key": self.k, "value": self.v}[role]
        floats = self.arrays.floats(array).reshape(self._heads(role), -1, self.head_dim)
        return self._pad(floats, self.columns, 2)

    def _pad(self, array, count, axis):
        x = self.arrays.x
        shape = list(array.shape)
        shape[axis] = count - shape[axis]
        zeros = self.arrays.like(x.zeros(shape, dtype=array.dtype))
        return x.concatenate((array, zeros), axis) if x.__name__ == "numpy" else x.cat((array, zeros), axis)

    # ---- what must be

    def wrong_codes(self):
        """The largest share of numbers that are not what the arithmetic makes of the kernels' own means."""
        x, worst = self.arrays.x, 0.0
        for role in ROLES:
            rest = self.rows(role)
            if role == "query":
                rest = rest * self.multiplier(role) - self.means_of_queries() * self.multiplier(role)
            else:
                rest = (rest - self.mean(role)) * self.multiplier(role)
            rest = self._pad(rest, -(-rest.shape[1] // 128) * 128, 1)
            if role == "value":
                expected = x.swapaxes(reference.quantize(x, self._swap(rest)), -1, -2)
            else:
                expected = reference.quantize(x, rest)
            if rest.shape[1]:
                different = self.packed(role) != self.arrays.double(expected)
                worst = max(worst, float(self.arrays.double(different).mean()))
        return worst

    def _swap(self, array):
        swapped = self.arrays.x.swapaxes(array, -1, -2)
        return swapped.copy() if self.arrays.x.__name__ == "numpy" else swapped.contiguous()

    def wrong_means(self):
        """The largest error of a mean, in units of the largest number of its head."""
        worst = 0.0
        for role in ("key", "value"):
            if role == "value" and not self.smooth_v:
                continue
            rows = self.arrays.double(self.rows(role))
            error = abs(self.arrays.double(self.mean(role))[:, 0] - rows.mean(1)).max()
            worst = max(worst, float(error / abs(rows).max()))
        return worst

    def seen(self):
        x = self.arrays.x
        order = reference._arange(x, self.query_rows, self.workspace)
        if self.causal is None:
            return order * 0 + self.key_rows
        shift = self.key_rows - self.query_rows if self.causal == "bottom-right" else 0
        return x.clip(order + 1 + shift, 0, self.key_rows)

    def delta(self, query_head):
        """[rows, padded keys] of one query head, of all batches: in units of the scaled product, float64."""
        x, double = self.arrays.x, self.arrays.double
        key_head = self.key_head(query_head)
        unit = double(self.multiplier("query"))[query_head] * double(self.multiplier("key"))[key_head]
        keys = x.swapaxes(double(self.rows("key"))[key_head], 0, 1)
        delta = double(self.means_of_queries())[query_head] @ keys * unit
        delta = delta + self.bias_of(query_head) / self.sm_scale * unit
        padded = -(-self.key_rows // 128) * 128
        order = reference._arange(x, padded, delta)
        delta = self._pad(delta, padded, 1)
        return x.where(order[None, :] < self.key_rows, delta, x.full_like(delta, -math.inf))

    def key_head(self, query_head):
        batch, head = divmod(query_head, self.query_heads)
        return batch * self.key_heads + head // (self.query_heads // self.key_heads)

    def bias_of(self, query_head):
        """What is added to the scaled scores: [1, keys] or 0."""
        if self.bias is None:
            return 0.0
        batch, head = divmod(query_head, self.query_heads)
        bias = self.bias[batch % self.bias.shape[0], head % self.bias.shape[1]]
        return self.arrays.double(bias)[None, :]

    def expected(self, query_head):
        """(output [rows, head_dim], lse [rows]) of a query head by the kernels' arithmetic, in float64."""
        x, double = self.arrays.x, self.arrays.double
        key_head = self.key_head(query_head)
        multiplier = [float(self.multiplier(role)[h, 0, 0]) for role, h in
                      (("query", query_head), ("key", key_head), ("value", key_head))]  # fmt: skip
        scale = self.sm_scale * LOG2_E / (multiplier[0] * multiplier[1])
        q = self.packed("query")[query_head, : self.query_rows]
        k, v = (self.packed(role)[key_head] for role in ("key", "value"))
        output, lse = reference.attention(x, q, k, v, self.delta(query_head), scale, self.seen())
        any_key = (lse > -math.inf)[:, None]
        mean = double(self.mean("value"))[key_head]
        output = x.where(any_key, output / multiplier[2] + mean, output * 0)
        rest = double(self.rows("query"))[query_head] - double(self.means_of_queries())[query_head]
        shift = self.sm_scale * (rest @ double(self.mean("key"))[key_head, 0])
        return output[:, : self.head_dim], lse + shift

    def exact(self, query_head):
        """Attention of a query head without any rounding."""
        double, key_head = self.arrays.double, self.key_head(query_head)
        q, k, v = (double(self.rows(role))[h, :, : self.head_dim] for role, h in
                   (("query", query_head), ("key", key_head), ("value", key_head)))  # fmt: skip
        bias = None if self.bias is None else self.bias_of(query_head)
        return reference.exact(self.arrays.x, q, k, v, self.sm_scale, self.seen(), bias)

    def measure(self):
        """What tests hold against bounds; the LSE must be -infinity exactly where it should.

        A probability next to the middle of two codes may be rounded to either, which shows in the LSE of its row, and
        the more the fewer keys there are: "lse" is what 99 % of the rows keep.
        """
        x, double = self.arrays.x, self.arrays.double
        heads = range(self.batch * self.query_heads)
        pairs = [self.expected(head) for head in heads]
        output = double(self.arrays.floats(self.output)).reshape(len(heads), self.query_rows, self.head_dim)
        same = reference.errors(x, output, x.stack([pair[0] for pair in pairs]))
        exact = reference.errors(x, output, x.stack([self.exact(head) for head in heads]))
        found = {"codes": self.wrong_codes(), "means": self.wrong_means(), "same": same["l2"]}
        found.update(cosine=exact["cosine"], l1=exact["l1"], lse=0.0, worst_lse=0.0)
        if self.lse is not None:
            lse, want = double(self.lse).reshape(len(heads), -1), x.stack([pair[1] for pair in pairs])
            finite = want > -math.inf
            assert bool(((lse == -math.inf) == ~finite).all())
            if bool(finite.any()):
                error = abs(lse[finite] - want[finite])
                found.update(lse=float(x.quantile(error, 0.99)), worst_lse=float(error.max()))
        return found
