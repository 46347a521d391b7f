/* A mutex that needs no initialisation call, on POSIX and Windows. */
#ifndef SAGEATTN_LOCK_H
#define SAGEATTN_LOCK_H

#if defined(_WIN32)
#include <windows.h>
typedef SRWLOCK sageattn_lock;
#define SAGEATTN_LOCK_INIT SRWLOCK_INIT
static inline void lock(sageattn_lock* l) { AcquireSRWLockExclusive(l); }
static inline void unlock(sageattn_lock* l) { ReleaseSRWLockExclusive(l); }
#else
#include <pthread.h>
typedef pthread_mutex_t sageattn_lock;
#define SAGEATTN_LOCK_INIT PTHREAD_MUTEX_INITIALIZER
static inline void lock(sageattn_lock* l) { pthread_mutex_lock(l); }
static inline void unlock(sageattn_lock* l) { pthread_mutex_unlock(l); }
#endif

#endif
