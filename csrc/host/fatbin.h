/* Reads what a fatbin file holds: a container for each operation, and in it images, each for one SM. */
#ifndef SAGEATTN_FATBIN_H
#define SAGEATTN_FATBIN_H

#include <stddef.h>
#include <stdint.h>

#include "sageattn.h"

enum { SAGEATTN_MAX_CONTAINERS = 32, SAGEATTN_MAX_IMAGES = 256 };

enum sageattn_image_kind { SAGEATTN_IMAGE_PTX = 1, SAGEATTN_IMAGE_CUBIN = 2 };

typedef struct sageattn_fatbin_image {
    int container;        /* index */
    int kind;             /* sageattn_image_kind; others are skipped */
    int sm;               /* 90 for SM 9.0 */
    int specific, family; /* built for sm_90a, sm_100f: runs on that SM, that family alone */
} sageattn_fatbin_image;

typedef struct sageattn_fatbin {
    unsigned char* data; /* the file; containers stay where they are in it */
    size_t size;
    int containers, images;
    size_t offsets[SAGEATTN_MAX_CONTAINERS];
    char operation[SAGEATTN_MAX_CONTAINERS][32]; /* "attention_fp16": its images' name up to "_sm" */
    sageattn_fatbin_image image[SAGEATTN_MAX_IMAGES];
} sageattn_fatbin;

/* Reads and parses the file; on failure nothing is kept. */
int sageattn_fatbin_read(const char* path, sageattn_fatbin* fatbin);
void sageattn_fatbin_free(sageattn_fatbin* fatbin);

/* Parses size bytes at data, and marks the images as made on this system. NULL if they are well formed, else what is
 * wrong with them. */
const char* sageattn_fatbin_parse(unsigned char* data, size_t size, sageattn_fatbin* fatbin);

/* How a GPU of this SM (90 for 9.0) loads the images of a container: in the best way, and for one way the newest
 * image, which goes to *image unless that is NULL. The rule is that of kernels/load.go, which names its source. */
enum sageattn_way sageattn_fatbin_load(const sageattn_fatbin* fatbin, int container, int sm,
                                       const sageattn_fatbin_image** image);

/* Describes an image of the fatbin, without a way. */
void sageattn_fatbin_info(const sageattn_fatbin* fatbin, const sageattn_fatbin_image* image,
                          sageattn_image_info* info);

/* "SM 7.0, 7.5, 9.0 and PTX of 12.1" into text. */
void sageattn_fatbin_describe(const sageattn_fatbin* fatbin, char* text, size_t size);

#endif
