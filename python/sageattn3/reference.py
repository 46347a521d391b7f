"""What the FP4 kernels compute, in plain torch on the CPU: the arithmetic of SageAttention3 with its roundings.

docs/blackwell.md tells why each step is there. --check and tests compare kernels with it.
"""

from __future__ import annotations

import math

import torch

BLOCK = 128  # query rows that share a mean
STEP = 64  # keys whose probabilities are rounded against the same maximum
GROUP = 16  # neighbours that share a scale
LARGEST = 448.0 * 6.0  # the largest scale times the largest code
E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


def to_e4m3(x: torch.Tensor) -> torch.Tensor:
    """The nearest E4M3 number, ties to even, at most 448."""
    return x.float().clamp(max=448.0).to(torch.float8_e4m3fn).to(x.dtype)


def to_e2m1(x: torch.Tensor) -> torch.Tensor:
    """The nearest E2M1 number, ties to even, at most 6."""
    magnitude = x.abs().clamp(max=6.0)
    step = torch.where(magnitude < 2, 0.5, torch.where(magnitude < 4, 1.0, 2.0)).to(x.dtype)
    return torch.copysign((magnitude / step).round() * step, x)


def quantize(x: torch.Tensor) -> torch.Tensor:
    """What codes and scales along the last dim mean: of the scales that put a group's largest at 6 or 4, the better."""
    groups = x.unflatten(-1, (-1, GROUP))
    largest = groups.abs().amax(-1, keepdim=True)
    candidates = []
    for top in (6.0, 4.0):
        scale = to_e4m3(largest / top)
        rounded = to_e2m1(groups / torch.where(scale == 0, 1.0, scale)) * scale
        candidates.append((rounded, (rounded - groups).square().sum(-1, keepdim=True)))
    (six, error_of_six), (four, error_of_four) = candidates
    return torch.where(error_of_four < error_of_six, four, six).flatten(-2)


def _multiplier(largest: torch.Tensor) -> torch.Tensor:
    """The power of two that brings a head's largest magnitude into (1344, 2688], within 2 ** -60 to 2 ** 60."""
    return torch.exp2(torch.floor(torch.log2(LARGEST / largest.clamp_min(2.0**-100))).clamp(-60, 60))


def _largest(x: torch.Tensor) -> torch.Tensor:
    """The largest magnitude of each head."""
    return x.abs().amax((-2, -1), keepdim=True)


def _largest_of_queries(q: torch.Tensor, means: torch.Tensor, per_block_mean: bool) -> torch.Tensor:
    """A bound, with block means: each lies between the smallest and the largest number of its column."""
    if not per_block_mean:
        return _largest(q - means)
    return (q.amax(-2, keepdim=True) - q.amin(-2, keepdim=True)).amax(-1, keepdim=True)


def _means(q: torch.Tensor, per_block_mean: bool) -> torch.Tensor:
    """The mean of each row's block, for every row."""
    if not per_block_mean:
        return q.mean(-2, keepdim=True).expand_as(q)
    blocks = [block.mean(-2, keepdim=True).expand_as(block) for block in q.split(BLOCK, -2)]
    return torch.cat(blocks, -2)


def _padded(x: torch.Tensor, count: int, dim: int) -> torch.Tensor:
    shape = list(x.shape)
    shape[dim] = -shape[dim] % count
    return torch.cat((x, x.new_zeros(shape)), dim)


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    is_causal: bool = False,
    per_block_mean: bool = True,
    smooth_v: bool = True,
    sm_scale: float | None = None,
    bias: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output and LSE in float64 of HND tensors with as many query heads as key heads.

    bias, broadcastable to [batch, heads, keys], is added to the scaled scores.
    """
    q, k, v = (x.double() for x in (q, k, v))
    rows, keys, head_dim = q.shape[-2], k.shape[-2], q.shape[-1]
    factor = head_dim**-0.5 if sm_scale is None else sm_scale
    key_mean, value_mean = k.mean(-2, keepdim=True), v.mean(-2, keepdim=True) * smooth_v
    means = _means(q, per_block_mean)
    q_codes = _codes(_padded(q - means, STEP, -1), _largest_of_queries(q, means, per_block_mean))
    k_codes = _codes(_padded(k - key_mean, STEP, -1), _largest(k - key_mean))
    values = _padded(v - value_mean, STEP, -2)
    v_codes = _codes(values.transpose(-2, -1), _largest(values)).transpose(-2, -1)

    scores = (q_codes @ k_codes.transpose(-2, -1) + means @ (k - key_mean).transpose(-2, -1)) * factor
    if bias is not None:
        scores = scores + bias.double().unsqueeze(-2)
    if is_causal:
        seen = torch.ones(rows, keys, dtype=torch.bool).tril(keys - rows)
        scores = scores.masked_fill(~seen, -math.inf)
    output, lse = _softmax(_hidden_padding(scores / math.log(2)), v_codes)
    nothing = lse == -math.inf
    output = torch.where(nothing.unsqueeze(-1), 0.0, output + value_mean)
    return output, lse + factor * (q @ key_mean.transpose(-2, -1)).squeeze(-1)


def _codes(x: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
    multiplier = _multiplier(largest)
    return quantize(x * multiplier) / multiplier


def _hidden_padding(scores: torch.Tensor) -> torch.Tensor:
    """Scores with the keys that fill the last step hidden."""
    missing = -scores.shape[-1] % STEP
    return torch.cat((scores, scores.new_full((*scores.shape[:-1], missing), -math.inf)), -1)


def _softmax(scores: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities times values, and the LSE: probabilities are rounded step by step against the running maximum.

    scores: to base 2.
    """
    top = scores.new_full((*scores.shape[:-1], 1), -math.inf)
    total, output = torch.zeros_like(top), values.new_zeros((*scores.shape[:-1], values.shape[-1]))
    for part, value in zip(scores.split(STEP, -1), values.split(STEP, -2)):
        previous, top = top, torch.maximum(top, part.amax(-1, keepdim=True))
        safe = top.masked_fill(top == -math.inf, 0.0)
        groups = (torch.exp2(part - safe) * LARGEST).unflatten(-1, (-1, GROUP))
        scale = to_e4m3(groups.amax(-1, keepdim=True) / 6.0)
        rounded = (to_e2m1(groups / torch.where(scale == 0, 1.0, scale)) * scale).flatten(-2)
        shrink = torch.exp2(previous - safe)
        output = output * shrink + rounded @ value
        total = total * shrink + rounded.sum(-1, keepdim=True)
    lse = (torch.log2(total) + top - math.log2(LARGEST)) * math.log(2)
    return output / total.clamp_min(1e-300), lse.squeeze(-1).masked_fill(total.squeeze(-1) == 0, -math.inf)


# ---- one product, as the instruction sees it


def product(words: list[list[int]], select_a: int, select_b: int) -> list[list[float]]:
    """The sums [32 lanes][4] of the tensor instruction: lanes, registers, nibbles and bytes alone.

    words [32 lanes][8]: the left factor's codes a0 to a3, the right one's b0 and b1, the scales of either. With lane =
    4 g + t, the scales of row g come from lane 4 g + 2 select_a, of row g + 8 from the next, of column g from lane
    4 g + select_b. Source: PTX ISA, matrix fragments and block scaling of mma.m16n8k64.
    """
    left = torch.zeros(16, 64, dtype=torch.float64)
    right = torch.zeros(64, 8, dtype=torch.float64)
    for lane in range(32):
        g, t = divmod(lane, 4)
        for register, nibble in ((register, nibble) for register in range(6) for nibble in range(8)):
            code = _e2m1_of(words[lane][register] >> 4 * nibble & 15)
            if register < 4:
                row, k = g + register % 2 * 8, register // 2 * 32 + 8 * t + nibble
                left[row, k] = code * _scale_of(words[4 * g + 2 * select_a + row // 8][6], k)
            else:
                k = (register - 4) * 32 + 8 * t + nibble
                right[k, g] = code * _scale_of(words[4 * g + select_b][7], k)
    sums = left @ right
    return [
        [float(sums[lane // 4 + i // 2 * 8, lane % 4 * 2 + i % 2]) for i in range(4)] for lane in range(32)
    ]


def _e2m1_of(code: int) -> float:
    return -E2M1[code & 7] if code & 8 else E2M1[code & 7]


def _scale_of(word: int, k: int) -> float:
    """The E4M3 scale of the group of k in a lane's word of four."""
    code = word >> k // GROUP * 8 & 255
    return float(torch.tensor([code], dtype=torch.uint8).view(torch.float8_e4m3fn).float())
