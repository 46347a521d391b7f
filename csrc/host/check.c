#include "check.h"

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
    if (head_dim == 64 || head_dim == 128) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: head_dim is %lld, kernels exist for 64 and 128", function,
                         (long long)head_dim);
}

int sageattn_check_choice(const char* function, const char* name, int32_t value, int32_t first, int32_t last) {
    if (value >= first && value <= last) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: %s is %d, it must be %d to %d", function, name, (int)value,
                         (int)first, (int)last);
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

int sageattn_scale_shift(int32_t operand, int32_t granularity) {
    if (granularity == SAGEATTN_PER_THREAD) return 0;
    if (operand == SAGEATTN_KEY) return 2; /* of a block's 4 scales: both other granularities have one */
    return granularity == SAGEATTN_PER_WARP ? 3 : 5;
}

int64_t sageattn_scales(int32_t operand, int32_t granularity, int64_t rows) {
    const int query = operand == SAGEATTN_QUERY;
    const int64_t blocks = sageattn_divide_up(rows, query ? SAGEATTN_QUERY_BLOCK : SAGEATTN_KEY_BLOCK);
    const int finest = query ? SAGEATTN_QUERY_BLOCK_SCALES : SAGEATTN_KEY_BLOCK_SCALES;
    return blocks * (finest >> sageattn_scale_shift(operand, granularity));
}

int64_t sageattn_scale_count(int32_t operand, int32_t granularity, int64_t rows) {
    if (operand < SAGEATTN_QUERY || operand > SAGEATTN_KEY) return -1;
    if (granularity < SAGEATTN_PER_BLOCK || granularity > SAGEATTN_PER_THREAD || rows < 0) return -1;
    return sageattn_scales(operand, granularity, rows);
}

_Static_assert(SAGEATTN_QUERY_ROWS == SAGEATTN_QUERY_BLOCK && SAGEATTN_KEY_ROWS == SAGEATTN_KEY_BLOCK &&
                   SAGEATTN_QUERY_WARP_ROWS == SAGEATTN_QUERY_WARP,
               "host and device agree on the quantisation blocks");
