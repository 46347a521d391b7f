"""The wgmma path of SM 9.0 as tests and benchmarks call it."""

import ctypes

import torch

from library import MASK_DTYPES, Failure, Library, abi, dtype, pointer, stream, view

CAUSAL = {None: 0, "top-left": 1, "bottom-right": 2}


class Wgmma(Library):
    """A loaded library with the wgmma path's calls."""

    def params(self, q, k, v, output, causal=None, smooth=True, lse=None, sm_scale=None, mask=None, starts=None):
        """Filled parameters for [B, H, S, D] views, without workspace.

        mask broadcasts to [B, H, Sq, Sk]; starts of queries and keys go with a batch of one.
        """
        params = abi.WgmmaParams(
            size=ctypes.sizeof(abi.WgmmaParams),
            query=view(q),
            key=view(k),
            value=view(v),
            output=view(output),
            lse=pointer(lse),
            batch=q.shape[0],
            query_heads=q.shape[1],
            key_heads=k.shape[1],
            query_rows=q.shape[2],
            key_rows=k.shape[2],
            head_dim=q.shape[3],
            sm_scale=sm_scale or q.shape[3] ** -0.5,
            causal=CAUSAL[causal],
            smooth_k=int(smooth),
            dtype=dtype(q),
            output_dtype=dtype(output),
        )
        if mask is not None:
            mask = mask.expand(*q.shape[:3], k.shape[2])
            *strides, params.mask_column_stride = (0 if n == 1 else s for n, s in zip(mask.shape, mask.stride()))
            params.mask = abi.Tensor(mask.data_ptr(), *strides)
            params.mask_dtype = MASK_DTYPES[mask.dtype]
        if starts is not None:
            params.batch = starts[0].numel() - 1
            params.query_starts, params.key_starts = (x.data_ptr() for x in starts)
            params.total_query_rows, params.total_key_rows = q.shape[2], k.shape[2]
            params.query_rows, params.key_rows = (int(x.diff().max()) for x in starts)
        return params

    def workspace(self, params):
        size = self._library.sageattn_wgmma_workspace(ctypes.byref(params))
        if size < 0:
            raise Failure(size, self._library.sageattn_last_error().decode())
        return size

    def launch(self, params, workspace, steps=abi.WGMMA_ALL):
        """Runs steps on torch's current stream, in a uint8 tensor."""
        params.workspace, params.workspace_size, params.steps = workspace.data_ptr(), workspace.numel(), steps
        self.call("sageattn_wgmma_attention", ctypes.byref(params), 0, stream())

    def wgmma(
        self, q, k, v, causal=None, smooth=True, output=None, want_lse=True, sm_scale=None, mask=None, starts=None
    ):
        """(output, lse) in a workspace full of NaN, both poisoned before."""
        if output is None:
            output = torch.full_like(q, float("nan"))
        lse = torch.full(q.shape[:3], float("nan"), device=q.device) if want_lse else None
        params = self.params(q, k, v, output, causal, smooth, lse, sm_scale, mask, starts)
        workspace = torch.full((self.workspace(params),), 255, dtype=torch.uint8, device=q.device)
        self.launch(params, workspace)
        return output, lse
