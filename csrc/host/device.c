/* The fatbin, loaded once for the process, and per device the functions and launch traits of its kernels. */
#include "device.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "error.h"
#include "fatbin.h"
#include "lock.h"
#include "sageattn.h"

enum { MAX_DEVICES = 64 };

enum { UNKNOWN, LOADED, MISSING };

/* Each kernel is loaded at its first use: the driver may have to compile it, and few programs use them all. */
typedef struct kernel_state {
    atomic_int state; /* the others are set if it is LOADED */
    CUfunction function;
    sageattn_traits traits;
} kernel_state;

typedef struct device_state {
    CUcontext context; /* this and multiprocessors: set before any kernel is LOADED */
    int multiprocessors;
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
        if (sageattn_fatbin_load(&fatbin, i, sm, NULL) != SAGEATTN_NO_WAY) return 1;
    return 0;
}

/* Says what the GPU is and what the wheel holds: the error that most users meet. */
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
    CUresult result = driver->library_kernel(&kernel, library, sageattn_kernels[index].name);
    if (result != 0) return result;
    if ((result = driver->kernel_function(&state->function, kernel)) != 0) return result;
    if (sageattn_kernels[index].traits == NULL) return 0;
    if ((result = read_traits(driver, library, sageattn_kernels[index].traits, &state->traits)) != 0) return result;
    return driver->function_set(state->function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                state->traits.shared_memory);
}

/* Looks in the container of the kernel's operation, if that holds an image for the device. A kernel that it does not
 * define is MISSING; any other failure (a JIT error, memory) is the caller's to see. */
static int load_kernel(const sageattn_driver* driver, int sm, int index, kernel_state* state) {
    for (int container = 0; container < fatbin.containers; ++container) {
        if (strcmp(sageattn_kernels[index].operation, fatbin.operation[container]) != 0) continue;
        if (sageattn_fatbin_load(&fatbin, container, sm, NULL) == SAGEATTN_NO_WAY) continue;
        const int status = load_library(driver, container);
        if (status != SAGEATTN_OK) return status;
        const CUresult result = load_function(driver, libraries[container], index, state);
        if (result == CUDA_ERROR_NOT_FOUND) continue;
        if (result != 0) return sageattn_driver_fail(driver, result, sageattn_kernels[index].name);
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

/* The context is kept for the life of the process, as PyTorch does. */
static int retain_context(const sageattn_driver* driver, CUdevice device, device_state* state) {
    CUresult result =
        driver->device_attribute(&state->multiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device);
    if (result != 0) return sageattn_driver_fail(driver, result, "cuDeviceGetAttribute");
    result = driver->primary_retain(&state->context, device);
    return result == 0 ? SAGEATTN_OK : sageattn_driver_fail(driver, result, "cuDevicePrimaryCtxRetain");
}

static int prepare_locked(const sageattn_driver* driver, CUdevice device, int index, device_state* state) {
    int sm;
    if (atomic_load_explicit(&state->kernels[index].state, memory_order_relaxed) != UNKNOWN) return SAGEATTN_OK;
    if (fatbin_path == NULL)
        return sageattn_fail(SAGEATTN_NO_IMAGE, "no kernels are loaded: call sageattn_load first");
    int status = device_sm(driver, device, &sm);
    if (status != SAGEATTN_OK) return status;
    if (!runs_any(sm)) return fail_no_image(driver, device, sm, NULL);
    if (state->context == NULL && (status = retain_context(driver, device, state)) != SAGEATTN_OK) return status;
    return load_relaxed(driver, sm, index, state);
}

static int prepare(int32_t ordinal, int index) {
    const sageattn_driver* driver;
    CUdevice device;
    const int status = open_device(&driver, ordinal, &device);
    if (status != SAGEATTN_OK) return status;
    lock(&state_lock);
    const int prepared = prepare_locked(driver, device, index, &devices[ordinal]);
    unlock(&state_lock);
    return prepared;
}

/* *state: LOADED or MISSING. */
static int look_up(int32_t ordinal, int index, int* state) {
    const int known = ordinal >= 0 && ordinal < MAX_DEVICES;
    *state = known ? atomic_load_explicit(&devices[ordinal].kernels[index].state, memory_order_acquire) : UNKNOWN;
    if (*state != UNKNOWN) return SAGEATTN_OK;
    const int status = prepare(ordinal, index);
    if (status != SAGEATTN_OK) return status;
    *state = atomic_load_explicit(&devices[ordinal].kernels[index].state, memory_order_acquire);
    return SAGEATTN_OK;
}

static int fail_missing(int32_t ordinal, int index) {
    const sageattn_driver* driver;
    CUdevice device;
    int sm = 0, status = open_device(&driver, ordinal, &device);
    if (status == SAGEATTN_OK) status = device_sm(driver, device, &sm);
    return status == SAGEATTN_OK ? fail_no_image(driver, device, sm, sageattn_kernels[index].name) : status;
}

int sageattn_find(enum sageattn_kernel kernel, int32_t ordinal, sageattn_loaded* loaded) {
    int state;
    const int status = look_up(ordinal, kernel, &state);
    if (status != SAGEATTN_OK) return status;
    if (state == MISSING) return fail_missing(ordinal, kernel);
    const device_state* device = &devices[ordinal];
    *loaded = (sageattn_loaded){kernel,
                                device->context,
                                device->kernels[kernel].function,
                                device->kernels[kernel].traits,
                                device->multiprocessors,
                                0};
    return SAGEATTN_OK;
}

static CUresult launch_in_context(const sageattn_driver* driver, const sageattn_loaded* loaded, unsigned blocks,
                                  void* stream, void* arguments) {
    CUlaunchAttribute attribute = {.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, .value = {1}};
    const CUlaunchConfig config = {.grid = {blocks, 1, 1},
                                   .block = {(unsigned)loaded->traits.threads, 1, 1},
                                   .shared_memory = (unsigned)loaded->traits.shared_memory,
                                   .stream = (CUstream)stream,
                                   .attributes = &attribute,
                                   .attribute_count = loaded->early ? 1 : 0};
    CUcontext current = NULL;
    CUresult result = driver->context_current(&current);
    if (result != 0) return result;
    if (current != loaded->context && (result = driver->context_push(loaded->context)) != 0) return result;
    result = driver->launch(&config, loaded->function, (void*[]){arguments}, NULL);
    if (current != loaded->context) driver->context_pop(&(CUcontext){NULL});
    return result;
}

int sageattn_launch(const sageattn_loaded* loaded, void* stream, int64_t blocks, void* arguments) {
    const char* name = sageattn_kernels[loaded->kernel].name;
    const sageattn_driver* driver;
    const int status = sageattn_driver_open(&driver);
    if (status != SAGEATTN_OK) return status;
    if (blocks > INT32_MAX)
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "%s needs %lld blocks, a grid takes %d: split the batch",
                             name, (long long)blocks, (int)INT32_MAX);
    const CUresult result = launch_in_context(driver, loaded, (unsigned)blocks, stream, arguments);
    return result == 0 ? SAGEATTN_OK : sageattn_driver_fail(driver, result, name);
}

static int run(enum sageattn_kernel kernel, int32_t device, void* stream, int64_t blocks, int threads, int early,
               void* arguments) {
    sageattn_loaded loaded;
    const int status = sageattn_find(kernel, device, &loaded);
    if (status != SAGEATTN_OK) return status;
    loaded.traits = (sageattn_traits){.threads = threads};
    loaded.early = early;
    return sageattn_launch(&loaded, stream, blocks, arguments);
}

int sageattn_run(enum sageattn_kernel kernel, int32_t device, void* stream, int64_t blocks, int threads,
                 void* arguments) {
    return run(kernel, device, stream, blocks, threads, 0, arguments);
}

int sageattn_run_early(enum sageattn_kernel kernel, int32_t device, void* stream, int64_t blocks, int threads,
                       void* arguments) {
    return run(kernel, device, stream, blocks, threads, 1, arguments);
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

int sageattn_images(sageattn_image_info* images, int64_t capacity, int64_t* count) {
    if (count == NULL || (images == NULL && capacity > 0))
        return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "sageattn_images: images or count is NULL");
    lock(&state_lock);
    for (int i = 0; i < fatbin.images && i < capacity; ++i)
        sageattn_fatbin_info(&fatbin, &fatbin.image[i], &images[i]);
    *count = fatbin.images;
    unlock(&state_lock);
    return SAGEATTN_OK;
}

/* The best image of an operation for an SM; the way is NO_WAY if there is none. */
static enum sageattn_way best_locked(const char* operation, int sm, const sageattn_fatbin_image** best) {
    enum sageattn_way way = SAGEATTN_NO_WAY;
    for (int i = 0; i < fatbin.containers && way == SAGEATTN_NO_WAY; ++i)
        if (strcmp(operation, fatbin.operation[i]) == 0) way = sageattn_fatbin_load(&fatbin, i, sm, best);
    return way;
}

int sageattn_image(int32_t kind, int64_t head_dim, int32_t sm, sageattn_image_info* info) {
    const sageattn_kind_facts* facts;
    const sageattn_fatbin_image* image = NULL;
    enum sageattn_kernel kernel;
    if (info == NULL) return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "sageattn_image: info is NULL");
    SAGEATTN_TRY(sageattn_check_kind("sageattn_image", kind, head_dim, &facts, &kernel));
    memset(info, 0, sizeof *info);
    lock(&state_lock);
    const char* quantizer = sageattn_kernels[sageattn_kind_quantizer(facts)].operation;
    if (best_locked(quantizer, sm, NULL) != SAGEATTN_NO_WAY) {
        const enum sageattn_way way = best_locked(sageattn_kernels[kernel].operation, sm, &image);
        if (way != SAGEATTN_NO_WAY) sageattn_fatbin_info(&fatbin, image, info);
        info->way = way;
    }
    unlock(&state_lock);
    return SAGEATTN_OK;
}

/* *has: 1 if the device has the kernel, 0 if the fatbin holds none for the device. */
static int has_kernel(enum sageattn_kernel kernel, int32_t device, int32_t* has) {
    sageattn_loaded loaded;
    const int status = sageattn_find(kernel, device, &loaded);
    *has = status == SAGEATTN_OK;
    return status == SAGEATTN_NO_IMAGE ? SAGEATTN_OK : status;
}

int sageattn_has(int32_t kind, int64_t head_dim, int32_t device, int32_t* has) {
    const sageattn_kind_facts* facts;
    enum sageattn_kernel kernel;
    if (has == NULL) return sageattn_fail(SAGEATTN_INVALID_ARGUMENT, "sageattn_has: has is NULL");
    SAGEATTN_TRY(sageattn_check_kind("sageattn_has", kind, head_dim, &facts, &kernel));
    SAGEATTN_TRY(has_kernel(kernel, device, has));
    return *has ? has_kernel(sageattn_kind_quantizer(facts), device, has) : SAGEATTN_OK;
}

int sageattn_abi_version(void) { return SAGEATTN_ABI_VERSION; }
