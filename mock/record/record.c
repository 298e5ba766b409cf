/* record.c: where requests go, with whose name, and what this run has kept.
 *
 * What is sent of a request's head is a list of names that are known to mean something to Bedrock, not all but a list
 * of secrets: whatever header a client carries its own credentials in, it stays here.
 */
#include "mock/record/record_parts.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mock/surface.h"
#include "protocol/secret.h"

#define NEEDLE_MIN 8 /* bytes: a shorter one would be found everywhere */

struct known {
    char *name;
    struct shared *reply; /* NULL: not to be given */
    size_t count;
};

struct recorder {
    char *scheme_host, *authority, *prefix; /* "https://", "host:port", "/path" or "" */
    char *directory, *ca_file, *region;     /* region NULL: as the client signed */
    char *access_key, *secret, *session_token, *bearer;
    bool misses;
    bool leaves_nothing; /* a dry run made the directory, to see whether it can be made */
    pthread_mutex_t lock;
    struct known *list;
    size_t count, room;
};

/* ---- birth and death ---- */

static void wipe(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

void recorder_free(struct recorder *r)
{
    if (r == NULL)
        return;
    if (r->leaves_nothing)
        (void)rmdir(r->directory);
    for (size_t i = 0; i < r->count; i++) {
        free(r->list[i].name);
        shared_drop(&r->list[i].reply);
    }
    free(r->list);
    free(r->scheme_host);
    free(r->authority);
    free(r->prefix);
    free(r->directory);
    free(r->ca_file);
    free(r->region);
    free(r->access_key);
    wipe(r->secret);
    wipe(r->session_token);
    wipe(r->bearer);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

static bool is_loopback(struct span authority)
{
    struct span host = authority, port;
    if (span_has_prefix(authority, "[::1]"))
        return true;
    (void)span_split(authority, ':', &host, &port);
    return span_is(host, "localhost") || span_has_prefix(host, "127.");
}

/* A default port is none, as libcurl writes it in the Host that is signed. */
static struct span without_port(struct span authority, bool https)
{
    const char *usual = https ? ":443" : ":80";
    size_t n = strlen(usual);
    return authority.n > n && span_is(span_from(authority, authority.n - n), usual)
               ? span_cut(authority, 0, authority.n - n)
               : authority;
}

static enum err read_url(struct recorder *r, const char *url, struct note *note)
{
    bool https = strncmp(url, "https://", 8) == 0;
    if (!https && strncmp(url, "http://", 7) != 0)
        return note_set(note, ERR_INVALID,
                        "--record: expected a URL like https://bedrock-runtime.us-east-1.amazonaws.com");
    struct span rest = span_of(url + (https ? 8 : 7)), authority, path = SPAN_EMPTY;
    if (memchr(rest.p, '@', rest.n) != NULL)
        return note_set(note, ERR_INVALID,
                        "--record: the URL holds credentials; they come from the environment or a profile");
    if (strpbrk(url, "?# \t") != NULL)
        return note_set(note, ERR_INVALID, "--record: expected a URL without a query, a fragment and spaces");
    bool has_path = span_split(rest, '/', &authority, &path);
    authority = without_port(authority, https);
    if (authority.n == 0)
        return note_set(note, ERR_INVALID, "--record: the URL names no host");
    if (!https && !is_loopback(authority))
        return note_set(note, ERR_INVALID, "--record: http:// would send prompts and keys in the clear; use https://");
    while (path.n > 0 && path.p[path.n - 1] == '/')
        path.n--;
    CLEANUP(buf_release) struct buf prefix = BUF_INIT(4096);
    if (has_path && path.n > 0) {
        buf_addc(&prefix, '/');
        buf_add(&prefix, path);
    }
    r->scheme_host = strdup(https ? "https://" : "http://");
    r->authority = span_dup(authority);
    r->prefix = strdup(buf_text(&prefix));
    return r->scheme_host != NULL && r->authority != NULL && r->prefix != NULL
               ? OK
               : note_set(note, ERR_NOMEM, "out of memory");
}

/* The label of an AWS host that names the service: "bedrock-runtime" or "bedrock-runtime-fips"; empty for other hosts.
 */
static struct span service_label(const char *authority, struct span *region)
{
    struct span rest = span_of(authority), label;
    *region = SPAN_EMPTY;
    if (strstr(authority, ".amazonaws.com") == NULL && strstr(authority, ".api.aws") == NULL)
        return SPAN_EMPTY;
    for (bool more = true; more;) {
        more = span_split(rest, '.', &label, &rest);
        if (!span_has_prefix(label, "bedrock"))
            continue;
        struct span behind;
        (void)span_split(rest, '.', region, &behind);
        return label;
    }
    return SPAN_EMPTY;
}

static enum err take(char **to, const char *text, struct note *note)
{
    *to = text == NULL || text[0] == '\0' ? NULL : strdup(text);
    return text == NULL || text[0] == '\0' || *to != NULL ? OK : note_set(note, ERR_NOMEM, "out of memory");
}

static enum err take_names(struct recorder *r, const struct mock_record *c, struct note *note)
{
    struct span region;
    (void)service_label(r->authority, &region);
    CLEANUP(free_ptr) char *there = region.n > 0 ? span_dup(region) : NULL;
    const struct {
        char **to;
        const char *text;
    } rows[] = {
        {&r->directory, c->directory},   {&r->ca_file, c->ca_file}, {&r->region, c->region != NULL ? c->region : there},
        {&r->access_key, c->access_key}, {&r->secret, c->secret},   {&r->session_token, c->session_token},
        {&r->bearer, c->bearer}};
    enum err e = OK;
    for (size_t i = 0; i < COUNT_OF(rows) && e == OK; i++)
        e = take(rows[i].to, rows[i].text, note);
    return e;
}

static enum err open_directory(struct recorder *r, bool dry_run, struct note *note)
{
    struct stat st;
    bool made = mkdir(r->directory, 0700) == 0;
    if (!made && errno != EEXIST)
        return note_set(note, ERR_IO, "--record-to %s cannot be made: %s", r->directory, strerror(errno));
    r->leaves_nothing = made && dry_run;
    if (stat(r->directory, &st) != 0 || !S_ISDIR(st.st_mode))
        return note_set(note, ERR_INVALID, "--record-to %s: expected a directory", r->directory);
    return OK;
}

enum err recorder_new(const struct mock_config *config, struct recorder **out, struct note *note)
{
    const struct mock_record *c = &config->record;
    *out = NULL;
    if (c->url == NULL)
        return c->directory == NULL ? OK : note_set(note, ERR_INVALID, "--record-to belongs to --record URL");
    if (c->directory == NULL)
        return note_set(note, ERR_INVALID, "--record wants --record-to DIR, where the answers are kept");
    struct recorder *r = calloc(1, sizeof *r);
    if (r == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    (void)pthread_mutex_init(&r->lock, NULL);
    r->misses = c->misses;
    enum err e = read_url(r, c->url, note);
    if (e == OK)
        e = take_names(r, c, note);
    if (e == OK && r->bearer == NULL && (r->access_key == NULL || r->secret == NULL))
        e = note_set(note, ERR_INVALID,
                     "--record signs with your own credentials, and found none: set AWS_ACCESS_KEY_ID and "
                     "AWS_SECRET_ACCESS_KEY, or AWS_BEARER_TOKEN_BEDROCK, or a profile of ~/.aws/credentials");
    if (e == OK)
        e = open_directory(r, config->dry_run, note);
    if (e != OK)
        recorder_free(r);
    else
        *out = r;
    return e;
}

bool recorder_asks_fixtures(const struct recorder *r)
{
    return r == NULL || r->misses;
}

const char *recorder_ca(const struct recorder *r)
{
    return r->ca_file;
}

const char *recorder_directory(const struct recorder *r)
{
    return r->directory;
}

void recorder_describe(const struct recorder *r, struct buf *out)
{
    buf_addf(out, "recording: %s go on to %s%s%s, ", r->misses ? "requests that no fixture answers" : "requests",
             r->scheme_host, r->authority, r->prefix);
    if (r->bearer != NULL)
        buf_adds(out, "with your bearer key");
    else
        buf_addf(out, "signed with access key ...%s%s%s",
                 r->access_key + (strlen(r->access_key) > 4 ? strlen(r->access_key) - 4 : 0),
                 r->region != NULL ? " for " : "", r->region != NULL ? r->region : "");
    buf_addf(out, "; answers are kept in %s", r->directory);
}

/* ---- secrets ---- */

void needles_of(const struct http_request *r, struct needles *out)
{
    out->count = 0;
    for (size_t i = 0; i < r->field_count && out->count < RECORD_NEEDLES_MAX; i++) {
        struct span value = r->fields[i].value, scheme, rest;
        if (!secret_header(r->fields[i].name) || span_has_prefix(value, "AWS4-"))
            continue;
        if (span_split(value, ' ', &scheme, &rest) && rest.n >= NEEDLE_MIN)
            value = span_trim(rest);
        if (value.n >= NEEDLE_MIN)
            out->items[out->count++] = value;
    }
}

static bool holds(struct span text, struct span needle)
{
    return needle.n >= NEEDLE_MIN && text.n >= needle.n && memmem(text.p, text.n, needle.p, needle.n) != NULL;
}

bool recorder_finds_secret(const struct recorder *r, const struct needles *needles, struct span text)
{
    const char *const own[] = {r->secret, r->session_token, r->bearer, r->access_key};
    for (size_t i = 0; i < COUNT_OF(own); i++)
        if (holds(text, span_of(own[i])))
            return true;
    for (size_t i = 0; i < needles->count; i++)
        if (holds(text, needles->items[i]))
            return true;
    return false;
}

/* ---- the request that goes on ---- */

static bool goes_on(struct span name)
{
    static const char *const names[] = {"content-type",      "accept",           "user-agent",
                                        "anthropic-version", "anthropic-beta",   "amz-sdk-invocation-id",
                                        "amz-sdk-request",   "x-amz-user-agent", "x-amz-target"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (span_is_nocase(name, names[i]))
            return true;
    return name.n > 7 && span_is_nocase(span_cut(name, 0, 7), "x-amzn-") && !secret_header(name);
}

/* The path as it came; of the query what is no signature. */
static void add_target(const struct recorder *r, const struct http_request *q, struct buf *out)
{
    struct span pair, rest = q->query;
    char before = '?';
    buf_adds(out, r->prefix);
    buf_add(out, q->path);
    for (bool more = rest.n > 0; more;) {
        more = span_split(rest, '&', &pair, &rest);
        if (pair.n == 0 || (pair.n > 6 && span_is_nocase(span_cut(pair, 0, 6), "x-amz-")))
            continue;
        buf_addc(out, before);
        buf_add(out, pair);
        before = '&';
    }
}

/* One AWS URL serves the three services that a client may have in mind. */
static void add_authority(const struct recorder *r, const struct visit *v, struct buf *out)
{
    static const char usual[] = "bedrock-runtime";
    struct span region, label = service_label(r->authority, &region);
    const char *service = v->route.operation != NULL ? v->route.operation->service : usual;
    if (!span_has_prefix(label, usual) || strcmp(service, usual) == 0) {
        buf_adds(out, r->authority);
        return;
    }
    size_t before = (size_t)(label.p - (const unsigned char *)r->authority);
    buf_add(out, span_cut(span_of(r->authority), 0, before));
    buf_adds(out, service);
    buf_adds(out, r->authority + before + strlen(usual));
}

static enum err add_signature(const struct recorder *r, const struct visit *v, struct span host, struct span target,
                              struct http_headers *out, struct sigv4_chain *chain, struct note *note)
{
    struct sigv4_header list[SIGV4_HEADERS_MAX];
    size_t n = 0;
    list[n++] = (struct sigv4_header){SPAN_LIT("host"), host};
    for (size_t i = 0; i < out->count && n < COUNT_OF(list); i++)
        list[n++] = (struct sigv4_header){span_of(out->items[i].name), span_of(out->items[i].value)};
    struct sigv4_request q = {
        .method = v->request->method, .headers = list, .header_count = n, .body = v->request->body};
    (void)span_split(target, '?', &q.path, &q.query);
    struct sigv4_signing how = {.access_key = span_of(r->access_key),
                                .secret = span_of(r->secret),
                                .session_token = span_of(r->session_token),
                                .region = span_of(r->region != NULL ? r->region : v->caller.region),
                                .service = span_of(v->surface->services[0]),
                                .at_s = wall_ns() / 1000000000};
    struct sigv4_signed made;
    sigv4_signed_init(&made);
    enum err e = sigv4_sign(v->worker->sigv4, &q, &how, &made, note);
    for (size_t i = 0; e == OK && i < made.added_count; i++) {
        CLEANUP(free_ptr) char *name = span_dup(made.added[i].name);
        CLEANUP(free_ptr) char *value = span_dup(made.added[i].value);
        if (name == NULL || value == NULL)
            e = ERR_NOMEM;
        else
            http_headers_set(out, name, value);
    }
    struct sigv4_scope scope = {span_cut(span_of(made.date), 0, 8), how.region, how.service};
    if (e == OK && chain != NULL)
        e = sigv4_chain_init(chain, how.secret, &scope, span_of(made.signature));
    sigv4_signed_release(&made);
    return e;
}

enum err recorder_sign(const struct recorder *r, const struct visit *v, struct buf *url, struct http_headers *out,
                       struct sigv4_chain *chain, struct note *note)
{
    const struct http_request *q = v->request;
    CLEANUP(buf_release) struct buf host = BUF_INIT(4096);
    CLEANUP(buf_release) struct buf target = BUF_INIT(BUF_ANY);
    add_authority(r, v, &host);
    add_target(r, q, &target);
    buf_addf(url, "%s%s%s", r->scheme_host, buf_text(&host), buf_text(&target));
    for (size_t i = 0; i < q->field_count; i++) {
        CLEANUP(free_ptr) char *name = goes_on(q->fields[i].name) ? span_dup(q->fields[i].name) : NULL;
        CLEANUP(free_ptr) char *value = name != NULL ? span_dup(q->fields[i].value) : NULL;
        if (value != NULL && strpbrk(value, "\r\n") == NULL)
            http_headers_add(out, name, value);
    }
    enum err e = out->failed || buf_error(url) != OK || buf_error(&target) != OK
                     ? note_set(note, ERR_NOMEM, "out of memory")
                     : OK;
    if (e == OK && chain != NULL && r->access_key == NULL)
        e = note_set(note, ERR_INVALID,
                     "a stream both ways is signed frame by frame, which takes an access key; --record found a bearer "
                     "key alone");
    if (e == OK && chain != NULL)
        http_headers_set(out, "x-amz-content-sha256", SIGV4_STREAMING_EVENTS);
    if (e != OK || r->bearer == NULL || chain != NULL)
        return e != OK ? e : add_signature(r, v, buf_span(&host), buf_span(&target), out, chain, note);
    CLEANUP(buf_release) struct buf value = BUF_INIT((size_t)SIGV4_API_KEY_MAX * 2);
    buf_addf(&value, "Bearer %s", r->bearer);
    http_headers_set(out, "Authorization", buf_text(&value));
    return buf_error(&value);
}

/* ---- what this run has kept ---- */

void recorder_lock(struct recorder *r)
{
    (void)pthread_mutex_lock(&r->lock);
}

void recorder_unlock(struct recorder *r)
{
    (void)pthread_mutex_unlock(&r->lock);
}

static struct known *find(const struct recorder *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->list[i].name, name) == 0)
            return &r->list[i];
    return NULL;
}

static struct known *add_known(struct recorder *r, const char *name)
{
    if (r->count == r->room) {
        size_t room = r->room == 0 ? 64 : r->room * 2;
        struct known *more = realloc(r->list, room * sizeof *more);
        if (more == NULL)
            return NULL;
        r->list = more;
        r->room = room;
    }
    char *own = r->count < RECORD_FILES_MAX ? strdup(name) : NULL;
    if (own == NULL)
        return NULL;
    r->list[r->count] = (struct known){own, NULL, 0};
    return &r->list[r->count++];
}

size_t recorder_note(struct recorder *r, const char *name, cJSON *reply)
{
    struct known *k = find(r, name);
    if (k == NULL)
        k = add_known(r, name);
    if (k == NULL || !r->misses || k->reply != NULL)
        cJSON_Delete(reply);
    else
        k->reply = shared_new(reply);
    return k == NULL ? 0 : ++k->count;
}

struct shared *recorder_known(struct recorder *r, const char *name)
{
    if (!r->misses)
        return NULL;
    recorder_lock(r);
    const struct known *k = find(r, name);
    struct shared *reply = k == NULL || k->reply == NULL ? NULL : shared_hold(k->reply);
    recorder_unlock(r);
    return reply;
}

/* ---- replaying ---- */

enum err replay_speed_read(const char *text, double *out, struct note *note)
{
    char *end = NULL;
    *out = text == NULL ? 1 : strtod(text, &end);
    if (text != NULL &&
        (end == text || *end != '\0' || !isfinite(*out) || *out < 0 || *out > 1000000 || (*out > 0 && *out < 0.001)))
        return note_set(note, ERR_INVALID,
                        "--replay-speed %.40s: expected a number: 1 as recorded, 2 twice as fast, 0 at once", text);
    return OK;
}

double replay_speed(const cJSON *reply, double speed)
{
    return json_item(reply, "recorded") == NULL ? 1 : speed;
}

uint64_t replay_ns(uint64_t ns, double speed)
{
    return ns == PLAN_NEVER ? ns : speed > 0 ? (uint64_t)((double)ns / speed) : 0;
}

void replay_pace(const cJSON *reply, double speed, struct plan *plan)
{
    if (plan == NULL || (speed >= 1 && speed <= 1) || json_item(reply, "recorded") == NULL)
        return;
    plan->head_after_ns = replay_ns(plan->head_after_ns, speed);
    for (size_t i = 0; i < plan->count; i++)
        plan->pieces[i].after_ns = replay_ns(plan->pieces[i].after_ns, speed);
}
