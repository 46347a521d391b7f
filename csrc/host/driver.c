#include "driver.h"

#include <stdatomic.h>
#include <string.h>

#include "error.h"
#include "lock.h"
#include "sageattn.h"
#include "system.h"

static sageattn_driver table;
static atomic_int ready;
static sageattn_lock opening = SAGEATTN_LOCK_INIT;

/* memcpy, because ISO C has no conversion from an object pointer to a function pointer. */
static const char* fill_table(void* library) {
    void* symbol;
#define X(field, name, parameters)                \
    symbol = sageattn_find_symbol(library, name); \
    if (symbol == NULL) return name;              \
    memcpy(&table.field, &symbol, sizeof symbol);
    SAGEATTN_DRIVER_FUNCTIONS(X)
#undef X
    return NULL;
}

static int open_driver(void) {
    void* library = sageattn_open_driver_library();
    if (library == NULL)
        return sageattn_fail(SAGEATTN_NO_DRIVER, "no NVIDIA driver: %s could not be opened", SAGEATTN_DRIVER_NAME);
    const char* missing = fill_table(library);
    if (missing != NULL) {
        sageattn_close_library(library);
        return sageattn_fail(SAGEATTN_NO_DRIVER,
                             "the NVIDIA driver is too old: it lacks %s, CUDA 12.0 or newer is needed", missing);
    }
    const CUresult result = table.init(0);
    if (result == 0) return SAGEATTN_OK;
    sageattn_driver_fail(&table, result, "cuInit");
    sageattn_close_library(library);
    return SAGEATTN_NO_DRIVER;
}

int sageattn_driver_open(const sageattn_driver** driver) {
    int status = SAGEATTN_OK;
    if (!atomic_load_explicit(&ready, memory_order_acquire)) {
        lock(&opening);
        if (!atomic_load_explicit(&ready, memory_order_relaxed)) {
            status = open_driver();
            if (status == SAGEATTN_OK) atomic_store_explicit(&ready, 1, memory_order_release);
        }
        unlock(&opening);
    }
    *driver = &table;
    return status;
}

int sageattn_driver_fail(const sageattn_driver* driver, CUresult result, const char* what) {
    const char *name = NULL, *text = NULL;
    driver->error_name(result, &name);
    driver->error_string(result, &text);
    return sageattn_fail(SAGEATTN_CUDA_ERROR, "%s: %s (%s)", what, name ? name : "unknown CUDA error",
                         text ? text : "no description");
}
