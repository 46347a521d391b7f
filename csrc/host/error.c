#include "error.h"

#include <stdarg.h>
#include <stdio.h>

#include "sageattn.h"

static _Thread_local char last_error[1024];

int sageattn_fail(int status, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    return status;
}

const char* sageattn_last_error(void) { return last_error; }
