/* The same figures for people: what was asked, how much went through, the percentiles of each metric, what the target
 * adds, what became of the frames, and what went wrong. Says of closed load that it is closed, of a thin percentile
 * that it is thin, and of a run whose generator was the limit that it proves nothing.
 */
#include "harness/bench/bench.h"

enum { PAIRS_TO_TELL = 6 }; /* see paired.h: below it chance alone may look as large */
static const double shown[] = {0.5, 0.9, 0.99, 0.999};

/* Four significant places in the unit that fits: "87.3 us", "12.4 ms", "3.02 s". */
static void format_ns(char out[16], double ns)
{
    double size = ns < 0 ? -ns : ns;
    const char *unit = size < 1e6 ? "us" : size < 1e9 ? "ms" : "s";
    double v = ns / (size < 1e6 ? 1e3 : size < 1e9 ? 1e6 : 1e9), part = v < 0 ? -v : v;
    (void)snprintf(out, 16, "%.*f %s", part < 10 ? 2 : part < 100 ? 1 : 0, v, unit);
}

static void print_quantile(FILE *out, const struct hist *h, double q)
{
    char text[16];
    format_ns(text, (double)hist_quantile(h, q));
    (void)fprintf(out, " %8s", hist_supports(h, q) ? text : "-");
}

static void print_metrics(FILE *out, const struct bench_config *c, const struct bench_tally *t)
{
    char max[16];
    (void)fprintf(out, "  %-12s %8s %8s %8s %8s %8s %8s  from\n", "", "n", "p50", "p90", "p99", "p99.9", "max");
    for (int m = 0; m < BENCH_METRICS; m++) {
        const struct hist *h = t->metrics[m];
        if (h->count == 0)
            continue;
        (void)fprintf(out, "  %-12s %8llu", bench_metric_name((enum bench_metric)m), (unsigned long long)h->count);
        for (size_t i = 0; i < COUNT_OF(shown); i++)
            print_quantile(out, h, shown[i]);
        format_ns(max, (double)h->max);
        (void)fprintf(out, " %8s  %s\n", max, bench_metric_clock((enum bench_metric)m, c));
    }
}

static void print_stream(FILE *out, const struct bench_config *c, const struct bench_stream *s)
{
    if (!c->probe || s->frames_sent + s->unstamped == 0)
        return;
    (void)fprintf(out, "  frames: %llu sent, %llu received", (unsigned long long)s->frames_sent,
                  (unsigned long long)s->frames_received);
    const struct {
        const char *name;
        uint64_t v;
    } rows[] = {{"lost", s->lost},
                {"cut off", s->cut},
                {"doubled", s->doubled},
                {"reordered", s->reordered},
                {"altered", s->altered},
                {"of other requests", s->leaked},
                {"with a wrong CRC", s->crc_bad}};
    uint64_t defects = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        defects += rows[i].v;
        if (rows[i].v > 0)
            (void)fprintf(out, ", %llu %s", (unsigned long long)rows[i].v, rows[i].name);
    }
    (void)fprintf(out, "%s\n", defects == 0 ? ", none lost or damaged" : "");
    if (s->unstamped > 0)
        (void)fprintf(out, "  %llu answers carried no stamp\n", (unsigned long long)s->unstamped);
    for (int i = 0; i < BENCH_KINDS; i++) {
        const struct bench_kind *k = &s->kinds[i];
        if (k->gaps_judged > 0)
            (void)fprintf(out, "  cadence of %s deltas: %s (%.1f %% of %llu gaps collapsed)\n", bench_kind_name(i),
                          bench_cadence_name(bench_verdict_of(k)),
                          100.0 * (double)k->gaps_collapsed / (double)k->gaps_judged,
                          (unsigned long long)k->gaps_judged);
    }
    if (s->content_reads > 0)
        (void)fprintf(out, "  %.2f contents per read (most %llu), %llu stalls of %llu ms or more\n",
                      (double)s->contents / (double)s->content_reads, (unsigned long long)s->content_max,
                      (unsigned long long)s->stalls, (unsigned long long)c->stall_ms);
}

static void print_errors(FILE *out, const struct bench_tally *t)
{
    for (size_t i = 0; i < t->error_count; i++) {
        const struct bench_error *e = &t->errors[i];
        (void)fprintf(out, "  error %s %s in %s: %llu\n", bench_class_name(e->class), e->code, e->phase,
                      (unsigned long long)e->count);
        for (size_t k = 0; k < BENCH_EXAMPLES && e->examples[k][0] != '\0'; k++)
            (void)fprintf(out, "      %s\n", e->examples[k]);
    }
}

static void print_side(FILE *out, const struct bench_result *r, enum bench_side side)
{
    const struct bench_tally *t = &r->sides[side];
    const struct bench_endpoint *e = side == BENCH_TARGET ? &r->config.target : &r->config.direct;
    (void)fprintf(out, "\n%s  %s  (%s%s%s)\n", bench_side_name(side), e->url, bench_dialect_name(e->dialect),
                  r->config.stream ? ", streamed" : "", e->sign ? ", signed" : "");
    (void)fprintf(out, "  %.1f good answers/s over %.2f s: %llu good, %llu failed", bench_achieved_rate(t),
                  (double)t->measured_ns / 1e9, (unsigned long long)t->completed, (unsigned long long)t->failed);
    if (r->config.rate > 0)
        (void)fprintf(out, "; asked for %.1f/s, %llu of %llu could not be sent", r->config.rate,
                      (unsigned long long)t->dropped, (unsigned long long)t->planned);
    if (t->abandoned > 0)
        (void)fprintf(out, "; %llu abandoned in flight", (unsigned long long)t->abandoned);
    (void)fprintf(out, "; %.2f MB up, %.2f MB down\n", (double)t->bytes_up / 1e6, (double)t->bytes_down / 1e6);
    print_metrics(out, &r->config, t);
    print_stream(out, &r->config, &t->stream);
    print_errors(out, t);
}

static void print_difference(FILE *out, const struct bench_difference *d)
{
    char name[32], direct[16], target[16], diff[16], low[16], high[16], least[16], interval[40];
    (void)snprintf(name, sizeof name, "%s p%.4g", bench_metric_name(d->metric), 100 * d->quantile);
    if (d->suppressed) {
        (void)fprintf(out, "  %-10s suppressed: fewer than ten values beyond it\n", name);
        return;
    }
    format_ns(direct, (double)d->direct_ns);
    format_ns(target, (double)d->target_ns);
    format_ns(diff, (double)d->diff_ns);
    format_ns(low, (double)d->low_ns);
    format_ns(high, (double)d->high_ns);
    format_ns(least, (double)d->smallest_ns);
    (void)snprintf(interval, sizeof interval, "[%s, %s]", low, high);
    (void)fprintf(out, "  %-10s %8s %8s %8s  %-21s %s (%s)\n", name, direct, target, diff, interval,
                  strcmp(d->verdict, "none_seen") == 0 ? "none" : d->verdict, least);
}

/* A side that answered nothing well: there is nothing to compare, however long the run. */
static bool print_no_pairs(FILE *out, const struct bench_result *r)
{
    const enum bench_side side = r->sides[BENCH_TARGET].completed == 0 ? BENCH_TARGET : BENCH_DIRECT;
    const struct bench_tally *t = &r->sides[side];
    if (t->completed > 0)
        return false;
    const struct bench_error *most = t->errors;
    for (size_t i = 1; i < t->error_count; i++)
        most = t->errors[i].count > most->count ? &t->errors[i] : most;
    (void)fprintf(out, "\nnothing to compare: no request to the %s was answered well",
                  side == BENCH_TARGET ? "target" : "direct side");
    if (t->error_count > 0)
        (void)fprintf(out, "\n  error %s %s in %s: %llu of %llu\n      %s", bench_class_name(most->class), most->code,
                      most->phase, (unsigned long long)most->count, (unsigned long long)t->failed, most->examples[0]);
    (void)fputc('\n', out);
    return true;
}

static void print_paired(FILE *out, const struct bench_result *r)
{
    if (print_no_pairs(out, r))
        return;
    (void)fprintf(
        out,
        "\nwhat the target adds, from %u pairs of interleaved blocks\n  %-10s %8s %8s %8s  %-21s seen (could see)\n",
        r->pairs, "", "direct", "target", "added", "95 % interval");
    for (size_t i = 0; i < r->difference_count; i++)
        print_difference(out, &r->differences[i]);
    if (r->pairs < PAIRS_TO_TELL)
        (void)fprintf(out, "  %u pairs are too few to tell a difference from chance (it takes %d): run longer\n",
                      r->pairs, PAIRS_TO_TELL);
}

void bench_print(const struct bench_result *result, FILE *out)
{
    const struct bench_config *c = &result->config;
    char late[16], queue[16];
    if (c->rate > 0)
        (void)fprintf(out,
                      "open loop, %.1f requests/s (%s), at most %u in flight, %u thread%s\n"
                      "latency counts from the instant of the intended send\n",
                      c->rate, c->arrival == BENCH_POISSON ? "Poisson" : "constant", c->connections, c->threads,
                      c->threads > 1 ? "s" : "");
    else
        (void)fprintf(out, "closed loop, %u connection%s, %u thread%s (an open load, -R, would also see waiting)\n",
                      c->connections, c->connections > 1 ? "s" : "", c->threads, c->threads > 1 ? "s" : "");
    if (result->paired)
        print_side(out, result, BENCH_DIRECT);
    print_side(out, result, BENCH_TARGET);
    if (result->paired)
        print_paired(out, result);
    format_ns(late, (double)result->rig.lateness_p99_ns);
    format_ns(queue, (double)result->rig.queue_p99_ns);
    (void)fprintf(out, "\nrig: generator on a CPU %.0f %%", 100 * result->rig.cpu_share);
    if (result->rig.wait_share >= 0)
        (void)fprintf(out, ", waiting for one %.0f %%", 100 * result->rig.wait_share);
    (void)fprintf(out, " of the time, own queue p99 %s", queue);
    if (c->rate > 0)
        (void)fprintf(out, ", sends late by p99 %s", late);
    if (result->calibration.done)
        (void)fprintf(out, "\n     calibration %s (off by at most %lld us)",
                      result->calibration.good ? "good" : "FAILED", (long long)result->calibration.max_error_us);
    (void)fprintf(out, "\n%s%s%s\n", bench_verdict_name(result->verdict), result->reason[0] != '\0' ? ": " : "",
                  result->reason);
}
