/* Boolean masks of sageattn_attention: what is packed into the caller's workspace before the attention reads it. */
#ifndef SAGEATTN_MASK_H
#define SAGEATTN_MASK_H

#include <stddef.h>
#include <stdint.h>

#include "../device/params.h"
#include "sageattn.h"

/* Whether the call has a mask that is packed. */
static inline int sageattn_mask_packed(const sageattn_attention_params* p) {
    return p->mask.data != NULL && p->mask_dtype == SAGEATTN_BOOL;
}

/* Refuses masks whose size is no number. The counts are right. */
int sageattn_mask_check(const char* function, const sageattn_attention_params* params);

/* Bytes of workspace for a call that is right. */
int64_t sageattn_mask_workspace(const sageattn_attention_params* params);

/* Enters where the packed mask will lie; query_rows: of the attention's blocks. */
void sageattn_mask_enter(const sageattn_attention_params* params, int query_rows,
                         sageattn_attention_arguments* arguments);

/* Launches the packing. */
int sageattn_mask_pack(const sageattn_attention_params* params, int query_rows, int32_t device, void* stream);

#endif
