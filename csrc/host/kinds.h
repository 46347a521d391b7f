/* Generated from csrc/kernels.toml by `sagebuild generate`: edit that file instead. */
#ifndef SAGEATTN_KINDS_H
#define SAGEATTN_KINDS_H

/* Kinds of attention kernels; csrc/kernels.toml says what each takes. */
enum sageattn_kind {
    SAGEATTN_KIND_FP16 = 0,
    SAGEATTN_KIND_FP16_MASKED = 1,
    SAGEATTN_KIND_FP16_ACCUM_F16 = 2,
    SAGEATTN_KIND_FP8 = 3,
    SAGEATTN_KIND_FP8_ACCUM_F16 = 4,
    SAGEATTN_KIND_FP8_WGMMA = 5,
    SAGEATTN_KIND_FP4 = 6,
    SAGEATTN_KIND_FP8_SCALED = 7,
    SAGEATTN_KIND_FP8_WGMMA_MASKED = 8,
    SAGEATTN_KIND_FP8_WGMMA_BIASED = 9,
    SAGEATTN_KIND_FP8_WGMMA_VARLEN = 10,
    SAGEATTN_KIND_FP16_BIASED = 11
};

#endif
