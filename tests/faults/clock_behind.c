/* A process whose clock of the day is wrong, by LD_PRELOAD; CLOCK_OFFSET_SECONDS says by how much.
 *
 * libfaketime would do, but it knows nothing of cnd_timedwait (C11), by which librdkafka waits: the deadlines come from the
 * clock that is wrong and are taken for those of the right one. Here they are translated. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static time_t offset(void) {
  const char *seconds = getenv("CLOCK_OFFSET_SECONDS");
  return seconds ? atol(seconds) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  int result = (int)syscall(SYS_clock_gettime, clock, at);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += offset();
  return result;
}

int gettimeofday(struct timeval *at, void *zone) {
  (void)zone;
  struct timespec now;
  int result = clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return result;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

int cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *until) {
  int (*wait)(cnd_t *, mtx_t *, const struct timespec *);
  *(void **)&wait = dlsym(RTLD_NEXT, "cnd_timedwait");
  struct timespec really = {until->tv_sec - offset(), until->tv_nsec};
  return wait(cond, mutex, &really);
}
