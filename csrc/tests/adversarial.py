"""Inputs that a quantiser gets wrong if it trusts a sample, a mean or the next row too far, and what the formats
themselves lose on them.

CASES: name → function that changes float32 q, k, v of [B, H, rows, D] in place. Every magnitude fits float16.
"""

import math

import torch

INT8, E4M3 = 127.0, 448.0


def _offset(q, k, v):
    v += 1


def _large_offset(q, k, v):
    v += 300


def _ramp(q, k, v):
    v += torch.linspace(0, 4, v.shape[2], device=v.device)[:, None]


def _constant_channels(q, k, v):
    v[..., ::3] = 7.25


def _sink(q, k, v):
    """The first key draws every query, and its value is small."""
    k[:, :, 0] = q.mean(2)[:, : k.shape[1]] + 4
    q += 2
    v[:, :, 0] *= 1e-3


def _sampled_rows(q, k, v):
    """Every sixty-fourth row is ten thousand times as large."""
    v[:, :, ::64] *= 1e4


def _one_row(q, k, v):
    v[:, :, v.shape[2] // 3] *= 1e4


def _odd_row(q, k, v):
    """Of a pair of neighbouring rows the second."""
    v[:, :, min(5, v.shape[2] - 1)] = 3e4


def _last_row(q, k, v):
    v[:, :, -1] *= 3e3


def _outlier_channels(q, k, v):
    v[..., 1::16] *= 1e3
    k[..., 2::16] *= 30


def _sparse(q, k, v):
    v *= (torch.rand_like(v) < 0.01).float()


def _heavy_tail(q, k, v):
    v.copy_((v / torch.rand_like(v).clamp_min(1e-3)).clamp(-3e4, 3e4))


def _halves(q, k, v):
    """The first half of the rows is a thousand times smaller."""
    v[:, :, : v.shape[2] // 2] *= 1e-3


def _magnitudes(q, k, v):
    """Rows over six decades."""
    v *= torch.logspace(-3, 3, v.shape[2], device=v.device)[torch.randperm(v.shape[2], device=v.device)][:, None]


def _two_signs(q, k, v):
    sign = torch.where(torch.rand(v.shape[2], device=v.device) < 0.5, 1.0, -1.0)[:, None]
    v.copy_(sign + v * 0.01)


def _key_mean(q, k, v):
    k += torch.randn_like(k[:, :, :1]) * 20


def _key_drift(q, k, v):
    k += torch.linspace(-3, 3, k.shape[2], device=k.device)[:, None] * torch.randn_like(k[:, :, :1])


def _key_outliers(q, k, v):
    k[:, :, ::97] *= 20


def _tiny(q, k, v):
    v *= 2.0**-10


def _spread(q, k, v):
    """Scores that one key wins."""
    q *= 8


CASES = {
    name.lstrip("_").replace("_", "-"): function
    for name, function in list(globals().items())
    if name.startswith("_") and callable(function)
}


def operands(name, rows, dim, dtype=torch.bfloat16, queries=256):
    """q [1, 2, queries, dim], k and v [1, 2, rows, dim] of a case, from a seed of its own."""
    torch.manual_seed(sum(name.encode()) + rows + dim)
    q = torch.randn(1, 2, queries, dim, device="cuda")
    k, v = (torch.randn(1, 2, rows, dim, device="cuda") for _ in range(2))
    CASES[name](q, k, v)
    return tuple(x.to(dtype) for x in (q, k, v))


def formats(q, k, v):
    """Attention in float64 on operands rounded as the kernels' formats are: INT8 rows of queries, INT8 keys less their
    mean in groups of 32, E4M3 values less their mean by channel, E4M3 probabilities; what rounding the values lost on
    average put back."""
    q, k, v = (x.double() for x in (q, k, v))
    scale = q.shape[-1] ** -0.5
    queries = _round_int8(q, q.abs().amax(-1, keepdim=True))
    keys = _round_keys(k - k.mean(2, keepdim=True))
    mean = v.mean(2, keepdim=True)
    unit = ((v - mean).abs().amax(2, keepdim=True) / E4M3).clamp_min(1e-30)
    values = _round_e4m3((v - mean) / unit) * unit
    mean = mean + (v - mean - values).mean(2, keepdim=True)
    scores = queries @ keys.transpose(-1, -2) * (scale / math.log(2))
    weights = _round_e4m3(torch.exp2(scores - scores.amax(-1, keepdim=True) + 8))
    return weights @ values / weights.sum(-1, keepdim=True) + mean


def _round_int8(x, largest):
    unit = (largest / INT8).clamp_min(1e-30)
    return (x / unit).round() * unit


def _round_keys(k):
    batch, heads, rows, dim = k.shape
    padded = torch.zeros(batch, heads, -(-rows // 32) * 32, dim, dtype=k.dtype, device=k.device)
    padded[:, :, :rows] = k
    groups = padded.view(batch, heads, -1, 32, dim)
    return _round_int8(groups, groups.abs().amax((-1, -2), keepdim=True)).view_as(padded)[:, :, :rows]


def _round_e4m3(x):
    return x.clamp(-E4M3, E4M3).float().to(torch.float8_e4m3fn).double()
