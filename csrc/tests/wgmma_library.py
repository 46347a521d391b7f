"""The wgmma path of SM 9.0 as tests and benchmarks call it."""

import ctypes

import torch

from library import Failure, Library, abi, dtype, pointer, stream, view

CAUSAL = {None: 0, "top-left": 1, "bottom-right": 2}


class Wgmma(Library):
    """A loaded library with the wgmma path's calls."""

    def params(self, q, k, v, output, causal=None, smooth=True, lse=None, sm_scale=None):
        """Filled parameters for [B, H, S, D] views, without workspace."""
        return abi.WgmmaParams(
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

    def workspace(self, params):
        size = self._library.sageattn_wgmma_workspace(ctypes.byref(params))
        if size < 0:
            raise Failure(size, self._library.sageattn_last_error().decode())
        return size

    def launch(self, params, workspace, steps=abi.WGMMA_ALL):
        """Runs steps on torch's current stream, in a uint8 tensor."""
        params.workspace, params.workspace_size, params.steps = workspace.data_ptr(), workspace.numel(), steps
        self.call("sageattn_wgmma_attention", ctypes.byref(params), 0, stream())

    def wgmma(self, q, k, v, causal=None, smooth=True, output=None, want_lse=True, sm_scale=None):
        """(output, lse) in a workspace full of NaN, both poisoned before."""
        if output is None:
            output = torch.full_like(q, float("nan"))
        lse = torch.full(q.shape[:3], float("nan"), device=q.device) if want_lse else None
        params = self.params(q, k, v, output, causal, smooth, lse, sm_scale)
        workspace = torch.full((self.workspace(params),), 255, dtype=torch.uint8, device=q.device)
        self.launch(params, workspace)
        return output, lse
