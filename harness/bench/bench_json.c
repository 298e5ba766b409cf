/* The result as sections of the result document. Durations are microseconds with three decimals, which is the
 * nanosecond they were measured in; the unit stands beside. A metric that was not measured says why instead of being 0,
 * and a percentile with fewer than ten values beyond it is named in `suppressed` instead of being told.
 */
#include "harness/bench/bench.h"

#include <inttypes.h>

static const struct {
    const char *name;
    double q;
} percentiles[] = {{"p50", 0.5},  {"p75", 0.75},    {"p90", 0.9},      {"p95", 0.95},
                   {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};

static void set_fixed(cJSON *object, const char *key, double v, int decimals)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%.*f", decimals, v);
    (void)json_set(object, key, json_new_literal(text));
}

static void set_us(cJSON *object, const char *key, double ns)
{
    set_fixed(object, key, ns / 1e3, 3);
}

static void set_count(cJSON *object, const char *key, uint64_t v)
{
    (void)json_set_int(object, key, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

/* ---- metrics ---- */

static const char *why_absent(enum bench_metric m, const struct bench_config *c, const struct bench_tally *t)
{
    bool open_only = m == BENCH_SERVICE || m == BENCH_LATENESS;
    bool stream_only =
        m == BENCH_TTFT || m == BENCH_TTST || m == BENCH_ITL || m == BENCH_TPOT || m == BENCH_TRANSIT_FRAME;
    bool stamped = m == BENCH_UPSTREAM || m == BENCH_TRANSIT_UP || m == BENCH_TRANSIT_DOWN || m == BENCH_TRANSIT_FRAME;
    if (open_only && c->rate == 0)
        return m == BENCH_SERVICE ? "closed load: e2e is the service time" : "closed load has no intended instants";
    if (t->completed == 0)
        return "no request was answered well";
    if (stream_only && !c->stream)
        return "the answers were not streamed";
    if (m == BENCH_TRANSIT_DOWN && c->stream)
        return "the answers were streamed: see transit_frame";
    if (stamped)
        return !c->probe || !c->one_host ? "stamps were not asked for, or not of our clock"
                                         : "the answers carried no stamps";
    return "nothing was recorded";
}

static void add_percentiles(cJSON *object, const struct hist *h)
{
    cJSON *suppressed = NULL;
    for (size_t i = 0; i < COUNT_OF(percentiles); i++) {
        if (hist_supports(h, percentiles[i].q)) {
            set_us(object, percentiles[i].name, (double)hist_quantile(h, percentiles[i].q));
            continue;
        }
        if (suppressed == NULL)
            suppressed = cJSON_AddArrayToObject(object, "suppressed");
        (void)cJSON_AddItemToArray(suppressed, cJSON_CreateString(percentiles[i].name));
    }
}

static cJSON *metric(enum bench_metric m, const struct bench_config *c, const struct bench_tally *t, bool with_hdr)
{
    const struct hist *h = t->metrics[m];
    cJSON *o = cJSON_CreateObject();
    (void)json_set_string(o, "unit", "us");
    (void)json_set_string(o, "clock", bench_metric_clock(m, c));
    if (h->count == 0) {
        (void)json_set_string(o, "absent_reason", why_absent(m, c, t));
        return o;
    }
    set_count(o, "n", h->count);
    set_us(o, "min", (double)h->min);
    set_us(o, "mean", hist_mean(h));
    set_us(o, "stdev", hist_stdev(h));
    add_percentiles(o, h);
    set_us(o, "max", (double)h->max);
    if (h->over > 0)
        set_count(o, "longer_than_an_hour", h->over);
    if (with_hdr) {
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        hist_export(h, &text);
        (void)json_set_string(o, "hdr", buf_text(&text));
        (void)json_set_string(o, "hdr_unit", "ns");
    }
    return o;
}

static cJSON *metrics(const struct bench_config *c, const struct bench_tally *t, bool with_hdr)
{
    cJSON *o = cJSON_CreateObject();
    for (int m = 0; m < BENCH_METRICS; m++)
        (void)json_set(o, bench_metric_name((enum bench_metric)m), metric((enum bench_metric)m, c, t, with_hdr));
    return o;
}

/* ---- streams ---- */

static cJSON *kind(const struct bench_kind *k)
{
    cJSON *o = cJSON_CreateObject();
    set_count(o, "frames", k->frames);
    set_count(o, "gaps_judged", k->gaps_judged);
    set_count(o, "gaps_collapsed", k->gaps_collapsed);
    if (k->gaps_judged > 0)
        set_fixed(o, "burst_ratio", (double)k->gaps_collapsed / (double)k->gaps_judged, 4);
    cJSON *streams = cJSON_AddObjectToObject(o, "streams");
    for (int i = 0; i < BENCH_CADENCES; i++)
        set_count(streams, bench_cadence_name((enum bench_cadence)i), k->streams[i]);
    (void)json_set_string(o, "verdict", bench_cadence_name(bench_verdict_of(k)));
    return o;
}

static cJSON *stream(const struct bench_config *c, const struct bench_stream *s)
{
    const struct {
        const char *name;
        uint64_t v;
    } counts[] = {{"streams", s->streams},
                  {"unstamped", s->unstamped},
                  {"frames_sent", s->frames_sent},
                  {"frames_received", s->frames_received},
                  {"lost", s->lost},
                  {"cut", s->cut},
                  {"dup", s->doubled},
                  {"reordered", s->reordered},
                  {"altered", s->altered},
                  {"leaked", s->leaked},
                  {"crc_bad", s->crc_bad},
                  {"contents", s->contents},
                  {"stalls", s->stalls}};
    cJSON *o = cJSON_CreateObject();
    if (!c->probe || s->frames_sent + s->unstamped + s->leaked + s->altered + s->streams == 0) {
        (void)json_set_string(o, "absent_reason",
                              c->probe ? "nothing was answered with a stamp" : "stamps were not asked for");
        return o;
    }
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        set_count(o, counts[i].name, counts[i].v);
    set_count(o, "stall_ms", c->stall_ms);
    if (s->content_reads > 0) {
        set_fixed(o, "coalescing", (double)s->contents / (double)s->content_reads, 3);
        set_count(o, "most_in_one_read", s->content_max);
    }
    (void)json_set_string(o, "verdict", bench_cadence_name(bench_stream_verdict(s)));
    cJSON *kinds = cJSON_AddObjectToObject(o, "by_delta");
    for (int i = 0; i < BENCH_KINDS; i++)
        if (s->kinds[i].frames > 0)
            (void)json_set(kinds, bench_kind_name(i), kind(&s->kinds[i]));
    return o;
}

/* ---- load ---- */

static cJSON *errors(const struct bench_tally *t)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < t->error_count; i++) {
        const struct bench_error *e = &t->errors[i];
        cJSON *o = cJSON_CreateObject();
        (void)json_set_string(o, "class", bench_class_name(e->class));
        (void)json_set_string(o, "code", e->code);
        (void)json_set_string(o, "phase", e->phase);
        set_count(o, "count", e->count);
        cJSON *examples = cJSON_AddArrayToObject(o, "examples");
        for (size_t k = 0; k < BENCH_EXAMPLES && e->examples[k][0] != '\0'; k++)
            (void)cJSON_AddItemToArray(examples, cJSON_CreateString(e->examples[k]));
        (void)cJSON_AddItemToArray(list, o);
    }
    return list;
}

/* Seconds of the other side's blocks, or of warming up, hold nothing and are left out. */
static cJSON *series(const struct bench_tally *t)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < t->second_count; i++) {
        const struct bench_second *s = &t->seconds[i];
        if (s->completed + s->errors == 0)
            continue;
        cJSON *o = cJSON_CreateObject();
        set_count(o, "t_s", i);
        set_count(o, "completed", s->completed);
        set_count(o, "errors", s->errors);
        if (s->completed > 0) {
            set_us(o, "p50_us", (double)bench_second_quantile(s, 0.5));
            set_us(o, "p99_us", (double)bench_second_quantile(s, 0.99));
        }
        (void)cJSON_AddItemToArray(list, o);
    }
    return list;
}

static cJSON *counts(const struct bench_config *c, const struct bench_tally *t)
{
    const struct {
        const char *name;
        uint64_t v;
    } rows[] = {{"planned", t->planned},      {"sent", t->sent},     {"dropped", t->dropped},
                {"completed", t->completed},  {"failed", t->failed}, {"abandoned", t->abandoned},
                {"connects", t->connects},    {"reads", t->reads},   {"bytes_up", t->bytes_up},
                {"bytes_down", t->bytes_down}};
    cJSON *o = cJSON_CreateObject();
    (void)json_set_string(o, "model", c->rate > 0 ? "open" : "closed");
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        set_count(o, rows[i].name, rows[i].v);
    set_fixed(o, "measured_s", (double)t->measured_ns / 1e9, 6);
    if (t->measured_ns > 0)
        set_fixed(o, "achieved_rate_per_s", bench_achieved_rate(t), 3);
    (void)json_set(o, "errors", errors(t));
    (void)json_set(o, "series", series(t));
    if (t->seconds_cut)
        (void)json_set(o, "series_cut_after_s", json_new_int(BENCH_SECONDS_MAX));
    return o;
}

/* How the load was made; the same for both sides. */
static void add_manner(cJSON *o, const struct bench_result *r)
{
    const struct bench_config *c = &r->config;
    (void)json_set_string(o, "model", c->rate > 0 ? "open" : "closed");
    (void)json_set_string(o, "note",
                          c->rate > 0 ? "latency is counted from the intended send instants"
                                      : "closed load: latency excludes waiting that an open load would see");
    if (c->rate > 0) {
        (void)json_set_string(o, "arrival", c->arrival == BENCH_POISSON ? "poisson" : "constant");
        set_fixed(o, "requested_rate_per_s", c->rate, 3);
    }
    set_count(o, "connections", c->connections);
    set_count(o, "threads", c->threads);
    set_count(o, "seed", c->seed);
    (void)json_set_string(o, "dialect", bench_dialect_name(c->target.dialect));
    (void)json_set(o, "streamed", cJSON_CreateBool(c->stream));
    (void)json_set(o, "signed", cJSON_CreateBool(c->target.sign));
    set_fixed(o, "warmup_s", (double)r->warmup_ns / 1e9, 3);
    if (r->paired) {
        (void)json_set_string(o, "direct_dialect", bench_dialect_name(c->direct.dialect));
        set_count(o, "pairs", r->pairs);
        set_count(o, "block_ms", c->block_ms);
        set_count(o, "settle_ms", c->settle_ms);
    }
}

/* ---- comparison, rig, calibration ---- */

static cJSON *paired(const struct bench_result *r)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < r->difference_count; i++) {
        const struct bench_difference *d = &r->differences[i];
        cJSON *o = cJSON_CreateObject();
        (void)json_set_string(o, "metric", bench_metric_name(d->metric));
        set_fixed(o, "quantile", d->quantile, d->quantile > 0.99 ? 3 : 2);
        (void)json_set_string(o, "unit", "us");
        (void)json_set_string(o, "verdict", d->verdict);
        if (d->suppressed) {
            (void)json_set_string(o, "absent_reason", "fewer than ten values beyond this percentile");
        } else {
            set_us(o, "direct", (double)d->direct_ns);
            set_us(o, "gateway", (double)d->target_ns);
            set_us(o, "diff", (double)d->diff_ns);
            cJSON *ci = cJSON_AddArrayToObject(o, "ci95");
            for (int k = 0; k < 2; k++) {
                char text[32];
                (void)snprintf(text, sizeof text, "%.3f", (double)(k == 0 ? d->low_ns : d->high_ns) / 1e3);
                (void)cJSON_AddItemToArray(ci, json_new_literal(text));
            }
            set_us(o, "mde", (double)d->smallest_ns);
            set_fixed(o, "p_value", d->p_value, 4);
            set_count(o, "blocks", (uint64_t)r->pairs * 2);
        }
        (void)cJSON_AddItemToArray(list, o);
    }
    return list;
}

static cJSON *rig(const struct bench_result *r)
{
    cJSON *o = cJSON_CreateObject();
    (void)json_set_string(o, "verdict", bench_verdict_name(r->verdict));
    if (r->reason[0] != '\0')
        (void)json_set_string(o, "reason", r->reason);
    set_count(o, "fds_needed", r->rig.fds_needed);
    set_count(o, "fds_limit", r->rig.fds_limit);
    set_count(o, "ports_needed", r->rig.ports_needed);
    set_count(o, "ports_available", r->rig.ports_available);
    if (r->config.rate > 0)
        set_us(o, "lateness_p99_us", (double)r->rig.lateness_p99_ns);
    set_us(o, "queue_p99_us", (double)r->rig.queue_p99_ns);
    set_fixed(o, "generator_cpu_share", r->rig.cpu_share, 4);
    if (r->rig.wait_share >= 0)
        set_fixed(o, "generator_wait_share", r->rig.wait_share, 4);
    return o;
}

static cJSON *calibration(const struct bench_calibration *c)
{
    cJSON *o = cJSON_CreateObject();
    (void)json_set_string(o, "status", c->good ? "good" : "failed");
    (void)json_set_int(o, "injected_ttft_us", c->injected_ttft_us);
    if (c->kept_ttft_us >= 0)
        (void)json_set_int(o, "kept_ttft_us", c->kept_ttft_us);
    if (c->read_ttft_us >= 0)
        (void)json_set_int(o, "read_ttft_us", c->read_ttft_us);
    if (c->read_itl_us >= 0) {
        (void)json_set_int(o, "injected_itl_us", c->injected_itl_us);
        (void)json_set_int(o, "read_itl_us", c->read_itl_us);
    }
    if (c->max_error_us >= 0)
        (void)json_set_int(o, "max_error_us", c->max_error_us);
    (void)json_set_int(o, "tolerance_us", c->tolerance_us);
    if (c->floor_us >= 0)
        (void)json_set_int(o, "floor_us", c->floor_us);
    return o;
}

cJSON *bench_json(const struct bench_result *result, bool with_hdr)
{
    const struct bench_config *c = &result->config;
    cJSON *o = cJSON_CreateObject();
    cJSON *load = result->paired ? cJSON_CreateObject() : counts(c, &result->sides[BENCH_TARGET]);
    add_manner(load, result);
    (void)json_set(o, "load", load);
    for (int s = 0; s < BENCH_SIDES; s++) {
        const struct bench_tally *t = &result->sides[s];
        cJSON *to = o;
        if (result->paired) {
            to = cJSON_CreateObject();
            (void)json_set(to, "load", counts(c, t));
            (void)json_set(o, s == BENCH_TARGET ? "gateway" : "direct", to);
        } else if (s == BENCH_DIRECT) {
            continue;
        }
        (void)json_set(to, "metrics", metrics(c, t, with_hdr));
        (void)json_set(to, "stream", stream(c, &t->stream));
    }
    if (result->paired)
        (void)json_set(o, "paired", paired(result));
    (void)json_set(o, "rig", rig(result));
    if (result->calibration.done)
        (void)json_set(o, "calibration", calibration(&result->calibration));
    if (json_member(o, "rig") == NULL || json_member(o, "load") == NULL)
        json_free(&o);
    return o;
}
