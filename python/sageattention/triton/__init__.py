"""INT8 attention in Triton, for GPUs without a compiled kernel and for callers of the 2.2 modules.

Importing sageattention does not import this package. Its modules need triton 3.2 or newer.

Where these modules differ from SageAttention 2.2, the meaning of each tensor is kept, the bits are not:
queries are quantised before sm_scale * log2(e) is multiplied into their scale, not after; ties round to
even, not away from zero; keys are centred in float32, not in their own dtype; and a scale is
max(1e-7, largest) / 127. That is the definition of the CUDA kernels, bit for bit.
"""
