#include "fatbin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "sageattn.h"
#include "system.h"

/* Container: u32 magic, u16 version, u16 header size, u64 size of the entries. Entry: u16 kind, u16 version,
 * u32 header size, u64 payload size, …, u32 SM at 28, u32 offset of the name at 32, u32 its length at 36, u64 flags
 * at 40. All little endian. */
#define CONTAINER_MAGIC 0xBA55ED50u
enum { CONTAINER_HEADER = 16, ENTRY_HEADER = 48 };
#define FLAG_HOST 0xF0u
#define FLAG_SPECIFIC 0x100000u
#define FLAG_FAMILY 0x200000u

static uint64_t little_endian(const unsigned char* bytes, int count) {
    uint64_t value = 0;
    for (int i = count - 1; i >= 0; --i) value = value << 8 | bytes[i];
    return value;
}

/* The images of a container have one operation, named by the first. */
static const char* parse_name(char operation[32], const unsigned char* entry, uint64_t header) {
    const uint64_t offset = little_endian(entry + 32, 4), length = little_endian(entry + 36, 4);
    if (operation[0] != '\0') return NULL;
    if (length == 0 || offset > header || length > header - offset) return "an image has no name";
    size_t count = 0;
    while (count < length && !(length - count >= 3 && memcmp(entry + offset + count, "_sm", 3) == 0)) ++count;
    if (count > 31) return "the name of an image is too long";
    memcpy(operation, entry + offset, count);
    return NULL;
}

/* Flags name the system that a file was made on. One file serves every platform: each shows its driver its own name.
 */
static void claim_host(unsigned char* entry) {
    entry[40] = (unsigned char)((entry[40] & ~FLAG_HOST) | SAGEATTN_FLAG_HOST);
}

static const char* parse_entries(sageattn_fatbin* fatbin, unsigned char* entries, uint64_t size) {
    while (size > 0) {
        if (size < ENTRY_HEADER) return "an entry is cut off";
        const int kind = (int)little_endian(entries, 2);
        const uint64_t header = little_endian(entries + 4, 4), payload = little_endian(entries + 8, 8);
        if (header < ENTRY_HEADER || header > size || payload > size - header)
            return "an entry is larger than its container";
        if (kind == SAGEATTN_IMAGE_PTX || kind == SAGEATTN_IMAGE_CUBIN) {
            if (fatbin->images == SAGEATTN_MAX_IMAGES) return "it holds too many images";
            const char* wrong = parse_name(fatbin->operation[fatbin->containers], entries, header);
            if (wrong != NULL) return wrong;
            claim_host(entries);
            const uint64_t flags = little_endian(entries + 40, 8);
            fatbin->image[fatbin->images++] =
                (sageattn_fatbin_image){fatbin->containers, kind, (int)little_endian(entries + 28, 4),
                                        (flags & FLAG_SPECIFIC) != 0, (flags & FLAG_FAMILY) != 0};
        }
        entries += header + payload;
        size -= header + payload;
    }
    return NULL;
}

const char* sageattn_fatbin_parse(unsigned char* data, size_t size, sageattn_fatbin* fatbin) {
    memset(fatbin, 0, sizeof *fatbin);
    fatbin->data = data;
    fatbin->size = size;
    size_t offset = 0;
    while (offset < size) {
        if (data[offset] == 0) { /* padding between containers */
            ++offset;
            continue;
        }
        if (size - offset < CONTAINER_HEADER) return "it is cut off";
        if (little_endian(data + offset, 4) != CONTAINER_MAGIC) return "it is no fatbin";
        const uint64_t header = little_endian(data + offset + 6, 2), entries = little_endian(data + offset + 8, 8);
        if (header < CONTAINER_HEADER || header > size - offset || entries > size - offset - header)
            return "it is cut off";
        if (fatbin->containers == SAGEATTN_MAX_CONTAINERS) return "it holds too many containers";
        const char* wrong = parse_entries(fatbin, data + offset + header, entries);
        if (wrong != NULL) return wrong;
        fatbin->offsets[fatbin->containers++] = offset;
        offset += header + entries;
    }
    return fatbin->containers == 0 ? "it is empty" : NULL;
}

int sageattn_fatbin_read(const char* path, sageattn_fatbin* fatbin) {
    size_t size;
    const char* wrong;
    unsigned char* data = sageattn_read_file(path, &size, &wrong);
    if (data == NULL) return sageattn_fail(SAGEATTN_NO_IMAGE, "cannot read the kernels from %s: %s", path, wrong);
    wrong = sageattn_fatbin_parse(data, size, fatbin);
    if (wrong == NULL) return SAGEATTN_OK;
    free(data);
    return sageattn_fail(SAGEATTN_NO_IMAGE, "%s holds no kernels: %s", path, wrong);
}

void sageattn_fatbin_free(sageattn_fatbin* fatbin) {
    free(fatbin->data);
    memset(fatbin, 0, sizeof *fatbin);
}

/* The number of an SM's family, which is its major; SM 10.1 is the former name of 11.0. */
static int family(int sm) { return sm == 101 ? 11 : sm / 10; }

static enum sageattn_way way_of(const sageattn_fatbin_image* image, int sm) {
    if (image->sm > sm || (image->specific && image->sm != sm)) return SAGEATTN_NO_WAY;
    if (image->family && family(image->sm) != family(sm)) return SAGEATTN_NO_WAY;
    if (image->kind == SAGEATTN_IMAGE_PTX) return SAGEATTN_JIT;
    if (image->sm == sm) return SAGEATTN_NATIVE;
    return image->family || image->sm / 10 == sm / 10 ? SAGEATTN_SAME_MAJOR : SAGEATTN_NO_WAY;
}

/* Rises with the SM, and among images for one SM with the suffix. */
static int age(const sageattn_fatbin_image* image) { return image->sm * 4 + (image->family ? 2 : image->specific); }

enum sageattn_way sageattn_fatbin_load(const sageattn_fatbin* fatbin, int container, int sm,
                                       const sageattn_fatbin_image** best) {
    enum sageattn_way best_way = SAGEATTN_NO_WAY;
    int newest = -1;
    for (int i = 0; i < fatbin->images; ++i) {
        const sageattn_fatbin_image* image = &fatbin->image[i];
        const enum sageattn_way way = image->container == container ? way_of(image, sm) : SAGEATTN_NO_WAY;
        if (way < best_way || way == SAGEATTN_NO_WAY || (way == best_way && age(image) <= newest)) continue;
        best_way = way;
        newest = age(image);
        if (best != NULL) *best = image;
    }
    return best_way;
}

static const char* suffix(const sageattn_fatbin_image* image) {
    return image->specific ? "a" : image->family ? "f" : "";
}

void sageattn_fatbin_info(const sageattn_fatbin* fatbin, const sageattn_fatbin_image* image,
                          sageattn_image_info* info) {
    memset(info, 0, sizeof *info);
    memcpy(info->operation, fatbin->operation[image->container], sizeof info->operation);
    info->sm_major = image->sm / 10;
    info->sm_minor = image->sm % 10;
    memcpy(info->suffix, suffix(image), strlen(suffix(image)));
    info->ptx = image->kind == SAGEATTN_IMAGE_PTX;
}

/* Appends to text, which stays terminated; returns the new length. */
static size_t append(char* text, size_t size, size_t length, const char* prefix, const sageattn_fatbin_image* image) {
    if (length >= size) return length;
    const int written =
        snprintf(text + length, size - length, "%s%d.%d%s", prefix, image->sm / 10, image->sm % 10, suffix(image));
    return written < 0 ? length : length + (size_t)written;
}

static int same_target(const sageattn_fatbin_image* a, const sageattn_fatbin_image* b) {
    return a->sm == b->sm && a->kind == b->kind && a->specific == b->specific && a->family == b->family;
}

/* Is the image the first for its target? */
static int first_of_target(const sageattn_fatbin* fatbin, int index) {
    for (int i = 0; i < index; ++i)
        if (same_target(&fatbin->image[i], &fatbin->image[index])) return 0;
    return 1;
}

void sageattn_fatbin_describe(const sageattn_fatbin* fatbin, char* text, size_t size) {
    size_t length = 0;
    text[0] = '\0';
    for (int kind = SAGEATTN_IMAGE_CUBIN; kind >= SAGEATTN_IMAGE_PTX; --kind) {
        const char* prefix = kind == SAGEATTN_IMAGE_CUBIN ? "SM " : length ? " and PTX of " : "PTX of ";
        for (int i = 0; i < fatbin->images; ++i) {
            if (fatbin->image[i].kind != kind || !first_of_target(fatbin, i)) continue;
            length = append(text, size, length, prefix, &fatbin->image[i]);
            prefix = ", ";
        }
    }
    if (length == 0) snprintf(text, size, "nothing");
}
