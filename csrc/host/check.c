#include "check.h"

#include <math.h>

#include "error.h"

int sageattn_check_size(const char* function, const void* params, uint64_t size, uint64_t expected) {
    if (params == NULL) return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: params is NULL", function);
    if (size == expected) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: params has %llu bytes, this library expects %llu", function,
                         (unsigned long long)size, (unsigned long long)expected);
}

int sageattn_check_count(const char* function, const char* name, int64_t value, int64_t minimum) {
    if (value >= minimum && value <= SAGEATTN_MAX_COUNT) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: %s is %lld, it must be %lld to %lld", function, name,
                         (long long)value, (long long)minimum, (long long)SAGEATTN_MAX_COUNT);
}

int sageattn_check_head_dim(const char* function, int64_t head_dim) {
    if (head_dim >= 1 && head_dim <= SAGEATTN_MAX_HEAD_DIM) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: head_dim is %lld, kernels take 1 to %d", function,
                         (long long)head_dim, SAGEATTN_MAX_HEAD_DIM);
}

int sageattn_check_groups(const char* function, int64_t query_heads, int64_t key_heads) {
    if (key_heads >= 1 && query_heads % key_heads == 0) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: %lld query heads are no multiple of %lld key heads",
                         function, (long long)query_heads, (long long)key_heads);
}

/* At most so many rows of a head, and so many heads of all batches: either, times the size of a tile, stays below
 * 2^31. */
enum { MAX_TILED_ROWS = 1 << 24, MAX_TILED_HEADS = 1 << 24, MAX_TILED_HEAD_DIM = 128 };

int sageattn_check_tiled(const char* function, const sageattn_sizes* n) {
    SAGEATTN_TRY(sageattn_check_count(function, "batch", n->batch, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "query_heads", n->query_heads, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "key_heads", n->key_heads, 1));
    SAGEATTN_TRY(sageattn_check_count(function, "query_rows", n->query_rows, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "key_rows", n->key_rows, 0));
    if (n->head_dim < 1 || n->head_dim > MAX_TILED_HEAD_DIM)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: head_dim is %lld, it must be 1 to %d", function,
                             (long long)n->head_dim, MAX_TILED_HEAD_DIM);
    SAGEATTN_TRY(sageattn_check_groups(function, n->query_heads, n->key_heads));
    if (n->query_rows <= MAX_TILED_ROWS && n->key_rows <= MAX_TILED_ROWS &&
        n->batch * n->query_heads <= MAX_TILED_HEADS && n->batch * n->key_heads <= MAX_TILED_HEADS)
        return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: more than %d rows, or heads of all batches", function,
                         MAX_TILED_ROWS);
}

int sageattn_check_workspace(const char* function, const void* workspace, int64_t size, int64_t needed) {
    SAGEATTN_TRY(sageattn_check_pointer(function, "workspace", workspace, 1, SAGEATTN_WORKSPACE_ALIGNMENT));
    if (size >= needed) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: the workspace has %lld bytes, %lld are needed", function,
                         (long long)size, (long long)needed);
}

int sageattn_check_choice(const char* function, const char* name, int32_t value, int32_t first, int32_t last) {
    if (value >= first && value <= last) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: %s is %d, it must be %d to %d", function, name, (int)value,
                         (int)first, (int)last);
}

int sageattn_check_scale(const char* function, float sm_scale) {
    if (sm_scale > 0.0f && !isinf(sm_scale)) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: sm_scale is %g, it must be above 0 and finite", function,
                         (double)sm_scale);
}

int sageattn_check_pointer(const char* function, const char* name, const void* data, int64_t elements,
                           unsigned alignment) {
    if (data == NULL && elements > 0)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: %s is NULL", function, name);
    if ((uintptr_t)data % alignment != 0)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: %s is not aligned to %u bytes", function, name,
                             alignment);
    return SAGEATTN_OK;
}

int sageattn_check_view(const char* function, const char* name, const sageattn_tensor* tensor, int64_t elements,
                        int element_size, int bfloat16, unsigned alignment, sageattn_view* view) {
    SAGEATTN_TRY(sageattn_check_pointer(function, name, tensor->data, elements, (unsigned)element_size));
    *view = (sageattn_view){tensor->data,
                            tensor->batch_stride * element_size,
                            tensor->head_stride * element_size,
                            tensor->row_stride * element_size,
                            bfloat16,
                            0};
    const uint64_t bits = (uint64_t)(uintptr_t)tensor->data | (uint64_t)view->batch_stride |
                          (uint64_t)view->head_stride | (uint64_t)view->row_stride;
    view->vectors = bits % alignment == 0;
    return SAGEATTN_OK;
}

static int log2_of(int64_t power) {
    int log2 = 0;
    while (power > 1) power /= 2, ++log2;
    return log2;
}

/* Sets *shift to log2 of rows, or of the default if it is 0; it must be one of two. */
static int check_rows(const char* function, const char* name, int32_t rows, int standard, int other, int* shift) {
    if (rows != 0 && rows != standard && rows != other)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: %s is %d, it must be %d or %d, or 0 for %d", function,
                             name, (int)rows, standard, other, standard);
    *shift = log2_of(rows == 0 ? standard : rows);
    return SAGEATTN_OK;
}

int sageattn_check_groups_of_query(const char* function, int32_t granularity, int32_t block_rows, int32_t warp_rows,
                                   sageattn_groups* groups) {
    SAGEATTN_TRY(
        sageattn_check_choice(function, "granularity", granularity, SAGEATTN_PER_BLOCK, SAGEATTN_PER_THREAD));
    SAGEATTN_TRY(
        check_rows(function, "block rows of queries", block_rows, SAGEATTN_QUERY_BLOCK, 64, &groups->block_shift));
    SAGEATTN_TRY(
        check_rows(function, "warp rows of queries", warp_rows, SAGEATTN_QUERY_WARP, 16, &groups->warp_shift));
    const int warps_log2 = groups->block_shift - groups->warp_shift;
    groups->scale_shift = granularity == SAGEATTN_PER_THREAD ? 0
                          : granularity == SAGEATTN_PER_WARP ? 3
                                                             : 3 + warps_log2;
    groups->block_scales = 8 << warps_log2 >> groups->scale_shift;
    return SAGEATTN_OK;
}

int sageattn_check_groups_of_key(const char* function, int32_t granularity, int32_t block_rows,
                                 sageattn_groups* groups) {
    SAGEATTN_TRY(
        sageattn_check_choice(function, "granularity", granularity, SAGEATTN_PER_BLOCK, SAGEATTN_PER_THREAD));
    SAGEATTN_TRY(
        check_rows(function, "block rows of keys", block_rows, SAGEATTN_KEY_BLOCK, 128, &groups->block_shift));
    groups->warp_shift = 0;
    groups->scale_shift = granularity == SAGEATTN_PER_THREAD ? 0 : 2;
    groups->block_scales = 4 >> groups->scale_shift;
    return SAGEATTN_OK;
}

/* Rounded up for whole sequences; with starts, each begins at a block of its own. */
int64_t sageattn_group_scales(const sageattn_groups* groups, int64_t rows, int64_t total_rows, int64_t batch,
                              int varlen) {
    const int64_t size = (int64_t)1 << groups->block_shift;
    return (varlen ? total_rows / size + batch : sageattn_divide_up(rows, size)) * groups->block_scales;
}

int sageattn_check_starts(const char* function, const char* name, const int32_t* starts, int64_t total_rows,
                          int64_t batch) {
    if (starts == NULL) return SAGEATTN_OK;
    SAGEATTN_TRY(sageattn_check_pointer(function, name, starts, 0, sizeof *starts));
    if (total_rows >= 0 && batch <= SAGEATTN_MAX_COUNT / 128 && total_rows <= SAGEATTN_MAX_COUNT - 128 * batch)
        return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT,
                         "%s: %s with %lld rows of %lld sequences: rows and 128 a sequence must stay below 2^31",
                         function, name, (long long)total_rows, (long long)batch);
}

int64_t sageattn_scale_count(int32_t operand, int32_t granularity, int64_t rows) {
    sageattn_groups groups;
    if (operand < SAGEATTN_QUERY || operand > SAGEATTN_KEY) return -1;
    if (granularity < SAGEATTN_PER_BLOCK || granularity > SAGEATTN_PER_THREAD || rows < 0) return -1;
    if (operand == SAGEATTN_QUERY) sageattn_check_groups_of_query("", granularity, 0, 0, &groups);
    else sageattn_check_groups_of_key("", granularity, 0, &groups);
    return sageattn_group_scales(&groups, rows, 0, 0, 0);
}
