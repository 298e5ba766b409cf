/* replay.c: a fuzz target without libFuzzer, for every compiler and every run of the tests.
 *
 *     replay_NAME [-runs=N] [-seconds=N] [-found=FILE] [FILE...]
 *
 * runs the target on its own seeds and on the files named, then on N changes of them, the same ones each time, and all
 * that until the time is over. It sees no coverage, so it finds less than the fuzzer does; but it sees that the target still
 * works and its seeds are still taken. Whatever ends a run is left in the file -found.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "protocol/file.h"

#define INPUT_MAX 20000
#define SEEDS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
#pragma weak LLVMFuzzerCustomMutator
#pragma weak fuzz_seed

static uint64_t state = 1;
static struct span running; /* what a signal finds */
static const char *found;

static size_t any(size_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return below == 0 ? 0 : (size_t)(state >> 33) % below;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
    static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '\n', ' ', '%'};
    size_t at = any(size), n = 1 + any(8);
    switch (any(5)) {
    case 0: /* out */
        n = n > size - at ? size - at : n;
        if (size > n)
            memmove(data + at, data + at + n, size - at - n), size -= n;
        return size;
    case 1: /* in */
        if (size + n > max)
            return size;
        memmove(data + at + n, data + at, size - at);
        for (size_t i = 0; i < n; i++)
            data[at + i] = edges[any(sizeof edges)];
        return size + n;
    case 2: /* a part over another */
        n = n > size - at ? size - at : n;
        if (size > 0)
            memmove(data + any(size - n + 1), data + at, n);
        return size;
    default:
        if (size > 0 && any(2) == 0)
            data[at] = edges[any(sizeof edges)];
        else if (size > 0)
            data[at] ^= (uint8_t)(1u << any(8));
        return size;
    }
}

static void keep(int number)
{
    static const char words[] = "the input that did it: ";
    int fd = found != NULL ? open(found, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644) : -1;
    if (fd >= 0 && write(fd, running.p, running.n) == (ssize_t)running.n)
        (void)!write(2, words, sizeof words - 1), (void)!write(2, found, strlen(found)), (void)!write(2, "\n", 1);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void run(struct span input)
{
    /* a copy of its own length: a sanitizer sees the first byte too many */
    uint8_t *copy = malloc(input.n > 0 ? input.n : 1);
    if (copy == NULL)
        abort();
    if (input.n > 0)
        memcpy(copy, input.p, input.n);
    running = (struct span){copy, input.n};
    (void)LLVMFuzzerTestOneInput(copy, input.n);
    free(copy);
}

static struct buf seeds[SEEDS_MAX];
static size_t seed_count;

static void add_seed(struct buf *take)
{
    if (take->len > 0 && take->len <= INPUT_MAX && seed_count < SEEDS_MAX)
        seeds[seed_count++] = *take;
    else
        buf_release(take);
    *take = BUF_INIT(BUF_ANY);
}

static void mutated(size_t runs, uint64_t until_ns)
{
    static uint8_t data[INPUT_MAX];
    for (size_t i = 0; i < runs && now_ns() < until_ns; i++) {
        const struct buf *seed = seed_count > 0 ? &seeds[any(seed_count)] : NULL;
        size_t n = seed != NULL ? seed->len : 0;
        if (n > 0)
            memcpy(data, seed->data, n);
        for (size_t changes = 1 + any(4); changes > 0; changes--)
            n = LLVMFuzzerCustomMutator != NULL ? LLVMFuzzerCustomMutator(data, n, sizeof data, (unsigned)any(1u << 30))
                                                : LLVMFuzzerMutate(data, n, sizeof data);
        run((struct span){data, n});
    }
}

int main(int argc, char **argv)
{
    size_t runs = 1000;
    uint64_t seconds = 600;
    struct buf one = BUF_INIT(BUF_ANY);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0)
            runs = strtoul(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "-seconds=", 9) == 0)
            seconds = strtoul(argv[i] + 9, NULL, 10);
        else if (strncmp(argv[i], "-found=", 7) == 0)
            found = argv[i] + 7;
        else if (file_read(argv[i], &one, NULL) == OK)
            add_seed(&one);
    }
    (void)signal(SIGABRT, keep);
    (void)signal(SIGSEGV, keep);
    for (size_t i = 0; fuzz_seed != NULL && fuzz_seed(i, &one); i++)
        add_seed(&one);
    uint64_t until_ns = now_ns() + seconds * 1000000000u;
    size_t whole = 0;
    for (; whole < seed_count && now_ns() < until_ns; whole++)
        run(buf_span(&seeds[whole]));
    mutated(runs, until_ns);
    (void)printf("%zu of %zu seeds, then %zu changes of them at most\n", whole, seed_count, runs);
    for (size_t i = 0; i < seed_count; i++)
        buf_release(&seeds[i]);
    return 0;
}
