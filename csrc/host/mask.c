#include "mask.h"

#include "check.h"
#include "device.h"
#include "error.h"
#include "workspace.h"

enum {
    LEAST_QUERY_ROWS = 64, /* of an attention kernel's blocks */
    MOST_QUERY_ROWS = 128,
    TILES_IN_WORD = 32
};

/* What of a mask differs, in tiles; and where the arrays lie. */
typedef struct packed_mask {
    int64_t batch, heads, rows;     /* at most 1 where a stride is 0 */
    int64_t row_tiles, key_tiles;   /* of a batch and head; rows of whole blocks have tiles */
    int64_t words;                  /* of bits that say which tiles of keys a block of queries sees */
    int64_t bits, seen_tiles, size; /* offsets in bytes; their end */
} packed_mask;

static int64_t query_blocks(const packed_mask* m, int query_rows) { return sageattn_divide_up(m->rows, query_rows); }

static packed_mask count(const sageattn_attention_params* p) {
    packed_mask m = {0};
    m.batch = sageattn_different(p->batch, p->mask.batch_stride);
    m.heads = sageattn_different(p->query_heads, p->mask.head_stride);
    m.rows = sageattn_different(p->query_rows, p->mask.row_stride);
    m.row_tiles = m.rows == 1 ? 1 : query_blocks(&m, MOST_QUERY_ROWS) * (MOST_QUERY_ROWS / SAGEATTN_MASK_ROWS);
    m.key_tiles = sageattn_divide_up(p->key_rows, SAGEATTN_KEY_ROWS);
    m.words = sageattn_divide_up(m.key_tiles, TILES_IN_WORD);
    return m;
}

int sageattn_mask_check(const char* function, const sageattn_attention_params* p) {
    if (!sageattn_mask_packed(p)) return SAGEATTN_OK;
    const packed_mask m = count(p);
    const int64_t most = INT64_MAX / 4 / SAGEATTN_MASK_TILE, tiles = m.row_tiles * m.key_tiles;
    if (tiles == 0 || m.batch * m.heads <= most / tiles) return SAGEATTN_OK;
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s: the mask is larger than any memory", function);
}

static packed_mask lay_out(const sageattn_attention_params* p) {
    packed_mask m = count(p);
    const int64_t masks = m.batch * m.heads, blocks = query_blocks(&m, LEAST_QUERY_ROWS);
    m.bits = sageattn_workspace_take(&m.size, masks * m.row_tiles * m.key_tiles * SAGEATTN_MASK_TILE);
    m.seen_tiles = sageattn_workspace_take(&m.size, masks * blocks * m.words * (int64_t)sizeof(unsigned));
    return m;
}

int64_t sageattn_mask_workspace(const sageattn_attention_params* p) {
    return sageattn_mask_packed(p) ? lay_out(p).size : 0;
}

/* The stride of a dimension of so many elements if it differs, else 0. */
static int64_t stride_of(int64_t different, int64_t stride) { return different > 1 ? stride : 0; }

void sageattn_mask_enter(const sageattn_attention_params* p, int query_rows, sageattn_attention_arguments* a) {
    const packed_mask m = lay_out(p);
    unsigned char* const base = p->workspace;
    const int64_t row = m.key_tiles * SAGEATTN_MASK_TILE / SAGEATTN_MASK_ROWS;
    const int64_t head = m.row_tiles * SAGEATTN_MASK_ROWS * row, blocks = query_blocks(&m, query_rows);
    a->mask = (sageattn_view){.data = base + m.bits,
                              .batch_stride = stride_of(m.batch, m.heads * head),
                              .head_stride = stride_of(m.heads, head),
                              .row_stride = stride_of(m.rows, row)};
    a->seen_tiles = (const unsigned*)(base + m.seen_tiles);
    a->seen_batch_stride = stride_of(m.batch, m.heads * blocks * m.words);
    a->seen_head_stride = stride_of(m.heads, blocks * m.words);
    a->seen_block_stride = stride_of(m.rows, m.words);
}

int sageattn_mask_pack(const sageattn_attention_params* p, int query_rows, int32_t device, void* stream) {
    const packed_mask m = lay_out(p);
    unsigned char* const base = p->workspace;
    sageattn_pack_mask_arguments a = {0};
    SAGEATTN_TRY(sageattn_check_view("sageattn_attention", "mask", &p->mask, 0, 1, 0, 16, &a.mask));
    a.mask.vectors = a.mask.vectors && p->mask_column_stride == 1;
    a.column_stride = p->mask_column_stride;
    a.bits = base + m.bits;
    a.seen_tiles = (unsigned*)(base + m.seen_tiles);
    a.heads = (int)m.heads;
    a.rows = (int)m.rows;
    a.keys = (int)p->key_rows;
    a.row_tiles = (int)m.row_tiles;
    a.query_blocks = (int)query_blocks(&m, query_rows);
    a.query_rows = query_rows;
    const int64_t masks = sageattn_blocks(m.batch, m.heads);
    const int64_t blocks = sageattn_blocks(masks, sageattn_blocks(a.query_blocks, m.words));
    return sageattn_run(SAGEATTN_KERNEL_PACK_MASK, device, stream, blocks, SAGEATTN_PACK_MASK_THREADS, &a);
}
