/* Checks of what callers pass, shared by the operators; each failure says which parameter, and both values. */
#ifndef SAGEATTN_CHECK_H
#define SAGEATTN_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "../device/params.h"
#include "sageattn.h"

/* Rows, heads and batches at most: kernels count them in 32 bits and round up to whole blocks. */
#define SAGEATTN_MAX_COUNT (INT32_MAX - 1024)

int sageattn_check_size(const char* function, const void* params, uint64_t size, uint64_t expected);
int sageattn_check_count(const char* function, const char* name, int64_t value, int64_t minimum);
int sageattn_check_head_dim(const char* function, int64_t head_dim);
int sageattn_check_choice(const char* function, const char* name, int32_t value, int32_t first, int32_t last);

/* data may be NULL only if the operand has no element; it must be aligned to so many bytes. */
int sageattn_check_pointer(const char* function, const char* name, const void* data, int64_t elements,
                           unsigned alignment);

/* The view with strides in bytes. vectors is set if every row starts on a multiple of `alignment` bytes. */
int sageattn_check_view(const char* function, const char* name, const sageattn_tensor* tensor, int64_t elements,
                        int element_size, int bfloat16, unsigned alignment, sageattn_view* view);

/* Scales per head, and how far the finest scale index of params.h is shifted for a granularity. */
int64_t sageattn_scales(int32_t operand, int32_t granularity, int64_t rows);
int sageattn_scale_shift(int32_t operand, int32_t granularity);

static inline int64_t sageattn_divide_up(int64_t count, int64_t size) { return (count + size - 1) / size; }

/* Returns from the enclosing function when a check fails. */
#define SAGEATTN_TRY(check)                               \
    do {                                                  \
        const int try_status = (check);                   \
        if (try_status != SAGEATTN_OK) return try_status; \
    } while (0)

#endif
