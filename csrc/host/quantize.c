/* sageattn_mean and sageattn_quantize: checks, kernel arguments, launch. */
#include "check.h"
#include "device.h"
#include "error.h"
#include "sageattn.h"

static int check_input(const char* function, int64_t batch, int64_t heads, int64_t rows, int64_t head_dim,
                       int32_t dtype) {
    SAGEATTN_TRY(sageattn_check_count(function, "batch", batch, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "heads", heads, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "rows", rows, 0));
    SAGEATTN_TRY(sageattn_check_head_dim(function, head_dim));
    return sageattn_check_choice(function, "dtype", dtype, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16);
}

static int mean_arguments(const sageattn_mean_params* p, sageattn_mean_arguments* a) {
    const char* function = "sageattn_mean";
    SAGEATTN_TRY(check_input(function, p->batch, p->heads, p->rows, p->head_dim, p->dtype));
    SAGEATTN_TRY(sageattn_check_pointer(function, "starts", p->starts, 0, sizeof *p->starts));
    const int heads = p->batch > 0 && p->heads > 0;
    const sageattn_tensor input = sageattn_sequences_view(p->input, p->starts);
    SAGEATTN_TRY(sageattn_check_view(function, "input", &input, heads && p->rows > 0, 2, p->dtype, 16, &a->input));
    SAGEATTN_TRY(sageattn_check_pointer(function, "mean", p->mean, heads, sizeof(float)));
    a->mean = p->mean;
    a->starts = p->starts;
    a->rows = (int)p->rows;
    a->heads = (int)p->heads;
    a->head_dim = (int)p->head_dim;
    a->slices = (int)sageattn_divide_up(p->head_dim, SAGEATTN_MEAN_COLUMNS);
    return SAGEATTN_OK;
}

int sageattn_mean(const sageattn_mean_params* p, int32_t device, void* stream) {
    sageattn_mean_arguments arguments = {0};
    SAGEATTN_TRY(sageattn_check_size("sageattn_mean", p, p == NULL ? 0 : p->size, sizeof *p));
    SAGEATTN_TRY(mean_arguments(p, &arguments));
    const int64_t blocks = sageattn_blocks(sageattn_blocks(p->batch, p->heads), arguments.slices);
    if (blocks == 0) return SAGEATTN_OK;
    return sageattn_run(SAGEATTN_KERNEL_MEAN, device, stream, blocks, SAGEATTN_MEAN_THREADS, &arguments);
}

static int check_quantize(const char* function, const sageattn_quantize_params* p) {
    SAGEATTN_TRY(check_input(function, p->batch, p->heads, p->rows, p->head_dim, p->dtype));
    SAGEATTN_TRY(sageattn_check_choice(function, "operand", p->operand, SAGEATTN_QUERY, SAGEATTN_KEY));
    SAGEATTN_TRY(sageattn_check_starts(function, "starts", p->starts, p->total_rows, p->batch));
    if (p->operand == SAGEATTN_KEY && p->warp_rows != 0)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: warp_rows is %d, for keys it must be 0", function,
                             (int)p->warp_rows);
    if (p->mean_dot == NULL) return SAGEATTN_OK;
    if (p->operand != SAGEATTN_QUERY || p->mean == NULL)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: mean_dot is for queries and needs mean", function);
    return sageattn_check_groups(function, p->heads, p->key_heads);
}

static int quantize_views(const char* function, const sageattn_quantize_params* p, sageattn_quantize_arguments* a) {
    const int elements = p->batch > 0 && p->heads > 0 && p->rows > 0;
    const sageattn_tensor input = sageattn_sequences_view(p->input, p->starts);
    const sageattn_tensor output = sageattn_sequences_view(p->output, p->starts);
    SAGEATTN_TRY(sageattn_check_view(function, "input", &input, elements, 2, p->dtype, 16, &a->input));
    SAGEATTN_TRY(sageattn_check_view(function, "output", &output, elements, 1, 0, 8, &a->output));
    SAGEATTN_TRY(sageattn_check_pointer(function, "scale", p->scale, elements, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(function, "mean", p->mean, 0, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(function, "mean_dot", p->mean_dot, 0, sizeof(float)));
    a->scale = p->scale;
    a->mean = p->operand == SAGEATTN_QUERY && p->mean_dot == NULL ? NULL : p->mean; /* queries are not shifted */
    a->mean_dot = p->mean_dot;
    a->starts = p->starts;
    return SAGEATTN_OK;
}

static int quantize_groups(const char* function, const sageattn_quantize_params* p, sageattn_quantize_arguments* a) {
    sageattn_groups groups;
    a->queries = p->operand == SAGEATTN_QUERY;
    if (a->queries)
        SAGEATTN_TRY(sageattn_check_groups_of_query(function, p->granularity, p->block_rows, p->warp_rows, &groups));
    else SAGEATTN_TRY(sageattn_check_groups_of_key(function, p->granularity, p->block_rows, &groups));
    const int starts = p->starts != NULL;
    a->block_rows = 1 << groups.block_shift;
    a->warp_shift = groups.warp_shift;
    a->scale_shift = groups.scale_shift;
    a->block_scales = groups.block_scales;
    a->blocks = (int)sageattn_divide_up(p->rows, a->block_rows);
    a->scale_head_stride = sageattn_group_scales(&groups, p->rows, p->total_rows, p->batch, starts);
    a->scale_batch_stride = starts ? 0 : p->heads * a->scale_head_stride;
    a->dot_head_stride = starts ? p->total_rows : p->rows;
    a->dot_batch_stride = starts ? 0 : p->heads * p->rows;
    return SAGEATTN_OK;
}

/* Threads of a row are a power of two; each takes four rows, or eight of the longest. */
static int quantize_threads(const sageattn_quantize_arguments* a) {
    if (a->head_dim > 128) return a->block_rows / 8 * 32;
    return a->block_rows / 4 * (a->head_dim <= 64 ? 8 : 16);
}

int sageattn_quantize(const sageattn_quantize_params* p, int32_t device, void* stream) {
    const char* function = "sageattn_quantize";
    sageattn_quantize_arguments arguments = {0};
    SAGEATTN_TRY(sageattn_check_size(function, p, p == NULL ? 0 : p->size, sizeof *p));
    SAGEATTN_TRY(check_quantize(function, p));
    SAGEATTN_TRY(quantize_views(function, p, &arguments));
    SAGEATTN_TRY(quantize_groups(function, p, &arguments));
    arguments.rows = (int)p->rows;
    arguments.heads = (int)p->heads;
    arguments.key_heads = p->mean_dot == NULL ? arguments.heads : (int)p->key_heads;
    arguments.head_dim = (int)p->head_dim;
    const int64_t blocks = sageattn_blocks(sageattn_blocks(p->batch, p->heads), arguments.blocks);
    if (blocks == 0) return SAGEATTN_OK;
    const enum sageattn_kernel kernel = p->head_dim <= 128 ? SAGEATTN_KERNEL_QUANTIZE : SAGEATTN_KERNEL_QUANTIZE_WIDE;
    return sageattn_run(kernel, device, stream, blocks, quantize_threads(&arguments), &arguments);
}
