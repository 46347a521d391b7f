/* sageattn_wgmma_attention: checks, kernel arguments, three launches. */
#include "wgmma.h"

#include "check.h"
#include "device.h"
#include "error.h"

static const char* const function = "sageattn_wgmma_attention";

/* At most so many rows of a head, and so many heads of all batches: either, times the size of a tile, stays below
 * 2^31. */
enum { MAX_ROWS = 1 << 24, MAX_HEADS = 1 << 24, GROUP_KEYS = 1 << 17 };

static int check_counts(const sageattn_wgmma_params* p) {
    SAGEATTN_TRY(sageattn_check_count(function, "batch", p->batch, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "query_heads", p->query_heads, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "key_heads", p->key_heads, 1));
    SAGEATTN_TRY(sageattn_check_count(function, "query_rows", p->query_rows, 0));
    SAGEATTN_TRY(sageattn_check_count(function, "key_rows", p->key_rows, 0));
    if (p->head_dim < 1 || p->head_dim > 128)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: head_dim is %lld, it must be 1 to 128", function,
                             (long long)p->head_dim);
    SAGEATTN_TRY(sageattn_check_groups(function, p->query_heads, p->key_heads));
    if (p->query_rows > MAX_ROWS || p->key_rows > MAX_ROWS || p->batch * p->query_heads > MAX_HEADS ||
        p->batch * p->key_heads > MAX_HEADS)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: more than %d rows, or heads of all batches", function,
                             MAX_ROWS);
    return SAGEATTN_OK;
}

static int check_choices(const sageattn_wgmma_params* p) {
    SAGEATTN_TRY(
        sageattn_check_choice(function, "causal", p->causal, SAGEATTN_NOT_CAUSAL, SAGEATTN_CAUSAL_BOTTOM_RIGHT));
    SAGEATTN_TRY(sageattn_check_choice(function, "smooth_k", p->smooth_k, 0, 1));
    SAGEATTN_TRY(sageattn_check_choice(function, "dtype", p->dtype, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16));
    SAGEATTN_TRY(
        sageattn_check_choice(function, "output_dtype", p->output_dtype, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16));
    SAGEATTN_TRY(sageattn_check_choice(function, "steps", p->steps, SAGEATTN_WGMMA_ALL, SAGEATTN_WGMMA_ATTEND));
    return sageattn_check_scale(function, p->sm_scale);
}

/* A call, and what follows from its parameters. */
typedef struct call {
    const sageattn_wgmma_params* p;
    sageattn_wgmma_counts n;
    sageattn_wgmma_layout at;
} call;

static call make_call(const sageattn_wgmma_params* p) {
    call c = {.p = p, .n = sageattn_wgmma_count(p)};
    c.at = sageattn_wgmma_lay_out(&c.n);
    return c;
}

static int check_workspace(const call* c) {
    const sageattn_wgmma_params* const p = c->p;
    const int64_t needed = c->at.size;
    SAGEATTN_TRY(sageattn_check_pointer(function, "workspace", p->workspace, 1, 128));
    if (p->workspace_size >= needed) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: the workspace has %lld bytes, %lld are needed", function,
                         (long long)p->workspace_size, (long long)needed);
}

static int quantize_views(const sageattn_wgmma_params* p, sageattn_wgmma_quantize_arguments* a) {
    const int64_t keys = p->batch * p->key_heads * p->key_rows;
    SAGEATTN_TRY(sageattn_check_view(function, "key", &p->key, keys, 2, p->dtype, 16, &a->key));
    return sageattn_check_view(function, "value", &p->value, keys, 2, p->dtype, 16, &a->value);
}

static void quantize_workspace(const call* c, sageattn_wgmma_quantize_arguments* a) {
    const sageattn_wgmma_layout* const at = &c->at;
    unsigned char* const base = c->p->workspace;
    a->tiled_key = base + at->key;
    a->tiled_value = base + at->value;
    a->key_scale = (float*)(base + at->key_scale);
    a->key_shift = (float*)(base + at->key_shift);
    a->value_shift = (float*)(base + at->value_shift);
    a->value_residual = (float*)(base + at->value_residual);
    a->value_scale = (float*)(base + at->value_scale);
    a->value_mean = (float*)(base + at->value_mean);
    a->value_largest = (unsigned*)(base + at->value_largest);
    a->parts_seen = (int*)(base + at->parts_seen);
    a->parts_done = (int*)(base + at->parts_done);
    a->schedule = (int*)(base + at->schedule);
}

static void quantize_numbers(const call* c, sageattn_wgmma_quantize_arguments* a) {
    const sageattn_wgmma_params* const p = c->p;
    const sageattn_wgmma_counts* const n = &c->n;
    a->batch = (int)p->batch;
    a->key_heads = (int)p->key_heads;
    a->key_rows = (int)p->key_rows;
    a->head_dim = (int)p->head_dim;
    a->columns = (int)n->columns;
    a->key_tiles = (int)n->key_tiles;
    a->parts = (int)n->parts;
    a->smooth_k = p->smooth_k;
}

/* Launches wgmma_sample and wgmma_pack; the second begins while the first runs, and waits for it. */
static int launch_quantizers(const call* c, int32_t device, void* stream) {
    const sageattn_wgmma_counts* const n = &c->n;
    const int threads = (int)(2 * n->columns);
    sageattn_wgmma_quantize_arguments a = {0};
    sageattn_loaded pack;
    SAGEATTN_TRY(sageattn_find(SAGEATTN_KERNEL_WGMMA_PACK, device, &pack));
    SAGEATTN_TRY(quantize_views(c->p, &a));
    quantize_workspace(c, &a);
    quantize_numbers(c, &a);
    if (a.parts > pack.multiprocessors) a.parts = pack.multiprocessors; /* a head's wait for each other */
    SAGEATTN_TRY(sageattn_run_early(SAGEATTN_KERNEL_WGMMA_SAMPLE, device, stream, n->key_heads * 2, threads, &a));
    if (a.key_tiles == 0) return SAGEATTN_OK;
    pack.traits = (sageattn_traits){.threads = threads};
    pack.early = 1;
    return sageattn_launch(&pack, stream, n->key_heads * (a.parts + a.key_tiles), &a);
}

static void attention_workspace(const call* c, sageattn_wgmma_attention_arguments* a) {
    const sageattn_wgmma_layout* const at = &c->at;
    unsigned char* const base = c->p->workspace;
    a->key = base + at->key;
    a->value = base + at->value;
    a->key_scale = (const float*)(base + at->key_scale);
    a->key_shift = (const float*)(base + at->key_shift);
    a->value_scale = (const float*)(base + at->value_scale);
    a->value_mean = (const float*)(base + at->value_mean);
    a->lse = c->p->lse;
    a->schedule = (int*)(base + at->schedule);
}

/* causal_offset: query i sees keys 0 … i + causal_offset. */
static int64_t causal_offset(const sageattn_wgmma_params* p) {
    if (p->causal == SAGEATTN_NOT_CAUSAL) return p->key_rows;
    return p->causal == SAGEATTN_CAUSAL_TOP_LEFT ? 0 : p->key_rows - p->query_rows;
}

/* Heads whose rows are taken in turn. Without a causal mask all rows take equally long, and one head after the other
 * keeps the fewest keys in use; with one, the rows that take longest must not come last. */
static int64_t schedule_group(const sageattn_wgmma_params* p) {
    if (p->causal == SAGEATTN_NOT_CAUSAL || p->key_rows == 0) return 1;
    const int64_t keys = GROUP_KEYS / p->key_rows, heads = p->batch * p->query_heads;
    return keys < 1 ? 1 : keys > heads ? heads : keys;
}

static void attention_numbers(const call* c, sageattn_wgmma_attention_arguments* a) {
    const sageattn_wgmma_params* const p = c->p;
    const sageattn_wgmma_counts* const n = &c->n;
    a->scale_log2 = p->sm_scale * SAGEATTN_LOG2_E;
    a->sm_scale = p->sm_scale;
    a->heads = (int)n->query_heads;
    a->query_heads = (int)p->query_heads;
    a->key_heads = (int)p->key_heads;
    a->query_rows = (int)p->query_rows;
    a->key_rows = (int)p->key_rows;
    a->head_dim = (int)p->head_dim;
    a->key_tiles = (int)n->key_tiles;
    a->causal_offset = (int)causal_offset(p);
    a->group = (int)schedule_group(p);
}

static int launch_attention(const call* c, int32_t device, void* stream) {
    const sageattn_wgmma_params* const p = c->p;
    const enum sageattn_kernel kernel =
        sageattn_kind_kernel(sageattn_kind_find(SAGEATTN_KIND_FP8_WGMMA), p->head_dim);
    sageattn_wgmma_attention_arguments a = {0};
    sageattn_loaded loaded;
    const int64_t queries = p->batch * p->query_heads * p->query_rows;
    SAGEATTN_TRY(sageattn_check_view(function, "query", &p->query, queries, 2, p->dtype, 16, &a.query));
    SAGEATTN_TRY(sageattn_check_view(function, "output", &p->output, queries, 2, p->output_dtype, 16, &a.output));
    SAGEATTN_TRY(sageattn_check_pointer(function, "lse", p->lse, 0, sizeof(float)));
    attention_workspace(c, &a);
    attention_numbers(c, &a);
    /* Blocks of 64 rows; kernels count tiles of several such blocks. */
    const int64_t blocks = a.heads * sageattn_divide_up(p->query_rows, SAGEATTN_WGMMA_QUERY_BLOCK);
    if (blocks > INT32_MAX / 2)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: %lld blocks of queries: split the batch", function,
                             (long long)blocks);
    SAGEATTN_TRY(sageattn_find(kernel, device, &loaded));
    /* The kernel reads queries before it waits. So it may begin early only behind the quantisers, which have waited
     * for the launch that wrote the queries. */
    loaded.early = p->steps == SAGEATTN_WGMMA_ALL;
    return sageattn_launch(&loaded, stream, blocks < loaded.multiprocessors ? blocks : loaded.multiprocessors, &a);
}

int64_t sageattn_wgmma_workspace(const sageattn_wgmma_params* p) {
    if (sageattn_check_size(function, p, p == NULL ? 0 : p->size, sizeof *p) != SAGEATTN_OK) return -1;
    return check_counts(p) == SAGEATTN_OK ? make_call(p).at.size : -1;
}

int sageattn_wgmma_attention(const sageattn_wgmma_params* p, int32_t device, void* stream) {
    SAGEATTN_TRY(sageattn_check_size(function, p, p == NULL ? 0 : p->size, sizeof *p));
    SAGEATTN_TRY(check_counts(p));
    SAGEATTN_TRY(check_choices(p));
    const call c = make_call(p);
    SAGEATTN_TRY(check_workspace(&c));
    if (p->batch * p->query_heads * p->query_rows == 0) return SAGEATTN_OK;
    if (p->steps != SAGEATTN_WGMMA_ATTEND) SAGEATTN_TRY(launch_quantizers(&c, device, stream));
    if (p->steps != SAGEATTN_WGMMA_QUANTIZE) SAGEATTN_TRY(launch_attention(&c, device, stream));
    return SAGEATTN_OK;
}
