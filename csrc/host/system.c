#include "system.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#if defined(_WIN32)

#include <windows.h>

void* sageattn_open_driver_library(void) {
    return (void*)LoadLibraryExA(SAGEATTN_DRIVER_NAME, NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
}

void* sageattn_find_symbol(void* library, const char* name) {
    return (void*)(uintptr_t)GetProcAddress((HMODULE)library, name);
}

void sageattn_close_library(void* library) { FreeLibrary((HMODULE)library); }

/* UTF-16 of a UTF-8 path, from malloc; NULL with errno set. */
static wchar_t* wide(const char* path) {
    const int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    wchar_t* text = length > 0 ? malloc((size_t)length * sizeof *text) : NULL;
    if (text != NULL) MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, text, length);
    else errno = length > 0 ? ENOMEM : EILSEQ;
    return text;
}

/* The file, or NULL with errno set, which is 0 for what is no regular file. */
static FILE* open_file(const char* path) {
    wchar_t* text = wide(path);
    if (text == NULL) return NULL;
    struct _stat64 found;
    FILE* file = NULL;
    if (_wstat64(text, &found) == 0 && (found.st_mode & _S_IFMT) == _S_IFREG) file = _wfopen(text, L"rb");
    free(text);
    return file;
}

/* Windows has 32 bits in a long, and files beyond. */
static int seek(FILE* file, int origin) { return _fseeki64(file, 0, origin); }
static int64_t position(FILE* file) { return _ftelli64(file); }

#else

#include <dlfcn.h>

void* sageattn_open_driver_library(void) { return dlopen(SAGEATTN_DRIVER_NAME, RTLD_NOW | RTLD_LOCAL); }
void* sageattn_find_symbol(void* library, const char* name) { return dlsym(library, name); }
void sageattn_close_library(void* library) { dlclose(library); }

/* The file, or NULL with errno set, which is 0 for what is no regular file: a FIFO would be waited for, and a folder
 * has a size that no memory holds. */
static FILE* open_file(const char* path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode) ? fopen(path, "rb") : NULL;
}

static int seek(FILE* file, int origin) { return fseek(file, 0, origin); }
static int64_t position(FILE* file) { return ftell(file); }

#endif

static unsigned char* read_all(FILE* file, size_t* size) {
    if (seek(file, SEEK_END) != 0) return NULL;
    const int64_t length = position(file);
    if (length < 0 || seek(file, SEEK_SET) != 0) return NULL;
    unsigned char* data = malloc(length > 0 ? (size_t)length : 1);
    if (data == NULL || fread(data, 1, (size_t)length, file) == (size_t)length) {
        *size = (size_t)length;
        return data;
    }
    free(data);
    return NULL;
}

unsigned char* sageattn_read_file(const char* path, size_t* size, const char** wrong) {
    errno = 0;
    FILE* file = open_file(path);
    if (file == NULL) {
        *wrong = errno ? strerror(errno) : "it is no regular file";
        return NULL;
    }
    unsigned char* data = read_all(file, size);
    if (data == NULL) *wrong = errno ? strerror(errno) : "short read";
    fclose(file);
    return data;
}
