/* What a real endpoint answers, relayed and kept by --record. The first line of the input is the status and, by bits of
 * its second number, how it comes: the size of the parts, a break in the middle, the client gone. Header lines up to an
 * empty one, then the body. Whatever it is: the client gets its bytes as they are, a file that is written is one that
 * the fixtures' loader takes, and the same request asked again is answered from it, byte for byte.
 *
 * With BOTH_WAYS the lines are those of a stream both ways, and what the client says in turn with the endpoint are the
 * same frames; what is kept is a script then, which the loader has to take.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mock/fixture/fixture.h"
#include "protocol/eventstream.h"
#include "protocol/file.h"
#include "rig/fuzz.h"
#include "rig/rig.h"

#define HEAD      4
#define RUNS_KEPT 2000 /* a run of the recorder has a most of files */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return fuzz_mutate(data, size, max, seed, "");
}

enum how { FRAMED = 1, SSE = 2, JSON = 4, BROKEN = 8, CLIENT_GONE = 16, SEALED = 32, BOTH_WAYS = 64, NO_END = 128 };

static char directory[] = "/tmp/mohs-fuzz-XXXXXX";

/* Every file of the recorder is one for the loader. */
static size_t take_files(void)
{
    DIR *d = opendir(directory);
    size_t count = 0;
    must(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[512];
        if (e->d_name[0] == '.')
            continue;
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        struct note note = {""};
        (void)snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        must(file_read(path, &text, &note) == OK);
        struct fixture_set *set = fixture_set_new();
        if (fixture_set_add(set, path, buf_span(&text), &note) != OK || fixture_set_close(set, &note) != OK)
            rig_fail(path, 0, note.text);
        fixture_set_drop(&set);
        must(unlink(path) == 0);
        count++;
    }
    (void)closedir(d);
    return count;
}

static bool is_kept(void)
{
    DIR *d = opendir(directory);
    bool any = false;
    must(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        any = any || e->d_name[0] != '.';
    (void)closedir(d);
    return any;
}

static void clean(void)
{
    (void)take_files();
    (void)rmdir(directory);
}

static struct mock *mock(void)
{
    static struct mock *m;
    static unsigned runs;
    if (m == NULL)
        must(mkdtemp(directory) != NULL && atexit(clean) == 0);
    if (runs++ % RUNS_KEPT == 0) {
        mock_stop(m);
        const struct mock_config config = {.auth = MOCK_AUTH_NONE,
                                           .journal_bytes = 65536,
                                           .replay_speed = "0",
                                           .record = {.url = "http://127.0.0.1:1", .directory = directory, .misses = true,
                                                      .access_key = MOCK_DEFAULT_ACCESS_KEY, .secret = MOCK_DEFAULT_SECRET,
                                                      .region = "us-east-1"}};
        m = rig_mock(&config);
    }
    return m;
}

static void read_headers(struct span *rest, struct http_headers *out)
{
    struct span line;
    for (bool more = true; more && out->count < 32;) {
        more = span_split(*rest, '\n', &line, rest);
        if (line.n == 0)
            return;
        struct span name, value = SPAN_EMPTY;
        (void)span_split(line, ':', &name, &value);
        CLEANUP(free_ptr) char *n = span_dup(span_trim(name));
        CLEANUP(free_ptr) char *v = span_dup(span_trim(value));
        bool plain = n[0] != '\0'; /* as an HTTP client lets through */
        for (const char *p = n; *p != '\0'; p++)
            plain = plain && *p > ' ' && *p < 0x7f && *p != ':';
        for (const char *p = v; *p != '\0'; p++)
            plain = plain && (unsigned char)*p >= ' ' && *p != 0x7f;
        if (plain && strlen(n) == span_trim(name).n && strlen(v) == span_trim(value).n)
            http_headers_add(out, n, v);
    }
}

static void answer(struct span body, int status, const struct http_headers *headers, size_t part, bool broken)
{
    struct rig_call call = rig_call;
    call.events->head(call.ctx, status, headers);
    if (broken)
        body = span_cut(body, 0, body.n / 2);
    for (struct span rest = body; rest.n > 0;) {
        size_t n = part < rest.n ? part : rest.n;
        must(call.events->data(call.ctx, span_cut(rest, 0, n), now_ns()));
        rest = span_from(rest, n);
    }
    rig_call.running = false;
    const struct client_result result = {.error = broken ? ERR_CLOSED : OK, .text = "it broke", .status = status, .bytes = body.n};
    call.events->done(call.ctx, &result);
}

static void one(struct mock *m, const struct rig_ask *ask, unsigned how, size_t part, int status, const struct http_headers *headers, struct span body)
{
    struct exchange *x = rig_send(m->server, ask);
    must(!rig_replied(x) && rig_call.running);
    if (how & CLIENT_GONE) {
        rig_free(x, DELIVERY_PEER_CLOSED);
        must(!rig_call.running && take_files() == 0);
        return;
    }
    answer(body, status, headers, part, how & BROKEN);
    must(rig_replied(x));
    bool given = !(how & BROKEN);
    must(!given || (rig_status(x) == status && span_equal(rig_drain(x), body)));
    rig_free(x, DELIVERY_COMPLETE);
    if (take_files() == 0)
        return;
    must(given);
    struct exchange *again = rig_send(m->server, ask);
    must(rig_replied(again) && rig_status(again) == status);
    if (!span_equal(rig_drain(again), body))
        rig_fail(__FILE__, __LINE__, "what was kept replays byte for byte");
    rig_free(again, DELIVERY_COMPLETE);
}

static size_t frames_in(struct span bytes)
{
    struct es_decoder d;
    struct es_message m;
    size_t n = 0;
    es_decoder_init(&d);
    es_decoder_feed(&d, bytes);
    while (es_decoder_next(&d, &m) == ES_OK)
        n++;
    es_decoder_release(&d);
    return n;
}

/* The endpoint and the client in turn, a part each, until the one is done or the other is refused. */
static void talk(struct mock *m, const struct rig_ask *ask, unsigned how, size_t part, int status, const struct http_headers *headers, struct span body)
{
    struct exchange *x = rig_send(m->server, ask);
    must(!rig_replied(x) && rig_call.running);
    struct rig_call call = rig_call;
    struct span heard = body, said = body;
    bool headed = false;
    while (rig_call.running && (heard.n > 0 || said.n > 0)) {
        struct span one = span_cut(said, 0, part);
        CLEANUP(buf_release) struct buf copy = BUF_INIT(BUF_ANY);
        buf_add(&copy, one);
        rig_push(x, buf_span(&copy)); /* it must not be looked at later */
        said = span_from(said, one.n);
        if (!rig_call.running)
            break;
        if (!headed)
            call.events->head(call.ctx, status, headers);
        headed = true;
        one = span_cut(heard, 0, part);
        must(one.n == 0 || call.events->data(call.ctx, one, now_ns()));
        heard = span_from(heard, one.n);
        (void)rig_drain(x);
    }
    if (rig_call.running && !(how & NO_END)) {
        rig_push_end(x);
        must(!rig_call.running || rig_call.sent_over);
    }
    bool refused = !rig_call.running, gone = (how & CLIENT_GONE) != 0;
    if (!refused && !gone) {
        if (!headed)
            call.events->head(call.ctx, status, headers);
        rig_call.running = false;
        const struct client_result result = {
            .error = (how & BROKEN) ? ERR_CLOSED : OK, .text = "it broke", .status = status, .bytes = body.n};
        call.events->done(call.ctx, &result);
        must(rig_replied(x));
        must((how & BROKEN) || (rig_status(x) == status && span_equal(rig_drain(x), body)));
        rig_push(x, SPAN_LIT("and more, which nobody reads"));
    }
    rig_free(x, gone ? DELIVERY_PEER_CLOSED : DELIVERY_COMPLETE);
    must(!rig_call.running);
    if (!is_kept())
        return;
    must(!refused && !gone && !(how & BROKEN));
    const char *const paths[] = {directory};
    const struct mock_config config = { /* the run that recorded it would ask the endpoint again */
        .auth = MOCK_AUTH_NONE, .journal_bytes = 65536, .replay_speed = "0", .fixtures = paths, .fixture_count = 1};
    struct mock *replayer = rig_mock(&config);
    must(take_files() == 1);
    struct exchange *again = rig_send(replayer->server, ask); /* the script answers */
    must(rig_replied(again));
    rig_turn();
    rig_push(again, body);
    rig_push_end(again);
    struct span replayed = rig_drain(again);
    bool nonsense = span_find(replayed, "validationException") != NULL; /* of the client, which the endpoint took */
    must(nonsense || frames_in(replayed) == frames_in(body)); /* who says the same again gets the same again */
    rig_free(again, DELIVERY_COMPLETE);
    mock_stop(replayer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 200, 200, 200, 400, 404, 424, 500, 503, 429, 201, 299, 599, 100, 999, 304};
    static uint64_t number;
    if (size < HEAD)
        return 0;
    struct mock *m = mock();
    unsigned how = data[0];
    int status = statuses[data[1] % COUNT_OF(statuses)];
    size_t part = data[2] < 250 ? data[2] + 1u : 100000;
    struct span rest = {data + HEAD, size - HEAD};
    CLEANUP(http_headers_release) struct http_headers headers;
    CLEANUP(buf_release) struct buf asked = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    http_headers_init(&headers);
    if (how & (FRAMED | SSE | JSON))
        http_headers_add(&headers, "Content-Type", (how & FRAMED) ? "application/vnd.amazon.eventstream" : (how & SSE) ? "text/event-stream" : "application/json");
    read_headers(&rest, &headers);
    /* lines become frames: chance would seldom make one */
    for (bool more = (how & FRAMED) && (how & SEALED); more;) {
        struct span line;
        more = span_split(rest, '\n', &line, &rest);
        must(es_encode_event(&body, (how & BOTH_WAYS) ? "chunk" : "contentBlockDelta", line) == ES_OK);
    }
    buf_add(&body, rest);
    /* another question each time, or one whose answer is known would be given it */
    buf_addf(&asked, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"%llu\"}]}]}", (unsigned long long)number++);
    CLEANUP(buf_release) struct buf target = BUF_INIT(BUF_ANY);
    buf_addf(&target, "/model/amazon.nova-sonic-v%llu%%3A0/invoke-with-bidirectional-stream", (unsigned long long)number);
    const struct rig_ask both = {.method = "POST",
                                 .target = buf_span(&target),
                                 .fields = {{SPAN_LIT("host"), SPAN_LIT("127.0.0.1")}},
                                 .field_count = 1,
                                 .body_follows = true,
                                 .version = 20};
    const struct rig_ask ask = {.method = "POST",
                                .target = span_of((how & FRAMED) ? "/model/amazon.nova-lite-v1%3A0/converse-stream" : "/model/amazon.nova-lite-v1%3A0/converse"),
                                .fields = {{SPAN_LIT("host"), SPAN_LIT("127.0.0.1")}},
                                .field_count = 1,
                                .body = buf_span(&asked)};
    if (buf_error(&body) == OK && (how & BOTH_WAYS))
        talk(m, &both, how, part, status, &headers, buf_span(&body));
    else if (buf_error(&body) == OK)
        one(m, &ask, how, part, status, &headers, buf_span(&body));
    return 0;
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const bodies[] = {
        "x-amzn-requestid: 1\n\n{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":\"hi\"}]}},\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":1}}",
        "\n{\"delta\":{\"text\":\"a\"}}\n{\"p\":\"abc\",\"delta\":{}}\nno json\n", "\nevent: x\ndata: {\"a\":1}\n\ndata: [DONE]\n\n", "\n<html>\xff",
        "retry-after: 1\nset-cookie: a=b\n\n{\"message\":\"no\"}", "\n",
        /* {"event":{"promptStart":{"promptName":"p"}}}, {"event":{"audioInput":{"content":"AA=="}}}, {"event":{"x":{}}} */
        "\n{\"bytes\":\"eyJldmVudCI6eyJwcm9tcHRTdGFydCI6eyJwcm9tcHROYW1lIjoicCJ9fX0=\"}\n"
        "{\"bytes\":\"eyJldmVudCI6eyJhdWRpb0lucHV0Ijp7ImNvbnRlbnQiOiJBQT09In19fQ==\"}\n{\"bytes\":\"eyJldmVudCI6eyJ4Ijp7fX19\"}"};
    static const unsigned char hows[] = {JSON, FRAMED | SEALED, SSE, 0, JSON | BROKEN, FRAMED | SEALED | CLIENT_GONE, FRAMED, FRAMED | SEALED | BROKEN,
                                         BOTH_WAYS | FRAMED | SEALED, BOTH_WAYS | FRAMED | SEALED | NO_END, BOTH_WAYS | JSON, BOTH_WAYS | FRAMED | SEALED | CLIENT_GONE};
    if (i >= COUNT_OF(bodies) * COUNT_OF(hows))
        return false;
    const unsigned char head[HEAD] = {hows[i % COUNT_OF(hows)], (unsigned char)((i + i / COUNT_OF(hows)) % 12), (unsigned char)(i % 3 == 0 ? 255 : i), 0};
    buf_add(out, (struct span){head, sizeof head});
    buf_adds(out, bodies[i / COUNT_OF(hows)]);
    return true;
}
