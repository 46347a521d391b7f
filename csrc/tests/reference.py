"""What the kernels are compared with: attention in float64, the quantiser in plain float32 PyTorch."""

import torch


def visible(query_rows, key_rows, causal, device):
    """Which keys causal shows to which queries: 0 all, 1 from the top left, 2 from the bottom right."""
    shown = torch.ones(query_rows, key_rows, dtype=torch.bool, device=device)
    return shown if causal == 0 else shown.tril(key_rows - query_rows if causal == 2 else 0)


def attention(q, k, v, causal, sm_scale, mask=None):
    """softmax(sm_scale q k^T + mask) v and its natural LSE, in float64, head by head; rows that see nothing are 0."""
    group = q.shape[1] // k.shape[1]
    output = torch.empty(q.shape, dtype=torch.float64, device=q.device)
    lse = torch.empty(q.shape[:3], dtype=torch.float64, device=q.device)
    shown = visible(q.shape[2], k.shape[2], int(causal), q.device)
    if mask is not None:
        mask = mask.expand(*q.shape[:3], k.shape[2])
    for batch in range(q.shape[0]):
        for head in range(q.shape[1]):
            scores = q[batch, head].double() @ k[batch, head // group].double().T * sm_scale
            if mask is not None and mask.dtype == torch.bool:
                scores = scores.masked_fill(~mask[batch, head], float("-inf"))
            elif mask is not None:
                scores = scores + mask[batch, head].double()
            if causal:
                scores = scores.masked_fill(~shown, float("-inf"))
            lse[batch, head] = scores.logsumexp(-1)
            output[batch, head] = scores.softmax(-1).nan_to_num(0.0) @ v[batch, head // group].double()
    return output, lse


def errors(output, expected):
    """(cosine, relative L1) of a whole tensor; both NaN if anything in output is."""
    x, y = output.double().flatten(), expected.double().flatten()
    cosine = (x @ y) / (x.norm() * y.norm())
    return cosine.item(), ((x - y).abs().sum() / y.abs().sum()).item()


def groups(rows, operand, granularity, device, block=None, warp=None):
    """Index of each row's scale: the rule of sageattn.h written the slow way."""
    block = block or (128 if operand == 0 else 64)
    warp = warp or 32
    index = []
    for row in range(rows):
        number, inside = divmod(row, block)
        if granularity == "block" or (granularity == "warp" and operand == 1):
            index.append(number)
        elif granularity == "warp":
            index.append(number * (block // warp) + inside // warp)
        elif operand == 0:
            index.append((number * (block // warp) + inside // warp) * 8 + inside % 8)
        else:
            index.append(number * 4 + inside % 8 // 2)
    return torch.tensor(index, dtype=torch.int64, device=device)


def quantize(x, operand, granularity, count, mean=None, block=None, warp=None):
    """(int8, scales) of a [B, H, S, D] tensor, in float32 with one rounding an operation."""
    x = x.float()
    if mean is not None:
        x = x - mean[:, :, None]
    index = groups(x.shape[2], operand, granularity, x.device, block, warp)
    largest = torch.zeros(*x.shape[:2], count, device=x.device)
    largest.index_reduce_(2, index, x.abs().amax(-1), "amax")
    largest = largest.clamp(min=1e-7)
    inverse = largest.reciprocal() * 127.0
    return torch.round(x * inverse[:, :, index, None]).to(torch.int8), largest * (1.0 / 127.0)
