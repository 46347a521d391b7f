"""What the FP4 kernels compute, in array arithmetic: x is the module of the arrays, numpy or torch."""

import functools
import math

BLOCK = 128  # rows of a block
LARGEST = 2688.0  # 448 * 6: the largest scale times the largest code
E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


def e4m3_value(code):
    exponent, mantissa = code >> 3 & 15, code & 7
    if code & 0x7F == 0x7F:
        return math.nan
    value = math.ldexp(1 + mantissa / 8, exponent - 7) if exponent else math.ldexp(mantissa / 8, -6)
    return -value if code & 0x80 else value


# ---- numbers: nearest even, saturating


def _step(x, magnitude, mantissa):
    """The distance of neighbours with so many bits of mantissa: a power of two."""
    exponent = x.frexp(magnitude)[1] - (1 + mantissa)
    return x.ldexp(magnitude * 0 + 1, exponent)


def to_e4m3(x, magnitude):
    step = _step(x, x.clip(magnitude, 2.0**-6, None), 3)
    return x.clip(x.round(magnitude / step) * step, None, 448.0)


def to_e2m1(x, value):
    magnitude = abs(value)
    step = _step(x, x.clip(magnitude, 1.0, 4.0), 1)
    return x.sign(value) * x.clip(x.round(magnitude / step) * step, None, 6.0)


def _with_scale(x, groups, scale):
    """The codes' values for a scale, and the squared error in the kernel's order: each operation fused, in float32."""
    one = scale * 0 + 1
    inverse = x.where(scale == 0, scale * 0, one / x.where(scale == 0, one, scale))
    codes = to_e2m1(x, groups * inverse)
    error = scale[..., 0] * 0
    for i in range(16):
        difference = _fused(x, codes[..., i], scale[..., 0], -groups[..., i])
        error = _fused(x, difference, difference, error)
    return codes * scale, error


def _fused(x, a, b, c):
    """a * b + c, rounded once: float64 holds the product exactly."""
    return _float32(x, _float64(x, a) * _float64(x, b) + _float64(x, c))


def _float64(x, a):
    return a.astype(x.float64) if x.__name__ == "numpy" else a.double()


def _float32(x, a):
    return a.astype(x.float32) if x.__name__ == "numpy" else a.float()


def quantize(x, values):
    """float32 values in groups of 16 along the last axis -> what their codes and scales mean."""
    groups = values.reshape(*values.shape[:-1], values.shape[-1] // 16, 16)
    largest = x.amax(abs(groups), -1)[..., None]
    sixth = float(_float32(x, x.asarray(1 / 6)))
    six, error_of_six = _with_scale(x, groups, to_e4m3(x, largest * sixth))
    four, error_of_four = _with_scale(x, groups, to_e4m3(x, largest * 0.25))
    return x.where((error_of_four < error_of_six)[..., None], four, six).reshape(values.shape)


# ---- records: the order of fragments, stated anew (csrc/device/fp4/records.cuh has the kernel's formulas)


def position(index):
    """The column of 32 that holds a key or channel: 8 i + 2 t + e holds 8 t + 2 i + e."""
    base, t, i, e = index // 32 * 32, index % 32 // 8, index % 8 // 2, index % 2
    return base + 8 * i + 2 * t + e


@functools.cache
def places(role, columns):
    """[128][of a sum] -> the nibble of its code and the byte of its scale in a block: two nested lists."""
    width = BLOCK if role == "value" else columns
    rows = columns if role == "value" else BLOCK
    both = [[_place(role, columns, row, k) for k in range(width)] for row in range(rows)]
    return [[p[0] for p in row] for row in both], [[p[1] for p in row] for row in both]


def _place(role, columns, row, k):
    """An A fragment is four words a lane: rows g, g + 8, twice; a B fragment two: lane 4 g + t has eight k from 8 t."""
    step, half, t, nibble, group = k // 64, k % 64 // 32, k % 32 // 8, k % 8, k % 64 // 16
    steps = columns // 64
    if role == "query":
        g, high = row % 8, row % 16 // 8
        word = (step * 32 + 4 * g + t) * 4 + high + 2 * half
        scale = (4 * g + high + 2 * step) if steps == 2 else 2 * g + high
        record = row // 16 * 9 * columns
        return (record + 4 * word) * 2 + nibble, record + 8 * columns + 4 * scale + group
    column = position(row)
    tile, lane = column // 8, 4 * (column % 8) + t
    scale_lane = 4 * (column % 8) + tile % 4
    if role == "key":
        vector = (tile * 32 + lane) * 4 + 2 * step if steps == 2 else (tile // 2 * 32 + lane) * 4 + tile % 2 * 2
        scale = (step * 32 + scale_lane) * 4 + tile // 4
    else:
        vector = ((step * columns // 16 + tile // 2) * 32 + lane) * 4 + tile % 2 * 2
        scale = (step * 32 + scale_lane) * (columns // 32) + tile // 4
    return (vector + half) * 8 + nibble, 64 * columns + 4 * scale + group


def decode(x, role, packed, columns, like=lambda a: a):
    """Blocks [heads, blocks, 72 * columns] of bytes -> [heads, rows, columns] of what they mean, float64."""
    codes, scales = (like(x.asarray(i)) for i in places(role, columns))
    e2m1 = like(x.asarray([*E2M1, *(-value for value in E2M1)]))
    e4m3 = like(x.asarray([e4m3_value(code) for code in range(256)]))
    nibbles = x.stack((packed & 15, packed >> 4), -1).reshape(*packed.shape[:-1], -1)
    integer = (lambda a: a.astype(int)) if x.__name__ == "numpy" else (lambda a: a.long())
    values = _float64(x, e2m1)[integer(nibbles[..., codes])] * _float64(x, e4m3)[integer(packed[..., scales])]
    if role == "value":
        values = x.swapaxes(values, -1, -2)
    return values.reshape(values.shape[0], -1, columns)


def product(words, select_a, select_b):
    """The instruction, which knows lanes, registers, nibbles and bytes alone: words [32 lanes][8] -> sums [32][4].

    words: a0 … a3, b0, b1, the scales of a, the scales of b. lane = 4 g + t; see csrc/device/ptx/fp4.cuh.
    """
    words = [[int(word) for word in lane] for lane in words]
    value = [*E2M1, *(-number for number in E2M1)]
    code = lambda word, i: value[word >> 4 * i & 15]  # noqa: E731
    left, right = {}, {}
    for lane in range(32):
        g, t = lane // 4, lane % 4
        for i in range(8):
            for register in range(4):
                row, k = g + register % 2 * 8, register // 2 * 32 + 8 * t + i
                scales = words[4 * g + 2 * select_a + row // 8][6]
                left[row, k] = code(words[lane][register], i) * e4m3_value(scales >> k // 16 * 8 & 255)
            for register in range(2):
                k = register * 32 + 8 * t + i
                scales = words[4 * g + select_b][7]
                right[k, g] = code(words[lane][4 + register], i) * e4m3_value(scales >> k // 16 * 8 & 255)
    dot = lambda row, column: sum(left[row, k] * right[k, column] for k in range(64))  # noqa: E731
    return [[dot(lane // 4 + i // 2 * 8, lane % 4 * 2 + i % 2) for i in range(4)] for lane in range(32)]


# ---- attention of one head


def attention(x, q, k, v, delta, scale, seen):
    """(output, natural logarithm of the sums), float64: probabilities as the kernel rounds them, 64 keys at a time.

    q [rows, columns], k and v [keys, columns]: what codes and scales mean; delta [rows, keys]; scale of scores to
    base 2; seen [rows]: how many keys a row sees. Keys past the end have a delta of -infinity.
    """
    infinite = float("inf")
    output, total = q * 0, q[:, :1] * 0
    top = total - infinite
    order = _arange(x, k.shape[0], delta)
    for first in range(0, k.shape[0], 64):
        part = slice(first, first + 64)
        s = q @ x.swapaxes(k[part], 0, 1) + delta[:, part]
        s = x.where(order[None, part] >= seen[:, None], x.full_like(s, -infinite), s) * scale
        previous, top = top, x.maximum(top, x.amax(s, -1)[:, None])
        safe = x.where(top == -infinite, x.full_like(top, 0.0), top)
        probability = 2.0 ** (s - safe) * LARGEST
        groups = probability.reshape(s.shape[0], 4, 16)
        scales = to_e4m3(x, x.amax(groups, -1)[..., None] / 6)
        codes = to_e2m1(x, groups / x.where(scales == 0, x.full_like(scales, 1.0), scales))
        rounded = (codes * scales).reshape(s.shape)
        factor = x.where(previous == -infinite, x.full_like(top, 0.0), 2.0 ** (previous - safe))
        output = output * factor + rounded @ v[part]
        total = total * factor + x.sum(rounded, -1)[:, None]
    none = total == 0
    one = x.full_like(total, 1.0)
    log2 = x.log2(x.where(none, one, total)) + x.where(none, one, top) - math.log2(LARGEST)
    log2 = x.where(none, one * -infinite, log2)
    return output / x.where(none, one, total), log2[:, 0] * math.log(2)


def _arange(x, count, like):
    return x.arange(count) if x.__name__ == "numpy" else x.arange(count, device=like.device)


def exact(x, q, k, v, sm_scale, seen, bias=None):
    """Attention of one head in float64; rows that see no key give 0."""
    s = q @ x.swapaxes(k, 0, 1) * sm_scale
    if bias is not None:
        s = s + bias
    order = _arange(x, k.shape[0], s)
    s = x.where(order[None, :] >= seen[:, None], x.full_like(s, -float("inf")), s)
    top = x.amax(s, -1)[:, None]
    p = x.exp(s - x.where(top == -float("inf"), x.full_like(top, 0.0), top))
    total = x.sum(p, -1)[:, None]
    return p @ v / x.where(total == 0, x.full_like(total, 1.0), total)


def errors(x, a, b):
    """Cosine, relative L1 and relative L2 of a against b."""
    a, b = a.reshape(-1), b.reshape(-1)
    difference = a - b
    return {
        "cosine": float((a * b).sum() / ((a * a).sum() * (b * b).sum()) ** 0.5),
        "l1": float(abs(difference).sum() / abs(b).sum()),
        "l2": float(((difference * difference).sum() / (b * b).sum()) ** 0.5),
    }
