/* Masks and starts of the wgmma path: checks, the launches before the quantisers, and what those leave behind. */
#include "check.h"
#include "device.h"
#include "error.h"
#include "wgmma.h"

static const char* const function = "sageattn_wgmma_attention";

enum { BIAS_GROUP = 4 }; /* neighbouring biases that a lane reads at a time */

enum sageattn_kind sageattn_wgmma_kind(const sageattn_wgmma_params* p) {
    if (p->key_starts != NULL) return SAGEATTN_KIND_FP8_WGMMA_VARLEN;
    if (p->mask.data == NULL) return SAGEATTN_KIND_FP8_WGMMA;
    if (p->mask_dtype != SAGEATTN_BOOL) return SAGEATTN_KIND_FP8_WGMMA_BIASED;
    return sageattn_wgmma_left_out(p) ? SAGEATTN_KIND_FP8_WGMMA : SAGEATTN_KIND_FP8_WGMMA_MASKED;
}

static int mask_size(const sageattn_wgmma_params* p) {
    return p->mask_dtype == SAGEATTN_BOOL ? 1 : p->mask_dtype == SAGEATTN_FLOAT32 ? 4 : 2;
}

static int mask_view(const sageattn_wgmma_params* p, unsigned alignment, sageattn_view* view) {
    return sageattn_check_view(function, "mask", &p->mask, 0, mask_size(p), p->mask_dtype == SAGEATTN_BFLOAT16,
                               alignment, view);
}

int sageattn_wgmma_check_mask(const sageattn_wgmma_params* p) {
    sageattn_view view;
    if ((p->query_starts == NULL) != (p->key_starts == NULL))
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: query_starts and key_starts need each other", function);
    SAGEATTN_TRY(sageattn_check_starts(function, "query_starts", p->query_starts, p->total_query_rows, p->batch));
    SAGEATTN_TRY(sageattn_check_starts(function, "key_starts", p->key_starts, p->total_key_rows, p->batch));
    if (p->mask.data == NULL) return SAGEATTN_OK;
    SAGEATTN_TRY(sageattn_check_choice(function, "mask_dtype", p->mask_dtype, SAGEATTN_FLOAT16, SAGEATTN_BOOL));
    if (p->key_starts != NULL)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: starts go without a mask", function);
    SAGEATTN_TRY(mask_view(p, (unsigned)(BIAS_GROUP * mask_size(p)), &view));
    if (p->mask_dtype == SAGEATTN_BOOL || sageattn_wgmma_one_row(p)) return SAGEATTN_OK;
    if (view.vectors && p->mask_column_stride == 1 && p->key_rows % BIAS_GROUP == 0) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT,
                         "%s: the rows of a mask of floats must lie on multiples of %d numbers, and so must key_rows",
                         function, BIAS_GROUP);
}

/* All but the mask. */
static sageattn_wgmma_mask_arguments seen_arguments(const sageattn_wgmma_call* c, int query_tile) {
    unsigned char* const base = c->p->workspace;
    sageattn_wgmma_mask_arguments a = {0};
    a.bits = (unsigned*)(base + c->at.bits);
    a.classes = base + c->at.classes;
    a.count = (int*)(base + c->at.seen_count);
    a.tile_list = (int*)(base + c->at.tile_list);
    a.tile_rank = (int*)(base + c->at.tile_rank);
    a.tile_count = (int*)(base + c->at.tile_count);
    a.tiles_bits = (unsigned*)(base + c->at.tiles_bits);
    a.heads = (int)c->n.mask_heads;
    a.rows = (int)c->n.mask_rows;
    a.keys = (int)c->p->key_rows;
    a.tiles = (int)c->n.key_tiles;
    a.query_tiles = (int)sageattn_divide_up(c->n.mask_rows, query_tile);
    return a;
}

static int see(const sageattn_wgmma_call* c, int query_tile) {
    const sageattn_wgmma_params* const p = c->p;
    sageattn_wgmma_mask_arguments a = seen_arguments(c, query_tile);
    SAGEATTN_TRY(mask_view(p, 16, &a.mask));
    a.mask.vectors = a.mask.vectors && p->mask_column_stride == 1;
    a.column_stride = p->mask_column_stride;
    if (sageattn_wgmma_of_keys(p))
        return sageattn_run(SAGEATTN_KERNEL_WGMMA_SEE_KEYS, c->device, c->stream, p->batch,
                            SAGEATTN_WGMMA_MASK_THREADS, &a);
    const int64_t masks = sageattn_blocks(c->n.mask_batch * c->n.mask_heads, a.query_tiles);
    return sageattn_run(SAGEATTN_KERNEL_WGMMA_SEE, c->device, c->stream,
                        sageattn_blocks(masks, sageattn_divide_up(a.tiles, 4)), SAGEATTN_WGMMA_SEE_THREADS, &a);
}

static int bias_arguments(const sageattn_wgmma_call* c, sageattn_wgmma_bias_arguments* a) {
    const sageattn_wgmma_params* const p = c->p;
    a->column_stride = p->mask_column_stride * mask_size(p);
    a->output = (float*)((unsigned char*)p->workspace + c->at.bias);
    a->dtype = p->mask_dtype;
    a->heads = (int)c->n.mask_heads;
    a->keys = (int)p->key_rows;
    a->padded_keys = (int)c->n.bias_keys;
    return mask_view(p, 1, &a->bias);
}

static int weigh(const sageattn_wgmma_call* c, int query_tile) {
    unsigned char* const base = c->p->workspace;
    sageattn_wgmma_weight_arguments a = {.seen = seen_arguments(c, query_tile), .causal = c->p->causal};
    SAGEATTN_TRY(bias_arguments(c, &a.bias));
    a.weights = (float*)(base + c->at.weights);
    a.groups = (float*)(base + c->at.groups);
    a.tiles_groups = (float*)(base + c->at.tiles_groups);
    a.total = (float*)(base + c->at.weight_total);
    a.top = (float*)(base + c->at.top);
    a.weighed = (int*)(base + c->at.weighed);
    return sageattn_run(SAGEATTN_KERNEL_WGMMA_WEIGH_KEYS, c->device, c->stream, c->p->batch,
                        SAGEATTN_WGMMA_MASK_THREADS, &a);
}

static int read_bias(const sageattn_wgmma_call* c) {
    sageattn_wgmma_bias_arguments a = {0};
    SAGEATTN_TRY(bias_arguments(c, &a));
    return sageattn_run(SAGEATTN_KERNEL_WGMMA_BIAS_KEYS, c->device, c->stream, c->n.mask_batch * c->n.mask_heads,
                        SAGEATTN_WGMMA_MASK_THREADS, &a);
}

static sageattn_wgmma_order_arguments order_arguments(const sageattn_wgmma_call* c, int query_tile) {
    const sageattn_wgmma_params* const p = c->p;
    unsigned char* const base = p->workspace;
    sageattn_wgmma_order_arguments a = {0};
    a.query_starts = p->query_starts;
    a.key_starts = p->key_starts;
    a.sequence = (int*)(base + c->at.order);
    a.end = (int*)(base + c->at.order_end);
    a.batch = (int)p->batch;
    a.query_rows = (int)p->query_rows;
    a.key_rows = (int)p->key_rows;
    a.query_tile = query_tile;
    return a;
}

/* A block of wgmma_sample orders few sequences; many take a launch of more threads. */
static int ordered_by_sample(const sageattn_wgmma_call* c) {
    enum { FEW = 512 };
    return c->p->key_starts != NULL && c->p->batch <= FEW;
}

static int order(const sageattn_wgmma_call* c, int query_tile) {
    sageattn_wgmma_order_arguments a = order_arguments(c, query_tile);
    if (ordered_by_sample(c)) return SAGEATTN_OK;
    return sageattn_run(SAGEATTN_KERNEL_WGMMA_ORDER, c->device, c->stream, 1, SAGEATTN_WGMMA_MASK_THREADS, &a);
}

int sageattn_wgmma_prepare(const sageattn_wgmma_call* c, int query_tile) {
    if (c->p->key_starts != NULL) return order(c, query_tile);
    if (c->p->mask.data == NULL || c->n.key_tiles == 0) return SAGEATTN_OK;
    if (c->p->mask_dtype == SAGEATTN_BOOL) return see(c, query_tile);
    if (c->n.weighed_tiles > 0) return weigh(c, query_tile);
    return c->n.bias_keys > 0 ? read_bias(c) : SAGEATTN_OK;
}

void sageattn_wgmma_seen(const sageattn_wgmma_call* c, int query_tile, sageattn_wgmma_quantize_arguments* a) {
    const unsigned char* const base = c->p->workspace;
    a->starts = c->p->key_starts;
    if (ordered_by_sample(c)) a->order = order_arguments(c, query_tile);
    if (c->n.seen_tiles == 0) return;
    a->seen = (const unsigned*)(base + c->at.bits);
    a->seen_count = (const int*)(base + c->at.seen_count);
    if (c->n.weighed_tiles > 0) {
        a->weights = (const float*)(base + c->at.weights);
        a->groups = (const float*)(base + c->at.groups);
        a->weight_total = (const float*)(base + c->at.weight_total);
    }
    if (!sageattn_wgmma_left_out(c->p)) return;
    a->tile_list = (const int*)(base + c->at.tile_list);
    a->tile_rank = (const int*)(base + c->at.tile_rank);
    a->tile_count = (const int*)(base + c->at.tile_count);
    a->tiles_bits = (const unsigned*)(base + c->at.tiles_bits);
}

/* The stride of a dimension of so many elements if it differs, else 0. */
static int64_t stride_of(int64_t different, int64_t stride) { return different > 1 ? stride : 0; }

static void masked(const sageattn_wgmma_call* c, int query_tile, sageattn_wgmma_attention_arguments* a) {
    const sageattn_wgmma_counts* const n = &c->n;
    const unsigned char* const base = c->p->workspace;
    const int64_t row = n->key_tiles * (SAGEATTN_WGMMA_KEY_TILE / 32);
    const int64_t query_tiles = sageattn_divide_up(n->mask_rows, query_tile);
    const int64_t classes = sageattn_divide_up(n->key_tiles, 4) * 4;
    a->bits = (const unsigned*)(base + c->at.bits);
    a->classes = base + c->at.classes;
    a->class_tile_stride = stride_of(query_tiles, classes);
    a->class_head_stride = stride_of(n->mask_heads, query_tiles * classes);
    a->class_batch_stride = stride_of(n->mask_batch, n->mask_heads * query_tiles * classes);
    a->bits_row_stride = stride_of(n->mask_rows, row);
    a->bits_head_stride = stride_of(n->mask_heads, n->mask_rows * row);
    a->bits_batch_stride = stride_of(n->mask_batch, n->mask_heads * n->mask_rows * row);
}

static void left_out(const sageattn_wgmma_call* c, sageattn_wgmma_attention_arguments* a) {
    const unsigned char* const base = c->p->workspace;
    if (c->n.key_tiles == 0) return;
    a->tile_list = (const int*)(base + c->at.tile_list);
    a->tile_count = (const int*)(base + c->at.tile_count);
    a->tiles_bits = (const unsigned*)(base + c->at.tiles_bits);
}

static void weighed(const sageattn_wgmma_call* c, sageattn_wgmma_attention_arguments* a) {
    const unsigned char* const base = c->p->workspace;
    const int listed = sageattn_wgmma_left_out(c->p);
    if (listed) left_out(c, a);
    a->groups = (const float*)(base + (listed ? c->at.tiles_groups : c->at.groups));
    a->top = (const float*)(base + c->at.top);
    a->weighed = (const int*)(base + c->at.weighed);
}

static int biased(const sageattn_wgmma_call* c, sageattn_wgmma_attention_arguments* a) {
    const sageattn_wgmma_counts* const n = &c->n;
    if (n->bias_keys == 0) {
        a->bias_dtype = c->p->mask_dtype;
        return mask_view(c->p, 1, &a->bias);
    }
    if (n->weighed_tiles > 0) weighed(c, a);
    const int64_t head = n->bias_keys * (int64_t)sizeof(float);
    a->bias.data = (unsigned char*)c->p->workspace + c->at.bias;
    a->bias.head_stride = stride_of(n->mask_heads, head);
    a->bias.batch_stride = stride_of(n->mask_batch, n->mask_heads * head);
    a->bias_dtype = SAGEATTN_FLOAT32;
    return SAGEATTN_OK;
}

int sageattn_wgmma_mask(const sageattn_wgmma_call* c, int query_tile, sageattn_wgmma_attention_arguments* a) {
    const sageattn_wgmma_params* const p = c->p;
    a->query_starts = p->query_starts;
    a->key_starts = p->key_starts;
    a->order = (const int*)((unsigned char*)p->workspace + c->at.order);
    a->order_end = (const int*)((unsigned char*)p->workspace + c->at.order_end);
    if (p->mask.data == NULL) return SAGEATTN_OK;
    if (p->mask_dtype != SAGEATTN_BOOL) return biased(c, a);
    if (sageattn_wgmma_left_out(p)) left_out(c, a);
    else masked(c, query_tile, a);
    return SAGEATTN_OK;
}
