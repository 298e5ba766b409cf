/* loop.c: an epoll, a timing wheel and a mailbox.
 *
 * The wheel: nine levels of 64 slots. A level-0 slot is one tick of 2^14 ns (16 us); a slot of level n spans a whole
 * level below it. A timer sits on the level of the highest digit (base 64) in which its tick differs from `base`, the
 * tick the wheel has been turned to, so setting and cancelling are a few instructions and no memory, whatever the
 * count. Each slot keeps a lower bound of the due instants in it: the loop sleeps until exactly that nanosecond, not
 * until the tick, and a timer of the current tick that is not due yet simply stays. The bound may be stale after a
 * cancel; then one turn is for nothing and mends it.
 *
 * Due timers are first moved to the `firing` list and then called, so a callback may set and cancel as it likes and a
 * timer set to the past fires on the next turn instead of starving the sockets.
 */
#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#define TICK_SHIFT    14
#define LEVEL_SHIFT   6
#define SLOTS         64
#define LEVELS        9 /* 64 - 14 bits of tick, six at a time */
#define FIRING        ((size_t)LEVELS * SLOTS)
#define EVENTS_A_TURN 256                            /* more stay ready in the kernel for the next turn */
#define FOREVER_NS    ((uint64_t)3600 * 1000000000U) /* epoll takes a bounded sleep */

struct timer_list {
    struct timer *first, *last;
    uint64_t min_due; /* lower bound; UINT64_MAX while empty */
};

struct post {
    struct post *next;
    void (*fn)(void *ctx);
    void *ctx;
};

struct loop {
    int epoll_fd;
    struct watch wake; /* an eventfd: somebody posted or stopped */
    atomic_bool stop;
    pthread_mutex_t mail_lock;
    struct post *mail_first, **mail_last;
    uint64_t (*turn)(void *ctx);
    void *turn_ctx;
    uint64_t base;         /* the tick the wheel has been turned to */
    uint64_t used[LEVELS]; /* bit s: slot s of that level may hold timers */
    struct timer_list lists[LEVELS * SLOTS + 1];
    struct epoll_event events[EVENTS_A_TURN];
    int event_at, event_count;
};

/* ---- the wheel ---- */

static void list_append(struct timer_list *list, struct timer *t)
{
    t->next = NULL;
    t->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = t;
    list->last = t;
    if (t->due_ns < list->min_due)
        list->min_due = t->due_ns;
}

static void list_unlink(struct timer_list *list, struct timer *t)
{
    *(t->prev ? &t->prev->next : &list->first) = t->next;
    *(t->next ? &t->next->prev : &list->last) = t->prev;
    t->next = t->prev = NULL;
    if (!list->first)
        list->min_due = UINT64_MAX;
}

static void wheel_put(struct loop *loop, struct timer *t)
{
    uint64_t tick = t->due_ns >> TICK_SHIFT;
    if (tick < loop->base)
        tick = loop->base;
    uint64_t differs = tick ^ loop->base;
    unsigned level = differs ? (63U - (unsigned)__builtin_clzll(differs)) / LEVEL_SHIFT : 0;
    unsigned slot = (unsigned)(tick >> (level * LEVEL_SHIFT)) & (SLOTS - 1);
    t->slot = (size_t)level * SLOTS + slot;
    loop->used[level] |= (uint64_t)1 << slot;
    list_append(&loop->lists[t->slot], t);
}

/* The slot that comes first, and the tick it starts at; NULL when no timer is set. All slots of a level lie before
 * those of the next, because they share all higher digits with `base`. */
static struct timer_list *wheel_first(struct loop *loop, unsigned *level, uint64_t *start)
{
    for (unsigned l = 0; l < LEVELS; l++) {
        while (loop->used[l]) {
            unsigned slot = (unsigned)__builtin_ctzll(loop->used[l]);
            struct timer_list *list = &loop->lists[l * SLOTS + slot];
            if (!list->first) {
                loop->used[l] &= loop->used[l] - 1;
                continue;
            }
            unsigned above = (l + 1) * LEVEL_SHIFT;
            *level = l;
            *start = ((loop->base >> above) << above) | ((uint64_t)slot << (l * LEVEL_SHIFT));
            return list;
        }
    }
    return NULL;
}

/* Move those that are due from a slot of the current tick to `firing`; true when none had to stay. */
static bool take_due(struct loop *loop, struct timer_list *list, uint64_t now)
{
    struct timer_list *firing = &loop->lists[FIRING];
    struct timer *t = list->first;
    list->first = list->last = NULL;
    list->min_due = UINT64_MAX;
    while (t) {
        struct timer *next = t->next;
        if (t->due_ns <= now) {
            t->slot = FIRING;
            list_append(firing, t);
        } else {
            list_append(list, t);
        }
        t = next;
    }
    return !list->first;
}

static void cascade(struct loop *loop, struct timer_list *list)
{
    struct timer *t = list->first;
    list->first = list->last = NULL;
    list->min_due = UINT64_MAX;
    while (t) {
        struct timer *next = t->next;
        wheel_put(loop, t);
        t = next;
    }
}

static void wheel_turn(struct loop *loop, uint64_t now)
{
    uint64_t now_tick = now >> TICK_SHIFT;
    unsigned level = 0;
    uint64_t start = 0;
    struct timer_list *list = wheel_first(loop, &level, &start);
    while (list && start <= now_tick) {
        loop->base = start > loop->base ? start : loop->base;
        if (level > 0)
            cascade(loop, list);
        else if (!take_due(loop, list, now))
            return; /* the rest of this tick is in the future, and so is everything behind it */
        list = wheel_first(loop, &level, &start);
    }
    if (now_tick > loop->base)
        loop->base = now_tick;
}

static void fire_timers(struct loop *loop)
{
    struct timer_list *firing = &loop->lists[FIRING];
    wheel_turn(loop, now_ns());
    while (firing->first) {
        struct timer *t = firing->first;
        list_unlink(firing, t);
        t->loop = NULL;
        t->fire(t->ctx);
    }
}

void timer_set(struct loop *loop, struct timer *t, uint64_t due_ns, void (*fire)(void *ctx), void *ctx)
{
    assert(loop && fire);
    timer_cancel(t);
    t->fire = fire;
    t->ctx = ctx;
    t->due_ns = due_ns;
    t->loop = loop;
    wheel_put(loop, t);
}

void timer_cancel(struct timer *t)
{
    if (!t || !t->loop)
        return;
    list_unlink(&t->loop->lists[t->slot], t);
    t->loop = NULL;
}

/* ---- watches ---- */

enum err watch_add(struct loop *loop, struct watch *w, uint32_t events, struct note *note)
{
    assert(!w->loop && w->ready);
    struct epoll_event ev = {.events = events, .data = {.ptr = w}};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, w->fd, &ev) != 0)
        return note_set(note, ERR_IO, "epoll_ctl add: %s", strerror(errno));
    w->loop = loop;
    return OK;
}

enum err watch_change(struct watch *w, uint32_t events)
{
    assert(w->loop);
    struct epoll_event ev = {.events = events, .data = {.ptr = w}};
    return epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) == 0 ? OK : ERR_IO;
}

void watch_remove(struct watch *w)
{
    if (!w || !w->loop)
        return;
    struct loop *loop = w->loop;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL); /* fails when the fd is closed already: as good */
    for (int i = loop->event_at + 1; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == w)
            loop->events[i].data.ptr = NULL;
    }
    w->loop = NULL;
}

/* ---- the mailbox ---- */

static void wake(struct loop *loop)
{
    uint64_t one = 1;
    while (write(loop->wake.fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void read_wake(void *ctx, uint32_t events)
{
    struct loop *loop = ctx;
    uint64_t count = 0;
    (void)events;
    while (read(loop->wake.fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

enum err loop_post(struct loop *loop, void (*fn)(void *ctx), void *ctx)
{
    struct post *post = malloc(sizeof *post);
    if (!post)
        return ERR_NOMEM;
    *post = (struct post){NULL, fn, ctx};
    pthread_mutex_lock(&loop->mail_lock);
    *loop->mail_last = post;
    loop->mail_last = &post->next;
    pthread_mutex_unlock(&loop->mail_lock);
    wake(loop);
    return OK;
}

static struct post *take_mail(struct loop *loop)
{
    pthread_mutex_lock(&loop->mail_lock);
    struct post *first = loop->mail_first;
    loop->mail_first = NULL;
    loop->mail_last = &loop->mail_first;
    pthread_mutex_unlock(&loop->mail_lock);
    return first;
}

static void read_mail(struct loop *loop)
{
    struct post *post = take_mail(loop);
    while (post) {
        struct post *next = post->next;
        post->fn(post->ctx);
        free(post);
        post = next;
    }
}

/* ---- birth, turns, death ---- */

struct loop *loop_new(struct note *note)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        (void)note_set(note, ERR_NOMEM, "out of memory for an event loop");
        return NULL;
    }
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = (struct watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = read_wake, .ctx = loop};
    pthread_mutex_init(&loop->mail_lock, NULL);
    loop->mail_last = &loop->mail_first;
    loop->base = now_ns() >> TICK_SHIFT;
    for (size_t i = 0; i < COUNT_OF(loop->lists); i++)
        loop->lists[i].min_due = UINT64_MAX;
    if (loop->epoll_fd >= 0 && loop->wake.fd >= 0 && watch_add(loop, &loop->wake, EPOLLIN, note) == OK)
        return loop;
    (void)note_set(note, ERR_IO, "cannot make an event loop: %s", strerror(errno));
    loop_free(loop);
    return NULL;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    struct post *post = take_mail(loop);
    while (post) {
        struct post *next = post->next;
        free(post);
        post = next;
    }
    if (loop->wake.fd >= 0)
        close(loop->wake.fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    pthread_mutex_destroy(&loop->mail_lock);
    free(loop);
}

static void wait_for_events(struct loop *loop, uint64_t until)
{
    uint64_t now = until == 0 ? 0 : now_ns();
    uint64_t sleep_ns = until > now ? until - now : 0;
    if (sleep_ns > FOREVER_NS)
        sleep_ns = FOREVER_NS;
    struct timespec ts = {(time_t)(sleep_ns / 1000000000U), (long)(sleep_ns % 1000000000U)};
    int n = epoll_pwait2(loop->epoll_fd, loop->events, EVENTS_A_TURN, &ts, NULL);
    if (n < 0 && errno == ENOSYS) /* before Linux 5.11: whole milliseconds, rounded up so that nothing spins */
        n = epoll_wait(loop->epoll_fd, loop->events, EVENTS_A_TURN, (int)((sleep_ns + 999999U) / 1000000U));
    loop->event_count = n > 0 ? n : 0;
    for (loop->event_at = 0; loop->event_at < loop->event_count; loop->event_at++) {
        struct watch *w = loop->events[loop->event_at].data.ptr;
        if (w)
            w->ready(w->ctx, loop->events[loop->event_at].events);
    }
    loop->event_count = 0;
}

static void turn_once(struct loop *loop, uint64_t deadline)
{
    uint64_t until = deadline;
    uint64_t wish = loop->turn ? loop->turn(loop->turn_ctx) : UINT64_MAX;
    unsigned level = 0;
    uint64_t start = 0;
    const struct timer_list *first = wheel_first(loop, &level, &start);
    if (first && first->min_due < until)
        until = first->min_due;
    if (wish < until)
        until = wish;
    wait_for_events(loop, until);
    fire_timers(loop);
    read_mail(loop);
}

/* The default slack of a thread's sleeps is 50 us; ours are meant to the nanosecond. */
static void sharpen_clock(void)
{
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

void loop_run(struct loop *loop)
{
    sharpen_clock();
    while (!atomic_exchange(&loop->stop, false))
        turn_once(loop, UINT64_MAX);
}

enum err loop_run_until(struct loop *loop, bool (*done)(void *ctx), void *ctx, uint64_t deadline_ns)
{
    sharpen_clock();
    while (!done(ctx)) {
        if (atomic_exchange(&loop->stop, false))
            return ERR_CLOSED;
        if (deadline_ns && now_ns() >= deadline_ns)
            return ERR_TIMEOUT;
        turn_once(loop, deadline_ns ? deadline_ns : UINT64_MAX);
    }
    return OK;
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stop, true);
    wake(loop);
}

void loop_on_turn(struct loop *loop, uint64_t (*turn)(void *ctx), void *ctx)
{
    loop->turn = turn;
    loop->turn_ctx = ctx;
}
