/* farewell.c: from the last word of HTTP to the close of the socket.
 *
 * A socket cannot just be closed. TCP answers what comes to a closed one with a reset (RFC 9293 section 3.10.7.1), and one
 * that is closed with bytes unread does the same at once (RFC 2525 section 2.17). Either drops what was not delivered
 * yet: the end of an answer to a slow reader, the refusal of a body that is still being sent, the FIN that a fault
 * promised. So the socket stays after our FIN, hears and drops what the peer still says, and is closed when the peer has
 * closed too or has had its time, as RFC 9112 section 9.6 advises.
 *
 * Its time is counted from what the queue of the socket tells (SIOCOUTQ). While the peer takes something it has as long
 * as an idle connection may have; with everything, a second, and as long as it talks up to the idle time. What it may say
 * has a ceiling too. So neither silence nor talk holds a descriptor for long.
 *
 * TLS has more to say before its FIN, which secure.c does when asked (say_rest).
 */
#include "net/exchange.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAREWELL_NS  1000000000U        /* for the peer to close when it has everything and our FIN */
#define LOOK_NS      250000000U         /* between two looks at what it has */
#define DRAIN_BLOCK  ((size_t)16 * 1024)
#define DRAIN_BLOCKS 64                 /* read and dropped in a turn of the farewell ... */
#define DRAIN_MAX    ((size_t)64 << 20) /* ... and in all of it, as http1.c does for a 413 */
#define ALL_EDGES    ((uint32_t)EPOLLIN | (uint32_t)EPOLLOUT | (uint32_t)EPOLLRDHUP | (uint32_t)EPOLLET)
#define LEFT_UNKNOWN SIZE_MAX

static void end(struct farewell *f)
{
    struct worker *w = f->worker;
    int fd = f->watch.fd;
    timer_cancel(&f->timer);
    watch_remove(&f->watch);
    if (f->prev || w->farewells == f)
        *(f->prev ? &f->prev->next : &w->farewells) = f->next;
    if (f->next)
        f->next->prev = f->prev;
    f->gone(f->ctx);
    close(fd);
    connection_gone(w);
}

static uint64_t idle_limit(const struct worker *w)
{
    return (uint64_t)w->server->config.idle_timeout_ms * 1000000U;
}

/* SIOCOUTQ: what the peer's machine does not have yet; SIOCOUTQNSD: what was not even sent. Our FIN counts as one byte. */
static size_t left_with_kernel(int fd, unsigned long of)
{
    int left = 0;
    (void)ioctl(fd, of, &left);
    return (size_t)left;
}

void farewell_gave_more(struct farewell *f)
{
    f->left = LEFT_UNKNOWN;
}

/* A peer that has everything and goes on talking may not have read it: a reset would come before the rest. */
static void look_at_peer(void *ctx)
{
    struct farewell *f = ctx;
    uint64_t now = now_ns();
    size_t left = left_with_kernel(f->watch.fd, SIOCOUTQ);
    bool all = f->said && left == 0;
    if (left != f->left || (all && f->drained != f->drained_then))
        f->until_ns = now + (all ? FAREWELL_NS : idle_limit(f->worker));
    if (!all || f->last_ns == 0)
        f->last_ns = now + idle_limit(f->worker);
    f->left = left;
    f->drained_then = f->drained;
    if (now >= f->until_ns || now >= f->last_ns)
        end(f);
    else
        timer_set(f->worker->loop, &f->timer, now + LOOK_NS, look_at_peer, f);
}

static void say_rest(struct farewell *f)
{
    if (f->said || (f->say_rest && !f->say_rest(f->ctx)))
        return;
    f->said = true;
    f->left = LEFT_UNKNOWN;
    (void)shutdown(f->watch.fd, SHUT_WR);
}

enum heard { HEARD_ALL, HEARD_A_PART, HEARD_FIN, HEARD_TOO_MUCH };

static enum heard drain(int fd, size_t *drained)
{
    unsigned char block[DRAIN_BLOCK];
    for (int i = 0; i < DRAIN_BLOCKS; i++) {
        ssize_t n = recv(fd, block, sizeof block, MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN ? HEARD_ALL : HEARD_TOO_MUCH;
        if (n == 0)
            return HEARD_FIN;
        *drained += (size_t)n;
        if (*drained > DRAIN_MAX)
            return HEARD_TOO_MUCH;
    }
    return HEARD_A_PART;
}

/* False: everything is said and the peer has closed too, or it has broken off. */
static bool goes_on(struct farewell *f)
{
    say_rest(f);
    switch (drain(f->watch.fd, &f->drained)) {
    case HEARD_ALL:
        return true;
    case HEARD_A_PART:
        return watch_change(&f->watch, ALL_EDGES) == OK; /* an edge for the next part */
    case HEARD_FIN:
        return !f->said; /* it may well read on */
    case HEARD_TOO_MUCH:
        break;
    }
    return false;
}

static void farewell_event(void *ctx, uint32_t events)
{
    (void)events;
    if (!goes_on(ctx))
        end(ctx);
}

void farewell_begin(struct farewell *f, struct worker *w, int fd)
{
    f->worker = w;
    f->watch = (struct watch){.fd = fd, .ready = farewell_event, .ctx = f};
    f->left = LEFT_UNKNOWN;
    f->next = w->farewells;
    if (f->next)
        f->next->prev = f;
    w->farewells = f;
    timer_set(w->loop, &f->timer, now_ns() + LOOK_NS, look_at_peer, f);
    if (watch_add(w->loop, &f->watch, ALL_EDGES, NULL) != OK || !goes_on(f))
        end(f);
}

void farewell_skip(struct farewell *f, struct worker *w, int fd)
{
    f->worker = w;
    f->watch.fd = fd;
    end(f);
}

void farewell_of_cleartext(struct worker *w, int fd)
{
    struct farewell *f = calloc(1, sizeof *f);
    if (!f) {
        close(fd);
        connection_gone(w);
        return;
    }
    f->gone = free;
    f->ctx = f;
    farewell_begin(f, w, fd);
}

bool farewell_is_needless(int fd)
{
    size_t drained = 0;
    switch (drain(fd, &drained)) {
    case HEARD_ALL:
        return left_with_kernel(fd, SIOCOUTQNSD) == 0; /* a reset would come behind all of it */
    case HEARD_A_PART:
        return false;
    case HEARD_FIN:
    case HEARD_TOO_MUCH:
        break;
    }
    return true;
}

void farewell_end_all(struct worker *w)
{
    while (w->farewells)
        end(w->farewells);
}
