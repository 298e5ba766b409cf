/* cache_visit.c: the prompt cache in the mock: what a visit asks of it, and what the admin API shows of it.
 */
#include "mock/admin/admin.h"
#include "mock/metering/cache.h"
#include "mock/native/native.h"
#include "mock/operations.h"

#define LISTED_MAX 1000

const cJSON *visit_asked(const struct visit *v)
{
    return v->row != NULL && v->row->read != NULL ? v->native.asked : v->body;
}

void visit_use_cache(struct visit *v, struct answer *a)
{
    const struct model *row = v->model.row;
    const cJSON *asked = visit_asked(v);
    if (v->mock->cache == NULL || row == NULL || !row->caching || !cache_asked(asked))
        return;
    struct cache_owner owner = {.account = visit_account(v),
                                .region = v->caller.region,
                                .session = session_name(v->session),
                                .model = v->mock->config.cache_by_id && v->model_id != NULL ? v->model_id : row->id};
    struct cache_terms terms = {row->cache_min, row->cache_tools, row->cache_hour, row->claude};
    struct cache_use use;
    if (cache_serve(v->mock->cache, v->worker->sigv4, asked, &owner, &terms, clock_ms(&v->mock->clock), &use,
                    &v->cached) != OK) {
        a->failed = true;
        return;
    }
    a->cache_read = use.read;
    a->cache_write = use.written;
    a->cache_write_hour = use.written_hour;
    a->input_tokens -= use.read + use.written;
}

void visit_settle_cache(struct visit *v, const struct plan *plan)
{
    if (v->cached.count > 0 && (plan == NULL || plan->failed || plan->status >= 400))
        cache_withdraw(v->mock->cache, &v->cached);
}

/* ---- the admin API ---- */

struct listing {
    struct buf *out;
    int64_t now_ms;
    size_t n;
};

static void print_entry(void *ctx, const struct cache_entry *e)
{
    struct listing *l = ctx;
    buf_addf(l->out, "%s{\"hash\":\"%s\",\"account\":\"%s\",\"region\":", l->n++ > 0 ? "," : "", e->hash, e->account);
    json_quote(span_of(e->region), l->out);
    buf_adds(l->out, ",\"model\":");
    json_quote(span_of(e->model), l->out);
    char until[CLOCK_TEXT];
    clock_iso(e->expires_ms, until);
    buf_addf(l->out, ",\"tokens\":%llu,\"ttl\":\"%s\",\"reads\":%llu,\"expires_at\":\"%s\",\"expires_in_ms\":%lld}",
             (unsigned long long)e->tokens, e->hour ? "1h" : "5m", (unsigned long long)e->reads, until,
             (long long)(e->expires_ms - l->now_ms));
}

static enum err get_cache(struct admin_call *c, struct note *note)
{
    (void)note;
    struct listing l = {&c->out, clock_ms(&c->mock->clock), 0};
    size_t bytes = 0, held = 0;
    buf_addf(&c->out, "{\"on\":%s,\"entries\":[", c->mock->cache != NULL ? "true" : "false");
    if (c->mock->cache != NULL) {
        cache_each(c->mock->cache, l.now_ms, LISTED_MAX, print_entry, &l);
        held = cache_count(c->mock->cache, &bytes);
    }
    buf_addf(&c->out, "],\"held\":%zu,\"bytes\":%zu}", held, bytes);
    return OK;
}

static void forget(struct mock *m)
{
    if (m->cache != NULL)
        cache_forget(m->cache);
}

static const struct admin_row rows[] = {{"GET", "/cache", get_cache}};
const struct admin_table mock_admin_cache = {rows, COUNT_OF(rows), "cache", forget};
