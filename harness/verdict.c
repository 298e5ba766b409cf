/* verdict.c: the checks.
 *
 * Each row turns a part of the evidence into a JSON value, which match() holds against the matcher of the case. So a
 * new check is a row and a function of a few lines, and all of them fail with the same words: pointer, expected,
 * observed.
 *
 * Journal entries are dealt out to the listed calls in order; a call with room for more takes as many as leave the
 * later ones their least. What is left over, or missing, is `upstream.count`.
 */
#include "harness/verdict.h"

#include "harness/cost_check.h"
#include "protocol/utf8.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN = 1500, BODY_TOLD = 120 }; /* bytes */

/* ---- findings ---- */

void findings_release(struct findings *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->count; i++) {
        free(f->items[i].id);
        free(f->items[i].pointer);
        free(f->items[i].expected);
        free(f->items[i].observed);
    }
    free(f->items);
    *f = (struct findings){0};
}

bool findings_failed_at(const struct findings *f, const char *id)
{
    for (size_t i = 0; i < f->count; i++)
        if (!f->items[i].ok && strcmp(f->items[i].id, id) == 0)
            return true;
    return false;
}

/* Moves all of `from` behind `to`. */
static void findings_move(struct findings *to, struct findings *from)
{
    struct finding *grown = realloc(to->items, (to->count + from->count + 1) * sizeof *grown);
    if (grown == NULL) { /* what is lost may have failed, so this is no pass */
        to->failed += from->failed + 1;
        findings_release(from);
        return;
    }
    to->items = grown;
    memcpy(to->items + to->count, from->items, from->count * sizeof *grown);
    to->count += from->count;
    to->failed += from->failed;
    free(from->items);
    *from = (struct findings){0};
}

static char *copy(const char *text)
{
    return text == NULL ? NULL : span_dup(span_of(text));
}

/* `observed` NULL: it held. A check that was judged before (an entry of a repeated call) fails when any of them does.
 */
static void add(struct findings *f, const char *id, bool ok, const char *pointer, const char *expected,
                const char *observed)
{
    struct finding *at = NULL;
    for (size_t i = 0; i < f->count && at == NULL; i++)
        if (strcmp(f->items[i].id, id) == 0)
            at = &f->items[i];
    if (at != NULL && (ok || !at->ok))
        return;
    if (at == NULL) {
        struct finding *grown = realloc(f->items, (f->count + 1) * sizeof *grown);
        f->items = grown != NULL ? grown : f->items;
        char *name = grown != NULL ? copy(id) : NULL;
        if (name == NULL) { /* a check that finds no memory did not hold */
            f->failed++;
            return;
        }
        at = &f->items[f->count++];
        *at = (struct finding){.id = name, .ok = true};
    }
    if (ok)
        return;
    at->ok = false;
    at->pointer = copy(pointer);
    at->expected = copy(expected);
    at->observed = copy(observed);
    f->failed++;
}

/* Where findings of a part go: its prefix is "steps[0]" or "steps[0].alternatives.refused". */
struct part {
    const struct judged *j;
    struct findings *out;
    char prefix[160];
};

static void add_match(const struct part *p, const char *id, const cJSON *matcher, const cJSON *value, const char *more)
{
    struct match_failure why;
    char full[320];
    (void)snprintf(full, sizeof full, "%s.%s", p->prefix, id);
    if (match(matcher, value, p->j->vars, &why)) {
        add(p->out, full, true, NULL, NULL, NULL);
        return;
    }
    CLEANUP(buf_release) struct buf observed = BUF_INIT(BUF_ANY);
    buf_adds(&observed, why.observed);
    if (more != NULL && more[0] != '\0')
        buf_addf(&observed, "; %s", more);
    add(p->out, full, false, why.pointer, why.expected, buf_text(&observed));
}

static void add_plain(const struct part *p, const char *id, bool ok, const char *expected, const char *observed)
{
    char full[320];
    (void)snprintf(full, sizeof full, "%s.%s", p->prefix, id);
    add(p->out, full, ok, NULL, expected, observed);
}

/* ---- upstream: members of expect over a journal entry ---- */

/* [[name, value], ...] to an object with names in lower case; a repeated name joins its values with ", ". */
static cJSON *headers_object(const cJSON *pairs)
{
    cJSON *out = cJSON_CreateObject();
    const cJSON *pair;
    cJSON_ArrayForEach(pair, pairs)
    {
        const cJSON *name = cJSON_GetArrayItem(pair, 0), *value = cJSON_GetArrayItem(pair, 1);
        if (!cJSON_IsString(name) || !cJSON_IsString(value))
            continue;
        CLEANUP(free_ptr) char *lower = copy(name->valuestring);
        for (char *c = lower; c != NULL && *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        if (json_str(out, lower) != NULL)
            assembled_append(out, lower, ", ");
        assembled_append(out, lower, value->valuestring);
    }
    return out;
}

static cJSON *entry_member(const cJSON *entry, const char *name)
{
    const cJSON *m = json_member(entry, name);
    return m == NULL ? NULL : cJSON_Duplicate(m, true);
}

static cJSON *value_plain(const cJSON *entry, const char *member, const cJSON *expected)
{
    (void)expected;
    return entry_member(entry, member);
}

static cJSON *value_headers(const cJSON *entry, const char *member, const cJSON *expected)
{
    (void)member, (void)expected;
    return headers_object(json_member(entry, "headers"));
}

static cJSON *value_body(const cJSON *entry, const char *member, const cJSON *expected)
{
    (void)member, (void)expected;
    cJSON *tree = NULL;
    const char *text = json_str(entry, "body");
    if (text != NULL && json_parse(span_of(text), JSON_COMPACT, &tree, NULL) != OK)
        return cJSON_CreateString(text);
    return tree;
}

static cJSON *value_raw_body(const cJSON *entry, const char *member, const cJSON *expected)
{
    (void)member, (void)expected;
    return entry_member(entry, "body");
}

/* "valid" or another verdict against a word; the whole object against an object. */
static cJSON *value_signature(const cJSON *entry, const char *member, const cJSON *expected)
{
    const cJSON *signature = json_member(entry, member);
    bool object = cJSON_IsObject(expected) && expected->child != NULL && expected->child->string[0] != '$';
    const char *verdict = json_str(signature, "verdict");
    if (object)
        return cJSON_Duplicate(signature, true);
    return verdict == NULL ? NULL : cJSON_CreateString(verdict);
}

static cJSON *value_canaries(const cJSON *entry, const char *member, const cJSON *expected)
{
    (void)expected;
    cJSON *out = cJSON_CreateArray();
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(entry, member))
    {
        cJSON_AddItemToArray(out, cJSON_CreateString(json_str(one, "name")));
    }
    return out;
}

static void more_signature(const cJSON *entry, struct buf *out)
{
    const cJSON *signature = json_member(entry, "signature");
    const char *sentence = json_str(json_member(signature, "diagnosis"), "sentence");
    buf_adds(out, sentence != NULL ? sentence : "");
}

static void more_valid(const cJSON *entry, struct buf *out)
{
    const cJSON *refusal = json_member(entry, "refusal");
    if (refusal != NULL)
        buf_addf(out, "Bedrock would say %s: %s", json_str(refusal, "type") != NULL ? json_str(refusal, "type") : "no",
                 json_str(refusal, "message") != NULL ? json_str(refusal, "message") : "");
}

static void more_canaries(const cJSON *entry, struct buf *out)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(entry, "canaries"))
    {
        buf_addf(out, "%s seen in %s ", json_str(one, "name"), json_str(one, "where"));
    }
}

static const struct expect_row {
    const char *member;
    cJSON *(*value)(const cJSON *entry, const char *member, const cJSON *expected);
    void (*more)(const cJSON *entry, struct buf *out); /* words behind what was observed */
    const char *standard; /* JSON of the matcher when the case says nothing; NULL: not judged then */
} expect_rows[] = {
    {"operation", value_plain, NULL, NULL},
    {"model", value_plain, NULL, NULL},
    {"method", value_plain, NULL, NULL},
    {"target", value_plain, NULL, NULL},
    {"headers", value_headers, NULL, NULL},
    {"body", value_body, NULL, NULL},
    {"raw_body", value_raw_body, NULL, NULL},
    {"body_sha256", value_plain, NULL, NULL},
    {"signature", value_signature, more_signature, NULL},
    {"valid", value_plain, more_valid, "true"},
    {"canaries", value_canaries, more_canaries, "[]"},
    {"delivered", value_plain, NULL, NULL},
    {"connection", value_plain, NULL, NULL},
    {"on_connection", value_plain, NULL, NULL},
};

static void judge_entry(const struct part *p, size_t call, const cJSON *expect, const cJSON *entry)
{
    for (size_t i = 0; i < COUNT_OF(expect_rows); i++) {
        const struct expect_row *row = &expect_rows[i];
        const cJSON *matcher = cJSON_GetObjectItemCaseSensitive(expect, row->member);
        CLEANUP(json_free) cJSON *standard = NULL;
        if (matcher == NULL && row->standard != NULL &&
            json_parse(span_of(row->standard), JSON_COMPACT, &standard, NULL) == OK)
            matcher = standard;
        if (matcher == NULL)
            continue;
        CLEANUP(json_free) cJSON *value = row->value(entry, row->member, matcher);
        CLEANUP(buf_release) struct buf more = BUF_INIT(BUF_ANY);
        if (row->more != NULL)
            row->more(entry, &more);
        char id[96];
        (void)snprintf(id, sizeof id, "upstream[%zu].%s", call, row->member);
        add_match(p, id, matcher, value, buf_text(&more));
    }
}

void call_count(const cJSON *call, size_t *min, size_t *max)
{
    const cJSON *count = json_member(call, "count");
    int64_t n = 1;
    *min = *max = 1;
    if (cJSON_IsNumber(count) && json_int64(count, &n))
        *min = *max = (size_t)n;
    if (!cJSON_IsObject(count))
        return;
    if (json_member(count, "min") != NULL && json_int64(json_member(count, "min"), &n))
        *min = (size_t)n;
    *max = SIZE_MAX / 2;
    if (json_member(count, "max") != NULL && json_int64(json_member(count, "max"), &n))
        *max = (size_t)n;
}

static size_t least_of(const cJSON *calls)
{
    size_t sum = 0;
    const cJSON *call;
    cJSON_ArrayForEach(call, calls)
    {
        size_t min, max;
        call_count(call, &min, &max);
        sum += min;
    }
    return sum;
}

size_t upstream_least(const cJSON *step)
{
    const cJSON *upstream = json_member(step, "upstream"), *one;
    if (upstream != NULL)
        return least_of(upstream);
    size_t least = SIZE_MAX;
    cJSON_ArrayForEach(one, json_member(step, "alternatives"))
    {
        size_t n = least_of(json_member(one, "upstream"));
        least = n < least ? n : least;
    }
    return least == SIZE_MAX ? 0 : least;
}

static void describe_calls(const cJSON *entries, struct buf *out)
{
    const cJSON *entry;
    size_t n = (size_t)cJSON_GetArraySize(entries);
    buf_addf(out, "%zu call%s", n, n == 1 ? "" : "s");
    cJSON_ArrayForEach(entry, entries)
    {
        int64_t status = 0;
        const cJSON *reply = json_member(json_member(entry, "reply"), "status");
        if (reply != NULL)
            (void)json_int64(reply, &status);
        buf_addf(out, "%s %s (answered %lld)", entry == entries->child ? ":" : ",",
                 json_str(entry, "operation") != NULL ? json_str(entry, "operation") : "an unknown operation",
                 (long long)status);
    }
}

static void judge_upstream(const struct part *p, const cJSON *calls)
{
    const cJSON *entry = p->j->entries == NULL ? NULL : p->j->entries->child;
    size_t left = (size_t)cJSON_GetArraySize(p->j->entries), later = least_of(calls), call_number = 0;
    bool enough = true;
    CLEANUP(buf_release) struct buf wanted = BUF_INIT(BUF_ANY);
    const cJSON *call;
    cJSON_ArrayForEach(call, calls)
    {
        size_t min, max;
        call_count(call, &min, &max);
        later -= min;
        size_t take = left > later ? left - later : 0;
        take = take > max ? max : take;
        enough = enough && take >= min;
        left -= take;
        for (size_t i = 0; i < take; i++, entry = entry->next)
            judge_entry(p, call_number, json_member(call, "expect"), entry);
        buf_addf(&wanted, "%s%zu", call_number > 0 ? ", then " : "", min);
        if (max != min)
            buf_addf(&wanted, max > 1000 ? " or more" : " to %zu", max);
        call_number++;
    }
    if (call_number == 0)
        buf_adds(&wanted, "none");
    buf_adds(&wanted, " to Bedrock");
    CLEANUP(buf_release) struct buf observed = BUF_INIT(BUF_ANY);
    describe_calls(p->j->entries, &observed);
    add_plain(p, "upstream.count", enough && left == 0, buf_text(&wanted), buf_text(&observed));
}

/* ---- receive: members over what the client got ---- */

static cJSON *body_of(const struct talk *t)
{
    cJSON *tree = NULL;
    return json_parse(buf_span(&t->body), JSON_COMPACT, &tree, NULL) == OK ? tree : NULL;
}

static void judge_status(const struct part *p, const cJSON *matcher)
{
    const struct talk *t = p->j->talk;
    if (t->status == 0 && !t->left) {
        CLEANUP(buf_release) struct buf observed = BUF_INIT(BUF_ANY);
        buf_addf(&observed, "no answer: %s", t->result.text[0] != '\0' ? t->result.text : err_name(t->result.error));
        add_plain(p, "receive.status", false, "an HTTP response", buf_text(&observed));
        return;
    }
    CLEANUP(json_free) cJSON *value = json_new_int(t->status);
    CLEANUP(buf_release) struct buf more = BUF_INIT(BUF_ANY);
    if (t->body.len > 0 && t->status >= 400) {
        struct span front = utf8_front(buf_span(&t->body), BODY_TOLD);
        buf_adds(&more, "with the body ");
        buf_add(&more, front);
        buf_adds(&more, front.n < t->body.len ? " ..." : "");
    }
    if (matcher != NULL)
        add_match(p, "receive.status", matcher, value, buf_text(&more));
    else
        add_plain(p, "receive.status", true, NULL, NULL);
}

static void judge_headers(const struct part *p, const cJSON *matcher)
{
    CLEANUP(json_free) cJSON *pairs = cJSON_CreateArray();
    const struct http_headers *h = &p->j->talk->headers;
    for (size_t i = 0; i < h->count; i++) {
        const char *pair[] = {h->items[i].name, h->items[i].value};
        cJSON_AddItemToArray(pairs, cJSON_CreateStringArray(pair, 2));
    }
    CLEANUP(json_free) cJSON *value = headers_object(pairs);
    add_match(p, "receive.headers", matcher, value, NULL);
}

static void judge_body(const struct part *p, const cJSON *matcher)
{
    CLEANUP(json_free) cJSON *value = body_of(p->j->talk);
    if (value == NULL && p->j->talk->body.len > 0)
        value = cJSON_CreateString(buf_text(&p->j->talk->body));
    add_match(p, "receive.body", matcher, value, NULL);
}

static void judge_text(const struct part *p, const cJSON *matcher)
{
    CLEANUP(json_free) cJSON *value = cJSON_CreateString(buf_text(&p->j->talk->body));
    add_match(p, "receive.text", matcher, value, NULL);
}

/* The assembled answer of either form. */
static cJSON *answer_of(const struct judged *j)
{
    if (j->talk->stream != NULL)
        return j->plan->dialect->assemble(j->talk->stream);
    CLEANUP(json_free) cJSON *body = body_of(j->talk);
    return body == NULL || j->plan->dialect->unary == NULL ? NULL : j->plan->dialect->unary(body);
}

static void judge_message(const struct part *p, const cJSON *matcher)
{
    CLEANUP(json_free) cJSON *value = answer_of(p->j);
    add_match(p, "receive.message", matcher, value, NULL);
}

static void judge_error_shape(const struct part *p, const cJSON *wanted)
{
    struct note why = {""};
    CLEANUP(json_free) cJSON *body = body_of(p->j->talk);
    const struct dialect *d = p->j->plan->dialect;
    if (cJSON_IsTrue(wanted))
        add_plain(p, "receive.error_shape", d->error_shape(p->j->talk->status, &p->j->talk->headers, body, &why),
                  "the error object of the dialect", why.text);
}

/* Both numbers are told also when they agree: a report of costs without them says nothing. */
static void add_cost(const struct part *p, const char *check, const char *told, const cJSON *wanted)
{
    CLEANUP(buf_release) struct buf expected = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf observed = BUF_INIT(BUF_ANY);
    bool ok = cost_check(p->j->profile, p->j->model_id, p->j->region, told, wanted, &expected, &observed);
    size_t before = p->out->count;
    add_plain(p, check, ok, buf_text(&expected), buf_text(&observed));
    if (!ok || p->out->count == before)
        return;
    struct finding *f = &p->out->items[before];
    f->expected = copy(buf_text(&expected));
    f->observed = copy(buf_text(&observed));
}

static void judge_cost(const struct part *p, const cJSON *wanted)
{
    CLEANUP(buf_release) struct buf told = BUF_INIT(BUF_ANY);
    add_cost(p, "receive.cost", cost_told(p->j->profile, p->j->talk, &told) ? buf_text(&told) : NULL, wanted);
}

static void judge_cost_record(const struct part *p, const cJSON *wanted)
{
    add_cost(p, "receive.cost_record", p->j->cost_record, wanted);
}

static const struct receive_row {
    const char *member;
    void (*judge)(const struct part *p, const cJSON *matcher);
} receive_rows[] = {
    {"headers", judge_headers},
    {"body", judge_body},
    {"text", judge_text},
    {"message", judge_message},
    {"error_shape", judge_error_shape},
    {"cost", judge_cost},
    {"cost_record", judge_cost_record},
};

/* ---- receive.stream ---- */

static bool names_hold(const cJSON *names, const char *name)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, names)
    {
        if (strcmp(one->valuestring, name) == 0)
            return true;
    }
    return false;
}

static bool is_asked(const cJSON *stream, const struct invariant *row)
{
    if (names_hold(json_member(stream, "also"), row->name))
        return true;
    if (json_member(stream, "invariants") != NULL)
        return names_hold(json_member(stream, "invariants"), row->name);
    return row->standard && !names_hold(json_member(stream, "except"), row->name);
}

static void judge_invariants(const struct part *p, const cJSON *asked, const struct stream *s)
{
    const struct dialect *d = p->j->plan->dialect;
    bool ended = s->end == STREAM_DONE || s->end == STREAM_CLOSED;
    for (size_t i = 0; i < d->invariant_count; i++) {
        const struct invariant *row = &d->invariants[i];
        if (!is_asked(asked, row))
            continue;
        struct note observed = {""};
        char id[96];
        (void)snprintf(id, sizeof id, "receive.stream.%s", row->name);
        add_plain(p, id, (row->needs_end && !ended) || row->holds(s, &observed), row->claims, observed.text);
    }
}

static void judge_ends(const struct part *p, const cJSON *asked, const struct stream *s)
{
    CLEANUP(json_free) cJSON *value = cJSON_CreateString(stream_end_name(s->end));
    CLEANUP(json_free) cJSON *standard = NULL;
    const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(asked, "ends");
    const char *text = p->j->talk->left                                           ? "left"
                       : cJSON_GetObjectItemCaseSensitive(asked, "error") != NULL ? "error"
                                                                                  : "done";
    if (cJSON_IsArray(wanted)) {
        standard = cJSON_CreateObject();
        (void)json_set(standard, "$in", cJSON_Duplicate(wanted, true));
    } else if (wanted == NULL) {
        standard = cJSON_CreateString(text);
    }
    add_match(p, "receive.stream.ends", standard != NULL ? standard : wanted, value, buf_text(&s->broken));
}

static cJSON *events_of(const struct stream *s)
{
    cJSON *out = cJSON_CreateArray();
    for (size_t i = 0; i < s->count; i++) {
        const struct stream_event *e = &s->events[i];
        cJSON *one = cJSON_CreateObject();
        (void)json_set_string(one, "type", e->type != NULL ? e->type : "");
        (void)json_set(one, "data",
                       e->json != NULL ? cJSON_Duplicate(e->json, true)
                                       : cJSON_CreateString(e->text != NULL ? e->text : ""));
        cJSON_AddItemToArray(out, one);
    }
    return out;
}

static void judge_stream(const struct part *p, const cJSON *asked)
{
    const struct stream *s = p->j->talk->stream;
    if (s == NULL) {
        char observed[160];
        (void)snprintf(observed, sizeof observed, "no stream, but status %d", p->j->talk->status);
        add_plain(p, "receive.stream.ends", p->j->talk->left, "a stream", observed);
        return;
    }
    judge_invariants(p, asked, s);
    judge_ends(p, asked, s);
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(asked, "message");
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(asked, "error");
    const cJSON *events = cJSON_GetObjectItemCaseSensitive(asked, "events");
    if (message != NULL) {
        CLEANUP(json_free) cJSON *value = p->j->plan->dialect->assemble(s);
        add_match(p, "receive.stream.message", message, value, NULL);
    }
    if (error != NULL)
        add_match(p, "receive.stream.error", error, stream_error(s), NULL);
    if (events != NULL) {
        CLEANUP(json_free) cJSON *value = events_of(s);
        add_match(p, "receive.stream.events", events, value, NULL);
    }
}

static void judge_receive(const struct part *p, const cJSON *receive)
{
    judge_status(p, cJSON_GetObjectItemCaseSensitive(receive, "status"));
    for (size_t i = 0; i < COUNT_OF(receive_rows); i++) {
        const cJSON *matcher = cJSON_GetObjectItemCaseSensitive(receive, receive_rows[i].member);
        if (matcher != NULL)
            receive_rows[i].judge(p, matcher);
    }
    if (json_member(receive, "stream") != NULL)
        judge_stream(p, json_member(receive, "stream"));
}

/* ---- progress, alternatives, the step ---- */

static const char *point_noun(enum point_kind kind)
{
    static const char *const nouns[] = {"content deltas", "frames", "response head", "calls to Bedrock"};
    return nouns[kind];
}

static void judge_points(const struct part *p)
{
    size_t progress = 0;
    for (size_t i = 0; i < p->j->plan->point_count; i++) {
        const struct point *point = &p->j->plan->points[i];
        char id[48] = "disconnect", expected[200], observed[200];
        if (point->open != NULL)
            (void)snprintf(id, sizeof id, "progress[%zu]", progress++);
        (void)snprintf(expected, sizeof expected, "%zu %s before %s", point->n, point_noun(point->kind),
                       point->open != NULL ? "the mock goes on" : "the client leaves");
        (void)snprintf(observed, sizeof observed, "%zu, then nothing moved for %u ms, or the answer was over",
                       point->seen, p->j->plan->progress_ms);
        add_plain(p, id, point->reached, expected, observed);
    }
}

static void judge_part(const struct part *p, const cJSON *tree)
{
    if (json_member(tree, "upstream") != NULL)
        judge_upstream(p, json_member(tree, "upstream"));
    if (json_member(tree, "receive") != NULL)
        judge_receive(p, json_member(tree, "receive"));
}

/* The first outcome that holds is taken; when none does, the findings of the one with the fewest failures are told. */
static void judge_alternatives(const struct part *p, struct buf *taken)
{
    struct findings best = {0};
    CLEANUP(buf_release) struct buf names = BUF_INIT(BUF_ANY);
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(p->j->step, "alternatives"))
    {
        struct findings tried = {0};
        struct part branch = {p->j, &tried, ""};
        (void)snprintf(branch.prefix, sizeof branch.prefix, "%.40s.alternatives.%.80s", p->prefix,
                       json_str(one, "name"));
        cJSON *kept = p->j->vars->kept == NULL ? NULL : cJSON_Duplicate(p->j->vars->kept, true);
        judge_part(&branch, one);
        if (tried.failed == 0) {
            cJSON_Delete(kept);
            findings_release(&best);
            findings_move(p->out, &tried);
            add_plain(p, "alternatives", true, NULL, NULL);
            buf_addf(taken, "%s%s", taken->len > 0 ? ", " : "", json_str(one, "name"));
            return;
        }
        cJSON_Delete(p->j->vars->kept);
        p->j->vars->kept = kept;
        buf_addf(&names, "%s%s", names.len > 0 ? ", or " : "one of: ", json_str(one, "name"));
        if (best.items == NULL || tried.failed < best.failed) {
            findings_release(&best);
            best = tried;
        } else
            findings_release(&tried);
    }
    findings_move(p->out, &best);
    add_plain(p, "alternatives", false, buf_text(&names), "none of them; the nearest is shown");
}

void judge_step(const struct judged *j, struct findings *out, struct buf *taken)
{
    struct part p = {j, out, ""};
    (void)snprintf(p.prefix, sizeof p.prefix, "steps[%zu]", j->number);
    judge_points(&p);
    judge_part(&p, j->step);
    if (json_member(j->step, "alternatives") != NULL)
        judge_alternatives(&p, taken);
}
