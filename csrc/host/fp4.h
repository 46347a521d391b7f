/* The workspace of the FP4 path: sizes of its arrays, and where they lie. */
#ifndef SAGEATTN_FP4_INTERNAL_H
#define SAGEATTN_FP4_INTERNAL_H

#include "../device/fp4/arguments.h"
#include "sageattn_fp4.h"

/* Counts that follow from the parameters; arrays are those of queries, keys and values. */
typedef struct sageattn_fp4_counts {
    int64_t heads[SAGEATTN_FP4_ROLES];                                                        /* times batch */
    int64_t rows[SAGEATTN_FP4_ROLES], blocks[SAGEATTN_FP4_ROLES], slices[SAGEATTN_FP4_ROLES]; /* of a head */
    int64_t columns;                 /* head_dim padded to what a kernel takes */
    int64_t means;                   /* of a head's queries */
    int64_t unit_blocks, unit_means; /* blocks of queries in a unit, and their means */
    int64_t head_units, units;       /* of a head; of all */
    int64_t launch_units;            /* that one launch attends to */
} sageattn_fp4_counts;

/* Offsets of the arrays in bytes; size is the end of the last. */
typedef struct sageattn_fp4_layout {
    int64_t packed[SAGEATTN_FP4_ROLES], mean[SAGEATTN_FP4_ROLES], multiplier[SAGEATTN_FP4_ROLES];
    int64_t statistics[SAGEATTN_FP4_ROLES];
    int64_t query_mean, rest_dot, delta;
    int64_t size;
} sageattn_fp4_layout;

sageattn_fp4_counts sageattn_fp4_count(const sageattn_fp4_params* params);
sageattn_fp4_layout sageattn_fp4_lay_out(const sageattn_fp4_counts* counts);

#endif
