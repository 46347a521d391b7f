/* A shared object that needs versioned symbols of libc, libm and libpthread. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static void *run(void *argument) { return argument; }

int fixture(double x, char *buffer)
{
    pthread_t thread;
    void *result = 0;
    if (pthread_create(&thread, 0, run, buffer) == 0)
        pthread_join(thread, &result);
    return result ? (int)pow(x, atof(buffer)) : 0;
}
