/* sageattn_attention: checks, kernel arguments, launch. */
#include <math.h>

#include "check.h"
#include "device.h"
#include "error.h"
#include "sageattn.h"

static const char* const f = "sageattn_attention";

static int check_attention(const sageattn_attention_params* p) {
    SAGEATTN_TRY(sageattn_check_count(f, "batch", p->batch, 0));
    SAGEATTN_TRY(sageattn_check_count(f, "query_heads", p->query_heads, 0));
    SAGEATTN_TRY(sageattn_check_count(f, "key_heads", p->key_heads, 1));
    SAGEATTN_TRY(sageattn_check_count(f, "query_rows", p->query_rows, 0));
    SAGEATTN_TRY(sageattn_check_count(f, "key_rows", p->key_rows, 0));
    SAGEATTN_TRY(sageattn_check_head_dim(f, p->head_dim));
    SAGEATTN_TRY(sageattn_check_choice(f, "causal", p->causal, SAGEATTN_NOT_CAUSAL, SAGEATTN_CAUSAL_TOP_LEFT));
    SAGEATTN_TRY(sageattn_check_choice(f, "granularity", p->granularity, SAGEATTN_PER_BLOCK, SAGEATTN_PER_THREAD));
    SAGEATTN_TRY(sageattn_check_choice(f, "value_dtype", p->value_dtype, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16));
    SAGEATTN_TRY(sageattn_check_choice(f, "output_dtype", p->output_dtype, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16));
    if (p->mask.data != NULL || p->query_starts != NULL || p->key_starts != NULL)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: no kernel takes a mask or starts", f);
    if (p->query_heads % p->key_heads != 0)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: %lld query heads are no multiple of %lld key heads", f,
                             (long long)p->query_heads, (long long)p->key_heads);
    if (!(p->sm_scale > 0.0f) || isinf(p->sm_scale))
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: sm_scale is %g, it must be above 0 and finite", f,
                             (double)p->sm_scale);
    return SAGEATTN_OK;
}

static int attention_views(const sageattn_attention_params* p, sageattn_attention_arguments* a) {
    const int64_t queries = p->batch * p->query_heads * p->query_rows, keys = p->batch * p->key_heads * p->key_rows;
    SAGEATTN_TRY(sageattn_check_view(f, "query", &p->query, queries, 1, 0, 16, &a->query));
    SAGEATTN_TRY(sageattn_check_view(f, "key", &p->key, keys, 1, 0, 16, &a->key));
    SAGEATTN_TRY(sageattn_check_view(f, "value", &p->value, keys, 2, p->value_dtype, 16, &a->value));
    SAGEATTN_TRY(sageattn_check_view(f, "output", &p->output, queries, 2, p->output_dtype, 16, &a->output));
    SAGEATTN_TRY(sageattn_check_pointer(f, "query_scale", p->query_scale, queries, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(f, "key_scale", p->key_scale, keys, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(f, "mean_dot", p->mean_dot, 0, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(f, "lse", p->lse, 0, sizeof(float)));
    return SAGEATTN_OK;
}

static void attention_numbers(const sageattn_attention_params* p, sageattn_attention_arguments* a) {
    a->query_scale = p->query_scale;
    a->key_scale = p->key_scale;
    a->mean_dot = p->mean_dot;
    a->lse = p->lse;
    a->query_scale_stride = sageattn_scales(SAGEATTN_QUERY, p->granularity, p->query_rows);
    a->key_scale_stride = sageattn_scales(SAGEATTN_KEY, p->granularity, p->key_rows);
    a->query_scale_shift = sageattn_scale_shift(SAGEATTN_QUERY, p->granularity);
    a->key_scale_shift = sageattn_scale_shift(SAGEATTN_KEY, p->granularity);
    a->scale_log2 = p->sm_scale * 1.44269504f;
    a->sm_scale = p->sm_scale;
    a->query_rows = (int)p->query_rows;
    a->key_rows = (int)p->key_rows;
    a->query_heads = (int)p->query_heads;
    a->key_heads = (int)p->key_heads;
    a->query_tiles = (int)sageattn_divide_up(p->query_rows, SAGEATTN_QUERY_ROWS);
}

static enum sageattn_kernel choose_kernel(const sageattn_attention_params* p) {
    if (p->head_dim == 64) return p->causal ? SAGEATTN_KERNEL_HD64_CAUSAL : SAGEATTN_KERNEL_HD64_FULL;
    return p->causal ? SAGEATTN_KERNEL_HD128_CAUSAL : SAGEATTN_KERNEL_HD128_FULL;
}

int sageattn_attention_kernel(const sageattn_attention_params* p, int32_t device, const char** name) {
    (void)device;
    SAGEATTN_TRY(sageattn_check_size(f, p, p == NULL ? 0 : p->size, sizeof *p));
    SAGEATTN_TRY(check_attention(p));
    *name = p->head_dim == 64 ? "attention_hd64" : "attention_hd128";
    return SAGEATTN_OK;
}

int sageattn_attention(const sageattn_attention_params* p, int32_t device, void* stream) {
    sageattn_attention_arguments arguments = {0};
    SAGEATTN_TRY(sageattn_check_size(f, p, p == NULL ? 0 : p->size, sizeof *p));
    SAGEATTN_TRY(check_attention(p));
    SAGEATTN_TRY(attention_views(p, &arguments));
    attention_numbers(p, &arguments);
    const int64_t blocks = p->batch * p->query_heads * arguments.query_tiles;
    if (blocks == 0) return SAGEATTN_OK;
    return sageattn_launch(choose_kernel(p), device, stream, blocks, NULL, &arguments);
}
