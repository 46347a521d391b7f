/* sageattn_quantize_value: values to E4M3. */
#include "error.h"
#include "sageattn.h"

int64_t sageattn_value_workspace(int64_t batch, int64_t heads, int64_t rows, int64_t head_dim) {
    (void)batch, (void)heads, (void)rows, (void)head_dim;
    return -1;
}

int sageattn_quantize_value(const sageattn_quantize_value_params* p, int32_t device, void* stream) {
    (void)p, (void)device, (void)stream;
    return sageattn_fail(SAGEATTN_NO_IMAGE, "sageattn_quantize_value: no kernel quantises values");
}
