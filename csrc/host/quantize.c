/* sageattn_mean and sageattn_quantize: checks, kernel arguments, launch. */
#include "check.h"
#include "device.h"
#include "error.h"
#include "sageattn.h"

static int mean_arguments(const sageattn_mean_params* p, sageattn_mean_arguments* a) {
    const char* f = "sageattn_mean";
    SAGEATTN_TRY(sageattn_check_count(f, "batch", p->batch, 0));
    SAGEATTN_TRY(sageattn_check_count(f, "heads", p->heads, 0));
    SAGEATTN_TRY(sageattn_check_count(f, "rows", p->rows, 0));
    SAGEATTN_TRY(sageattn_check_head_dim(f, p->head_dim));
    SAGEATTN_TRY(sageattn_check_choice(f, "dtype", p->dtype, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16));
    if (p->starts != NULL) return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: no kernel takes starts", f);
    const int64_t heads = p->batch * p->heads;
    SAGEATTN_TRY(sageattn_check_view(f, "input", &p->input, heads * p->rows, 2, p->dtype, 16, &a->input));
    SAGEATTN_TRY(sageattn_check_pointer(f, "mean", p->mean, heads, sizeof(float)));
    a->mean = p->mean;
    a->rows = (int)p->rows;
    a->heads = (int)p->heads;
    a->head_dim = (int)p->head_dim;
    return SAGEATTN_OK;
}

int sageattn_mean(const sageattn_mean_params* p, int32_t device, void* stream) {
    sageattn_mean_arguments arguments = {0};
    SAGEATTN_TRY(sageattn_check_size("sageattn_mean", p, p == NULL ? 0 : p->size, sizeof *p));
    SAGEATTN_TRY(mean_arguments(p, &arguments));
    const int64_t blocks = p->batch * p->heads * (p->head_dim / SAGEATTN_MEAN_COLUMNS);
    if (blocks == 0) return SAGEATTN_OK;
    const sageattn_traits traits = {SAGEATTN_MEAN_THREADS, 0};
    return sageattn_launch(SAGEATTN_KERNEL_MEAN, device, stream, blocks, &traits, &arguments);
}

static int check_quantize(const char* f, const sageattn_quantize_params* p) {
    SAGEATTN_TRY(sageattn_check_count(f, "batch", p->batch, 0));
    SAGEATTN_TRY(sageattn_check_count(f, "heads", p->heads, 0));
    SAGEATTN_TRY(sageattn_check_count(f, "rows", p->rows, 0));
    SAGEATTN_TRY(sageattn_check_head_dim(f, p->head_dim));
    SAGEATTN_TRY(sageattn_check_choice(f, "dtype", p->dtype, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16));
    if (p->starts != NULL) return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: no kernel takes starts", f);
    SAGEATTN_TRY(sageattn_check_choice(f, "operand", p->operand, SAGEATTN_QUERY, SAGEATTN_KEY));
    SAGEATTN_TRY(sageattn_check_choice(f, "granularity", p->granularity, SAGEATTN_PER_BLOCK, SAGEATTN_PER_THREAD));
    if (p->mean_dot == NULL) return SAGEATTN_OK;
    if (p->operand != SAGEATTN_QUERY || p->mean == NULL)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: mean_dot is for queries and needs mean", f);
    if (p->key_heads < 1 || p->heads % p->key_heads != 0)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: %lld query heads are no multiple of %lld key heads", f,
                             (long long)p->heads, (long long)p->key_heads);
    return SAGEATTN_OK;
}

static int quantize_arguments(const char* f, const sageattn_quantize_params* p, sageattn_quantize_arguments* a) {
    const int64_t elements = p->batch * p->heads * p->rows;
    SAGEATTN_TRY(sageattn_check_view(f, "input", &p->input, elements, 2, p->dtype, 16, &a->input));
    SAGEATTN_TRY(sageattn_check_view(f, "output", &p->output, elements, 1, 0, 8, &a->output));
    SAGEATTN_TRY(sageattn_check_pointer(f, "scale", p->scale, elements, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(f, "mean", p->mean, 0, 16)); /* read four at a time */
    SAGEATTN_TRY(sageattn_check_pointer(f, "mean_dot", p->mean_dot, 0, sizeof(float)));
    const int query = p->operand == SAGEATTN_QUERY;
    a->scale = p->scale;
    a->mean = query && p->mean_dot == NULL ? NULL : p->mean; /* queries are not shifted */
    a->mean_dot = p->mean_dot;
    a->scale_stride = sageattn_scales(p->operand, p->granularity, p->rows);
    a->scale_shift = sageattn_scale_shift(p->operand, p->granularity);
    a->rows = (int)p->rows;
    a->heads = (int)p->heads;
    a->key_heads = p->mean_dot == NULL ? a->heads : (int)p->key_heads;
    a->head_dim = (int)p->head_dim;
    a->block_rows = query ? SAGEATTN_QUERY_ROWS : SAGEATTN_KEY_ROWS;
    a->blocks = (int)sageattn_divide_up(p->rows, a->block_rows);
    return SAGEATTN_OK;
}

int sageattn_quantize(const sageattn_quantize_params* p, int32_t device, void* stream) {
    const char* f = "sageattn_quantize";
    sageattn_quantize_arguments arguments = {0};
    SAGEATTN_TRY(sageattn_check_size(f, p, p == NULL ? 0 : p->size, sizeof *p));
    SAGEATTN_TRY(check_quantize(f, p));
    SAGEATTN_TRY(quantize_arguments(f, p, &arguments));
    const int64_t blocks = p->batch * p->heads * arguments.blocks;
    if (blocks == 0) return SAGEATTN_OK;
    const sageattn_traits traits = {arguments.block_rows * arguments.head_dim / SAGEATTN_QUANTIZE_ELEMENTS, 0};
    return sageattn_launch(SAGEATTN_KERNEL_QUANTIZE, device, stream, blocks, &traits, &arguments);
}
