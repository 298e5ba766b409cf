/* wrong.c: does what a sanitizer must see, in a child whose end nobody looks at; built with sanitizers only.
 *
 * tests/watched.sh is proven on it: the test passes when the report of the child comes to light. A leak for the address
 * sanitizer, a race for the thread sanitizer.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int shared;

static void *count(void *unused)
{
    for (int i = 0; i < 1000; i++)
        shared++;
    return unused;
}

static void race(void)
{
    pthread_t other;
    if (pthread_create(&other, NULL, count, NULL) != 0)
        return;
    (void)count(NULL);
    (void)pthread_join(other, NULL);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1 && fork() == 0)
        execl("/proc/self/exe", "wrong", "child", (char *)NULL);
    if (argc == 1) {
        (void)wait(NULL);
        return EXIT_SUCCESS;
    }
    void *volatile lost = malloc(64);
    lost = NULL;
    (void)lost;
    race();
    return EXIT_SUCCESS;
}
