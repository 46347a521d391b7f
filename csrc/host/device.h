/* Devices and the kernels loaded on them. */
#ifndef SAGEATTN_DEVICE_H
#define SAGEATTN_DEVICE_H

#include <stdint.h>

#include "../device/params.h"
#include "driver.h"

enum sageattn_kernel {
    SAGEATTN_KERNEL_MEAN,
    SAGEATTN_KERNEL_QUANTIZE,
    SAGEATTN_KERNEL_VALUE_STATISTICS,
    SAGEATTN_KERNEL_VALUE_QUANTIZE,
    SAGEATTN_KERNEL_VALUE_FINISH,
    SAGEATTN_KERNEL_HD64_FULL,
    SAGEATTN_KERNEL_HD64_CAUSAL,
    SAGEATTN_KERNEL_HD128_FULL,
    SAGEATTN_KERNEL_HD128_CAUSAL,
    SAGEATTN_KERNEL_PACKED_STATISTICS,
    SAGEATTN_KERNEL_PACKED_PACK,
    SAGEATTN_KERNEL_PACKED_FINISH,
    SAGEATTN_KERNEL_PACKED_HD64,
    SAGEATTN_KERNEL_PACKED_HD128,
    SAGEATTN_KERNELS
};

/* Launches on the device's primary context. traits: NULL for an attention kernel, whose image holds its own.
 * blocks may be any number: above what a grid takes is an error. */
int sageattn_launch(enum sageattn_kernel kernel, int32_t device, void* stream, int64_t blocks,
                    const sageattn_traits* traits, void* arguments);

#endif
