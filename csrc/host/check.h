/* Checks of what callers pass, shared by the operators; each failure says which parameter, and both values. */
#ifndef SAGEATTN_CHECK_H
#define SAGEATTN_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "../device/params.h"
#include "sageattn.h"

/* Rows, heads and batches at most: kernels count them in 32 bits and round up to whole blocks. */
#define SAGEATTN_MAX_COUNT (INT32_MAX - 1024)
#define SAGEATTN_MAX_HEAD_DIM 256

enum { SAGEATTN_WORKSPACE_ALIGNMENT = 128 };

int sageattn_check_size(const char* function, const void* params, uint64_t size, uint64_t expected);
int sageattn_check_count(const char* function, const char* name, int64_t value, int64_t minimum);
int sageattn_check_head_dim(const char* function, int64_t head_dim);
int sageattn_check_groups(const char* function, int64_t query_heads, int64_t key_heads);

/* Counts of an attention. */
typedef struct sageattn_sizes {
    int64_t batch, query_heads, key_heads, query_rows, key_rows, head_dim;
} sageattn_sizes;

/* For the paths that quantise into a workspace, by tiles of up to 128 columns. */
int sageattn_check_tiled(const char* function, const sageattn_sizes* sizes);
int sageattn_check_workspace(const char* function, const void* workspace, int64_t size, int64_t needed);

int sageattn_check_choice(const char* function, const char* name, int32_t value, int32_t first, int32_t last);
int sageattn_check_scale(const char* function, float sm_scale);

/* data may be NULL only if the operand has no element; it must be aligned to so many bytes. */
int sageattn_check_pointer(const char* function, const char* name, const void* data, int64_t elements,
                           unsigned alignment);

/* The view with strides in bytes. vectors is set if every row starts on a multiple of `alignment` bytes. */
int sageattn_check_view(const char* function, const char* name, const sageattn_tensor* tensor, int64_t elements,
                        int element_size, int bfloat16, unsigned alignment, sageattn_view* view);

/* How rows share scales, in the numbers that kernels take: see params.h. */
typedef struct sageattn_groups {
    int block_shift, warp_shift, scale_shift;
    int block_scales; /* scales of a block at this granularity */
} sageattn_groups;

int sageattn_check_groups_of_query(const char* function, int32_t granularity, int32_t block_rows, int32_t warp_rows,
                                   sageattn_groups* groups);
int sageattn_check_groups_of_key(const char* function, int32_t granularity, int32_t block_rows,
                                 sageattn_groups* groups);

/* Scales per head. varlen: of sequences with starts. */
int64_t sageattn_group_scales(const sageattn_groups* groups, int64_t rows, int64_t total_rows, int64_t batch,
                              int varlen);

/* starts may be NULL. */
int sageattn_check_starts(const char* function, const char* name, const int32_t* starts, int64_t total_rows,
                          int64_t batch);

static inline int64_t sageattn_divide_up(int64_t count, int64_t size) { return (count + size - 1) / size; }

/* a * b blocks; if that is more than a grid takes, some number that no grid takes. */
static inline int64_t sageattn_blocks(int64_t a, int64_t b) {
    return a > 0 && b > INT32_MAX / a ? (int64_t)INT32_MAX + 1 : a * b;
}

/* With starts, sequences lie in one batch. */
static inline sageattn_tensor sageattn_sequences_view(sageattn_tensor tensor, const int32_t* starts) {
    if (starts != NULL) tensor.batch_stride = 0;
    return tensor;
}

/* Returns from the enclosing function when a check fails. */
#define SAGEATTN_TRY(check)                               \
    do {                                                  \
        const int try_status = (check);                   \
        if (try_status != SAGEATTN_OK) return try_status; \
    } while (0)

#endif
