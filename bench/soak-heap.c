/* soak-heap.c: what a mock of bench/soak.sh holds of its heap, told from inside; soak.sh compiles and preloads it.
 *
 * The resident set of a process also has the holes between what it holds. They come with each new peak of requests at
 * once, and stay: it says little about a leak of less than some megabytes. malloc knows what is in use. Every half
 * second that many KiB are written into the file that SOAK_HEAP names, always 16 bytes, so that no reader sees half of
 * a number.
 */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *tell(void *arg)
{
    int fd = *(int *)arg;
    char line[32];
    for (;;) {
        struct mallinfo2 now = mallinfo2();
        snprintf(line, sizeof line, "%15zu\n", (now.uordblks + now.hblkhd) / 1024);
        if (pwrite(fd, line, 16, 0) != 16)
            return NULL;
        usleep(500000);
    }
}

__attribute__((constructor)) static void begin(void)
{
    static int fd;
    pthread_t thread;
    const char *file = getenv("SOAK_HEAP");
    fd = file == NULL ? -1 : open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && pthread_create(&thread, NULL, tell, &fd) == 0)
        pthread_detach(thread);
}
