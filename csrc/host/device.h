/* Devices and the kernels loaded on them. */
#ifndef SAGEATTN_DEVICE_H
#define SAGEATTN_DEVICE_H

#include <stdint.h>

#include "../device/params.h"
#include "driver.h"

/* Kinds of attention kernels, each with one for every head dim: attention_fp16_hd64, attention_fp16_masked_hd64, … */
enum sageattn_kind {
    SAGEATTN_KIND_FP16,
    SAGEATTN_KIND_FP16_MASKED,
    SAGEATTN_KIND_FP16_ACCUM_F16,
    SAGEATTN_KIND_FP8,
    SAGEATTN_KIND_FP8_ACCUM_F16,
    SAGEATTN_KINDS
};
enum { SAGEATTN_HEAD_DIMS = 5 }; /* 64, 96, 128, 192, 256 */

enum sageattn_kernel {
    SAGEATTN_KERNEL_MEAN,
    SAGEATTN_KERNEL_QUANTIZE,
    SAGEATTN_KERNEL_QUANTIZE_WIDE,
    SAGEATTN_KERNEL_VALUE_STATISTICS,
    SAGEATTN_KERNEL_VALUE_QUANTIZE,
    SAGEATTN_KERNEL_VALUE_FINISH,
    SAGEATTN_KERNEL_WGMMA_STATISTICS,
    SAGEATTN_KERNEL_WGMMA_PACK,
    SAGEATTN_KERNEL_WGMMA_FINISH,
    SAGEATTN_KERNEL_FP8_WGMMA_HD64,
    SAGEATTN_KERNEL_FP8_WGMMA_HD128,
    SAGEATTN_KERNEL_ATTENTION, /* the first of them, see sageattn_attention_kernel_of */
    SAGEATTN_KERNELS = SAGEATTN_KERNEL_ATTENTION + SAGEATTN_KINDS * SAGEATTN_HEAD_DIMS
};

/* head_dim: index of the kernel's head dim. */
static inline enum sageattn_kernel sageattn_attention_kernel_of(enum sageattn_kind kind, int head_dim) {
    return (enum sageattn_kernel)(SAGEATTN_KERNEL_ATTENTION + (int)kind * SAGEATTN_HEAD_DIMS + head_dim);
}

const char* sageattn_kernel_name(enum sageattn_kernel kernel);

/* The first of these kernels that the fatbin has for the device, and how its image wants to be launched (zeros
 * unless it is an attention kernel). SAGEATTN_NO_IMAGE if there is none. */
int sageattn_find(const enum sageattn_kernel* kernels, int count, int32_t device, enum sageattn_kernel* found,
                  sageattn_traits* traits);

/* Launches on the device's primary context. traits: NULL for an attention kernel, whose image holds its own.
 * blocks may be any number: above what a grid takes is an error. */
int sageattn_launch(enum sageattn_kernel kernel, int32_t device, void* stream, int64_t blocks,
                    const sageattn_traits* traits, void* arguments);

#endif
