/* The last error of the calling thread. */
#ifndef SAGEATTN_ERROR_H
#define SAGEATTN_ERROR_H

#if defined(__GNUC__)
#define SAGEATTN_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define SAGEATTN_PRINTF(text, first)
#endif

/* Keeps the text for sageattn_last_error and returns status, so that callers write `return fail(…)`. */
int sageattn_fail(int status, const char* format, ...) SAGEATTN_PRINTF(2, 3);

#endif
