/* Shared libraries and threads of the system, as far as the test needs them. */
#ifndef TEST_SYSTEM_H
#define TEST_SYSTEM_H

#include <stdint.h>

enum { THREADS = 8 };

typedef struct job {
    void (*run)(int thread);
    int thread;
} job;

#if defined(_WIN32)

#include <windows.h>

static void* open_library(const char* path) { return (void*)LoadLibraryA(path); }
static void* find_symbol(void* library, const char* name) {
    return (void*)(uintptr_t)GetProcAddress((HMODULE)library, name);
}

typedef HANDLE thread_handle;
static DWORD WINAPI enter(void* data) {
    ((job*)data)->run(((job*)data)->thread);
    return 0;
}
static thread_handle start(job* work) { return CreateThread(NULL, 0, enter, work, 0, NULL); }
static void join(thread_handle thread) { WaitForSingleObject(thread, INFINITE); }

#else

#include <dlfcn.h>
#include <pthread.h>

static void* open_library(const char* path) { return dlopen(path, RTLD_NOW | RTLD_LOCAL); }
static void* find_symbol(void* library, const char* name) { return dlsym(library, name); }

typedef pthread_t thread_handle;
static void* enter(void* data) {
    ((job*)data)->run(((job*)data)->thread);
    return NULL;
}
static thread_handle start(job* work) {
    pthread_t thread;
    pthread_create(&thread, NULL, enter, work);
    return thread;
}
static void join(thread_handle thread) { pthread_join(thread, NULL); }

#endif

/* Runs it in several threads at a time, and waits for them. */
static void run_threads(void (*run)(int thread)) {
    thread_handle threads[THREADS];
    job jobs[THREADS];
    for (int i = 0; i < THREADS; ++i) {
        jobs[i] = (job){run, i};
        threads[i] = start(&jobs[i]);
    }
    for (int i = 0; i < THREADS; ++i) join(threads[i]);
}

#endif
