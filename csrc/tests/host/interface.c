/* Calls the C interface on the system that this is compiled for. Arguments: the library, and how many devices a
 * driver shows; 0: there is no driver. The folder it runs in holds FATBIN. Says what is not as it should be, ends
 * with the number of such checks, and prints the sizes of the structs. */
#include "interface.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "system.h"

#define FATBIN "gr\303\266\303\237e \346\227\245\346\234\254.fatbin" /* größe 日本.fatbin */

#if defined(_WIN32)
#define DRIVER "nvcuda.dll"
#else
#define DRIVER "libcuda.so.1"
#endif

struct functions library;

static atomic_int wrong;

void check(int fine, const char* file, int line, const char* what) {
    if (fine) return;
    fprintf(stderr, "%s:%d: %s; last error: %s\n", file, line, what, library.last_error());
    ++wrong;
}

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
    CHECK_ERROR(library.load("driver"), SAGEATTN_NO_IMAGE, "from driver: it is no regular file");
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
