#include "kind.h"

#include "check.h"
#include "error.h"

const sageattn_kernel_facts sageattn_kernels[SAGEATTN_KERNELS] = {
    [SAGEATTN_KERNEL_MEAN] = {"quantize", "mean", NULL, 0},
    [SAGEATTN_KERNEL_QUANTIZE] = {"quantize", "quantize", NULL, 0},
    [SAGEATTN_KERNEL_QUANTIZE_WIDE] = {"quantize", "quantize_wide", NULL, 0},
    [SAGEATTN_KERNEL_PACK_MASK] = {"pack_mask", "pack_mask", NULL, 0},
    [SAGEATTN_KERNEL_VALUE_STATISTICS] = {"quantize_value", "value_statistics", NULL, 0},
    [SAGEATTN_KERNEL_VALUE_QUANTIZE] = {"quantize_value", "value_quantize", NULL, 0},
    [SAGEATTN_KERNEL_VALUE_FINISH] = {"quantize_value", "value_finish", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_SAMPLE] = {"quantize_wgmma", "wgmma_sample", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_PACK_HD64_FP16] = {"quantize_wgmma", "wgmma_pack_hd64_fp16", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_PACK_HD64_BF16] = {"quantize_wgmma", "wgmma_pack_hd64_bf16", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_PACK_HD128_FP16] = {"quantize_wgmma", "wgmma_pack_hd128_fp16", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_PACK_HD128_BF16] = {"quantize_wgmma", "wgmma_pack_hd128_bf16", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_PACK_VARLEN_HD64_FP16] = {"quantize_wgmma_varlen", "wgmma_pack_varlen_hd64_fp16", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_PACK_VARLEN_HD64_BF16] = {"quantize_wgmma_varlen", "wgmma_pack_varlen_hd64_bf16", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_PACK_VARLEN_HD128_FP16] = {"quantize_wgmma_varlen", "wgmma_pack_varlen_hd128_fp16", NULL,
                                                      0},
    [SAGEATTN_KERNEL_WGMMA_PACK_VARLEN_HD128_BF16] = {"quantize_wgmma_varlen", "wgmma_pack_varlen_hd128_bf16", NULL,
                                                      0},
    [SAGEATTN_KERNEL_WGMMA_SEE_KEYS] = {"prepare_wgmma", "wgmma_see_keys", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_SEE] = {"prepare_wgmma", "wgmma_see", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_WEIGH_KEYS] = {"prepare_wgmma", "wgmma_weigh_keys", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_BIAS_KEYS] = {"prepare_wgmma", "wgmma_bias_keys", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_ORDER] = {"prepare_wgmma", "wgmma_order", NULL, 0},
    [SAGEATTN_KERNEL_WGMMA_KEY_MEAN] = {"prepare_wgmma", "wgmma_key_mean", NULL, 0},
    [SAGEATTN_KERNEL_FP4_STATISTICS] = {"quantize_fp4", "fp4_statistics", NULL, 0},
    [SAGEATTN_KERNEL_FP4_FINISH] = {"quantize_fp4", "fp4_finish", NULL, 0},
    [SAGEATTN_KERNEL_FP4_PACK] = {"quantize_fp4", "fp4_pack", NULL, 0},
    [SAGEATTN_KERNEL_FP4_DELTA] = {"quantize_fp4", "fp4_delta", NULL, 0},
    [SAGEATTN_KERNEL_FP4_PRODUCT] = {"quantize_fp4", "fp4_product", NULL, 0},
#define X(kernel, operation, name, head_dim) [SAGEATTN_KERNEL_##kernel] = {operation, name, name "_traits", head_dim},
    SAGEATTN_ATTENTION_KERNELS(X)
#undef X
};

static const sageattn_kind_facts kinds[] = {
#define X(kind, name, launcher, e4m3, sums_float16, mask, starts, first, kernels)               \
    [SAGEATTN_KIND_##kind] = {name,   SAGEATTN_LAUNCHER_##launcher, e4m3,   sums_float16, mask, \
                              starts, SAGEATTN_KERNEL_##first,      kernels},
    SAGEATTN_KINDS_TABLE(X)
#undef X
};

enum { KINDS = sizeof kinds / sizeof *kinds };

const sageattn_kind_facts* sageattn_kind_find(int32_t kind) {
    return kind >= 0 && kind < KINDS ? &kinds[kind] : NULL;
}

enum sageattn_kernel sageattn_kind_kernel(const sageattn_kind_facts* kind, int64_t head_dim) {
    for (int i = 0; i < kind->kernels; ++i) {
        const enum sageattn_kernel kernel = (enum sageattn_kernel)(kind->first + i);
        if (sageattn_kernels[kernel].head_dim >= head_dim) return kernel;
    }
    return SAGEATTN_KERNELS;
}

enum sageattn_kernel sageattn_kind_quantizer(const sageattn_kind_facts* kind) {
    if (kind->launcher == SAGEATTN_LAUNCHER_WGMMA)
        return kind->starts ? SAGEATTN_KERNEL_WGMMA_PACK_VARLEN_HD64_FP16 : SAGEATTN_KERNEL_WGMMA_PACK_HD64_FP16;
    if (kind->launcher == SAGEATTN_LAUNCHER_FP4) return SAGEATTN_KERNEL_FP4_PACK;
    return kind->e4m3 ? SAGEATTN_KERNEL_VALUE_QUANTIZE : SAGEATTN_KERNEL_QUANTIZE;
}

int sageattn_check_kind(const char* function, int32_t kind, int64_t head_dim, const sageattn_kind_facts** facts,
                        enum sageattn_kernel* kernel) {
    SAGEATTN_TRY(sageattn_check_choice(function, "kind", kind, 0, KINDS - 1));
    SAGEATTN_TRY(sageattn_check_head_dim(function, head_dim));
    *facts = sageattn_kind_find(kind);
    *kernel = sageattn_kind_kernel(*facts, head_dim);
    if (*kernel != SAGEATTN_KERNELS) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: head_dim is %lld, which no kernel of kind %s takes",
                         function, (long long)head_dim, (*facts)->name);
}
