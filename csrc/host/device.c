/* The fatbin, loaded once for the process, and per device the functions and launch traits of its kernels. */
#include "device.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "fatbin.h"
#include "lock.h"
#include "sageattn.h"

enum { MAX_DEVICES = 64 };

#define ATTENTION_KERNEL(kind, index, operation, name)                                \
    [SAGEATTN_KERNEL_ATTENTION + SAGEATTN_KIND_##kind * SAGEATTN_HEAD_DIMS + index] = \
        {operation, name, name "_traits"}
#define ATTENTION_KERNELS(kind, name)                                                    \
    ATTENTION_KERNEL(kind, 0, "attention_" name, "attention_" name "_hd64"),             \
        ATTENTION_KERNEL(kind, 1, "attention_" name, "attention_" name "_hd96"),         \
        ATTENTION_KERNEL(kind, 2, "attention_" name, "attention_" name "_hd128"),        \
        ATTENTION_KERNEL(kind, 3, "attention_" name, "attention_" name "_hd192"),        \
        ATTENTION_KERNEL(kind, 4, "attention_" name, "attention_" name "_hd256")

static const struct {
    const char *operation, *name; /* operation: of the container that defines it */
    const char* traits;           /* the constant beside an attention kernel */
} kernels[SAGEATTN_KERNELS] = {
    [SAGEATTN_KERNEL_MEAN] = {"quantize", "mean", NULL},
    [SAGEATTN_KERNEL_QUANTIZE] = {"quantize", "quantize", NULL},
    [SAGEATTN_KERNEL_QUANTIZE_WIDE] = {"quantize", "quantize_wide", NULL},
    [SAGEATTN_KERNEL_VALUE_STATISTICS] = {"quantize_value", "value_statistics", NULL},
    [SAGEATTN_KERNEL_VALUE_QUANTIZE] = {"quantize_value", "value_quantize", NULL},
    [SAGEATTN_KERNEL_VALUE_FINISH] = {"quantize_value", "value_finish", NULL},
    [SAGEATTN_KERNEL_WGMMA_STATISTICS] = {"quantize_wgmma", "wgmma_statistics", NULL},
    [SAGEATTN_KERNEL_WGMMA_PACK] = {"quantize_wgmma", "wgmma_pack", NULL},
    [SAGEATTN_KERNEL_WGMMA_FINISH] = {"quantize_wgmma", "wgmma_finish", NULL},
    [SAGEATTN_KERNEL_FP8_WGMMA_HD64] = {"attention_fp8_wgmma", "attention_fp8_wgmma_hd64", "attention_fp8_wgmma_hd64_traits"},
    [SAGEATTN_KERNEL_FP8_WGMMA_HD128] = {"attention_fp8_wgmma", "attention_fp8_wgmma_hd128", "attention_fp8_wgmma_hd128_traits"},
    ATTENTION_KERNELS(FP16, "fp16"),
    ATTENTION_KERNELS(FP16_MASKED, "fp16_masked"),
    ATTENTION_KERNELS(FP16_ACCUM_F16, "fp16_accum_f16"),
    ATTENTION_KERNELS(FP8, "fp8"),
    ATTENTION_KERNELS(FP8_ACCUM_F16, "fp8_accum_f16"),
};

enum { UNKNOWN, LOADED, MISSING };

/* Each kernel is loaded at its first use: the driver may have to compile it, and few programs use them all. */
typedef struct kernel_state {
    atomic_int state; /* the others are set if it is LOADED */
    CUfunction function;
    sageattn_traits traits;
} kernel_state;

typedef struct device_state {
    CUcontext context; /* set before any kernel is LOADED */
    kernel_state kernels[SAGEATTN_KERNELS];
} device_state;

static sageattn_lock state_lock = SAGEATTN_LOCK_INIT; /* for all below, but for kernels that are no more UNKNOWN */
static char* fatbin_path;
static sageattn_fatbin fatbin;
static CUlibrary libraries[SAGEATTN_MAX_CONTAINERS];
static int libraries_loaded;
static device_state devices[MAX_DEVICES];

static int load_locked(const char* path) {
    if (fatbin_path != NULL && strcmp(fatbin_path, path) == 0) return SAGEATTN_OK;
    if (libraries_loaded)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "kernels of %s are in use: %s cannot replace them",
                             fatbin_path, path);
    sageattn_fatbin fresh;
    const int status = sageattn_fatbin_read(path, &fresh);
    if (status != SAGEATTN_OK) return status;
    char* copy = malloc(strlen(path) + 1);
    if (copy == NULL) {
        sageattn_fatbin_free(&fresh);
        return sageattn_fail(SAGEATTN_NO_IMAGE, "out of memory reading %s", path);
    }
    strcpy(copy, path);
    free(fatbin_path);
    sageattn_fatbin_free(&fatbin);
    fatbin_path = copy;
    fatbin = fresh;
    return SAGEATTN_OK;
}

int sageattn_load(const char* path) {
    if (path == NULL) return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "sageattn_load: the path is NULL");
    lock(&state_lock);
    const int status = load_locked(path);
    unlock(&state_lock);
    return status;
}

/* The SM as 90 for 9.0. */
static int device_sm(const sageattn_driver* driver, CUdevice device, int* sm) {
    int major = 0, minor = 0;
    CUresult result = driver->device_attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
    if (result == 0) result = driver->device_attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
    *sm = major * 10 + minor;
    return result == 0 ? SAGEATTN_OK : sageattn_driver_fail(driver, result, "cuDeviceGetAttribute");
}

static int open_device(const sageattn_driver** driver, int32_t ordinal, CUdevice* device) {
    int count = 0;
    int status = sageattn_driver_open(driver);
    if (status != SAGEATTN_OK) return status;
    CUresult result = (*driver)->device_count(&count);
    if (result != 0) return sageattn_driver_fail(*driver, result, "cuDeviceGetCount");
    if (ordinal < 0 || ordinal >= count || ordinal >= MAX_DEVICES)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "no CUDA device %d: the driver shows %d", (int)ordinal,
                             count);
    result = (*driver)->device_get(device, ordinal);
    return result == 0 ? SAGEATTN_OK : sageattn_driver_fail(*driver, result, "cuDeviceGet");
}

static int runs_any(int sm) {
    for (int i = 0; i < fatbin.containers; ++i)
        if (sageattn_fatbin_runs(&fatbin, i, sm)) return 1;
    return 0;
}

/* The one error that most users meet: says what the GPU is and what the wheel holds. */
static int fail_no_image(const sageattn_driver* driver, CUdevice device, int sm, const char* kernel) {
    char name[96] = "this GPU", held[256];
    driver->device_name(name, (int)sizeof name, device);
    sageattn_fatbin_describe(&fatbin, held, sizeof held);
    return sageattn_fail(SAGEATTN_NO_IMAGE, "no kernel image%s%s for %s (SM %d.%d): %s holds %s",
                         kernel ? " of " : "", kernel ? kernel : "", name, sm / 10, sm % 10, fatbin_path, held);
}

static int load_library(const sageattn_driver* driver, int container) {
    if (libraries[container] != NULL) return SAGEATTN_OK;
    const CUresult result = driver->library_load(&libraries[container], fatbin.data + fatbin.offsets[container], NULL,
                                                 NULL, 0, NULL, NULL, 0);
    if (result != 0) return sageattn_driver_fail(driver, result, "cuLibraryLoadData");
    libraries_loaded = 1;
    return SAGEATTN_OK;
}

/* Traits lie in the image that the driver chose, which only it knows: they are read from the device, on a stream
 * of our own because the caller's may be capturing a graph. */
static CUresult read_traits(const sageattn_driver* driver, CUlibrary library, const char* name,
                            sageattn_traits* traits) {
    CUdeviceptr address;
    CUstream stream;
    size_t size = 0;
    CUresult result = driver->library_global(&address, &size, library, name);
    if (result != 0) return result;
    if (size != sizeof *traits) return CUDA_ERROR_NOT_FOUND;
    if ((result = driver->stream_create(&stream, CU_STREAM_NON_BLOCKING)) != 0) return result;
    result = driver->copy_to_host(traits, address, sizeof *traits, stream);
    if (result == 0) result = driver->stream_synchronize(stream);
    driver->stream_destroy(stream);
    return result;
}

static CUresult load_function(const sageattn_driver* driver, CUlibrary library, int index, kernel_state* state) {
    CUkernel kernel;
    CUresult result = driver->library_kernel(&kernel, library, kernels[index].name);
    if (result != 0) return result;
    if ((result = driver->kernel_function(&state->function, kernel)) != 0) return result;
    if (kernels[index].traits == NULL) return 0;
    if ((result = read_traits(driver, library, kernels[index].traits, &state->traits)) != 0) return result;
    return driver->function_set(state->function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                state->traits.shared_memory);
}

/* Looks in the container of the kernel's operation, if that holds an image for the device. A kernel that it does not
 * define is MISSING; any other failure (a JIT error, memory) is the caller's to see. */
static int load_kernel(const sageattn_driver* driver, int sm, int index, kernel_state* state) {
    for (int container = 0; container < fatbin.containers; ++container) {
        if (strcmp(kernels[index].operation, fatbin.operation[container]) != 0) continue;
        if (!sageattn_fatbin_runs(&fatbin, container, sm)) continue;
        const int status = load_library(driver, container);
        if (status != SAGEATTN_OK) return status;
        const CUresult result = load_function(driver, libraries[container], index, state);
        if (result == CUDA_ERROR_NOT_FOUND) continue;
        if (result != 0) return sageattn_driver_fail(driver, result, kernels[index].name);
        atomic_store_explicit(&state->state, LOADED, memory_order_release);
        return SAGEATTN_OK;
    }
    atomic_store_explicit(&state->state, MISSING, memory_order_release);
    return SAGEATTN_OK;
}

/* Loading allocates, which a capture in its default mode forbids: the mode is relaxed for this thread meanwhile. */
static int load_relaxed(const sageattn_driver* driver, int sm, int index, device_state* state) {
    int mode = CU_STREAM_CAPTURE_MODE_RELAXED, status;
    driver->exchange_capture_mode(&mode);
    const CUresult result = driver->context_push(state->context);
    if (result != 0) {
        status = sageattn_driver_fail(driver, result, "cuCtxPushCurrent");
    } else {
        status = load_kernel(driver, sm, index, &state->kernels[index]);
        driver->context_pop(&(CUcontext){NULL});
    }
    driver->exchange_capture_mode(&mode);
    return status;
}

static int prepare_locked(const sageattn_driver* driver, CUdevice device, int index, device_state* state) {
    int sm;
    if (atomic_load_explicit(&state->kernels[index].state, memory_order_relaxed) != UNKNOWN) return SAGEATTN_OK;
    if (fatbin_path == NULL)
        return sageattn_fail(SAGEATTN_NO_IMAGE, "no kernels are loaded: call sageattn_load first");
    const int status = device_sm(driver, device, &sm);
    if (status != SAGEATTN_OK) return status;
    if (!runs_any(sm)) return fail_no_image(driver, device, sm, NULL);
    if (state->context == NULL) { /* kept for the life of the process, as PyTorch does */
        const CUresult result = driver->primary_retain(&state->context, device);
        if (result != 0) return sageattn_driver_fail(driver, result, "cuDevicePrimaryCtxRetain");
    }
    return load_relaxed(driver, sm, index, state);
}

static int prepare(const sageattn_driver* driver, int32_t ordinal, int index) {
    CUdevice device;
    const int status = open_device(&driver, ordinal, &device);
    if (status != SAGEATTN_OK) return status;
    lock(&state_lock);
    const int prepared = prepare_locked(driver, device, index, &devices[ordinal]);
    unlock(&state_lock);
    return prepared;
}

/* *state: LOADED or MISSING. */
static int look_up(const sageattn_driver* driver, int32_t ordinal, int index, int* state) {
    const int known = ordinal >= 0 && ordinal < MAX_DEVICES;
    *state = known ? atomic_load_explicit(&devices[ordinal].kernels[index].state, memory_order_acquire) : UNKNOWN;
    if (*state != UNKNOWN) return SAGEATTN_OK;
    const int status = prepare(driver, ordinal, index);
    if (status != SAGEATTN_OK) return status;
    *state = atomic_load_explicit(&devices[ordinal].kernels[index].state, memory_order_acquire);
    return SAGEATTN_OK;
}

const char* sageattn_kernel_name(enum sageattn_kernel kernel) { return kernels[kernel].name; }

int sageattn_find(const enum sageattn_kernel* wanted, int count, int32_t ordinal, enum sageattn_kernel* found,
                  sageattn_traits* traits) {
    const sageattn_driver* driver;
    CUdevice device;
    int sm = 0, status = sageattn_driver_open(&driver);
    if (status != SAGEATTN_OK) return status;
    for (int i = 0; i < count; ++i) {
        int state;
        if ((status = look_up(driver, ordinal, wanted[i], &state)) != SAGEATTN_OK) return status;
        if (state == MISSING) continue;
        *found = wanted[i];
        *traits = devices[ordinal].kernels[wanted[i]].traits;
        return SAGEATTN_OK;
    }
    if ((status = open_device(&driver, ordinal, &device)) != SAGEATTN_OK) return status;
    if ((status = device_sm(driver, device, &sm)) != SAGEATTN_OK) return status;
    return fail_no_image(driver, device, sm, kernels[wanted[0]].name);
}

static CUresult launch_in_context(const sageattn_driver* driver, CUcontext context, CUfunction function,
                                  unsigned blocks, const sageattn_traits* traits, void* stream, void* arguments) {
    CUcontext current = NULL;
    CUresult result = driver->context_current(&current);
    if (result != 0) return result;
    if (current != context && (result = driver->context_push(context)) != 0) return result;
    result = driver->launch(function, blocks, 1, 1, (unsigned)traits->threads, 1, 1, (unsigned)traits->shared_memory,
                            (CUstream)stream, (void*[]){arguments}, NULL);
    if (current != context) driver->context_pop(&(CUcontext){NULL});
    return result;
}

int sageattn_launch(enum sageattn_kernel kernel, int32_t ordinal, void* stream, int64_t blocks,
                    const sageattn_traits* traits, void* arguments) {
    const sageattn_driver* driver;
    sageattn_traits own;
    int status = sageattn_driver_open(&driver);
    if (status == SAGEATTN_OK) status = sageattn_find(&kernel, 1, ordinal, &kernel, &own);
    if (status != SAGEATTN_OK) return status;
    if (blocks > INT32_MAX)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s needs %lld blocks, a grid takes %d: split the batch",
                             kernels[kernel].name, (long long)blocks, (int)INT32_MAX);
    const device_state* state = &devices[ordinal];
    const CUresult result = launch_in_context(driver, state->context, state->kernels[kernel].function,
                                              (unsigned)blocks, traits != NULL ? traits : &own, stream, arguments);
    return result == 0 ? SAGEATTN_OK : sageattn_driver_fail(driver, result, kernels[kernel].name);
}

int sageattn_device_count(int32_t* count) {
    const sageattn_driver* driver;
    int found = 0;
    if (count == NULL) return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "sageattn_device_count: count is NULL");
    const int status = sageattn_driver_open(&driver);
    if (status != SAGEATTN_OK) return status;
    const CUresult result = driver->device_count(&found);
    *count = found;
    return result == 0 ? SAGEATTN_OK : sageattn_driver_fail(driver, result, "cuDeviceGetCount");
}

int sageattn_device(int32_t ordinal, sageattn_device_info* info) {
    const sageattn_driver* driver;
    CUdevice device;
    int sm;
    if (info == NULL || info->size != sizeof *info)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "sageattn_device: info is NULL or of another version");
    int status = open_device(&driver, ordinal, &device);
    if (status == SAGEATTN_OK) status = device_sm(driver, device, &sm);
    if (status != SAGEATTN_OK) return status;
    memset(info->name, 0, sizeof info->name);
    driver->device_name(info->name, (int)sizeof info->name - 1, device);
    info->sm_major = sm / 10;
    info->sm_minor = sm % 10;
    lock(&state_lock);
    info->usable = fatbin_path != NULL && runs_any(sm);
    unlock(&state_lock);
    return SAGEATTN_OK;
}

int sageattn_images(const char* operation, char* text, int64_t size) {
    if (text == NULL || size < 1) return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "sageattn_images: no text");
    lock(&state_lock);
    sageattn_fatbin_list(&fatbin, operation, text, (size_t)size);
    unlock(&state_lock);
    return SAGEATTN_OK;
}

int sageattn_abi_version(void) { return SAGEATTN_ABI_VERSION; }
