/* pace.c: the laws of time, applied to a request.
 *
 * Each of the three waits has a random stream of its own, so that one law does not disturb the draws of another. Load
 * and tempo are looked at once, when the request comes: they stretch the mock's own waits, and leave alone what a
 * script gives, because a script means what it says.
 */
#include "mock/time/pace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MS         1000000u
#define LAST_MS    86400000 /* a day */
#define LIST_MAX   100000   /* recorded waits in a reply */
#define FACTOR_MAX 1000
#define LOAD_FULL  100 /* unless told */

struct times {
    struct time_law latency, ttft, itl;
    uint64_t per_token_ns;
    double load_factor;
    unsigned load_full;
    struct time_tempo tempo;
};

enum which { WHICH_LATENCY = 1, WHICH_TTFT, WHICH_ITL };

static struct rng stream_of(uint64_t seed, enum which which)
{
    return (struct rng){seed + (uint64_t)which * 0x9e3779b97f4a7c15u * 7};
}

/* ---- the mock's ---- */

static enum err read_law(const char *option, const char *text, unsigned ms, struct time_law *out, struct note *note)
{
    *out = (struct time_law){.kind = TIME_CONSTANT, .a = ms};
    enum err e = text == NULL ? OK : time_law_parse(text, true, out, note);
    if (e != OK)
        note_prefix(note, "%s", option);
    return e;
}

static bool is_whole(const struct time_law *law)
{
    return law->kind == TIME_CONSTANT && law->a == floor(law->a);
}

static enum err read_rest(const struct mock_config *c, struct times *t, struct note *note)
{
    t->per_token_ns = (uint64_t)c->ttft_per_token_us * 1000;
    t->load_factor = c->load_factor == NULL ? 1 : strtod(c->load_factor, NULL);
    t->load_full = c->load_full == 0 ? LOAD_FULL : c->load_full;
    char *end = NULL;
    if (c->load_factor != NULL && (strtod(c->load_factor, &end) < 1 || *end != '\0' || !(t->load_factor <= FACTOR_MAX)))
        return note_set(note, ERR_INVALID, "--load-factor %.40s: expected a number from 1 to %d", c->load_factor,
                        FACTOR_MAX);
    if (t->load_full < 2)
        return note_set(note, ERR_INVALID, "--load-full %u: expected at least 2 requests", t->load_full);
    enum err e = c->tempo == NULL ? OK : time_tempo_read(c->tempo, &t->tempo, note);
    if (e != OK)
        note_prefix(note, "--tempo");
    return e;
}

enum err times_new(struct mock_config *c, struct times **out, struct note *note)
{
    struct times *t = calloc(1, sizeof *t);
    *out = NULL;
    if (t == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    enum err e = read_law("--latency", c->latency, c->latency_ms, &t->latency, note);
    if (e == OK)
        e = read_law("--ttft", c->ttft, c->ttft_ms, &t->ttft, note);
    if (e == OK)
        e = read_law("--itl", c->itl, c->itl_ms, &t->itl, note);
    if (e == OK)
        e = read_rest(c, t, note);
    bool plain = e == OK && is_whole(&t->latency) && is_whole(&t->ttft) && is_whole(&t->itl) && t->per_token_ns == 0 &&
                 t->load_factor <= 1 && t->tempo.count == 0;
    c->latency_ms = plain ? (unsigned)t->latency.a : 0;
    c->ttft_ms = plain ? (unsigned)t->ttft.a : 0;
    c->itl_ms = plain ? (unsigned)t->itl.a : 0;
    if (e != OK || plain)
        times_free(t);
    else
        *out = t;
    return e;
}

void times_free(struct times *t)
{
    if (t == NULL)
        return;
    time_law_release(&t->latency);
    time_law_release(&t->ttft);
    time_law_release(&t->itl);
    free(t);
}

bool visit_comes(struct mock *m)
{
    if (m->times == NULL || m->times->load_factor <= 1)
        return false;
    atomic_fetch_add_explicit(&m->open, 1, memory_order_relaxed);
    return true;
}

void visit_leaves(struct mock *m)
{
    atomic_fetch_sub_explicit(&m->open, 1, memory_order_relaxed);
}

static double slowness(struct mock *m, uint64_t at_ns)
{
    const struct times *t = m->times;
    double factor = 1;
    if (t->load_factor > 1)
        factor = time_load(t->load_factor, t->load_full, atomic_load_explicit(&m->open, memory_order_relaxed));
    if (t->tempo.count > 0)
        factor *= time_tempo_at(&t->tempo, at_ns > m->started_at_ns ? at_ns - m->started_at_ns : 0);
    return factor;
}

static uint64_t with_input(const struct times *t, uint64_t ttft_ns, uint64_t input_tokens)
{
    return time_sum(ttft_ns, time_of_many(input_tokens, t->per_token_ns));
}

uint64_t visit_latency_ns(const struct visit *v)
{
    const struct times *t = v->mock->times;
    if (t == NULL)
        return (uint64_t)v->mock->config.latency_ms * MS;
    struct rng r = stream_of(visit_seed(v), WHICH_LATENCY);
    return time_scaled(time_law_draw(&t->latency, &r, visit_number(v)), slowness(v->mock, v->request->received_at_ns));
}

void visit_times(const struct visit *v, struct answer *a)
{
    const struct times *t = v->mock->times;
    const struct mock_config *c = &v->mock->config;
    a->latency_ns = (uint64_t)c->latency_ms * MS;
    a->ttft_ns = (uint64_t)c->ttft_ms * MS;
    a->itl_ns = (uint64_t)c->itl_ms * MS;
    if (t == NULL && !v->worker->is_numbered)
        return;
    a->seed = visit_seed(v);
    a->number = visit_number(v);
    if (t == NULL)
        return;
    double factor = slowness(v->mock, v->request->received_at_ns);
    struct rng latency = stream_of(a->seed, WHICH_LATENCY), ttft = stream_of(a->seed, WHICH_TTFT);
    a->latency_ns = time_scaled(time_law_draw(&t->latency, &latency, a->number), factor);
    a->ttft_ns = time_scaled(with_input(t, time_law_draw(&t->ttft, &ttft, a->number), a->input_tokens), factor);
    a->draws = (struct answer_draws){.law = &t->itl, .rng = stream_of(a->seed, WHICH_ITL), .factor = factor};
}

/* ---- a reply's ---- */

static bool is_ms(const cJSON *item)
{
    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= LAST_MS;
}

enum err pace_check(const cJSON *item, const char *where, struct note *note)
{
    const cJSON *one;
    if (cJSON_IsString(item)) {
        struct time_law law;
        enum err e = time_law_parse(item->valuestring, false, &law, note);
        time_law_release(&law);
        if (e != OK)
            note_prefix(note, "%s", where);
        return e;
    }
    bool good = cJSON_IsArray(item) && item->child != NULL && cJSON_GetArraySize(item) <= LIST_MAX;
    cJSON_ArrayForEach(one, item) good = good && is_ms(one);
    return good || is_ms(item)
               ? OK
               : note_set(note, ERR_INVALID,
                          "%s: expected milliseconds from 0 to %d, a list of them, or a law such as \"normal:20,5\"",
                          where, LAST_MS);
}

/* A checked member as a law; false: it is not there. */
static bool law_of(const cJSON *reply, const char *key, struct time_law *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(reply, key);
    *out = (struct time_law){.kind = TIME_CONSTANT};
    if (cJSON_IsNumber(item)) {
        out->a = item->valuedouble;
    } else if (cJSON_IsString(item)) {
        return time_law_parse(item->valuestring, false, out, NULL) == OK;
    } else if (cJSON_IsArray(item)) {
        size_t n = (size_t)cJSON_GetArraySize(item), i = 0;
        double *ms = calloc(n, sizeof *ms);
        const cJSON *one;
        cJSON_ArrayForEach(one, item) if (ms != NULL && i < n) ms[i++] = one->valuedouble;
        bool made = ms != NULL && time_law_trace(ms, n, out, NULL) == OK;
        free(ms);
        return made;
    }
    return item != NULL;
}

static void draw_once(const cJSON *reply, const char *key, enum which which, uint64_t seed, uint64_t number,
                      uint64_t *ns)
{
    struct time_law law;
    struct rng r = stream_of(seed, which);
    if (law_of(reply, key, &law))
        *ns = time_law_draw(&law, &r, number);
    time_law_release(&law);
}

void pace_reply(const cJSON *reply, struct answer *a)
{
    struct time_law itl;
    draw_once(reply, "latency_ms", WHICH_LATENCY, a->seed, a->number, &a->latency_ns);
    draw_once(reply, "ttft_ms", WHICH_TTFT, a->seed, a->number, &a->ttft_ns);
    if (!law_of(reply, "itl_ms", &itl))
        return;
    answer_own_law(a, &itl);
    a->draws.rng = stream_of(a->seed, WHICH_ITL);
}

uint64_t pace_reply_latency(const cJSON *reply, uint64_t seed)
{
    uint64_t ns = 0;
    draw_once(reply, "latency_ms", WHICH_LATENCY, seed, 0, &ns);
    return ns;
}

/* ---- many answers to one request ---- */

void pace_talk_init(struct pace_talk *p, const struct visit *v, const cJSON *reply)
{
    *p = (struct pace_talk){.mock = v->mock, .factor = 1};
    p->own_ttft = law_of(reply, "ttft_ms", &p->ttft);
    p->own_itl = law_of(reply, "itl_ms", &p->itl);
    if (v->mock->times == NULL && !p->own_ttft && !p->own_itl)
        return;
    uint64_t seed = visit_seed(v);
    p->ttft_rng = stream_of(seed, WHICH_TTFT);
    p->itl_rng = stream_of(seed, WHICH_ITL);
    p->answers = visit_number(v);
}

void pace_talk_release(struct pace_talk *p)
{
    time_law_release(&p->ttft);
    time_law_release(&p->itl);
}

uint64_t pace_talk_ttft(struct pace_talk *p, uint64_t input_tokens)
{
    const struct times *t = p->mock->times;
    uint64_t n = p->answers++;
    if (t != NULL)
        p->factor = slowness(p->mock, now_ns());
    if (p->own_ttft)
        return time_law_draw(&p->ttft, &p->ttft_rng, n);
    if (t == NULL)
        return (uint64_t)p->mock->config.ttft_ms * MS;
    return time_scaled(with_input(t, time_law_draw(&t->ttft, &p->ttft_rng, n), input_tokens), p->factor);
}

uint64_t pace_talk_itl(struct pace_talk *p)
{
    const struct times *t = p->mock->times;
    uint64_t n = p->deltas++;
    if (p->own_itl)
        return time_law_draw(&p->itl, &p->itl_rng, n);
    return t == NULL ? (uint64_t)p->mock->config.itl_ms * MS
                     : time_scaled(time_law_draw(&t->itl, &p->itl_rng, n), p->factor);
}
