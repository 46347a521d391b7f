/* The workspace of the wgmma path: arrays one after the other, each on a multiple of 128 bytes. */
#include "check.h"
#include "wgmma.h"

enum { ALIGNMENT = 128, LEAST_CHUNKS = 8, MOST_CHUNKS = 32, CHUNKS_OF_ALL = 512, LEAST_CHUNK_ROWS = 256 };

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* At most so many a head: few, since the block that packs a tile reads the results of all; enough to keep a GPU busy.
 */
static int64_t most_chunks(int64_t heads) {
    const int64_t chunks = CHUNKS_OF_ALL / larger(1, heads);
    return chunks > MOST_CHUNKS ? MOST_CHUNKS : larger(chunks, LEAST_CHUNKS);
}

sageattn_wgmma_counts sageattn_wgmma_count(const sageattn_wgmma_params* p) {
    sageattn_wgmma_counts n;
    n.query_heads = p->batch * p->query_heads;
    n.key_heads = p->batch * p->key_heads;
    n.columns = p->head_dim <= 64 ? 64 : 128;
    n.query_blocks = sageattn_divide_up(p->query_rows, SAGEATTN_WGMMA_QUERY_BLOCK);
    n.key_tiles = sageattn_divide_up(p->key_rows, SAGEATTN_WGMMA_KEY_TILE);
    n.chunk_rows = larger(LEAST_CHUNK_ROWS, sageattn_divide_up(p->key_rows, most_chunks(n.key_heads)));
    n.chunks = larger(1, sageattn_divide_up(p->key_rows, n.chunk_rows));
    return n;
}

static int64_t take(int64_t* end, int64_t bytes) {
    const int64_t offset = *end;
    *end += sageattn_divide_up(bytes, ALIGNMENT) * ALIGNMENT;
    return offset;
}

sageattn_wgmma_layout sageattn_wgmma_lay_out(const sageattn_wgmma_params* p, const sageattn_wgmma_counts* n) {
    const int64_t number = sizeof(float), query_rows = n->query_heads * n->query_blocks * SAGEATTN_WGMMA_QUERY_BLOCK;
    const int64_t key_rows = n->key_heads * n->key_tiles * SAGEATTN_WGMMA_KEY_TILE;
    const int64_t channels = n->key_heads * n->columns * number, statistics = channels * n->chunks;
    sageattn_wgmma_layout at;
    at.size = 0;
    at.schedule = take(&at.size, 2 * sizeof(int32_t));
    at.query = take(&at.size, query_rows * n->columns);
    at.key = take(&at.size, key_rows * n->columns);
    at.value = take(&at.size, key_rows * n->columns);
    at.query_scale = take(&at.size, query_rows * number);
    at.key_scale = take(&at.size, n->key_heads * n->key_tiles * SAGEATTN_WGMMA_KEY_SCALES * number);
    at.value_scale = take(&at.size, channels);
    at.value_mean = take(&at.size, channels);
    at.mean_dot = take(&at.size, n->query_heads * p->query_rows * number);
    at.key_sum = take(&at.size, statistics);
    at.value_sum = take(&at.size, statistics);
    at.value_smallest = take(&at.size, statistics);
    at.value_largest = take(&at.size, statistics);
    at.value_residual = take(&at.size, channels * n->key_tiles);
    return at;
}
