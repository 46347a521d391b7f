/* sageattn_run_steps: the launches of a whole attention by one call, which spares callers the cost of each. */
#include <string.h>

#include "error.h"
#include "sageattn.h"
#include "sageattn_fp4.h"
#include "sageattn_wgmma.h"

typedef union any_params {
    uint64_t size; /* the first field of every struct */
    sageattn_mean_params mean;
    sageattn_quantize_params quantize;
    sageattn_quantize_value_params quantize_value;
    sageattn_attention_params attention;
    sageattn_wgmma_params wgmma;
    sageattn_fp4_params fp4;
    uint64_t words[64];
} any_params;
_Static_assert(sizeof(any_params) == 64 * sizeof(uint64_t), "a struct has more words");

static int fail(const char* what, int64_t number) {
    return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "sageattn_run_steps: %s is %lld", what, (long long)number);
}

static int fill(const sageattn_step* step, const uint64_t* addresses, int64_t count, any_params* params) {
    memcpy(&params->size, step->params, sizeof params->size);
    if (params->size > sizeof *params) return fail("size", (int64_t)params->size);
    memcpy(params, step->params, params->size);
    for (int32_t i = 0; i < step->word_count; ++i) {
        const int32_t word = step->words[i];
        if (word < 0 || (uint64_t)word >= params->size / sizeof(uint64_t)) return fail("a word", word);
        const uint64_t symbol = params->words[word], source = symbol >> SAGEATTN_SOURCE_SHIFT;
        if (source >= (uint64_t)count) return fail("a source", (int64_t)source);
        params->words[word] = addresses[source] + (symbol & ((UINT64_C(1) << SAGEATTN_SOURCE_SHIFT) - 1));
    }
    return SAGEATTN_OK;
}

static int run(int32_t function, const any_params* params, int32_t device, void* stream) {
    switch (function) {
        case SAGEATTN_RUN_MEAN:
            return sageattn_mean(&params->mean, device, stream);
        case SAGEATTN_RUN_QUANTIZE:
            return sageattn_quantize(&params->quantize, device, stream);
        case SAGEATTN_RUN_QUANTIZE_VALUE:
            return sageattn_quantize_value(&params->quantize_value, device, stream);
        case SAGEATTN_RUN_ATTENTION:
            return sageattn_attention(&params->attention, device, stream);
        case SAGEATTN_RUN_WGMMA_ATTENTION:
            return sageattn_wgmma_attention(&params->wgmma, device, stream);
        case SAGEATTN_RUN_FP4_ATTENTION:
            return sageattn_fp4_attention(&params->fp4, device, stream);
        default:
            return fail("a function", function);
    }
}

int sageattn_run_steps(const sageattn_step* steps, int64_t step_count, const uint64_t* addresses,
                       int64_t address_count, int32_t device, void* stream) {
    any_params params;
    for (int64_t i = 0; i < step_count; ++i) {
        int status = fill(&steps[i], addresses, address_count, &params);
        if (status == SAGEATTN_OK) status = run(steps[i].function, &params, device, stream);
        if (status != SAGEATTN_OK) return status;
    }
    return SAGEATTN_OK;
}
