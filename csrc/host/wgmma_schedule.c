/* Which rows an item of the attention has: an item is what a multiprocessor takes at a time. */
#include "wgmma.h"

#include "check.h"

typedef sageattn_wgmma_call call;
typedef sageattn_wgmma_attention_arguments arguments;

/* How long an item takes that sees so many tiles of keys, by its blocks of 64 rows, in hundredths of a microsecond on
 * an H100: rows to fetch and to write, then tiles. */
static int64_t item_time(const call* c, int64_t blocks, int64_t tiles) {
    static const int of_tile[2][5] = {{0, 80, 115, 140, 172}, {0, 115, 135, 160}}, rest[] = {0, 200, 250, 270, 300};
    return rest[blocks] + of_tile[c->n.columns == 128][blocks] * tiles;
}

/* When the last item ends, if multiprocessors take the long ones first. Of these the first take one less. */
static int64_t last_end(int64_t longs, int64_t long_time, int64_t lates, int64_t late_time, int64_t multiprocessors) {
    const int64_t second = longs % multiprocessors, first = multiprocessors - second;
    int64_t first_end = longs / multiprocessors * long_time;
    int64_t second_end = first_end + long_time, end = second > 0 ? second_end : first_end;
    while (lates > 0) {
        const int is_first = second == 0 || first_end <= second_end;
        int64_t* const next = is_first ? &first_end : &second_end;
        lates -= is_first ? first : second;
        *next += late_time;
        if (*next > end) end = *next;
    }
    return end;
}

/* Takes the rows of the last heads in smaller items, where that keeps more multiprocessors busy to the end. */
static void share_late_rows(const call* c, int64_t multiprocessors, arguments* a) {
    enum { WORTH = 32 }; /* what part of the time they must save: their keys are read once more */
    const int64_t heads = c->n.query_heads, tiles = c->n.key_tiles, longs = a->long_items;
    const int64_t blocks = sageattn_divide_up(c->p->query_rows, SAGEATTN_WGMMA_QUERY_BLOCK);
    const int64_t most = sageattn_divide_up(multiprocessors, longs), long_time = item_time(c, a->long_blocks, tiles);
    int64_t best = last_end(longs * heads, long_time, 0, 0, multiprocessors);
    best -= best / WORTH;
    for (int64_t late = 1; late <= heads && late <= most; ++late)
        for (int size = 1; size < a->long_blocks; ++size) {
            const int64_t end = last_end(longs * (heads - late), long_time, late * sageattn_divide_up(blocks, size),
                                         item_time(c, size, tiles), multiprocessors);
            if (end < best) best = end, a->late_heads = (int)late, a->late_blocks = size;
        }
}

/* When the last item under a causal limit ends, at the earliest: the longest one, or all of them on all
 * multiprocessors. Items of most keys come first, so that it is hardly later. */
static int64_t causal_end(const call* c, int64_t size, int64_t multiprocessors) {
    const int64_t rows = size * SAGEATTN_WGMMA_QUERY_BLOCK, offset = sageattn_wgmma_causal_offset(c->p);
    int64_t longest = 0, sum = 0;
    for (int64_t end = c->p->query_rows; end > 0; end = (end - 1) / rows * rows) {
        const int64_t seen = end + offset < c->p->key_rows ? end + offset : c->p->key_rows;
        const int64_t tiles = seen <= 0 ? 0 : sageattn_divide_up(seen, SAGEATTN_WGMMA_KEY_TILE);
        const int64_t time = item_time(c, size, tiles);
        if (time > longest) longest = time;
        sum += time;
    }
    sum = sum * c->n.query_heads / multiprocessors;
    return sum > longest ? sum : longest;
}

/* Under a causal limit small items come last. Where few heads' longest items would leave multiprocessors idle, all
 * items are smaller. */
static void share_causal_rows(const call* c, int64_t multiprocessors, arguments* a) {
    enum { TURNS = 3, WORTH = 16 }; /* more turns are even anyway; what part of the time smaller items must save */
    if (a->long_items * c->n.query_heads > TURNS * multiprocessors) return;
    int64_t best = causal_end(c, a->long_blocks, multiprocessors);
    best -= best / WORTH;
    for (int size = a->long_blocks - 1; size > 0; --size) {
        const int64_t end = causal_end(c, size, multiprocessors);
        if (end < best) best = end, a->long_blocks = size;
    }
    a->long_items = (int)sageattn_divide_up(c->p->query_rows, (int64_t)a->long_blocks * SAGEATTN_WGMMA_QUERY_BLOCK);
}

/* Heads whose rows are taken in turn. Without a causal mask all rows take equally long, and one head after the other
 * keeps the fewest keys in use; with one, the rows that take longest must not come last. Then so many heads that
 * their keys stay in the L2 cache, and that multiprocessors are busy, and as many in each group: a last group of few
 * heads would begin its longest rows when all others have ended. */
static int64_t group(const call* c, int64_t items, int64_t multiprocessors) {
    enum { KEYS = 1 << 17, COLUMNS = 1 << 12 }; /* of a group's heads together */
    if (c->p->causal == SAGEATTN_NOT_CAUSAL || c->p->key_rows == 0) return 1;
    const int64_t heads = sageattn_wgmma_heads(c), busy = 3 * multiprocessors / (2 * items);
    const int64_t few = COLUMNS / c->n.columns > busy ? COLUMNS / c->n.columns : busy;
    int64_t size = KEYS / c->p->key_rows;
    size = size < 1 ? 1 : size > few ? few : size;
    const int64_t groups = (heads + size / 2) / size; /* to the nearest */
    return sageattn_divide_up(heads, groups < 1 ? 1 : groups);
}

/* Kernels with a mask of queries, with starts or of two warpgroups take whole query tiles alone. */
void sageattn_wgmma_schedule(const call* c, const sageattn_loaded* kernel, arguments* a) {
    a->long_items = (int)sageattn_divide_up(c->p->query_rows, kernel->traits.query_rows);
    a->group = (int)group(c, a->long_items, kernel->multiprocessors);
    a->long_blocks = kernel->traits.query_rows / SAGEATTN_WGMMA_QUERY_BLOCK;
    if (a->long_blocks < 3 || a->classes != NULL || c->p->key_starts != NULL) return;
    if (c->p->causal == SAGEATTN_NOT_CAUSAL) share_late_rows(c, kernel->multiprocessors, a);
    else share_causal_rows(c, kernel->multiprocessors, a);
}
