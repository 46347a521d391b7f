/* The C interface as the tests find it in a library, and how they check it. */
#ifndef TEST_INTERFACE_H
#define TEST_INTERFACE_H

#include <string.h>

#include "../../host/sageattn.h"
#include "../../host/sageattn_fp4.h"
#include "../../host/sageattn_wgmma.h"

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

extern struct functions {
#define X(name) __typeof__(&sageattn_##name) name;
    FUNCTIONS(X)
#undef X
} library;

void check(int fine, const char* file, int line, const char* what);
#define CHECK(condition) check(condition, __FILE__, __LINE__, #condition)
#define CHECK_ERROR(call, status, text) CHECK((call) == (status) && strstr(library.last_error(), text) != NULL)

/* In calls.c. */
void check_arguments(void);
void check_dtypes(void);
void check_workspace(void);
void check_wgmma_masks(void);

#endif
