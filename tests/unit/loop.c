/* The loop: timers to the nanosecond, watches that stay silent once removed, mail from other threads; and gates. */
#include "net/gate.h"
#include "net/loop.h"

#include "unit.h"

#include <pthread.h>
#include <unistd.h>

#define MS 1000000U

struct shot {
    struct timer timer;
    uint64_t due, fired;
    size_t *count;
    size_t order;
};

struct count {
    const size_t *now;
    size_t wanted;
};

static void shoot(void *ctx)
{
    struct shot *s = ctx;
    s->fired = now_ns();
    s->order = (*s->count)++;
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

static void run_for(struct loop *loop, uint64_t ns)
{
    CU_ASSERT_EQUAL(loop_run_until(loop, never, NULL, now_ns() + ns), ERR_TIMEOUT);
}

static bool has_count(void *ctx)
{
    const struct count *c = ctx;
    return *c->now >= c->wanted;
}

/* A timer that is due may come after the deadline of the run on a busy machine: so until it came, and then a moment
 * more, in which nothing should. */
static void run_until(struct loop *loop, const size_t *now, size_t wanted)
{
    struct count c = {now, wanted};
    CU_ASSERT_EQUAL(loop_run_until(loop, has_count, &c, now_ns() + (uint64_t)PATIENCE_MS * MS), OK);
    run_for(loop, 5 * MS);
}

static int by_lateness(const void *a, const void *b)
{
    const struct shot *x = a;
    const struct shot *y = b;
    uint64_t late_x = x->fired - x->due;
    uint64_t late_y = y->fired - y->due;
    return (late_x > late_y) - (late_x < late_y);
}

/* By how much half of a thousand timers were late at least. */
static uint64_t lateness_of_a_thousand(void)
{
    enum { N = 1000 };
    struct loop *loop = loop_new(NULL);
    static struct shot shots[N];
    size_t count = 0;
    uint64_t start = now_ns();
    uint32_t random = 1;
    memset(shots, 0, sizeof shots);
    for (size_t i = 0; i < N; i++) {
        random = random * 1664525U + 1013904223U;
        shots[i].count = &count;
        shots[i].due = start + random % (150U * MS); /* three levels of the wheel */
        timer_set(loop, &shots[i].timer, shots[i].due, shoot, &shots[i]);
    }
    run_until(loop, &count, N);
    CU_ASSERT_EQUAL(count, N);
    for (size_t i = 0; i < N; i++)
        CLAIM(shots[i].fired >= shots[i].due, "timer %zu fired early", i);
    qsort(shots, N, sizeof shots[0], by_lateness);
    uint64_t late = shots[N / 2].fired - shots[N / 2].due;
    loop_free(loop);
    return late;
}

static void timers_fire_once_never_early_and_hardly_late(void)
{
    enum { TRIES = 20 }; /* of a busy machine */
    uint64_t late = MS;
    for (int i = 0; i < TRIES && late >= MS; i++)
        late = lateness_of_a_thousand();
    CLAIM(late < MS, "half of the timers are later than %llu ns", (unsigned long long)late);
}

static void a_hundred_thousand_timers_half_cancelled(void)
{
    enum { N = 100000 };
    struct loop *loop = loop_new(NULL);
    struct shot *shots = calloc(N, sizeof *shots);
    size_t count = 0;
    uint64_t start = now_ns();
    for (size_t i = 0; i < N; i++) {
        shots[i].count = &count;
        shots[i].due = start + (uint64_t)i % 97 * MS;
        timer_set(loop, &shots[i].timer, shots[i].due, shoot, &shots[i]);
    }
    for (size_t i = 1; i < N; i += 2)
        timer_cancel(&shots[i].timer);
    run_until(loop, &count, N / 2);
    CU_ASSERT_EQUAL(count, N / 2);
    for (size_t i = 0; i < N; i++)
        CLAIM((shots[i].fired > 0) == (i % 2 == 0), "timer %zu", i);
    free(shots);
    loop_free(loop);
}

static void timers_of_one_instant_keep_their_order(void)
{
    struct loop *loop = loop_new(NULL);
    struct shot shots[50] = {0};
    size_t count = 0;
    uint64_t due = now_ns() + 5 * MS;
    for (size_t i = 0; i < COUNT_OF(shots); i++) {
        shots[i].count = &count;
        timer_set(loop, &shots[i].timer, due, shoot, &shots[i]);
    }
    run_until(loop, &count, COUNT_OF(shots));
    for (size_t i = 0; i < COUNT_OF(shots); i++)
        CLAIM(shots[i].fired && shots[i].order == i, "timer %zu was number %zu", i, shots[i].order);
    loop_free(loop);
}

struct again {
    struct loop *loop;
    struct timer timer, victim;
    size_t fired, turns;
};

static void set_again(void *ctx)
{
    struct again *a = ctx;
    a->fired++;
    timer_cancel(&a->victim);
    timer_set(a->loop, &a->timer, 0, set_again, a); /* long past: next turn, not this one */
}

static void must_not_fire(void *ctx)
{
    (void)ctx;
    CU_FAIL("a cancelled timer fired");
}

static uint64_t count_turn(void *ctx)
{
    ((struct again *)ctx)->turns++;
    return UINT64_MAX;
}

static void a_timer_set_to_the_past_waits_for_the_next_turn(void)
{
    struct again a = {.loop = loop_new(NULL)};
    uint64_t due = now_ns();
    loop_on_turn(a.loop, count_turn, &a);
    timer_set(a.loop, &a.timer, due, set_again, &a);
    timer_set(a.loop, &a.victim, due, must_not_fire, NULL); /* due in the same turn, cancelled by the first */
    run_until(a.loop, &a.fired, 2);
    CLAIM(a.fired > 1 && a.fired <= a.turns, "%zu shots in %zu turns", a.fired, a.turns);
    loop_free(a.loop);
}

static void sleeps_instead_of_spinning(void)
{
    struct again a = {.loop = loop_new(NULL)};
    struct shot shot = {0};
    size_t count = 0;
    shot.count = &count;
    loop_on_turn(a.loop, count_turn, &a);
    timer_set(a.loop, &shot.timer, now_ns() + 40 * MS, shoot, &shot);
    run_until(a.loop, &count, 1);
    CU_ASSERT_EQUAL(count, 1);
    CLAIM(a.turns < 12, "%zu turns for one timer", a.turns);
    loop_free(a.loop);
}

struct pair {
    struct watch w[2];
    size_t calls;
};

static void remove_both(void *ctx, uint32_t events)
{
    struct pair *p = ctx;
    (void)events;
    p->calls++;
    watch_remove(&p->w[0]);
    watch_remove(&p->w[1]);
}

static void a_removed_watch_is_silent_even_in_the_same_turn(void)
{
    struct loop *loop = loop_new(NULL);
    struct pair p = {.calls = 0};
    int ends[2][2];
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(pipe(ends[i]), 0);
        CU_ASSERT_EQUAL(write(ends[i][1], "x", 1), 1);
        p.w[i] = (struct watch){.fd = ends[i][0], .ready = remove_both, .ctx = &p};
        CU_ASSERT_EQUAL(watch_add(loop, &p.w[i], EPOLLIN, NULL), OK);
    }
    run_until(loop, &p.calls, 1);
    CU_ASSERT_EQUAL(p.calls, 1);
    for (size_t i = 0; i < 2; i++) {
        close(ends[i][0]);
        close(ends[i][1]);
    }
    loop_free(loop);
}

struct mail {
    struct loop *loop;
    size_t seen, disorder;
};

struct letter {
    struct mail *mail;
    size_t number;
};

static void read_letter(void *ctx)
{
    struct letter *l = ctx;
    l->mail->disorder += l->number != l->mail->seen;
    l->mail->seen++;
    if (l->number == 4999)
        loop_stop(l->mail->loop);
    free(l);
}

static void *write_letters(void *arg)
{
    struct mail *mail = arg;
    for (size_t i = 0; i < 5000; i++) {
        struct letter *l = malloc(sizeof *l);
        *l = (struct letter){mail, i};
        CU_ASSERT_EQUAL(loop_post(mail->loop, read_letter, l), OK);
    }
    return NULL;
}

static void mail_from_another_thread_comes_in_order(void)
{
    struct mail mail = {.loop = loop_new(NULL)};
    pthread_t writer;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&writer, NULL, write_letters, &mail), 0);
    loop_run(mail.loop);
    pthread_join(writer, NULL);
    CU_ASSERT_EQUAL(mail.seen, 5000);
    CU_ASSERT_EQUAL(mail.disorder, 0);
    loop_free(mail.loop);
}

static void a_stop_before_the_run_is_kept(void)
{
    struct loop *loop = loop_new(NULL);
    loop_stop(loop);
    loop_run(loop);
    loop_stop(loop);
    CU_ASSERT_EQUAL(loop_run_until(loop, never, NULL, 0), ERR_CLOSED);
    loop_free(loop);
}

struct queue {
    struct gates *gates;
    size_t opened;
};

static void count_open(void *ctx)
{
    ((struct queue *)ctx)->opened++;
}

static void *open_from_elsewhere(void *arg)
{
    gate_open(((struct queue *)arg)->gates, "a");
    return NULL;
}

static void add_waiting(void *ctx, const char *name, bool open, size_t waiting)
{
    (void)open;
    *(size_t *)ctx += strcmp(name, "a") == 0 ? waiting : 1000;
}

static void a_gate_holds_until_another_thread_opens_it(void)
{
    struct loop *loop = loop_new(NULL);
    struct queue q = {.gates = gates_new()};
    struct gate_wait waits[3] = {0};
    size_t waiting = 0;
    for (size_t i = 0; i < 3; i++) {
        waits[i] = (struct gate_wait){.loop = loop, .open = count_open, .ctx = &q};
        CU_ASSERT_FALSE(gate_pass(q.gates, "a", &waits[i]));
    }
    gate_forget(q.gates, &waits[1]);
    gate_forget(q.gates, &waits[1]);
    gates_each(q.gates, add_waiting, &waiting);
    CU_ASSERT_EQUAL(waiting, 2);
    pthread_t other;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&other, NULL, open_from_elsewhere, &q), 0);
    pthread_join(other, NULL);
    CU_ASSERT_EQUAL(q.opened, 0);    /* not on the opener's thread */
    gate_forget(q.gates, &waits[2]); /* opened, not called yet: still in time */
    run_until(loop, &q.opened, 1);
    CU_ASSERT_EQUAL(q.opened, 1);
    CU_ASSERT_TRUE(gate_pass(q.gates, "a", &waits[0]));
    gates_reset(q.gates);
    CU_ASSERT_FALSE(gate_pass(q.gates, "a", &waits[0]));
    gates_reset(q.gates);
    gate_open(q.gates, "a");
    run_until(loop, &q.opened, 2);
    CU_ASSERT_EQUAL(q.opened, 2);
    loop_free(loop);
    gates_free(q.gates);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"timers fire once, never early, hardly late", timers_fire_once_never_early_and_hardly_late},
        {"a hundred thousand timers, half cancelled", a_hundred_thousand_timers_half_cancelled},
        {"timers of one instant keep their order", timers_of_one_instant_keep_their_order},
        {"a timer set to the past waits for the next turn", a_timer_set_to_the_past_waits_for_the_next_turn},
        {"sleeps instead of spinning", sleeps_instead_of_spinning},
        {"a removed watch is silent even in the same turn", a_removed_watch_is_silent_even_in_the_same_turn},
        {"mail from another thread comes in order", mail_from_another_thread_comes_in_order},
        {"a stop before the run is kept", a_stop_before_the_run_is_kept},
        {"a gate holds until another thread opens it", a_gate_holds_until_another_thread_opens_it},
        CU_TEST_INFO_NULL,
    };
    return unit_main("loop", tests);
}
