/* sageattn_wgmma_attention: checks, kernel arguments, three launches to five. */
#include "wgmma.h"

#include "check.h"
#include "error.h"

static const char* const function = "sageattn_wgmma_attention";

static int check_counts(const sageattn_wgmma_params* p) {
    const sageattn_sizes sizes = {p->batch, p->query_heads, p->key_heads, p->query_rows, p->key_rows, p->head_dim};
    SAGEATTN_TRY(sageattn_check_tiled(function, &sizes));
    return sageattn_wgmma_check_mask(p);
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

typedef sageattn_wgmma_call call;

static call make_call(const sageattn_wgmma_params* p, int32_t device, void* stream) {
    call c = {.p = p, .n = sageattn_wgmma_count(p), .device = device, .stream = stream};
    c.at = sageattn_wgmma_lay_out(&c.n);
    return c;
}

static int quantize_views(const sageattn_wgmma_params* p, sageattn_wgmma_quantize_arguments* a) {
    const int64_t keys = p->batch * p->key_heads * p->key_rows;
    const sageattn_tensor key = sageattn_sequences_view(p->key, p->key_starts);
    const sageattn_tensor value = sageattn_sequences_view(p->value, p->key_starts);
    SAGEATTN_TRY(sageattn_check_view(function, "key", &key, keys, 2, p->dtype, 16, &a->key));
    return sageattn_check_view(function, "value", &value, keys, 2, p->dtype, 16, &a->value);
}

/* Whether the attention begins with a head as soon as that is packed, instead of waiting for all heads: where blocks
 * of wgmma_pack come in turns. If all of them run at a time, they end at the same time. */
static int counts_tiles(const call* c) {
    enum { AT_A_TIME = 3 * 132 }; /* blocks of 128 columns that an H100 runs */
    return 2 * c->n.tiled_heads * c->n.key_tiles > AT_A_TIME;
}

static void quantize_workspace(const call* c, sageattn_wgmma_quantize_arguments* a) {
    const sageattn_wgmma_layout* const at = &c->at;
    unsigned char* const base = c->p->workspace;
    a->tiled_key = base + at->key;
    a->tiled_value = base + at->value;
    a->key_scale = (float*)(base + at->key_scale);
    a->key_shift = (float*)(base + at->key_shift);
    a->key_mean = (float*)(base + at->key_mean);
    a->value_shift = (float*)(base + at->value_shift);
    a->value_residual = (float*)(base + at->value_residual);
    a->value_scale = (float*)(base + at->value_scale);
    a->value_mean = (float*)(base + at->value_mean);
    a->value_largest = (unsigned*)(base + at->value_largest);
    a->parts_seen = (int*)(base + at->parts_seen);
    a->parts_done = (int*)(base + at->parts_done);
    if (counts_tiles(c)) a->tiles_done = (int*)(base + at->tiles_done);
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

/* All but the views. */
static void quantize_arguments(const call* c, int query_tile, sageattn_wgmma_quantize_arguments* a) {
    quantize_workspace(c, a);
    quantize_numbers(c, a);
    sageattn_wgmma_seen(c, query_tile, a);
}

/* By the columns, the dtype, and whether there are starts. */
static enum sageattn_kernel packer(const call* c) {
    const int wide = c->n.columns == 128, bfloat16 = c->p->dtype == SAGEATTN_BFLOAT16;
    const int first =
        c->p->key_starts == NULL ? SAGEATTN_KERNEL_WGMMA_PACK_HD64_FP16 : SAGEATTN_KERNEL_WGMMA_PACK_VARLEN_HD64_FP16;
    return (enum sageattn_kernel)(first + 2 * wide + bfloat16);
}

/* Blocks of wgmma_pack: for each head those that share its values and one for each tile of its keys; with starts, as
 * many as its sequences can have tiles, for both. */
static int64_t pack_blocks(const call* c, int parts) {
    const sageattn_wgmma_counts* const n = &c->n;
    return sageattn_blocks(n->tiled_heads, n->key_tiles + (c->p->key_starts == NULL ? parts : n->key_tiles));
}

/* Launches wgmma_sample and wgmma_pack; the second begins while the first runs, and waits for it. */
static int launch_quantizers(const call* c, int query_tile) {
    const sageattn_wgmma_counts* const n = &c->n;
    const int threads = (int)(2 * n->columns);
    sageattn_wgmma_quantize_arguments a = {0};
    sageattn_loaded pack;
    SAGEATTN_TRY(sageattn_find(packer(c), c->device, &pack));
    SAGEATTN_TRY(quantize_views(c->p, &a));
    quantize_arguments(c, query_tile, &a);
    const int64_t samplers = n->key_heads * 2 + (a.order.batch > 0);
    if (a.parts > pack.multiprocessors) a.parts = pack.multiprocessors; /* a head's wait for each other */
    SAGEATTN_TRY(sageattn_run_early(SAGEATTN_KERNEL_WGMMA_SAMPLE, c->device, c->stream, samplers, threads, &a));
    if (a.key_tiles == 0) return SAGEATTN_OK;
    pack.traits = (sageattn_traits){.threads = threads};
    pack.early = 1;
    return sageattn_launch(&pack, c->stream, pack_blocks(c, a.parts), &a);
}

/* For the LSE, from the tiles. */
static int launch_key_mean(const call* c) {
    sageattn_wgmma_quantize_arguments a = {0};
    if (c->p->lse == NULL || c->n.key_tiles == 0) return SAGEATTN_OK;
    quantize_arguments(c, 0, &a);
    return sageattn_run_early(SAGEATTN_KERNEL_WGMMA_KEY_MEAN, c->device, c->stream, c->n.key_heads,
                              SAGEATTN_WGMMA_MEAN_THREADS, &a);
}

static void attention_workspace(const call* c, sageattn_wgmma_attention_arguments* a) {
    const sageattn_wgmma_layout* const at = &c->at;
    unsigned char* const base = c->p->workspace;
    a->key = base + at->key;
    a->value = base + at->value;
    a->key_scale = (const float*)(base + at->key_scale);
    a->key_shift = (const float*)(base + at->key_shift);
    a->key_mean = (const float*)(base + at->key_mean);
    a->value_scale = (const float*)(base + at->value_scale);
    a->value_mean = (const float*)(base + at->value_mean);
    a->lse = c->p->lse;
    a->lse_head_stride = c->p->query_starts != NULL ? c->p->total_query_rows : c->p->query_rows;
    a->lse_batch_stride = c->p->query_starts != NULL ? 0 : c->p->query_heads * c->p->query_rows;
    a->schedule = (int*)(base + at->schedule);
    if (counts_tiles(c)) a->tiles_done = (const int*)(base + at->tiles_done);
}

static void attention_numbers(const call* c, sageattn_wgmma_attention_arguments* a) {
    const sageattn_wgmma_params* const p = c->p;
    const sageattn_wgmma_counts* const n = &c->n;
    a->scale_log2 = p->sm_scale * SAGEATTN_LOG2_E;
    a->sm_scale = p->sm_scale;
    a->batch = (int)p->batch;
    a->heads = (int)n->query_heads;
    a->query_heads = (int)p->query_heads;
    a->key_heads = (int)p->key_heads;
    a->query_rows = (int)p->query_rows;
    a->key_rows = (int)p->key_rows;
    a->head_dim = (int)p->head_dim;
    a->key_tiles = (int)n->key_tiles;
    a->causal = p->causal;
    a->causal_offset = (int)sageattn_wgmma_causal_offset(p);
}

/* Blocks of 64 query rows, at most; kernels count tiles of several such blocks. */
static int query_blocks(const call* c, int64_t* blocks) {
    const sageattn_wgmma_params* const p = c->p;
    const int64_t of_head = p->query_starts != NULL ? p->total_query_rows / SAGEATTN_WGMMA_QUERY_BLOCK + p->batch
                                                    : sageattn_divide_up(p->query_rows, SAGEATTN_WGMMA_QUERY_BLOCK);
    *blocks = sageattn_wgmma_heads(c) * of_head;
    if (*blocks <= INT32_MAX / 2) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: %lld blocks of queries: split the batch", function,
                         (long long)*blocks);
}

static int attention_views(const call* c, sageattn_wgmma_attention_arguments* a) {
    const sageattn_wgmma_params* const p = c->p;
    const int64_t queries = p->batch * p->query_heads * p->query_rows;
    const sageattn_tensor query = sageattn_sequences_view(p->query, p->query_starts);
    const sageattn_tensor output = sageattn_sequences_view(p->output, p->query_starts);
    SAGEATTN_TRY(sageattn_check_view(function, "query", &query, queries, 2, p->dtype, 16, &a->query));
    SAGEATTN_TRY(sageattn_check_view(function, "output", &output, queries, 2, p->output_dtype, 16, &a->output));
    return sageattn_check_pointer(function, "lse", p->lse, 0, sizeof(float));
}

static int launch_attention(const call* c, const sageattn_loaded* kernel) {
    sageattn_wgmma_attention_arguments a = {0};
    sageattn_loaded loaded = *kernel;
    int64_t blocks;
    SAGEATTN_TRY(attention_views(c, &a));
    attention_workspace(c, &a);
    attention_numbers(c, &a);
    SAGEATTN_TRY(sageattn_wgmma_mask(c, loaded.traits.query_rows, &a));
    sageattn_wgmma_schedule(c, &loaded, &a);
    SAGEATTN_TRY(query_blocks(c, &blocks));
    /* The kernel reads queries before it waits. So it may begin early only behind the quantisers, which have waited
     * for the launch that wrote the queries. */
    loaded.early = c->p->steps == SAGEATTN_WGMMA_ALL;
    return sageattn_launch(&loaded, c->stream, blocks < loaded.multiprocessors ? blocks : loaded.multiprocessors, &a);
}

static int find_attention(const call* c, sageattn_loaded* kernel) {
    const sageattn_kind_facts* const kind = sageattn_kind_find(sageattn_wgmma_kind(c->p));
    SAGEATTN_TRY(sageattn_find(sageattn_kind_kernel(kind, c->p->head_dim), c->device, kernel));
    if (kernel->traits.query_rows > 0) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_NO_IMAGE, "%s: %s comes from another version of the kernels", function,
                         sageattn_kernels[kernel->kernel].name);
}

int64_t sageattn_wgmma_workspace(const sageattn_wgmma_params* p) {
    if (sageattn_check_size(function, p, p == NULL ? 0 : p->size, sizeof *p) != SAGEATTN_OK) return -1;
    return check_counts(p) == SAGEATTN_OK ? make_call(p, 0, NULL).at.size : -1;
}

int sageattn_wgmma_attention(const sageattn_wgmma_params* p, int32_t device, void* stream) {
    sageattn_loaded attention;
    SAGEATTN_TRY(sageattn_check_size(function, p, p == NULL ? 0 : p->size, sizeof *p));
    SAGEATTN_TRY(check_counts(p));
    SAGEATTN_TRY(check_choices(p));
    const call c = make_call(p, device, stream);
    SAGEATTN_TRY(sageattn_check_workspace(function, p->workspace, p->workspace_size, c.at.size));
    if (p->batch * p->query_heads * p->query_rows == 0) return SAGEATTN_OK;
    SAGEATTN_TRY(find_attention(&c, &attention));
    if (p->steps != SAGEATTN_WGMMA_ATTEND) {
        SAGEATTN_TRY(sageattn_wgmma_prepare(&c, attention.traits.query_rows));
        SAGEATTN_TRY(launch_quantizers(&c, attention.traits.query_rows));
    }
    if (p->steps == SAGEATTN_WGMMA_QUANTIZE) return SAGEATTN_OK;
    SAGEATTN_TRY(launch_key_mean(&c));
    return launch_attention(&c, &attention);
}
