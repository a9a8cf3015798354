/* Moves the wall clock of every program that loads it, by OFFSET_S seconds.

   For containers with glibc 2.34 or newer, by way of /etc/ld.so.preload. Only the wall clock is
   moved: monotonic clocks, and so most time-outs, stay as they are. What is compared with it moves
   along: the times of files that were made or touched since the container began (older ones keep
   theirs, or every cached bytecode would look stale), times that a program gives to a file, and
   the few waits that end at a wall-clock time. Programs that ask the kernel by themselves, such as
   those written in Go, are not reached.

   It is compiled by agent/gate/clock.py and needs nothing of the C library that it meets but the
   names that are linked here. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <utime.h>

#undef stat
#undef fstat
#undef lstat
#undef fstatat

static long kernel(long n, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(result)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
#error "no clock for this processor"
#endif
}

static long plain(long result)
{
    if (result < 0 && result > -4096) {
        errno = -result;
        return -1;
    }
    return result;
}

/* When the container's own files begin; what changed later was made under the moved clock. */
static long begin;

__attribute__((constructor)) static void note_the_begin(void)
{
    struct stat s;
    if (kernel(SYS_newfstatat, AT_FDCWD, (long)"/etc/ld.so.preload", (long)&s, 0, 0, 0) == 0)
        begin = s.st_ctim.tv_sec;
    else
        begin = (long)(~0UL >> 1);
}

/* --- asking for the time --- */

static int is_wall(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    long result = kernel(SYS_clock_gettime, clock, (long)t, 0, 0, 0, 0);
    if (result == 0 && is_wall(clock))
        t->tv_sec += OFFSET_S;
    return plain(result);
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    long result = kernel(SYS_gettimeofday, (long)t, (long)zone, 0, 0, 0, 0);
    if (result == 0)
        t->tv_sec += OFFSET_S;
    return plain(result);
}

time_t time(time_t *t)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t)
        *t = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *t, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, t) == 0 ? base : 0;
}

/* --- times of files --- */

static long seen(long result, struct stat *s)
{
    if (result == 0 && s->st_ctim.tv_sec >= begin) {
        s->st_atim.tv_sec += OFFSET_S;
        s->st_mtim.tv_sec += OFFSET_S;
        s->st_ctim.tv_sec += OFFSET_S;
    }
    return plain(result);
}

int fstatat(int folder, const char *path, struct stat *s, int flags)
{
    return seen(kernel(SYS_newfstatat, folder, (long)path, (long)s, flags, 0, 0), s);
}

int stat(const char *path, struct stat *s) { return fstatat(AT_FDCWD, path, s, 0); }
int lstat(const char *path, struct stat *s)
{
    return fstatat(AT_FDCWD, path, s, AT_SYMLINK_NOFOLLOW);
}
int fstat(int file, struct stat *s)
{
    return seen(kernel(SYS_fstat, file, (long)s, 0, 0, 0, 0), s);
}

/* The same for programs built for large files, and for those built with an older C library. */
#define ALSO(name, of) __asm__(".globl " #name "\n.set " #name ", " #of "\n")
ALSO(fstatat64, fstatat);
ALSO(stat64, stat);
ALSO(lstat64, lstat);
ALSO(fstat64, fstat);
int __xstat(int v, const char *p, struct stat *s) { return stat(p, s); }
int __lxstat(int v, const char *p, struct stat *s) { return lstat(p, s); }
int __fxstat(int v, int f, struct stat *s) { return fstat(f, s); }
int __fxstatat(int v, int d, const char *p, struct stat *s, int f) { return fstatat(d, p, s, f); }
ALSO(__xstat64, __xstat);
ALSO(__lxstat64, __lxstat);
ALSO(__fxstat64, __fxstat);
ALSO(__fxstatat64, __fxstatat);

int statx(int folder, const char *restrict path, int flags, unsigned mask, struct statx *restrict s)
{
    long result = kernel(SYS_statx, folder, (long)path, flags, mask | STATX_CTIME, (long)s, 0);
    if (result == 0 && s->stx_ctime.tv_sec >= begin) {
        s->stx_atime.tv_sec += OFFSET_S;
        s->stx_mtime.tv_sec += OFFSET_S;
        s->stx_ctime.tv_sec += OFFSET_S;
        s->stx_btime.tv_sec += OFFSET_S;
    }
    return plain(result);
}

static int touch(int folder, const char *path, const struct timespec *times, int flags)
{
    struct timespec real[2];
    for (int i = 0; times && i < 2; i++) {
        real[i] = times[i];
        if (times[i].tv_nsec != UTIME_NOW && times[i].tv_nsec != UTIME_OMIT)
            real[i].tv_sec -= OFFSET_S;
    }
    return plain(kernel(SYS_utimensat, folder, (long)path, (long)(times ? real : 0), flags, 0, 0));
}

int utimensat(int folder, const char *path, const struct timespec times[2], int flags)
{
    return touch(folder, path, times, flags);
}
int futimens(int file, const struct timespec times[2]) { return touch(file, 0, times, 0); }

static int set_times(int folder, const char *path, const struct timeval *t, int flags)
{
    struct timespec times[2];
    for (int i = 0; t && i < 2; i++) {
        times[i].tv_sec = t[i].tv_sec;
        times[i].tv_nsec = t[i].tv_usec * 1000;
    }
    return touch(folder, path, t ? times : 0, flags);
}

int utimes(const char *path, const struct timeval t[2]) { return set_times(AT_FDCWD, path, t, 0); }
int lutimes(const char *path, const struct timeval t[2])
{
    return set_times(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW);
}
int futimes(int file, const struct timeval t[2]) { return set_times(file, 0, t, 0); }
int futimesat(int folder, const char *path, const struct timeval t[2])
{
    return set_times(folder, path, t, 0);
}
int utime(const char *path, const struct utimbuf *t)
{
    struct timeval times[2] = {{t ? t->actime : 0, 0}, {t ? t->modtime : 0, 0}};
    return set_times(AT_FDCWD, path, t ? times : 0, 0);
}

/* Node asks for the times of files this way. */
long syscall(long n, ...)
{
    long a[6];
    va_list rest;
    va_start(rest, n);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(rest, long);
    va_end(rest);
    if (n == SYS_statx)
        return statx(a[0], (const char *)a[1], a[2], a[3], (struct statx *)a[4]);
    if (n == SYS_clock_gettime)
        return clock_gettime(a[0], (struct timespec *)a[1]);
    return plain(kernel(n, a[0], a[1], a[2], a[3], a[4], a[5]));
}

/* --- waits until a wall-clock time: they become waits by the monotonic clock --- */

/* A deadline of the monotonic clock (since boot) is decades below any wall-clock time. */
static const struct timespec *until(const struct timespec *wall, struct timespec *other)
{
    struct timespec now, since_boot;
    clock_gettime(CLOCK_REALTIME, &now);
    if (wall->tv_sec < OFFSET_S)
        return wall;
    clock_gettime(CLOCK_MONOTONIC, &since_boot);
    other->tv_sec = wall->tv_sec - now.tv_sec + since_boot.tv_sec;
    other->tv_nsec = wall->tv_nsec - now.tv_nsec + since_boot.tv_nsec;
    for (; other->tv_nsec < 0; other->tv_nsec += 1000000000)
        other->tv_sec--;
    for (; other->tv_nsec >= 1000000000; other->tv_nsec -= 1000000000)
        other->tv_sec++;
    if (other->tv_sec < 0)
        other->tv_sec = other->tv_nsec = 0;
    return other;
}

int sem_timedwait(sem_t *restrict s, const struct timespec *restrict t)
{
    struct timespec other;
    return sem_clockwait(s, CLOCK_MONOTONIC, until(t, &other));
}

int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m,
                           const struct timespec *restrict t)
{
    struct timespec other;
    return pthread_cond_clockwait(c, m, CLOCK_MONOTONIC, until(t, &other));
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict m, const struct timespec *restrict t)
{
    struct timespec other;
    return pthread_mutex_clocklock(m, CLOCK_MONOTONIC, until(t, &other));
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *left)
{
    struct timespec real = *t;
    if (flags == TIMER_ABSTIME && is_wall(clock))
        real.tv_sec -= OFFSET_S;
    return -kernel(SYS_clock_nanosleep, clock, flags, (long)&real, (long)left, 0, 0);
}
