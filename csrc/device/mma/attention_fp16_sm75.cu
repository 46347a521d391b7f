// INT8 QK, FP16 PV attention for Turing: m8n8k16 and m16n8k8, copies through registers.
#include "attention.cuh"
#include "family_sm75.cuh"

ATTENTION_KERNELS(fp16, Sm75)
