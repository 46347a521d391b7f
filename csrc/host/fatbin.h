/* Reads what a fatbin file holds: a container for each operation, and in it images, each for one SM. */
#ifndef SAGEATTN_FATBIN_H
#define SAGEATTN_FATBIN_H

#include <stddef.h>
#include <stdint.h>

enum { SAGEATTN_MAX_CONTAINERS = 16, SAGEATTN_MAX_IMAGES = 256 };

enum sageattn_image_kind { SAGEATTN_IMAGE_PTX = 1, SAGEATTN_IMAGE_CUBIN = 2 };

typedef struct sageattn_image {
    int container;        /* index */
    int kind;             /* sageattn_image_kind; others are skipped */
    int sm;               /* 90 for SM 9.0 */
    int specific, family; /* built for sm_90a, sm_100f: runs on that SM, that family alone */
} sageattn_image;

typedef struct sageattn_fatbin {
    unsigned char* data; /* the file; containers stay where they are in it */
    size_t size;
    int containers, images;
    size_t offsets[SAGEATTN_MAX_CONTAINERS];
    char operation[SAGEATTN_MAX_CONTAINERS][32]; /* "attention_fp16": its images' name up to "_sm" */
    sageattn_image image[SAGEATTN_MAX_IMAGES];
} sageattn_fatbin;

/* Reads and parses the file; on failure nothing is kept. */
int sageattn_fatbin_read(const char* path, sageattn_fatbin* fatbin);
void sageattn_fatbin_free(sageattn_fatbin* fatbin);

/* Parses size bytes at data, and marks the images as made on this system. NULL if they are well formed, else what is
 * wrong with them. */
const char* sageattn_fatbin_parse(unsigned char* data, size_t size, sageattn_fatbin* fatbin);

/* Does a GPU of this SM (90 for 9.0) run an image of the container? */
int sageattn_fatbin_runs(const sageattn_fatbin* fatbin, int container, int sm);

/* The images of an operation, or of all (NULL), each once: "7.0 9.0a PTX 12.1" into text. */
void sageattn_fatbin_list(const sageattn_fatbin* fatbin, const char* operation, char* text, size_t size);

/* "SM 7.0, 7.5, 9.0 and PTX of 12.1" into text. */
void sageattn_fatbin_describe(const sageattn_fatbin* fatbin, char* text, size_t size);

#endif
