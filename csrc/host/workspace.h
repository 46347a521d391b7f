/* Arrays of a workspace lie one after the other, each on a multiple of 128 bytes. */
#ifndef SAGEATTN_WORKSPACE_H
#define SAGEATTN_WORKSPACE_H

#include "check.h"

/* How many elements of a mask's dimension differ: stride 0 makes all of them one. */
static inline int64_t sageattn_different(int64_t count, int64_t stride) {
    return stride == 0 && count > 1 ? 1 : count;
}

/* The offset of an array of so many bytes; *end moves behind it. */
static inline int64_t sageattn_workspace_take(int64_t* end, int64_t bytes) {
    const int64_t offset = *end;
    *end += sageattn_divide_up(bytes, SAGEATTN_WORKSPACE_ALIGNMENT) * SAGEATTN_WORKSPACE_ALIGNMENT;
    return offset;
}

#endif
