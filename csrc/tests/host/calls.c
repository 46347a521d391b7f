/* What the C interface says of calls whose parameters are wrong, and of the workspace of others. */
#include "interface.h"

void check_arguments(void) {
    int32_t has;
    int64_t count;
    CHECK(library.abi_version() == SAGEATTN_ABI_VERSION);
    CHECK_ERROR(library.mean(NULL, 0, NULL), SAGEATTN_INVALID_ARGUMENT, "params is NULL");
    CHECK_ERROR(library.mean(&(sageattn_mean_params){.size = 8}, 0, NULL), SAGEATTN_INVALID_ARGUMENT,
                "params has 8 bytes");
    CHECK_ERROR(
        library.attention(&(sageattn_attention_params){.size = sizeof(sageattn_attention_params), .batch = INT64_MAX},
                          0, NULL),
        SAGEATTN_INVALID_ARGUMENT, "batch is 9223372036854775807");
    CHECK_ERROR(library.images(NULL, 0, NULL), SAGEATTN_INVALID_ARGUMENT, "count is NULL");
    CHECK_ERROR(library.has(SAGEATTN_KIND_FP16, 64, 0, NULL), SAGEATTN_INVALID_ARGUMENT, "has is NULL");
    CHECK_ERROR(library.has(99, 64, 0, &has), SAGEATTN_INVALID_ARGUMENT, "kind is 99");
    CHECK_ERROR(library.has(SAGEATTN_KIND_FP8_WGMMA, 129, 0, &has), SAGEATTN_INVALID_ARGUMENT,
                "head_dim is 129, which no kernel of kind fp8_wgmma takes");
    CHECK_ERROR(library.image(SAGEATTN_KIND_FP16, 64, 90, NULL), SAGEATTN_INVALID_ARGUMENT, "info is NULL");
    CHECK_ERROR(library.device_count(NULL), SAGEATTN_INVALID_ARGUMENT, "count is NULL");
    CHECK_ERROR(library.device(0, NULL), SAGEATTN_INVALID_ARGUMENT, "info is NULL");
    CHECK(library.scale_count(SAGEATTN_QUERY, SAGEATTN_PER_THREAD, 129) == 64);
    CHECK(library.scale_count(SAGEATTN_KEY, SAGEATTN_PER_THREAD, INT64_C(1) << 33) == INT64_C(1) << 29);
    CHECK(library.scale_count(9, SAGEATTN_PER_THREAD, 1) == -1);
    CHECK(library.images(NULL, 0, &count) == SAGEATTN_OK && count == 0);
}

/* A call of one row whose only fault is that of its dtypes. */
static int attend(int32_t kind, int32_t value, int32_t output, int32_t mask) {
    static char row[64];
    sageattn_attention_params params = {
        .size = sizeof params,
        .batch = 1,
        .query_heads = 1,
        .key_heads = 1,
        .query_rows = 1,
        .key_rows = 1,
        .head_dim = 64,
        .sm_scale = 1,
        .kind = kind,
        .granularity = SAGEATTN_PER_WARP,
        .value_dtype = value,
        .output_dtype = output,
        .mask_dtype = mask,
    };
    if (kind == SAGEATTN_KIND_FP16_MASKED || kind == SAGEATTN_KIND_FP16_BIASED) params.mask.data = row;
    return library.attention(&params, 0, NULL);
}

/* Bytes for a mask of so many rows and strides, of one head, of 5 heads and batches, and for another kind of mask. */
static int64_t workspace(int64_t rows, int64_t row_stride, int64_t head_stride, int64_t batch_stride, int32_t dtype) {
    static char row[1];
    const sageattn_attention_params params = {
        .size = sizeof params,
        .batch = 5,
        .query_heads = 5,
        .key_heads = 1,
        .query_rows = rows,
        .key_rows = 65,
        .head_dim = 64,
        .mask = {row, batch_stride, head_stride, row_stride},
        .mask_column_stride = 1,
        .mask_dtype = dtype,
    };
    return library.attention_workspace(&params);
}

/* A bit for each pair that the strides distinguish, in tiles of 32 rows, four at a time, and 64 keys; and a word for
 * each block of 64 rows. */
void check_workspace(void) {
    const int64_t head = 4 * 2 * 256 + 128;
    CHECK(workspace(128, 65, 0, 0, SAGEATTN_BOOL) == head);
    CHECK(workspace(128, 65, 0, 0, SAGEATTN_FLOAT16) == 0);
    CHECK(workspace(129, 65, 0, 0, SAGEATTN_BOOL) == 2 * (head - 128) + 128);
    CHECK(workspace(129, 65, 1, 0, SAGEATTN_BOOL) == 5 * 2 * (head - 128) + 128);
    CHECK(workspace(129, 65, 1, 1, SAGEATTN_BOOL) == 25 * 2 * (head - 128) + 384);
    CHECK(workspace(4096, 0, 0, 1, SAGEATTN_BOOL) == 5 * 2 * 256 + 128);
    CHECK(workspace(-1, 0, 0, 1, SAGEATTN_BOOL) == -1);
    CHECK(workspace(INT32_MAX / 2, 65, 1, 1, SAGEATTN_BOOL) > INT64_C(1) << 33);
}

static int attend_wgmma(int32_t dtype, int32_t output) {
    const sageattn_wgmma_params params = {
        .size = sizeof params,
        .batch = 1,
        .query_heads = 1,
        .key_heads = 1,
        .query_rows = 1,
        .key_rows = 1,
        .head_dim = 64,
        .sm_scale = 1,
        .dtype = dtype,
        .output_dtype = output,
    };
    return library.wgmma_attention(&params, 0, NULL);
}

static int attend_fp4(int32_t dtype, int32_t output) {
    const sageattn_fp4_params params = {
        .size = sizeof params,
        .batch = 1,
        .query_heads = 1,
        .key_heads = 1,
        .query_rows = 1,
        .key_rows = 1,
        .head_dim = 64,
        .sm_scale = 1,
        .dtype = dtype,
        .output_dtype = output,
    };
    return library.fp4_attention(&params, 0, NULL);
}

/* A number of a dtype that kernels would read as another one is refused before anything else happens. */
void check_dtypes(void) {
    const int none = 0, half = SAGEATTN_FLOAT16, e4m3 = SAGEATTN_FLOAT8_E4M3, bad = SAGEATTN_INVALID_ARGUMENT;
    for (int32_t dtype = -1; dtype <= 6; ++dtype) {
        const int sixteen = dtype == SAGEATTN_FLOAT16 || dtype == SAGEATTN_BFLOAT16;
        const int mask = dtype >= SAGEATTN_FLOAT16 && dtype <= SAGEATTN_BOOL;
        if (!sixteen) {
            CHECK_ERROR(attend(SAGEATTN_KIND_FP16, dtype, half, none), bad, "value_dtype is");
            CHECK_ERROR(attend(SAGEATTN_KIND_FP16, half, dtype, none), bad, "output_dtype is");
            CHECK_ERROR(attend_wgmma(dtype, half), bad, "dtype is");
            CHECK_ERROR(attend_wgmma(half, dtype), bad, "output_dtype is");
            CHECK_ERROR(attend_fp4(dtype, half), bad, "dtype is");
            CHECK_ERROR(attend_fp4(half, dtype), bad, "output_dtype is");
            CHECK_ERROR(
                library.mean(
                    &(sageattn_mean_params){.size = sizeof(sageattn_mean_params), .head_dim = 64, .dtype = dtype}, 0,
                    NULL),
                bad, "dtype is");
            CHECK_ERROR(library.quantize(
                            &(sageattn_quantize_params){
                                .size = sizeof(sageattn_quantize_params), .head_dim = 64, .dtype = dtype},
                            0, NULL),
                        bad, "dtype is");
            CHECK_ERROR(library.quantize_value(
                            &(sageattn_quantize_value_params){.size = sizeof(sageattn_quantize_value_params),
                                                              .head_dim = 64,
                                                              .scale_max = 448,
                                                              .dtype = dtype},
                            0, NULL),
                        bad, "dtype is");
        }
        if (dtype != half) CHECK_ERROR(attend(SAGEATTN_KIND_FP16_ACCUM_F16, dtype, half, none), bad, "takes float16");
        if (dtype != e4m3) CHECK_ERROR(attend(SAGEATTN_KIND_FP8, dtype, half, none), bad, "takes E4M3");
        for (int i = 0; i < 2; ++i) {
            const int32_t kind = i == 0 ? SAGEATTN_KIND_FP16_MASKED : SAGEATTN_KIND_FP16_BIASED;
            if (mask && (i == 0) == (dtype == SAGEATTN_BOOL)) continue;
            CHECK_ERROR(attend(kind, half, half, dtype), bad, "mask_dtype is");
        }
    }
}

/* A call of one sequence of 8 queries and keys, whose parts the tests change. */
static sageattn_wgmma_params wgmma_call(void) {
    return (sageattn_wgmma_params){
        .size = sizeof(sageattn_wgmma_params),
        .batch = 1,
        .query_heads = 2,
        .key_heads = 2,
        .query_rows = 8,
        .key_rows = 8,
        .head_dim = 64,
        .sm_scale = 1,
    };
}

/* Masks and starts of the wgmma path: what is refused, and how large the workspace is. */
void check_wgmma_masks(void) {
    static _Alignas(16) float numbers[64];
    static const int32_t starts[2] = {0, 8};
    const int bad = SAGEATTN_INVALID_ARGUMENT;
    sageattn_wgmma_params p = wgmma_call();
    const int64_t plain = library.wgmma_workspace(&p);
    CHECK(plain > 0);

    p.mask = (sageattn_tensor){numbers, 0, 0, 8};
    p.mask_column_stride = 1;
    for (int32_t dtype = -1; dtype <= 5; ++dtype) {
        p.mask_dtype = dtype;
        if (dtype >= SAGEATTN_FLOAT16 && dtype <= SAGEATTN_BOOL) CHECK(library.wgmma_workspace(&p) >= plain);
        else CHECK(library.wgmma_workspace(&p) == -1 && strstr(library.last_error(), "mask_dtype is"));
    }
    p.mask_dtype = SAGEATTN_FLOAT32; /* read where it lies, if its rows lie on multiples of four numbers */
    CHECK(library.wgmma_workspace(&p) == plain);
    p.mask.row_stride = 9;
    CHECK_ERROR(library.wgmma_attention(&p, 0, NULL), bad, "multiples of 4 numbers");
    p.mask.row_stride = 0; /* one row for all queries may lie anywhere */
    p.mask_column_stride = 3;
    CHECK(library.wgmma_workspace(&p) >= plain + 2 * 128 * (int64_t)sizeof(float)); /* a tile's biases and weights */
    p.mask_dtype = SAGEATTN_BOOL;
    CHECK(library.wgmma_workspace(&p) > plain);

    p.query_starts = starts;
    CHECK_ERROR(library.wgmma_attention(&p, 0, NULL), bad, "query_starts and key_starts need each other");
    p.key_starts = starts;
    p.total_query_rows = p.total_key_rows = 8;
    CHECK_ERROR(library.wgmma_attention(&p, 0, NULL), bad, "starts go without a mask");
    p.mask.data = NULL;
    CHECK(library.wgmma_workspace(&p) > plain);
    p.total_key_rows = INT64_MAX;
    CHECK(library.wgmma_workspace(&p) == -1 && strstr(library.last_error(), "must stay below 2^31"));
}
