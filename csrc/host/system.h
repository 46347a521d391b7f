/* What POSIX and Windows do differently, but for locks: see lock.h. */
#ifndef SAGEATTN_SYSTEM_H
#define SAGEATTN_SYSTEM_H

#include <stddef.h>

#if defined(_WIN32)
#define SAGEATTN_DRIVER_NAME "nvcuda.dll"
#define SAGEATTN_FLAG_HOST 0x40u /* of an image in a fatbin */
#else
#define SAGEATTN_DRIVER_NAME "libcuda.so.1"
#define SAGEATTN_FLAG_HOST 0x10u
#endif

/* The CUDA driver's library, or NULL. On Windows it is the system's own folder alone that may hold it: neither a
 * program's folder nor the current one can put another in its place. */
void* sageattn_open_driver_library(void);
void* sageattn_find_symbol(void* library, const char* name);
void sageattn_close_library(void* library);

/* The whole file, from malloc; NULL with what is wrong in *wrong. A path is UTF-8 on Windows, and elsewhere the bytes
 * that the system knows it by. */
unsigned char* sageattn_read_file(const char* path, size_t* size, const char** wrong);

#endif
