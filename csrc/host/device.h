/* Devices and the kernels loaded on them. */
#ifndef SAGEATTN_DEVICE_H
#define SAGEATTN_DEVICE_H

#include <stdint.h>

#include "../device/params.h"
#include "driver.h"
#include "kind.h"

/* A kernel on a device, ready to launch. */
typedef struct sageattn_loaded {
    enum sageattn_kernel kernel;
    CUcontext context;
    CUfunction function;
    sageattn_traits traits; /* of an attention kernel's image, else zeros */
    int multiprocessors;    /* of the device */
    int early;              /* set by who launches a kernel that waits for the launch before it (griddepcontrol): its
                             * blocks may begin before that has ended, as soon as it lets them. SM 9.0 and above */
} sageattn_loaded;

/* Finds a kernel on a device, loading it at its first use. NO_IMAGE if the fatbin has none for the device. */
int sageattn_find(enum sageattn_kernel kernel, int32_t device, sageattn_loaded* loaded);

/* Launches by loaded->traits. blocks may be any number: above what a grid takes is an error. */
int sageattn_launch(const sageattn_loaded* loaded, void* stream, int64_t blocks, void* arguments);

/* Finds and launches a kernel that has no traits, in blocks of so many threads. */
int sageattn_run(enum sageattn_kernel kernel, int32_t device, void* stream, int64_t blocks, int threads,
                 void* arguments);

/* The same, early. */
int sageattn_run_early(enum sageattn_kernel kernel, int32_t device, void* stream, int64_t blocks, int threads,
                       void* arguments);

#endif
