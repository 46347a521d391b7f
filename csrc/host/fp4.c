/* sageattn_fp4_attention: checks, kernel arguments, launches. */
#include "fp4.h"

#include "check.h"
#include "device.h"
#include "error.h"
#include "workspace.h"

static const char* const function = "sageattn_fp4_attention";

static int check_counts(const sageattn_fp4_params* p) {
    const sageattn_sizes sizes = {p->batch, p->query_heads, p->key_heads, p->query_rows, p->key_rows, p->head_dim};
    SAGEATTN_TRY(sageattn_check_tiled(function, &sizes));
    return sageattn_check_choice(function, "per_block_mean", p->per_block_mean, 0, 1);
}

static int check_choices(const sageattn_fp4_params* p) {
    SAGEATTN_TRY(
        sageattn_check_choice(function, "causal", p->causal, SAGEATTN_NOT_CAUSAL, SAGEATTN_CAUSAL_BOTTOM_RIGHT));
    SAGEATTN_TRY(sageattn_check_choice(function, "smooth_v", p->smooth_v, 0, 1));
    SAGEATTN_TRY(sageattn_check_choice(function, "dtype", p->dtype, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16));
    SAGEATTN_TRY(
        sageattn_check_choice(function, "output_dtype", p->output_dtype, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16));
    return sageattn_check_scale(function, p->sm_scale);
}

/* A call, and what follows from its parameters. */
typedef struct call {
    const sageattn_fp4_params* p;
    sageattn_fp4_counts n;
    sageattn_fp4_layout at;
} call;

static call make_call(const sageattn_fp4_params* p) {
    call c = {.p = p, .n = sageattn_fp4_count(p)};
    c.at = sageattn_fp4_lay_out(&c.n);
    return c;
}

static float* numbers(const call* c, int64_t offset) { return (float*)((unsigned char*)c->p->workspace + offset); }

static int operand(const call* c, int role, const char* name, const sageattn_tensor* tensor,
                   sageattn_fp4_operand* a) {
    const sageattn_fp4_params* const p = c->p;
    const sageattn_fp4_counts* const n = &c->n;
    SAGEATTN_TRY(sageattn_check_view(function, name, tensor, n->heads[role] * n->rows[role] * p->head_dim, 2,
                                     p->dtype, 16, &a->view));
    a->statistics = numbers(c, c->at.statistics[role]);
    a->mean = numbers(c, c->at.mean[role]);
    a->multiplier = numbers(c, c->at.multiplier[role]);
    a->packed = (unsigned char*)p->workspace + c->at.packed[role];
    a->heads = (int)n->heads[role];
    a->batch_heads = (int)(role == SAGEATTN_FP4_QUERY ? p->query_heads : p->key_heads);
    a->rows = (int)n->rows[role];
    a->blocks = (int)n->blocks[role];
    a->slices = (int)n->slices[role];
    a->smooth = role == SAGEATTN_FP4_KEY || (role == SAGEATTN_FP4_QUERY ? !p->per_block_mean : p->smooth_v);
    return SAGEATTN_OK;
}

static int quantize_arguments(const call* c, sageattn_fp4_quantize_arguments* a) {
    const sageattn_fp4_params* const p = c->p;
    SAGEATTN_TRY(operand(c, SAGEATTN_FP4_QUERY, "query", &p->query, &a->operand[SAGEATTN_FP4_QUERY]));
    SAGEATTN_TRY(operand(c, SAGEATTN_FP4_KEY, "key", &p->key, &a->operand[SAGEATTN_FP4_KEY]));
    SAGEATTN_TRY(operand(c, SAGEATTN_FP4_VALUE, "value", &p->value, &a->operand[SAGEATTN_FP4_VALUE]));
    a->query_mean = numbers(c, c->at.query_mean);
    a->rest_dot = p->lse == NULL ? NULL : numbers(c, c->at.rest_dot);
    a->columns = (int)c->n.columns;
    a->head_dim = (int)p->head_dim;
    a->group = (int)(p->query_heads / p->key_heads);
    a->block_mean = p->per_block_mean;
    return SAGEATTN_OK;
}

static int launch_quantizers(const call* c, int32_t device, void* stream, sageattn_fp4_quantize_arguments* a) {
    int64_t slices = 0, heads = 0, blocks = 0;
    for (int role = 0; role < SAGEATTN_FP4_ROLES; ++role) {
        heads += c->n.heads[role];
        slices += c->n.heads[role] * c->n.slices[role];
        blocks += c->n.heads[role] * c->n.blocks[role];
    }
    const int threads = SAGEATTN_FP4_THREADS;
    SAGEATTN_TRY(sageattn_run(SAGEATTN_KERNEL_FP4_STATISTICS, device, stream, slices, threads, a));
    SAGEATTN_TRY(sageattn_run(SAGEATTN_KERNEL_FP4_FINISH, device, stream, heads, a->columns, a));
    return sageattn_run(SAGEATTN_KERNEL_FP4_PACK, device, stream, blocks, threads, a);
}

/* causal_offset: query i sees keys 0 … i + causal_offset. */
static int64_t causal_offset(const sageattn_fp4_params* p) {
    if (p->causal == SAGEATTN_NOT_CAUSAL) return p->key_rows;
    return p->causal == SAGEATTN_CAUSAL_TOP_LEFT ? 0 : p->key_rows - p->query_rows;
}

static void attention_numbers(const call* c, sageattn_fp4_attention_arguments* a) {
    const sageattn_fp4_params* const p = c->p;
    const sageattn_fp4_counts* const n = &c->n;
    a->sm_scale = p->sm_scale;
    a->query_heads = (int)p->query_heads;
    a->key_heads = (int)p->key_heads;
    a->query_rows = (int)p->query_rows;
    a->key_rows = (int)p->key_rows;
    a->head_dim = (int)p->head_dim;
    a->columns = (int)n->columns;
    a->query_blocks = (int)n->blocks[SAGEATTN_FP4_QUERY];
    a->key_blocks = (int)n->blocks[SAGEATTN_FP4_KEY];
    a->means = (int)n->means;
    a->unit_blocks = (int)n->unit_blocks;
    a->unit_means = (int)n->unit_means;
    a->head_units = (int)n->head_units;
    a->causal_offset = (int)causal_offset(p);
    a->causal = p->causal != SAGEATTN_NOT_CAUSAL;
}

static int attention_arguments(const call* c, const sageattn_fp4_quantize_arguments* q,
                               sageattn_fp4_attention_arguments* a) {
    const sageattn_fp4_params* const p = c->p;
    const int64_t queries = p->batch * p->query_heads * p->query_rows * p->head_dim;
    SAGEATTN_TRY(sageattn_check_view(function, "output", &p->output, queries, 2, p->output_dtype, 16, &a->output));
    SAGEATTN_TRY(sageattn_check_pointer(function, "bias", p->bias, 0, sizeof(float)));
    SAGEATTN_TRY(sageattn_check_pointer(function, "lse", p->lse, 0, sizeof(float)));
    a->key = q->operand[SAGEATTN_FP4_KEY].view;
    a->packed_query = q->operand[SAGEATTN_FP4_QUERY].packed;
    a->packed_key = q->operand[SAGEATTN_FP4_KEY].packed;
    a->packed_value = q->operand[SAGEATTN_FP4_VALUE].packed;
    a->query_multiplier = q->operand[SAGEATTN_FP4_QUERY].multiplier;
    a->key_multiplier = q->operand[SAGEATTN_FP4_KEY].multiplier;
    a->value_multiplier = q->operand[SAGEATTN_FP4_VALUE].multiplier;
    a->value_mean = q->operand[SAGEATTN_FP4_VALUE].mean;
    a->query_mean = q->query_mean;
    a->rest_dot = q->rest_dot;
    a->bias = p->bias;
    a->bias_batch_stride = p->bias_batch_stride;
    a->bias_head_stride = p->bias_head_stride;
    a->delta = numbers(c, c->at.delta);
    a->lse = p->lse;
    attention_numbers(c, a);
    return SAGEATTN_OK;
}

/* Units in turns, as many at a time as delta_S has room for. */
static int launch_attention(const call* c, int32_t device, void* stream, sageattn_fp4_attention_arguments* a) {
    const enum sageattn_kernel kernel = sageattn_kind_kernel(sageattn_kind_find(SAGEATTN_KIND_FP4), c->p->head_dim);
    const int64_t padded_keys = (int64_t)a->key_blocks * SAGEATTN_FP4_BLOCK;
    const int64_t parts = sageattn_divide_up(padded_keys, SAGEATTN_FP4_UNIT_KEYS);
    sageattn_loaded loaded;
    SAGEATTN_TRY(sageattn_find(kernel, device, &loaded));
    const int64_t unit_rows = (int64_t)a->unit_blocks * SAGEATTN_FP4_BLOCK;
    const int64_t tiles = sageattn_divide_up(unit_rows, loaded.traits.query_rows);
    for (int64_t first = 0; first < c->n.units; first += c->n.launch_units) {
        const int64_t left = c->n.units - first;
        a->first_unit = (int)first;
        a->units = (int)(left < c->n.launch_units ? left : c->n.launch_units);
        if (parts > 0)
            SAGEATTN_TRY(
                sageattn_run(SAGEATTN_KERNEL_FP4_DELTA, device, stream, a->units * parts, SAGEATTN_FP4_THREADS, a));
        SAGEATTN_TRY(sageattn_launch(&loaded, stream, a->units * tiles, a));
    }
    return SAGEATTN_OK;
}

int64_t sageattn_fp4_workspace(const sageattn_fp4_params* p) {
    if (sageattn_check_size(function, p, p == NULL ? 0 : p->size, sizeof *p) != SAGEATTN_OK) return -1;
    return check_counts(p) == SAGEATTN_OK ? make_call(p).at.size : -1;
}

int sageattn_fp4_attention(const sageattn_fp4_params* p, int32_t device, void* stream) {
    sageattn_fp4_quantize_arguments quantize = {0};
    sageattn_fp4_attention_arguments attention = {0};
    SAGEATTN_TRY(sageattn_check_size(function, p, p == NULL ? 0 : p->size, sizeof *p));
    SAGEATTN_TRY(check_counts(p));
    SAGEATTN_TRY(check_choices(p));
    const call c = make_call(p);
    SAGEATTN_TRY(sageattn_check_workspace(function, p->workspace, p->workspace_size, c.at.size));
    if (p->batch * p->query_heads * p->query_rows == 0) return SAGEATTN_OK;
    SAGEATTN_TRY(quantize_arguments(&c, &quantize));
    SAGEATTN_TRY(attention_arguments(&c, &quantize, &attention));
    SAGEATTN_TRY(launch_quantizers(&c, device, stream, &quantize));
    return launch_attention(&c, device, stream, &attention);
}

int sageattn_fp4_product(const uint32_t* operands, float* sums, int32_t device, void* stream) {
    sageattn_fp4_product_arguments a = {operands, sums};
    SAGEATTN_TRY(sageattn_check_pointer("sageattn_fp4_product", "operands", operands, 1, 16));
    SAGEATTN_TRY(sageattn_check_pointer("sageattn_fp4_product", "sums", sums, 1, 16));
    return sageattn_run(SAGEATTN_KERNEL_FP4_PRODUCT, device, stream, 1, 32, &a);
}
