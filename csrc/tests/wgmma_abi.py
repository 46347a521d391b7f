"""csrc/host/sageattn_wgmma.h in ctypes, for tests with PyTorch and without."""

import ctypes

ALL, QUANTIZE, ATTEND = 0, 1, 2  # sageattn_wgmma_steps


def wgmma_params(tensor):
    """The class of sageattn_wgmma_params, given that of sageattn_tensor."""

    class WgmmaParams(ctypes.Structure):
        """sageattn_wgmma_params."""

        _fields_ = [
            ("size", ctypes.c_uint64),
            *((name, tensor) for name in ("query", "key", "value", "output")),
            ("workspace", ctypes.c_void_p),
            ("workspace_size", ctypes.c_int64),
            ("lse", ctypes.c_void_p),
            *(
                (name, ctypes.c_int64)
                for name in (
                    "batch", "query_heads", "key_heads", "query_rows", "key_rows", "head_dim",
                )
            ),
            ("sm_scale", ctypes.c_float),
            *(
                (name, ctypes.c_int32)
                for name in ("causal", "smooth_k", "dtype", "output_dtype", "steps")
            ),
        ]  # fmt: skip

    return WgmmaParams
