/* Calls the C interface on the system that this is compiled for. Arguments: the library, and how many devices a
 * driver shows; 0: there is no driver. The folder it runs in holds FATBIN. Says what is not as it should be, ends
 * with the number of such checks, and prints the sizes of the structs. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../host/sageattn.h"
#include "../../host/sageattn_fp4.h"
#include "../../host/sageattn_wgmma.h"
#include "system.h"

#define FATBIN "gr\303\266\303\237e \346\227\245\346\234\254.fatbin" /* größe 日本.fatbin */

#if defined(_WIN32)
#define DRIVER "nvcuda.dll"
#else
#define DRIVER "libcuda.so.1"
#endif

#define FUNCTIONS(X)       \
    X(abi_version)         \
    X(last_error)          \
    X(load)                \
    X(device_count)        \
    X(device)              \
    X(scale_count)         \
    X(value_workspace)     \
    X(has)                 \
    X(image)               \
    X(images)              \
    X(mean)                \
    X(quantize)            \
    X(quantize_value)      \
    X(attention)           \
    X(attention_workspace) \
    X(run_steps)           \
    X(wgmma_workspace)     \
    X(wgmma_attention)     \
    X(fp4_workspace)       \
    X(fp4_attention)       \
    X(fp4_product)

static struct {
#define X(name) __typeof__(&sageattn_##name) name;
    FUNCTIONS(X)
#undef X
} library;

static atomic_int wrong;

static void check(int fine, const char* what, int line) {
    if (fine) return;
    fprintf(stderr, "line %d: %s; last error: %s\n", line, what, library.last_error());
    ++wrong;
}
#define CHECK(condition) check(condition, #condition, __LINE__)
#define CHECK_ERROR(call, status, text) CHECK((call) == (status) && strstr(library.last_error(), text) != NULL)

static void open_interface(const char* path) {
    void* opened = open_library(path);
    if (opened == NULL) {
        fprintf(stderr, "%s cannot be opened\n", path);
        exit(2);
    }
#define X(name)                                                \
    {                                                          \
        void* symbol = find_symbol(opened, "sageattn_" #name); \
        if (symbol == NULL) exit(3);                           \
        memcpy(&library.name, &symbol, sizeof symbol);         \
    }
    FUNCTIONS(X)
#undef X
}

static void print_sizes(void) {
    printf("size %s %zu\n", "Tensor", sizeof(sageattn_tensor));
    printf("size %s %zu\n", "MeanParams", sizeof(sageattn_mean_params));
    printf("size %s %zu\n", "QuantizeParams", sizeof(sageattn_quantize_params));
    printf("size %s %zu\n", "QuantizeValueParams", sizeof(sageattn_quantize_value_params));
    printf("size %s %zu\n", "AttentionParams", sizeof(sageattn_attention_params));
    printf("size %s %zu\n", "WgmmaParams", sizeof(sageattn_wgmma_params));
    printf("size %s %zu\n", "Fp4Params", sizeof(sageattn_fp4_params));
    printf("size %s %zu\n", "DeviceInfo", sizeof(sageattn_device_info));
    printf("size %s %zu\n", "ImageInfo", sizeof(sageattn_image_info));
    printf("size %s %zu\n", "Step", sizeof(sageattn_step));
}

static void check_arguments(void) {
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
static void check_workspace(void) {
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
static void check_dtypes(void) {
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
static void check_wgmma_masks(void) {
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

/* The images of FATBIN: machine code for 9.0 and PTX for 12.1, of the quantisers and of attention. */
static void check_images(void) {
    sageattn_image_info image, images[4];
    int64_t count;
    CHECK(library.images(images, 4, &count) == SAGEATTN_OK && count == 4);
    CHECK(strcmp(images[0].operation, "quantize") == 0 && images[0].sm_major == 9 && !images[0].ptx);
    CHECK(strcmp(images[3].operation, "attention_fp16") == 0 && images[3].sm_minor == 1 && images[3].ptx);
    CHECK(library.images(&image, 1, &count) == SAGEATTN_OK && count == 4);
    CHECK(library.image(SAGEATTN_KIND_FP16, 64, 90, &image) == SAGEATTN_OK && image.way == SAGEATTN_NATIVE);
    CHECK(library.image(SAGEATTN_KIND_FP16, 64, 130, &image) == SAGEATTN_OK && image.way == SAGEATTN_JIT);
    CHECK(library.image(SAGEATTN_KIND_FP16, 64, 89, &image) == SAGEATTN_OK && image.way == SAGEATTN_NO_WAY);
    CHECK(library.image(SAGEATTN_KIND_FP8, 64, 90, &image) == SAGEATTN_OK && image.way == SAGEATTN_NO_WAY);
}

static void check_load(void) {
    CHECK_ERROR(library.load(NULL), SAGEATTN_INVALID_ARGUMENT, "the path is NULL");
    CHECK_ERROR(library.load("no/such.fatbin"), SAGEATTN_NO_IMAGE, "no/such.fatbin: No such file or directory");
    CHECK(library.load("\xff.fatbin") == SAGEATTN_NO_IMAGE);
    CHECK(library.load(FATBIN) == SAGEATTN_OK);
    check_images();
    CHECK(library.load(FATBIN ".none") == SAGEATTN_NO_IMAGE && strstr(library.last_error(), FATBIN ".none") != NULL);
    check_images();
}

/* Each thread fails in its own way and must find its own text again. */
static void fail_often(int thread) {
    char path[32];
    CHECK(library.last_error()[0] == '\0');
    snprintf(path, sizeof path, "no/such.%d", thread);
    for (int i = 0; i < 200; ++i)
        CHECK(library.load(path) == SAGEATTN_NO_IMAGE && strstr(library.last_error(), path));
}

static float some[64];

static void* symbol(uint64_t source, uint64_t offset) {
    return (void*)(uintptr_t)(source << SAGEATTN_SOURCE_SHIFT | offset);
}

static int mean(int device) {
    const sageattn_tensor input = {some, 64, 64, 64};
    return library.mean(&(sageattn_mean_params){.size = sizeof(sageattn_mean_params),
                                                .input = input,
                                                .mean = some,
                                                .batch = 1,
                                                .heads = 1,
                                                .rows = 1,
                                                .head_dim = 64},
                        device, NULL);
}

/* The mean of the rows of source 1, and where the mean goes: offset bytes into source 2. */
static sageattn_mean_params mean_step(uint64_t offset) {
    const sageattn_tensor input = {symbol(1, 0), 64, 64, 64};
    return (sageattn_mean_params){.size = sizeof(sageattn_mean_params),
                                  .input = input,
                                  .mean = symbol(2, offset),
                                  .batch = 1,
                                  .heads = 1,
                                  .rows = 1,
                                  .head_dim = 64};
}

static const int32_t mean_words[] = {1, 5}; /* input.data and mean */

static int run_mean(const sageattn_mean_params* params, const int32_t* words, int32_t function, int64_t sources) {
    const uint64_t addresses[] = {0, (uint64_t)(uintptr_t)some, (uint64_t)(uintptr_t)some};
    const sageattn_step step = {params, words, 2, function};
    return library.run_steps((sageattn_step[]){step, step}, 2, addresses, sources, 0, NULL);
}

static void check_steps(void) {
    const int bad = SAGEATTN_INVALID_ARGUMENT;
    sageattn_mean_params params = mean_step(0);
    CHECK(library.run_steps(NULL, 0, NULL, 0, 0, NULL) == SAGEATTN_OK);
    CHECK_ERROR(run_mean(&params, mean_words, 99, 3), bad, "a function is 99");
    CHECK_ERROR(run_mean(&params, mean_words, SAGEATTN_RUN_MEAN, 2), bad, "a source is 2");
    CHECK_ERROR(run_mean(&params, (int32_t[]){1, 64}, SAGEATTN_RUN_MEAN, 3), bad, "a word is 64");
    CHECK_ERROR(run_mean(&params, (int32_t[]){1, -1}, SAGEATTN_RUN_MEAN, 3), bad, "a word is -1");
    params = mean_step(1);
    CHECK_ERROR(run_mean(&params, mean_words, SAGEATTN_RUN_MEAN, 3), bad, "mean is not aligned");
    params.size = 1000;
    CHECK_ERROR(run_mean(&params, mean_words, SAGEATTN_RUN_MEAN, 3), bad, "size is 1000");
}

static void launch_first(int thread) {
    (void)thread;
    CHECK(mean(0) == SAGEATTN_OK);
}

static void check_without_driver(void) {
    int32_t count = 7;
    sageattn_device_info info = {.size = sizeof info};
    CHECK_ERROR(library.device_count(&count), SAGEATTN_NO_DRIVER, DRIVER " could not be opened");
    CHECK_ERROR(library.device(0, &info), SAGEATTN_NO_DRIVER, DRIVER " could not be opened");
    CHECK_ERROR(mean(0), SAGEATTN_NO_DRIVER, DRIVER " could not be opened");
    CHECK_ERROR(library.has(SAGEATTN_KIND_FP16, 64, 0, &count), SAGEATTN_NO_DRIVER, DRIVER " could not be opened");
}

static void check_with_driver(void) {
    int32_t count = 0, has = 7;
    sageattn_device_info info = {.size = sizeof info};
    const sageattn_mean_params params = mean_step(0);
    run_threads(launch_first);
    CHECK(run_mean(&params, mean_words, SAGEATTN_RUN_MEAN, 3) == SAGEATTN_OK);
    CHECK(library.device_count(&count) == SAGEATTN_OK && count == 1);
    CHECK(library.device(0, &info) == SAGEATTN_OK && info.sm_major == 9 && info.usable == 1);
    CHECK(library.has(SAGEATTN_KIND_FP16, 72, 0, &has) == SAGEATTN_OK && has == 1);
    CHECK(library.has(SAGEATTN_KIND_FP16_MASKED, 72, 0, &has) == SAGEATTN_OK && has == 0);
    CHECK_ERROR(mean(1), SAGEATTN_INVALID_ARGUMENT, "no CUDA device 1");
    CHECK_ERROR(library.load("other.fatbin"), SAGEATTN_INVALID_ARGUMENT, "are in use");
}

int main(int argc, char** argv) {
    if (argc != 3) return 4;
    open_interface(argv[1]);
    print_sizes();
    check_arguments();
    check_dtypes();
    check_workspace();
    check_wgmma_masks();
    check_steps();
    check_load();
    run_threads(fail_often);
    if (atoi(argv[2]) == 0) check_without_driver();
    else check_with_driver();
    return wrong != 0;
}
