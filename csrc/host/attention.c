/* sageattn_attention: checks, kernel arguments, launch. */
#include "check.h"
#include "device.h"
#include "error.h"
#include "mask.h"
#include "sageattn.h"

static const char* const function = "sageattn_attention";

static int check_sizes(const sageattn_attention_params* p) {
    SAGEATTN_TRY(sageattn_check_count(function, "batch", p->batch, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "query_heads", p->query_heads, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "key_heads", p->key_heads, 1));
    SAGEATTN_TRY(sageattn_check_count(function, "query_rows", p->query_rows, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "key_rows", p->key_rows, 0));
    SAGEATTN_TRY(sageattn_check_head_dim(function, p->head_dim));
    SAGEATTN_TRY(sageattn_check_groups(function, p->query_heads, p->key_heads));
    SAGEATTN_TRY(sageattn_check_starts(function, "query_starts", p->query_starts, p->total_query_rows, p->batch));
    SAGEATTN_TRY(sageattn_check_starts(function, "key_starts", p->key_starts, p->total_key_rows, p->batch));
    return sageattn_mask_check(function, p);
}

static int check_value_dtype(const sageattn_attention_params* p, const sageattn_kind_facts* kind) {
    const int dtype = p->value_dtype;
    if (kind->e4m3 ? dtype == SAGEATTN_FLOAT8_E4M3
                   : dtype == SAGEATTN_FLOAT16 || (dtype == SAGEATTN_BFLOAT16 && !kind->sums_float16))
        return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: value_dtype is %d, kind %s takes %s", function, dtype,
                         kind->name,
                         kind->e4m3           ? "E4M3"
                         : kind->sums_float16 ? "float16"
                                              : "float16 or bfloat16");
}

/* What a kind is given must be what its kernels read. */
static int check_kind(const sageattn_attention_params* p, enum sageattn_kernel* kernel) {
    const sageattn_kind_facts* kind;
    SAGEATTN_TRY(sageattn_check_kind(function, p->kind, p->head_dim, &kind, kernel));
    if (kind->launcher != SAGEATTN_LAUNCHER_ATTENTION)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: kind %s has a function of its own", function,
                             kind->name);
    if (kind->mask != (p->mask.data != NULL))
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: kind %s takes %s mask", function, kind->name,
                             kind->mask ? "a" : "no");
    if (kind->mask && (p->kind == SAGEATTN_KIND_FP16_MASKED) != sageattn_mask_packed(p))
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: mask_dtype is %d, kind %s takes %s", function,
                             p->mask_dtype, kind->name, p->kind == SAGEATTN_KIND_FP16_MASKED ? "booleans" : "floats");
    if (p->query_starts != NULL && !kind->starts)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: kind %s takes no starts", function, kind->name);
    return check_value_dtype(p, kind);
}

static int check_attention(const sageattn_attention_params* p, enum sageattn_kernel* kernel) {
    SAGEATTN_TRY(check_sizes(p));
    SAGEATTN_TRY(
        sageattn_check_choice(function, "causal", p->causal, SAGEATTN_NOT_CAUSAL, SAGEATTN_CAUSAL_BOTTOM_RIGHT));
    SAGEATTN_TRY(
        sageattn_check_choice(function, "output_dtype", p->output_dtype, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16));
    if (p->mask.data != NULL)
        SAGEATTN_TRY(sageattn_check_choice(function, "mask_dtype", p->mask_dtype, SAGEATTN_FLOAT16, SAGEATTN_BOOL));
    if ((p->query_starts == NULL) != (p->key_starts == NULL))
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: query_starts and key_starts need each other", function);
    SAGEATTN_TRY(sageattn_check_scale(function, p->sm_scale));
    return check_kind(p, kernel);
}

/* ---- the kernel ---- */

static int find_kernel(enum sageattn_kernel kernel, int32_t device, sageattn_loaded* loaded) {
    SAGEATTN_TRY(sageattn_find(kernel, device, loaded));
    if (loaded->traits.query_rows > 0 && loaded->traits.splits > 0) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_NO_IMAGE, "%s: %s comes from another version of the kernels", function,
                         sageattn_kernels[kernel].name);
}

/* ---- its arguments ---- */

static int operand_views(const sageattn_attention_params* p, sageattn_attention_arguments* a) {
    const int queries = p->batch > 0 && p->query_heads > 0 && p->query_rows > 0;
    const int keys = queries && p->key_rows > 0, e4m3 = p->value_dtype == SAGEATTN_FLOAT8_E4M3;
    const sageattn_tensor query = sageattn_sequences_view(p->query, p->query_starts);
    const sageattn_tensor output = sageattn_sequences_view(p->output, p->query_starts);
    const sageattn_tensor key = sageattn_sequences_view(p->key, p->key_starts);
    const sageattn_tensor value = sageattn_sequences_view(p->value, p->key_starts);
    SAGEATTN_TRY(sageattn_check_view(function, "query", &query, queries, 1, 0, 16, &a->query));
    SAGEATTN_TRY(sageattn_check_view(function, "key", &key, keys, 1, 0, 16, &a->key));
    SAGEATTN_TRY(sageattn_check_view(function, "value", &value, keys, e4m3 ? 1 : 2,
                                     p->value_dtype == SAGEATTN_BFLOAT16, 16, &a->value));
    SAGEATTN_TRY(sageattn_check_view(function, "output", &output, queries, 2, p->output_dtype, 16, &a->output));
    SAGEATTN_TRY(sageattn_check_pointer(function, "query_scale", p->query_scale, queries, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(function, "key_scale", p->key_scale, keys, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(function, "value_scale", p->value_scale, keys && e4m3, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(function, "value_mean", p->value_mean, 0, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(function, "mean_dot", p->mean_dot, 0, sizeof(float)));
    return sageattn_check_pointer(function, "lse", p->lse, 0, sizeof(float));
}

/* Of floats. */
static int mask_view(const sageattn_attention_params* p, sageattn_attention_arguments* a) {
    if (p->mask.data == NULL || sageattn_mask_packed(p)) return SAGEATTN_OK;
    const int size = p->mask_dtype == SAGEATTN_FLOAT32 ? 4 : 2;
    SAGEATTN_TRY(
        sageattn_check_view(function, "mask", &p->mask, 0, size, p->mask_dtype == SAGEATTN_BFLOAT16, 16, &a->mask));
    a->mask.vectors &= p->mask_column_stride == 1;
    a->mask_column_stride = p->mask_column_stride * size;
    a->mask_dtype = p->mask_dtype;
    return SAGEATTN_OK;
}

static int scale_groups(const sageattn_attention_params* p, sageattn_attention_arguments* a) {
    sageattn_groups query, key;
    SAGEATTN_TRY(
        sageattn_check_groups_of_query(function, p->granularity, p->query_block_rows, p->query_warp_rows, &query));
    SAGEATTN_TRY(sageattn_check_groups_of_key(function, p->granularity, p->key_block_rows, &key));
    a->query_warp_shift = query.warp_shift;
    a->query_block_shift = query.block_shift;
    a->query_scale_shift = query.scale_shift;
    a->key_block_shift = key.block_shift;
    a->key_scale_shift = key.scale_shift;
    const int starts = p->query_starts != NULL;
    a->query_scale_stride = sageattn_group_scales(&query, p->query_rows, p->total_query_rows, p->batch, starts);
    a->key_scale_stride = sageattn_group_scales(&key, p->key_rows, p->total_key_rows, p->batch, starts);
    return SAGEATTN_OK;
}

static void copy_numbers(const sageattn_attention_params* p, sageattn_attention_arguments* a) {
    a->query_scale = p->query_scale;
    a->key_scale = p->key_scale;
    a->mean_dot = p->mean_dot;
    a->value_scale = p->value_scale;
    a->value_mean = p->value_mean;
    a->query_starts = p->query_starts;
    a->key_starts = p->key_starts;
    a->lse = p->lse;
    a->lse_head_stride = p->query_starts != NULL ? p->total_query_rows : p->query_rows;
    a->lse_batch_stride = p->query_starts != NULL ? 0 : p->query_heads * p->query_rows;
    a->scale_log2 = p->sm_scale * SAGEATTN_LOG2_E;
    a->sm_scale = p->sm_scale;
    a->query_rows = (int)p->query_rows;
    a->key_rows = (int)p->key_rows;
    a->query_heads = (int)p->query_heads;
    a->key_heads = (int)p->key_heads;
    a->head_dim = (int)p->head_dim;
    a->causal = p->causal;
}

int64_t sageattn_attention_workspace(const sageattn_attention_params* p) {
    if (sageattn_check_size("sageattn_attention_workspace", p, p == NULL ? 0 : p->size, sizeof *p) != SAGEATTN_OK ||
        check_sizes(p) != SAGEATTN_OK)
        return -1;
    return sageattn_mask_workspace(p);
}

static int check_workspace(const sageattn_attention_params* p) {
    const int64_t needed = sageattn_mask_workspace(p);
    if (needed == 0) return SAGEATTN_OK;
    return sageattn_check_workspace(function, p->workspace, p->workspace_size, needed);
}

/* What a boolean mask needs before the attention reads it; query_rows: of the attention's blocks. */
static int pack_mask(const sageattn_attention_params* p, int query_rows, int32_t device, void* stream,
                     sageattn_attention_arguments* a) {
    if (!sageattn_mask_packed(p)) return SAGEATTN_OK;
    sageattn_mask_enter(p, query_rows, a);
    return p->key_rows == 0 ? SAGEATTN_OK : sageattn_mask_pack(p, query_rows, device, stream);
}

int sageattn_attention(const sageattn_attention_params* p, int32_t device, void* stream) {
    sageattn_attention_arguments arguments = {0};
    enum sageattn_kernel kernel;
    sageattn_loaded loaded;
    SAGEATTN_TRY(sageattn_check_size(function, p, p == NULL ? 0 : p->size, sizeof *p));
    SAGEATTN_TRY(check_attention(p, &kernel));
    SAGEATTN_TRY(operand_views(p, &arguments));
    SAGEATTN_TRY(mask_view(p, &arguments));
    SAGEATTN_TRY(check_workspace(p));
    SAGEATTN_TRY(scale_groups(p, &arguments));
    copy_numbers(p, &arguments);
    if (p->batch == 0 || p->query_heads == 0 || p->query_rows == 0) return SAGEATTN_OK;
    SAGEATTN_TRY(find_kernel(kernel, device, &loaded));
    SAGEATTN_TRY(pack_mask(p, loaded.traits.query_rows, device, stream, &arguments));
    arguments.query_tiles = (int)sageattn_divide_up(p->query_rows, loaded.traits.query_rows);
    const int64_t heads = sageattn_blocks(p->batch, p->query_heads);
    const int64_t blocks = sageattn_blocks(heads, (int64_t)arguments.query_tiles * loaded.traits.splits);
    return sageattn_launch(&loaded, stream, blocks, &arguments);
}
