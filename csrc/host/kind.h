/* What csrc/kernels.toml says about kinds of attention kernels, and the kernels of all operations. */
#ifndef SAGEATTN_KIND_H
#define SAGEATTN_KIND_H

#include <stdint.h>

#include "kernels.inc"
#include "sageattn.h"

enum sageattn_kernel {
    SAGEATTN_KERNEL_MEAN,
    SAGEATTN_KERNEL_QUANTIZE,
    SAGEATTN_KERNEL_QUANTIZE_WIDE,
    SAGEATTN_KERNEL_PACK_MASK,
    SAGEATTN_KERNEL_VALUE_STATISTICS,
    SAGEATTN_KERNEL_VALUE_QUANTIZE,
    SAGEATTN_KERNEL_VALUE_FINISH,
    SAGEATTN_KERNEL_WGMMA_SAMPLE,
    SAGEATTN_KERNEL_WGMMA_PACK_HD64_FP16,
    SAGEATTN_KERNEL_WGMMA_PACK_HD64_BF16,
    SAGEATTN_KERNEL_WGMMA_PACK_HD128_FP16,
    SAGEATTN_KERNEL_WGMMA_PACK_HD128_BF16,
    SAGEATTN_KERNEL_WGMMA_PACK_VARLEN_HD64_FP16,
    SAGEATTN_KERNEL_WGMMA_PACK_VARLEN_HD64_BF16,
    SAGEATTN_KERNEL_WGMMA_PACK_VARLEN_HD128_FP16,
    SAGEATTN_KERNEL_WGMMA_PACK_VARLEN_HD128_BF16,
    SAGEATTN_KERNEL_WGMMA_SEE_KEYS,
    SAGEATTN_KERNEL_WGMMA_SEE,
    SAGEATTN_KERNEL_WGMMA_WEIGH_KEYS,
    SAGEATTN_KERNEL_WGMMA_BIAS_KEYS,
    SAGEATTN_KERNEL_WGMMA_ORDER,
    SAGEATTN_KERNEL_WGMMA_KEY_MEAN,
    SAGEATTN_KERNEL_FP4_STATISTICS,
    SAGEATTN_KERNEL_FP4_FINISH,
    SAGEATTN_KERNEL_FP4_PACK,
    SAGEATTN_KERNEL_FP4_DELTA,
    SAGEATTN_KERNEL_FP4_PRODUCT,
#define X(kernel, operation, name, head_dim) SAGEATTN_KERNEL_##kernel,
    SAGEATTN_ATTENTION_KERNELS(X)
#undef X
        SAGEATTN_KERNELS
};

typedef struct sageattn_kernel_facts {
    const char* operation; /* of the container that defines the kernel */
    const char* name;
    const char* traits; /* the constant beside an attention kernel, else NULL */
    int head_dim;       /* the largest that an attention kernel takes */
} sageattn_kernel_facts;

extern const sageattn_kernel_facts sageattn_kernels[SAGEATTN_KERNELS];

enum sageattn_launcher { SAGEATTN_LAUNCHER_ATTENTION, SAGEATTN_LAUNCHER_WGMMA, SAGEATTN_LAUNCHER_FP4 };

typedef struct sageattn_kind_facts {
    const char* name;
    enum sageattn_launcher launcher; /* the function of the C interface */
    int e4m3, sums_float16, mask, starts;
    enum sageattn_kernel first; /* of its kernels, which rise in head dim */
    int kernels;
} sageattn_kind_facts;

/* NULL for a number that is no kind. */
const sageattn_kind_facts* sageattn_kind_find(int32_t kind);

/* The kernel of a kind that serves a head dim; SAGEATTN_KERNELS if the head dim is too large. */
enum sageattn_kernel sageattn_kind_kernel(const sageattn_kind_facts* kind, int64_t head_dim);

/* A kernel that quantises for the kind: without it the kind's own kernels are of no use. */
enum sageattn_kernel sageattn_kind_quantizer(const sageattn_kind_facts* kind);

/* The facts of a kind and its kernel for a head dim. INVALID_ARGUMENT, which says why, if there is none. */
int sageattn_check_kind(const char* function, int32_t kind, int64_t head_dim, const sageattn_kind_facts** facts,
                        enum sageattn_kernel* kernel);

#endif
