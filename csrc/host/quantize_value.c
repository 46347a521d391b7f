/* sageattn_quantize_value: checks, kernel arguments, three launches. */
#include "../device/quantize/value_arguments.h"
#include "check.h"
#include "device.h"
#include "error.h"
#include "sageattn.h"

static const char* const function = "sageattn_quantize_value";

static int64_t least_one(int64_t count) { return count > 0 ? count : 1; }

/* Rows that a block of value_statistics reads: few chunks, since each block of value_quantize reads their results. */
static int64_t chunk_rows(int64_t rows) {
    const int64_t divided = sageattn_divide_up(rows, SAGEATTN_VALUE_CHUNKS);
    return divided > 1024 ? divided : 1024;
}

static int64_t chunks(int64_t rows) { return least_one(sageattn_divide_up(rows, chunk_rows(rows))); }

static int64_t workspace_per_head(int64_t rows, int64_t head_dim) {
    return head_dim * (SAGEATTN_VALUE_STATISTICS * chunks(rows) + sageattn_divide_up(rows, SAGEATTN_VALUE_ROWS));
}

int64_t sageattn_value_workspace(int64_t batch, int64_t heads, int64_t rows, int64_t head_dim) {
    if (batch < 0 || heads < 0 || rows < 0 || head_dim < 1 || head_dim > 256) return -1;
    if (batch > SAGEATTN_MAX_COUNT || heads > SAGEATTN_MAX_COUNT || rows > SAGEATTN_MAX_COUNT) return -1;
    const int64_t per_head = workspace_per_head(rows, head_dim), all_heads = batch * heads;
    return all_heads > INT64_MAX / (int64_t)sizeof(float) / per_head ? -1 : all_heads * per_head;
}

static int check_value(const sageattn_quantize_value_params* p) {
    SAGEATTN_TRY(sageattn_check_count(function, "batch", p->batch, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "heads", p->heads, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "rows", p->rows, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "padded_rows", p->padded_rows, p->rows));
    SAGEATTN_TRY(sageattn_check_head_dim(function, p->head_dim));
    SAGEATTN_TRY(sageattn_check_choice(function, "dtype", p->dtype, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16));
    if (p->padded_rows % SAGEATTN_KEY_ROWS != 0)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: padded_rows is %lld, it must be a multiple of %d",
                             function, (long long)p->padded_rows, SAGEATTN_KEY_ROWS);
    if (!(p->scale_max > 0.0f) || p->scale_max > 448.0f)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: scale_max is %g, it must be above 0 and at most 448",
                             function, (double)p->scale_max);
    return SAGEATTN_OK;
}

static int value_views(const sageattn_quantize_value_params* p, sageattn_value_arguments* a) {
    const int64_t heads = p->batch * p->heads;
    sageattn_view output;
    SAGEATTN_TRY(sageattn_check_view(function, "input", &p->input, heads * p->rows, 2, p->dtype, 16, &a->input));
    SAGEATTN_TRY(sageattn_check_view(function, "output", &p->output, heads * p->padded_rows, 1, 0, 16, &output));
    SAGEATTN_TRY(sageattn_check_pointer(function, "scale", p->scale, heads, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(function, "workspace", p->workspace, heads, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(function, "mean", p->mean, p->smooth ? heads : 0, sizeof(float)));
    a->output = output.data;
    a->batch_stride = output.batch_stride;
    a->head_stride = output.head_stride;
    a->channel_stride = output.row_stride;
    a->vectors = output.vectors;
    return SAGEATTN_OK;
}

static void value_numbers(const sageattn_quantize_value_params* p, sageattn_value_arguments* a) {
    a->scale = p->scale;
    a->mean = p->smooth ? p->mean : NULL;
    a->workspace = p->workspace;
    a->workspace_stride = workspace_per_head(p->rows, p->head_dim);
    a->scale_max = p->scale_max;
    a->rows = (int)p->rows;
    a->padded_rows = (int)p->padded_rows;
    a->heads = (int)p->heads;
    a->head_dim = (int)p->head_dim;
    a->slices = (int)sageattn_divide_up(p->head_dim, SAGEATTN_VALUE_COLUMNS);
    a->chunks = (int)chunks(p->rows);
    a->chunk_rows = (int)chunk_rows(p->rows);
    a->tiles = (int)least_one(sageattn_divide_up(p->padded_rows, SAGEATTN_VALUE_ROWS)); /* one writes the scales */
}

int sageattn_quantize_value(const sageattn_quantize_value_params* p, int32_t device, void* stream) {
    sageattn_value_arguments a = {0};
    SAGEATTN_TRY(sageattn_check_size(function, p, p == NULL ? 0 : p->size, sizeof *p));
    SAGEATTN_TRY(check_value(p));
    SAGEATTN_TRY(value_views(p, &a));
    value_numbers(p, &a);
    const int64_t slices = p->batch * p->heads * a.slices;
    if (slices == 0) return SAGEATTN_OK;
    const int threads = SAGEATTN_VALUE_THREADS;
    SAGEATTN_TRY(sageattn_run(SAGEATTN_KERNEL_VALUE_STATISTICS, device, stream, slices * a.chunks, threads, &a));
    SAGEATTN_TRY(sageattn_run(SAGEATTN_KERNEL_VALUE_QUANTIZE, device, stream, slices * a.tiles, threads, &a));
    if (!p->smooth) return SAGEATTN_OK;
    return sageattn_run(SAGEATTN_KERNEL_VALUE_FINISH, device, stream, slices, threads, &a);
}
