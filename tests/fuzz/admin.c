/* A life of a mock: requests to the admin API and to Bedrock, one after the other, with state between them. Records are
 * separated by a line "~": an `A` and two bytes (path, method and lines) begin a request to the admin API, anything else
 * is one to Bedrock (rig/request.h). The paths are those that the API itself names in its 404, so a new one is asked by
 * itself. Every answer has a status of its own, what is JSON is JSON; replies that nobody scripted keep to the API model;
 * and at the end every entry of the journal has ended and every waiter is gone.
 */
#include <stdlib.h>
#include <unistd.h>

#include "protocol/file.h"
#include "rig/fuzz.h"
#include "rig/request.h"

#define SEPARATOR   "\n~\n"
#define RECORDS_MAX 24
#define PATHS_MAX   64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return fuzz_mutate(data, size, max, seed, SEPARATOR);
}

/* ---- the mock ---- */

static char *paths[PATHS_MAX];
static size_t path_count;

static void find_paths(struct mock *m)
{
    const struct rig_ask ask = {.method = "GET", .target = SPAN_LIT("/nothing")};
    struct exchange *x = rig_send(m->admin, &ask);
    must(rig_status(x) == 404);
    struct span rest = rig_drain(x), word;
    for (bool more = true; more;) {
        more = span_split(rest, ' ', &word, &rest);
        while (word.n > 0 && strchr(",\"}", word.p[word.n - 1]) != NULL)
            word.n--;
        if (word.n > 0 && word.p[0] == '/' && path_count < PATHS_MAX)
            paths[path_count++] = span_dup(word);
    }
    must(path_count > 10);
    rig_free(x, DELIVERY_COMPLETE);
}

static const char fixtures[] =
    "{\"fixtures\":[{\"name\":\"a\",\"match\":{\"user\":{\"$contains\":\"hi\"}},\"sequence\":[{\"error\":{\"type\":"
    "\"ThrottlingException\"}},{\"text\":\"second\"}]}]}";
static char fixture_file[] = "/tmp/mohs-fuzz-XXXXXX";

static void unlink_fixtures(void)
{
    (void)unlink(fixture_file);
}

static struct mock *mock(void)
{
    static struct mock *m;
    if (m != NULL)
        return m;
    int fd = mkstemp(fixture_file);
    struct note note = {""};
    const char *const list[] = {fixture_file};
    struct mock_config config = {.auth = MOCK_AUTH_LENIENT, .fault_headers = true, .load_factor = "2", .journal_bytes = 65536};
    must(fd >= 0 && close(fd) == 0);
    must(file_write(fixture_file, span_of(fixtures), &note) == OK && atexit(unlink_fixtures) == 0);
    config.fixtures = list;
    config.fixture_count = 1;
    m = rig_mock(&config);
    find_paths(m);
    return m;
}

/* ---- one input ---- */

struct life {
    struct mock *m;
    struct exchange *waiting[RECORDS_MAX];
    struct request *requests[RECORDS_MAX];
    size_t count;
    bool told; /* scripts or faults: replies are what somebody wants them to be */
};

static struct span next_line(struct span *rest)
{
    struct span line;
    (void)span_split(*rest, '\n', &line, rest);
    return line;
}

static void add_plain(struct buf *out, struct span line)
{
    for (size_t i = 0; i < line.n; i++)
        buf_addc(out, line.p[i] <= ' ' || line.p[i] == 0x7f ? '_' : (char)line.p[i]);
}

static void check_admin(struct life *l, struct exchange *x)
{
    static const int known[] = {200, 400, 404, 405, 409};
    size_t i = 0;
    while (i < COUNT_OF(known) && known[i] != rig_status(x))
        i++;
    must(i < COUNT_OF(known));
    rig_check(x);
    request_learn(x);
    (void)l;
}

static bool ask_admin(struct life *l, struct request *r, struct span bytes)
{
    if (bytes.n < 3)
        return false;
    const char *path = paths[bytes.p[1] % path_count];
    unsigned flags = bytes.p[2];
    struct span rest = span_from(bytes, 3);
    *r = (struct request){.target = BUF_INIT(BUF_ANY), .signature = BUF_INIT(BUF_ANY), .date = BUF_INIT(BUF_ANY)};
    r->ask.method = (flags & 1) ? "POST" : (flags & 8) ? "DELETE" : "GET";
    buf_adds(&r->target, path);
    if (path[strlen(path) - 1] == '/')
        add_plain(&r->target, next_line(&rest));
    if (flags & 2) {
        buf_addc(&r->target, '?');
        add_plain(&r->target, next_line(&rest));
    }
    r->ask.target = buf_span(&r->target);
    r->ask.body = rest;
    bool told = strcmp(path, "/script") == 0 || strcmp(path, "/faults") == 0 || strcmp(path, "/async") == 0;
    l->told = l->told || ((flags & 1) && told);
    struct exchange *x = rig_send(l->m->admin, &r->ask);
    if (!rig_replied(x)) {
        l->waiting[l->count] = x;
        return true;
    }
    check_admin(l, x);
    rig_free(x, DELIVERY_COMPLETE);
    return false;
}

static bool ask_bedrock(struct life *l, struct request *r, struct span bytes)
{
    if (!request_make(r, l->m, bytes))
        return false;
    r->ask.body_follows = r->operation != NULL && r->operation->streaming == API_STREAMING_BOTH;
    struct exchange *x = rig_send(l->m->server, &r->ask);
    must(rig_replied(x));
    (void)rig_drain(x);
    if (!l->told && !r->faulted) {
        rig_check(x);
        rig_check_api(l->m, &r->ask, x);
        request_learn(x);
    }
    if (bytes.p[0] & REQUEST_MOCK) { /* its end comes later */
        l->waiting[l->count] = x;
        return true;
    }
    rig_free(x, (bytes.p[0] & REQUEST_CANCELLED) ? DELIVERY_PEER_CLOSED : DELIVERY_COMPLETE);
    return false;
}

static void ask(struct life *l, struct span record)
{
    struct request *r = calloc(1, sizeof *r);
    must(r != NULL);
    bool admin = record.n > 0 && record.p[0] == 'A';
    if (admin ? ask_admin(l, r, record) : ask_bedrock(l, r, record)) {
        l->requests[l->count++] = r;
    } else {
        request_release(r);
        free(r);
    }
    rig_turn();
}

static void finish(struct life *l)
{
    for (size_t i = 0; i < l->count; i++) {
        rig_free(l->waiting[i], i % 2 == 0 ? DELIVERY_PEER_CLOSED : DELIVERY_STOPPED);
        request_release(l->requests[i]);
        free(l->requests[i]);
    }
    rig_turn();
    must(atomic_load(&l->m->open) == 0 && l->m->waiters == NULL);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const struct journal_filter all = {0};
    journal_print(l->m->journal, &all, 0, &text);
    must(span_find(buf_span(&text), "\"delivered\":null") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct life l = {.m = mock()};
    struct span rest = {data, size};
    rig_reset(l.m);
    request_learn(NULL);
    for (size_t i = 0; i < RECORDS_MAX && rest.n > 0; i++) {
        const unsigned char *end = memmem(rest.p, rest.n, SEPARATOR, sizeof SEPARATOR - 1);
        struct span record = end != NULL ? span_cut(rest, 0, (size_t)(end - rest.p)) : rest;
        ask(&l, record);
        rest = end != NULL ? span_from(rest, record.n + sizeof SEPARATOR - 1) : SPAN_EMPTY;
    }
    finish(&l);
    return 0;
}

/* ---- seeds ---- */

static void add_admin(struct buf *out, const char *path, unsigned flags, const char *text)
{
    size_t i = 0;
    (void)mock();
    while (i < path_count && strcmp(paths[i], path) != 0)
        i++;
    const unsigned char head[] = {'A', (unsigned char)i, (unsigned char)flags};
    buf_adds(out, out->len > 0 ? SEPARATOR : "");
    buf_add(out, (struct span){head, sizeof head});
    buf_adds(out, text);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const struct {
        const char *path;
        unsigned flags;
        const char *text;
    } rows[] = {
        {"/script", 1, "{\"replies\":[{\"match\":{\"operation\":\"Converse\",\"body\":{\"messages\":{\"$contains\":{\"role\":\"user\"}}}},\"times\":2,"
                       "\"reply\":{\"text\":\"hello\",\"usage\":{\"inputTokens\":5}}}],\"canaries\":{\"k\":\"sk-client-123\"}}"},
        {"/script", 1, "{\"session\":\"a\",\"replies\":[{\"times\":\"always\",\"reply\":{\"content\":[{\"text\":\"a\",\"$deltas\":[\"a\"]},{\"toolUse\":"
                       "{\"name\":\"t\",\"input\":{\"a\":1}}},{\"reasoningContent\":{\"reasoningText\":{\"text\":\"r\"}}}],\"stop_reason\":\"tool_use\"}}]}"},
        {"/script", 1, "{\"replies\":[{\"reply\":{\"frames\":[{\"event\":\"messageStart\",\"payload\":{\"role\":\"assistant\"}},{\"exception\":"
                       "\"throttlingException\",\"payload\":{\"message\":\"m\"}}],\"gates\":[{\"before_event\":1,\"name\":\"g\"}],\"head_gate\":\"h\"}}]}"},
        {"/script", 1, "{\"replies\":[{\"reply\":{\"error\":{\"type\":\"ThrottlingException\",\"style\":\"code\",\"headers\":[[\"Retry-After\",\"1\"]]},"
                       "\"latency_ms\":\"normal:2,1\"}},{\"reply\":{\"raw\":{\"status\":503,\"body\":\"<html>\"}}},{\"reply\":{\"template\":true,\"text\":"
                       "\"{{body /messages/0/role}} {{uuid}} {{seq}}\"}}]}"},
        {"/faults", 1, "{\"faults\":[{\"id\":\"cut-fin\",\"at_event\":2,\"rate\":0.5,\"match\":{\"operation\":\"ConverseStream\"}},{\"id\":\"EVS-01\"}]}"},
        {"/faults", 0, ""}, {"/gate", 0, ""}, {"/gate", 1, "{\"open\":\"g\"}"}, {"/health", 0, ""}, {"/metrics", 0, ""},
        {"/journal", 2, "since=0&limit=2&status=4xx&operation=Conv*&model=*&session=a\n"},
        {"/journal", 2, "since=0&count=1&timeout_ms=1000&begun=true\n"}, {"/journal/", 0, "1\n"},
        {"/verify", 1, "{\"match\":{\"operation\":\"Converse\",\"user\":{\"$contains\":\"hi\"},\"status\":200},\"times\":{\"min\":1,\"max\":3},\"session\":\"a\"}"},
        {"/verify", 1, "{\"match\":{\"verdict\":\"valid\"},\"times\":2,\"timeout_ms\":50}"},
        {"/fixtures", 0, ""}, {"/fixtures/reload", 1, ""}, {"/sessions", 0, ""}, {"/cache", 2, "session=a\n"}, {"/quotas", 0, ""},
        {"/quotas", 1, "{\"quotas\":[{\"principal\":\"*\",\"model\":\"*\",\"rpm\":2,\"tpm\":1000,\"rpd\":5,\"tpd\":9,\"burndown\":5,\"refill\":\"window\",\"per\":\"account\"}]}"},
        {"/guardrails", 0, ""}, {"/guardrails", 1, "{\"guardrails\":[{\"guardrailId\":\"abcdefghij\",\"name\":\"n\",\"blockedInputMessaging\":\"i\",\"blockedOutputsMessaging\":\"o\","
                       "\"wordPolicy\":{\"words\":[{\"text\":\"hi\"}]}}]}"},
        {"/async", 0, ""}, {"/async", 1, "{\"failureMessage\":\"no\",\"after_ms\":5}"}, {"/clock", 0, ""}, {"/clock", 1, "{\"advance_ms\":300000}"},
        {"/clock", 1, "{\"set\":\"2030-01-02T03:04:05Z\"}"}, {"/clock", 1, "{\"offset_ms\":-600000}"},
        {"/reset", 1, "{\"keep\":[\"journal\",\"script\"]}"}, {"/reset", 1, "{\"session\":\"a\"}"}};
    static const size_t bedrock = 400;
    if (i >= 3 * COUNT_OF(rows) + bedrock)
        return false;
    /* each alone; then with a request before and behind it; then with its neighbours */
    size_t row = i % COUNT_OF(rows);
    if (i >= COUNT_OF(rows)) {
        (void)request_seed((i * 7919) % 680, out);
        buf_adds(out, SEPARATOR);
        add_admin(out, rows[(row + 5) % COUNT_OF(rows)].path, rows[(row + 5) % COUNT_OF(rows)].flags, rows[(row + 5) % COUNT_OF(rows)].text);
    }
    add_admin(out, rows[row].path, rows[row].flags, rows[row].text);
    for (size_t n = 0; i >= COUNT_OF(rows) && n < 2; n++) {
        buf_adds(out, SEPARATOR);
        (void)request_seed((i * 6151 + n) % 680, out);
    }
    return true;
}
