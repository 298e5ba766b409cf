/* Every fault of the catalogue on the wire, over HTTP/1.1 and HTTP/2, as a peer sees it that believes nothing: a bare
 * socket, and an nghttp2 session without its rules of messages. The table is compared with the catalogue: a row without
 * an expectation is a failure.
 */
#include "mock_rig.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mock/refusal.h"

#define SILENCE_MS 250 /* nothing for so long, where silence is expected; PATIENCE_MS where it is not */

/* Events: 0 messageStart, 1-3 deltas "one ", "two ", "three", 4 contentBlockStop, 5 messageStop, 6 metadata. */
#define WHOLE "messageStart contentBlockDelta*3 contentBlockStop messageStop metadata"
#define TEXT  "{\"text\":\"one two three\",\"$deltas\":[\"one \",\"two \",\"three\"]}"
#define TOOL  "{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"n\",\"input\":{\"a\":1},\"type\":\"server_tool_use\"}}"
#define CAFE  "{\"text\":\"caf\xc3\xa9 au lait\",\"$deltas\":[\"caf\xc3\xa9 au lait\"]}"

enum wire_end { END_WHOLE, END_CLOSED, END_RESET, END_SILENT };
static const char *const end_names[] = {"whole", "closed", "reset", "silent"};
enum how { UNARY, STREAMED };

struct row {
    const char *fault; /* members behind "id" */
    enum how how;
    const char *status;      /* "": no head came */
    enum wire_end end, end2; /* over HTTP/1.1, over HTTP/2 */
    const char *outline;     /* of the events; NULL: not looked at */
    enum es_error es;
    const char *head,
        *head2;          /* in the head, in lower case; "!x": not in it; NULL: not looked at; head2 NULL: as head */
    const char *body;    /* likewise; "": empty */
    const char *counted; /* so many times in head and body; NULL: not looked at */
    size_t times, more2; /* more2: so many more over HTTP/2 */
    unsigned ms;         /* at least */
    unsigned interim;    /* interim answers */
    int promise;         /* content-length less what came; 0: not looked at */
    size_t least;        /* bytes of body */
    size_t frames_min, frames_max; /* DATA frames over HTTP/2; 0: not looked at */
    const char *content;           /* of the answer; NULL: TEXT */
};

#define S2   STREAMED, "200", END_WHOLE, END_WHOLE
#define U2   UNARY, "200", END_WHOLE, END_WHOLE
#define GONE "messageStart contentBlockDelta"

static const struct row rows[] = {
    {"\"bad-prelude-crc\",\"at_event\":2", S2, GONE, .es = ES_PRELUDE_CRC},
    {"\"bad-message-crc\",\"at_event\":2", S2, GONE, .es = ES_MESSAGE_CRC},
    {"\"total-length-short\",\"at_event\":2", S2, GONE, .es = ES_MESSAGE_CRC},
    {"\"total-length-short\",\"at_event\":2,\"by\":9", S2, GONE, .es = ES_MESSAGE_CRC},
    {"\"total-length-long\",\"at_event\":2", S2, GONE, .es = ES_MESSAGE_CRC},
    {"\"total-length-long\",\"at_event\":-1,\"by\":4", S2,
     "messageStart contentBlockDelta*3 contentBlockStop messageStop", .es = ES_TRUNCATED},
    {"\"total-length-tiny\",\"at_event\":2", S2, GONE, .es = ES_LENGTH_TOO_SMALL},
    {"\"total-length-huge\",\"at_event\":2", S2, GONE, .es = ES_LENGTH_TOO_LARGE},
    {"\"headers-length-long\",\"at_event\":2", S2, GONE, .es = ES_HEADERS_TOO_LONG},
    {"\"headers-length-short\",\"at_event\":2", S2, GONE, .es = ES_HEADER_TRUNCATED},
    {"\"empty-payload\",\"at_event\":2", S2, WHOLE, .es = ES_OK, .body = "!two "},
    {"\"largest-frame\",\"at_event\":2", S2, WHOLE, .es = ES_OK, .body = "two ", .least = 25165824},
    {"\"largest-frame\",\"at_event\":2,\"bytes\":5000", S2, WHOLE, .es = ES_OK, .body = "two ", .least = 5000},
    {"\"too-large-frame\",\"at_event\":2", S2, GONE, .es = ES_PAYLOAD_LIMIT, .least = 25165825},
    {"\"unknown-event\",\"at_event\":1,\"name\":\"newThing\"", S2,
     "messageStart newThing contentBlockDelta*3 contentBlockStop messageStop metadata", .es = ES_OK},
    {"\"unknown-header-type\",\"at_event\":2", S2, GONE, .es = ES_HEADER_TYPE},
    {"\"unknown-message-type\",\"at_event\":2", S2,
     "messageStart contentBlockDelta  contentBlockDelta contentBlockStop messageStop metadata", .es = ES_OK,
     .body = "gossip", .counted = ":message-type", .times = 7},
    {"\"no-content-type-header\",\"at_event\":2", S2, WHOLE, .es = ES_OK, .counted = ":content-type", .times = 6},
    {"\"no-event-type\",\"at_event\":2", S2,
     "messageStart contentBlockDelta  contentBlockDelta contentBlockStop messageStop metadata", .es = ES_OK,
     .counted = ":event-type", .times = 6},
    {"\"no-message-type\",\"at_event\":2", S2,
     "messageStart contentBlockDelta  contentBlockDelta contentBlockStop messageStop metadata", .es = ES_OK,
     .counted = ":message-type", .times = 6},
    {"\"duplicate-header\",\"at_event\":2", S2, GONE, .es = ES_DUPLICATE_HEADER, .counted = ":event-type", .times = 8},
    {"\"empty-header-name\",\"at_event\":2", S2, GONE, .es = ES_HEADER_NAME_EMPTY},
    {"\"all-header-types\",\"at_event\":2", S2, WHOLE, .es = ES_OK, .body = "timestamp"},
    {"\"corrupt\",\"at_event\":3", S2, WHOLE, .es = ES_OK, .body = "{\"text\":\"thred\"}"},
    {"\"payload-not-json\",\"at_event\":2", S2, WHOLE, .es = ES_OK, .body = "this is not JSON"},
    {"\"invalid-utf8\",\"at_event\":2", S2, WHOLE, .es = ES_OK, .body = "\"text\":\"two \xff\""},
    {"\"split-code-point\",\"at_event\":1", S2,
     "messageStart contentBlockDelta*4 contentBlockStop messageStop metadata", .es = ES_OK,
     .body = "\"text\":\"one \xe2\"", .counted = "\"text\":\"\x82\xac\"", .times = 1},
    {"\"split-code-point\"", S2, "messageStart contentBlockDelta*2 contentBlockStop messageStop metadata", .es = ES_OK,
     .body = "\"text\":\"caf\xc3\"", .counted = "\"text\":\"\xa9 au lait\"", .times = 1, .content = CAFE},
    {"\"split\",\"at_event\":1,\"at_byte\":2,\"pause_ms\":40", S2, WHOLE, .es = ES_OK, .ms = 39, .frames_min = 2},
    {"\"shred\"", S2, WHOLE, .es = ES_OK, .frames_min = 500},
    {"\"merge\"", S2, WHOLE, .es = ES_OK, .frames_max = 1},
    {"\"trailing-bytes\"", S2, WHOLE, .es = ES_TRUNCATED, .body = "\xa5\xa5\xa5"},
    {"\"half-frame\"", S2, "messageStart contentBlockDelta*3 contentBlockStop messageStop", .es = ES_TRUNCATED},
    {"\"half-frame\",\"at_event\":2", S2, GONE, .es = ES_TRUNCATED},

    {"\"no-message-start\"", S2, "contentBlockDelta*3 contentBlockStop messageStop metadata", .es = ES_OK},
    {"\"duplicate-message-start\"", S2, "messageStart*2 contentBlockDelta*3 contentBlockStop messageStop metadata",
     .es = ES_OK},
    {"\"delta-before-start\"", S2,
     "contentBlockDelta messageStart contentBlockDelta*2 contentBlockStop messageStop metadata", .es = ES_OK},
    {"\"no-block-start\"", S2, "messageStart contentBlockDelta*5 contentBlockStop messageStop metadata", .es = ES_OK,
     .content = TOOL},
    {"\"no-block-stop\"", S2, "messageStart contentBlockDelta*3 messageStop metadata", .es = ES_OK},
    {"\"duplicate-block-stop\"", S2, "messageStart contentBlockDelta*3 contentBlockStop*2 messageStop metadata",
     .es = ES_OK},
    {"\"delta-after-block-stop\"", S2,
     "messageStart contentBlockDelta*3 contentBlockStop contentBlockDelta messageStop metadata", .es = ES_OK},
    {"\"index-gap\",\"by\":2", S2, WHOLE, .es = ES_OK, .body = "{\"contentBlockIndex\":2,\"delta\":{\"text\":\"one \"}",
     .counted = "contentBlockIndex\":2", .times = 4},
    {"\"index-gap\",\"at_block\":1", S2,
     "messageStart contentBlockDelta contentBlockStop contentBlockDelta "
     "contentBlockStop messageStop metadata",
     .es = ES_OK, .body = "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"a\"}", .counted = "contentBlockIndex\":2",
     .times = 2, .content = "{\"text\":\"a\"},{\"text\":\"b\"}"},
    {"\"stray-index\",\"at_event\":2", S2, WHOLE, .es = ES_OK,
     .body = "{\"contentBlockIndex\":7,\"delta\":{\"text\":\"two \"}", .counted = "contentBlockIndex\":7", .times = 1},
    {"\"interleaved-blocks\"", S2, "messageStart contentBlockDelta*6 contentBlockStop*2 messageStop metadata",
     .es = ES_OK, .body = "{\"contentBlockIndex\":1,\"delta\":{\"text\":\"two \"}", .counted = "contentBlockIndex\":1",
     .times = 4},
    {"\"no-metadata\"", S2, "messageStart contentBlockDelta*3 contentBlockStop messageStop", .es = ES_OK},
    {"\"duplicate-metadata\"", S2, WHOLE "*2", .es = ES_OK},
    {"\"metadata-before-stop\"", S2, "messageStart contentBlockDelta*3 contentBlockStop metadata messageStop",
     .es = ES_OK},
    {"\"no-message-stop\"", S2, "messageStart contentBlockDelta*3 contentBlockStop metadata", .es = ES_OK},
    {"\"duplicate-message-stop\"", S2, "messageStart contentBlockDelta*3 contentBlockStop messageStop*2 metadata",
     .es = ES_OK},
    {"\"event-after-stop\"", S2,
     "messageStart contentBlockDelta*3 contentBlockStop messageStop contentBlockDelta metadata", .es = ES_OK},
    {"\"event-after-metadata\"", S2, WHOLE " contentBlockDelta", .es = ES_OK},
    {"\"early-end\"", S2, "messageStart contentBlockDelta*3 contentBlockStop", .es = ES_OK},
    {"\"drop-event\",\"at_event\":0", S2, "contentBlockDelta*3 contentBlockStop messageStop metadata", .es = ES_OK},
    {"\"duplicate-event\",\"at_event\":5", S2,
     "messageStart contentBlockDelta*3 contentBlockStop messageStop*2 metadata", .es = ES_OK},
    {"\"swap-events\",\"at_event\":4", S2, "messageStart contentBlockDelta*3 messageStop contentBlockStop metadata",
     .es = ES_OK},

    {"\"cut-fin\",\"at_event\":3", STREAMED, "200", END_CLOSED, END_RESET, "messageStart contentBlockDelta*2",
     .es = ES_OK},
    {"\"cut-fin\",\"at_byte\":20", STREAMED, "200", END_CLOSED, END_RESET, "", .es = ES_TRUNCATED},
    {"\"cut-rst\",\"at_event\":3", STREAMED, "200", END_RESET, END_RESET, "messageStart contentBlockDelta*2",
     .es = ES_OK},
    {"\"cut-clean\",\"at_event\":-2", S2, "messageStart contentBlockDelta*3 contentBlockStop", .es = ES_OK},
    {"\"close-before-head\"", UNARY, "", END_CLOSED, END_RESET, .body = ""},
    {"\"close-before-head\"", STREAMED, "", END_CLOSED, END_RESET, .body = ""},
    {"\"reset-before-head\"", UNARY, "", END_RESET, END_RESET, .body = ""},
    {"\"no-answer\"", STREAMED, "", END_SILENT, END_SILENT, .body = ""},
    {"\"slow-head\",\"pause_ms\":1", UNARY, "200", END_CLOSED, END_WHOLE, .body = "one two three", .ms = 100},
    {"\"slow-head\",\"pause_ms\":1", STREAMED, "200", END_CLOSED, END_WHOLE, WHOLE, .es = ES_OK, .ms = 100},
    {"\"continue\",\"times\":2,\"ms\":40", UNARY, "200", END_CLOSED, END_WHOLE, .body = "one two three", .ms = 39,
     .interim = 2},
    {"\"processing\"", STREAMED, "200", END_CLOSED, END_WHOLE, WHOLE, .es = ES_OK, .interim = 1},
    {"\"early-hints\"", UNARY, "200", END_CLOSED, END_WHOLE, .body = "one two three", .interim = 1},
    {"\"expectation-failed\"", UNARY, "417", END_WHOLE, END_WHOLE, .body = ""},
    {"\"bad-status-line\"", UNARY, "2oo", END_CLOSED, END_WHOLE, .body = "one two three"},
    {"\"until-close\"", STREAMED, "200", END_CLOSED, END_WHOLE, WHOLE, .es = ES_OK, .head = "http/1.0 200",
     .head2 = "!transfer-encoding"},
    {"\"connection-close\"", UNARY, "200", END_CLOSED, END_WHOLE, .head = "connection: close", .head2 = "!connection",
     .body = "one two three"},
    {"\"content-length-short\",\"by\":5", UNARY, "200", END_CLOSED, END_RESET, .body = "one two three", .promise = -5},
    {"\"content-length-short\"", STREAMED, "200", END_CLOSED, END_RESET, WHOLE, .es = ES_OK, .promise = -1},
    {"\"content-length-long\",\"by\":5", UNARY, "200", END_CLOSED, END_RESET, .body = "one two three", .promise = 5},
    {"\"content-length-hang\"", UNARY, "200", END_SILENT, END_SILENT, .body = "one two three", .promise = 1},
    {"\"two-lengths\"", UNARY, "200", END_CLOSED, END_WHOLE, .counted = "content-length: ", .times = 2, .more2 = 1},
    {"\"length-and-chunks\"", UNARY, "200", END_CLOSED, END_WHOLE, .head = "transfer-encoding: chunked",
     .body = "one two three", .counted = "content-length: ", .times = 1},
    {"\"bad-chunk\"", STREAMED, "200", END_CLOSED, END_RESET, WHOLE, .es = ES_OK, .head = "transfer-encoding: chunked",
     .head2 = "!transfer-encoding"},
    {"\"chunked-no-end\"", STREAMED, "200", END_CLOSED, END_RESET, WHOLE, .es = ES_OK},
    {"\"chunked-no-end\"", UNARY, "200", END_CLOSED, END_RESET, .head = "transfer-encoding: chunked",
     .head2 = "!content-length", .body = "one two three"},
    {"\"chunked-hang\"", STREAMED, "200", END_SILENT, END_SILENT, WHOLE, .es = ES_OK},
    {"\"empty-200\"", S2, "", .es = ES_OK, .body = ""},
    {"\"empty-200\"", U2, .head = "content-length: 0", .body = ""},
    {"\"truncated-json\",\"at_byte\":12", U2, .head = "content-length: 12", .body = "{\"metrics\":{"},
    {"\"content-type\",\"value\":\"text/html\"", U2, .head = "content-type: text/html", .body = "one two three"},
    {"\"no-content-type\"", U2, .head = "!content-type:", .body = "one two three"},
    {"\"no-request-id\"", U2, .head = "!x-amzn-requestid:", .body = "one two three"},
    {"\"header\",\"header\":\"Retry-After\",\"value\":\"9\"", U2, .head = "retry-after: 9", .body = "one two three"},
    {"\"huge-header\",\"bytes\":20000", UNARY, "200", END_CLOSED, END_WHOLE, .head = "x-mohs-filler: xxxxxxxx",
     .body = "one two three"},
    {"\"gzip\"", U2, .head = "content-encoding: gzip", .body = "one two three"},
    {"\"gzip\"", S2, WHOLE, .es = ES_OK, .head = "content-encoding: gzip"},
    {"\"gzip-label\"", S2, WHOLE, .es = ES_OK, .head = "content-encoding: gzip"},
    {"\"status\",\"status\":503", UNARY, "503", END_WHOLE, END_WHOLE, .body = "one two three"},
    {"\"html-503\"", STREAMED, "503", END_WHOLE, END_WHOLE, .head = "text/html", .body = "<html>"},
    {"\"html-502\"", UNARY, "502", END_WHOLE, END_WHOLE, .head = "text/html", .body = "502 Bad Gateway"},
    {"\"html-504\"", UNARY, "504", END_WHOLE, END_WHOLE, .head = "text/html", .body = "504 Gateway Time"},
    {"\"redirect\"", UNARY, "307", END_WHOLE, END_WHOLE, .head = "location: /elsewhere", .body = ""},
    {"\"coral-200\"", U2, .body = "com.amazon.coral.service#UnknownOperationException"},

    {"\"latency\",\"ms\":30", U2, .body = "one two three", .ms = 29},
    {"\"ttft\",\"ms\":30", S2, WHOLE, .es = ES_OK, .ms = 29},
    {"\"itl\",\"ms\":8", S2, WHOLE, .es = ES_OK, .ms = 29},
    {"\"pause\",\"at_event\":2,\"ms\":40", S2, WHOLE, .es = ES_OK, .ms = 39},
    {"\"pause\",\"ms\":40", U2, .body = "one two three", .ms = 39},
    {"\"stall\",\"at_event\":3", STREAMED, "200", END_SILENT, END_SILENT, "messageStart contentBlockDelta*2",
     .es = ES_OK},
    {"\"drip\",\"bytes\":100,\"pause_ms\":5", S2, WHOLE, .es = ES_OK, .ms = 30, .frames_min = 6},
    {"\"gate\",\"at_event\":3,\"name\":\"never\"", STREAMED, "200", END_SILENT, END_SILENT,
     "messageStart contentBlockDelta*2", .es = ES_OK},

    {"\"error\",\"type\":\"MadeUpException\",\"status\":418,\"message\":\"m\",\"style\":\"code\",\"retry_after\":\"7\"",
     UNARY, "418", END_WHOLE, END_WHOLE, .head = "retry-after: 7",
     .body = "{\"code\":\"MadeUpException\",\"message\":\"m\"}"},
    {"\"ERR-09\",\"message\":\"m\"", UNARY, "424", END_WHOLE, END_WHOLE,
     .body = "{\"message\":\"m\",\"originalStatusCode\":500,\"resourceName\":\"anthropic.claude-3-haiku-20240307-v1:0\"}"},
    {"\"ERR-10\",\"message\":\"m\"", UNARY, "424", END_WHOLE, END_WHOLE,
     .body = "{\"message\":\"m\",\"originalMessage\":\"Internal server error\",\"originalStatusCode\":500}"},
    {"\"EXC-04\",\"at_event\":1,\"message\":\"m\"", S2, "messageStart modelStreamErrorException", .es = ES_OK,
     .body = "{\"message\":\"m\",\"originalMessage\":\"Internal server error\",\"originalStatusCode\":500}"},
    {"\"exception\",\"at_event\":2,\"type\":\"madeUpException\",\"message\":\"m\"", S2,
     "messageStart contentBlockDelta madeUpException", .es = ES_OK, .body = "{\"message\":\"m\"}"},
    {"\"error-frame\",\"at_event\":1,\"code\":\"Oops\",\"message\":\"m\"", S2, "messageStart Oops", .es = ES_OK},
};

/* ---- what a peer sees ---- */

struct seen {
    char status[16];
    struct buf head, body;
    enum wire_end end;
    unsigned interim;
    uint64_t ms;
    size_t frames; /* of DATA */
};

static void seen_release(struct seen *s)
{
    buf_release(&s->head);
    buf_release(&s->body);
}

static int dial(uint16_t port, unsigned patience_ms)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval wait = {.tv_sec = patience_ms / 1000, .tv_usec = patience_ms % 1000 * 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_FATAL(fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    return fd;
}

static void lower(struct buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        b->data[i] = (char)tolower((unsigned char)b->data[i]);
}

/* ---- over HTTP/1.1 ---- */

/* The body behind the last head, with its chunks undone as far as they can be; true: it is whole by its framing. */
static bool read_http1(const struct buf *wire, struct seen *s)
{
    struct span rest = buf_span(wire);
    buf_reset(&s->head);
    buf_reset(&s->body);
    s->interim = 0;
    for (;;) {
        const char *end = span_find(rest, "\r\n\r\n");
        if (end == NULL)
            return false;
        size_t n = (size_t)((const unsigned char *)end - rest.p) + 4;
        struct span head = span_cut(rest, 0, n);
        rest = span_from(rest, n);
        if (!span_has_prefix(head, "HTTP/1.1 1")) {
            buf_add(&s->head, head);
            break;
        }
        s->interim++;
    }
    lower(&s->head);
    (void)sscanf(buf_text(&s->head), "http/%*s %15s", s->status);
    const char *length = strstr(buf_text(&s->head), "content-length: ");
    if (strstr(buf_text(&s->head), "transfer-encoding: chunked") == NULL) {
        buf_add(&s->body, rest);
        return length != NULL && rest.n >= strtoul(length + 16, NULL, 10);
    }
    while (rest.n > 0) {
        char *digits_end;
        CLEANUP(free_ptr) char *line = span_dup(span_cut(rest, 0, 20));
        size_t n = strtoul(line, &digits_end, 16), skip = (size_t)(digits_end - line) + 2;
        if (digits_end == line)
            return false;
        if (n == 0)
            return true;
        buf_add(&s->body, span_cut(rest, skip, n));
        rest = span_from(rest, skip + n + 2);
    }
    return false;
}

static void ask_http1(uint16_t port, const char *path, enum wire_end expected, struct seen *s)
{
    CLEANUP(buf_release) struct buf request = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf wire = BUF_INIT(BUF_ANY);
    int fd = dial(port, expected == END_SILENT ? SILENCE_MS : PATIENCE_MS);
    uint64_t begin = now_ns();
    buf_addf(&request, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             path, strlen(HELLO), HELLO);
    CU_ASSERT_FATAL(send(fd, request.data, request.len, MSG_NOSIGNAL) == (ssize_t)request.len);
    static char part[1 << 20];
    for (;;) {
        ssize_t n = recv(fd, part, sizeof part, 0);
        if (n <= 0) {
            s->end = n == 0 ? END_CLOSED : errno == ECONNRESET ? END_RESET : END_SILENT;
            (void)read_http1(&wire, s);
            break;
        }
        buf_add(&wire, (struct span){(unsigned char *)part, (size_t)n});
        if (expected == END_WHOLE && read_http1(&wire, s)) {
            s->end = END_WHOLE;
            break;
        }
    }
    s->ms = (now_ns() - begin) / 1000000;
    close(fd);
}

/* ---- over HTTP/2 ---- */

struct peer {
    struct seen *seen;
    bool closed;
};

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *ctx)
{
    struct seen *s = ((struct peer *)ctx)->seen;
    (void)session, (void)frame, (void)flags;
    struct span n = {name, name_n}, v = {value, value_n};
    if (span_is(n, ":status") && v.n == 3 && v.p[0] == '1')
        s->interim++;
    else if (span_is(n, ":status"))
        (void)snprintf(s->status, sizeof s->status, "%.*s", (int)v.n, (const char *)v.p);
    buf_add(&s->head, n);
    buf_adds(&s->head, ": ");
    buf_add(&s->head, v);
    buf_adds(&s->head, "\r\n");
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *ctx)
{
    struct seen *s = ((struct peer *)ctx)->seen;
    (void)session, (void)flags, (void)id;
    buf_add(&s->body, (struct span){bytes, n});
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct seen *s = ((struct peer *)ctx)->seen;
    (void)session;
    s->frames += frame->hd.type == NGHTTP2_DATA && frame->hd.length > 0;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    struct peer *p = ctx;
    (void)session, (void)id;
    p->closed = true;
    p->seen->end = code == NGHTTP2_NO_ERROR ? END_WHOLE : END_RESET;
    return 0;
}

static ssize_t give_hello(nghttp2_session *session, int32_t id, uint8_t *to, size_t max, uint32_t *flags,
                          nghttp2_data_source *source, void *ctx)
{
    (void)session, (void)id, (void)source, (void)ctx;
    CU_ASSERT_FATAL(max >= strlen(HELLO));
    memcpy(to, HELLO, strlen(HELLO));
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)strlen(HELLO);
}

static nghttp2_nv field(const char *name, const char *value)
{
    union {
        const char *given;
        uint8_t *taken;
    } n = {name}, v = {value};
    return (nghttp2_nv){n.taken, v.taken, strlen(name), strlen(value), 0};
}

static nghttp2_session *make_session(struct peer *p)
{
    nghttp2_session *session = NULL;
    nghttp2_session_callbacks *does = NULL;
    nghttp2_option *option = NULL;
    nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30};
    (void)nghttp2_session_callbacks_new(&does);
    (void)nghttp2_option_new(&option);
    nghttp2_option_set_no_http_messaging(option, 1); /* heads that break the rules are what we came to see */
    nghttp2_session_callbacks_set_on_header_callback(does, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(does, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(does, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(does, on_close);
    CU_ASSERT_FATAL(nghttp2_session_client_new2(&session, does, p, option) == 0);
    nghttp2_session_callbacks_del(does);
    nghttp2_option_del(option);
    (void)nghttp2_submit_settings(session, 0, &window, 1);
    (void)nghttp2_session_set_local_window_size(session, 0, 0, 1 << 30);
    return session;
}

static void say_all(nghttp2_session *session, int fd)
{
    const uint8_t *bytes;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(session, &bytes)) > 0)
        if (send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
            return;
}

static void ask_http2(uint16_t port, const char *path, enum wire_end expected, struct seen *s)
{
    int fd = dial(port, expected == END_SILENT ? SILENCE_MS : PATIENCE_MS);
    struct peer p = {s, false};
    nghttp2_session *session = make_session(&p);
    nghttp2_nv fields[] = {field(":method", "POST"), field(":path", path), field(":scheme", "http"),
                           field(":authority", "h"), field("content-type", "application/json")};
    nghttp2_data_provider body = {.read_callback = give_hello};
    uint64_t begin = now_ns();
    CU_ASSERT_FATAL(nghttp2_submit_request(session, NULL, fields, COUNT_OF(fields), &body, NULL) > 0);
    s->end = END_CLOSED;
    while (!p.closed) {
        static uint8_t part[1 << 20];
        say_all(session, fd);
        ssize_t n = recv(fd, part, sizeof part, 0);
        if (n < 0 && s->end == END_CLOSED)
            s->end = END_SILENT;
        if (n <= 0 || nghttp2_session_mem_recv(session, part, (size_t)n) < 0)
            break;
    }
    s->ms = (now_ns() - begin) / 1000000;
    lower(&s->head);
    nghttp2_session_del(session);
    close(fd);
}

/* ---- judging ---- */

/* The body of stored blocks, checked as a gunzip does; false: it is no gzip. */
static bool gunzip(struct buf *body)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    const unsigned char *p = (const unsigned char *)body->data;
    size_t at = 10;
    bool last = false;
    if (body->len < 23 || p[0] != 0x1f || p[1] != 0x8b || p[2] != 8)
        return false;
    while (!last && at + 5 <= body->len) {
        size_t n = p[at + 1] | (size_t)p[at + 2] << 8;
        if (p[at] > 1 || (n ^ (p[at + 3] | (size_t)p[at + 4] << 8)) != 0xffff || at + 5 + n > body->len)
            return false;
        last = p[at] == 1;
        buf_add(&out, (struct span){p + at + 5, n});
        at += 5 + n;
    }
    uint32_t crc = es_crc32(0, buf_span(&out));
    bool good =
        last && at + 8 == body->len && p[at] == (crc & 255) && p[at + 3] == crc >> 24 && p[at + 4] == (out.len & 255);
    struct buf old = *body;
    *body = out;
    out = old;
    return good;
}

static size_t count(const struct buf *b, const char *what)
{
    size_t n = 0;
    struct span rest = buf_span(b);
    for (const char *at; (at = span_find(rest, what)) != NULL; n++)
        rest = span_from(rest, (size_t)((const unsigned char *)at - rest.p) + strlen(what));
    return n;
}

static void judge_text(const struct row *row, const char *where, const struct buf *text, const char *wanted)
{
    if (wanted == NULL)
        return;
    bool holds = wanted[0] == '\0'  ? text->len == 0
                 : wanted[0] == '!' ? span_find(buf_span(text), wanted + 1) == NULL
                                    : span_find(buf_span(text), wanted) != NULL;
    CLAIM(holds, "%s over %s: not %s: %.600s", row->fault, where, wanted, buf_text(text));
}

static void judge_promise(const struct row *row, const char *where, const struct seen *s)
{
    const char *length = strstr(buf_text(&s->head), "content-length: ");
    long off = length == NULL ? 0 : strtol(length + 16, NULL, 10) - (long)s->body.len;
    CLAIM(row->promise == 0 || off == row->promise, "%s over %s: the promise is %ld off", row->fault, where, off);
}

static void judge(const struct row *row, const char *where, enum wire_end end, const char *head, struct seen *s)
{
    CLAIM(strcmp(s->status, row->status) == 0, "%s over %s: status %s", row->fault, where, s->status);
    CLAIM(s->end == end, "%s over %s: it ends %s", row->fault, where, end_names[s->end]);
    CLAIM(s->ms >= row->ms, "%s over %s: %llu ms", row->fault, where, (unsigned long long)s->ms);
    CLAIM(s->interim == row->interim, "%s over %s: %u interim answers", row->fault, where, s->interim);
    CLAIM(s->body.len >= row->least, "%s over %s: %zu bytes", row->fault, where, s->body.len);
    judge_promise(row, where, s);
    if (strncmp(row->fault, "\"gzip\"", 6) == 0)
        CLAIM(gunzip(&s->body), "%s over %s: no gzip", row->fault, where);
    judge_text(row, where, &s->head, head);
    judge_text(row, where, &s->body, row->body);
    bool is_two = strcmp(where, "HTTP/2") == 0;
    if (row->counted != NULL)
        CLAIM(count(&s->head, row->counted) + count(&s->body, row->counted) == row->times + (is_two ? row->more2 : 0),
              "%s over %s: %s %zu times", row->fault, where, row->counted,
              count(&s->head, row->counted) + count(&s->body, row->counted));
    if (row->outline == NULL)
        return;
    enum es_error es;
    CLEANUP(json_free) cJSON *events = events_of(&s->body, &es);
    CLEANUP(buf_release) struct buf o = BUF_INIT(BUF_ANY);
    outline(events, &o);
    CLAIM(strcmp(buf_text(&o), row->outline) == 0, "%s over %s: %s", row->fault, where, buf_text(&o));
    CLAIM(es == row->es, "%s over %s: the decoder ends with %s", row->fault, where, es_error_name(es));
}

static void play(struct mock *m, const struct row *row)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const char *path = row->how == UNARY ? CONVERSE : STREAM;
    buf_addf(&text, "{\"replies\":[{\"times\":2,\"reply\":{\"content\":[%s],\"faults\":[{\"id\":%s}]}}]}",
             row->content != NULL ? row->content : TEXT, row->fault);
    script(m, buf_text(&text));
    CLEANUP(seen_release) struct seen one = {.head = BUF_INIT(BUF_ANY), .body = BUF_INIT(BUF_ANY)};
    CLEANUP(seen_release) struct seen two = {.head = BUF_INIT(BUF_ANY), .body = BUF_INIT(BUF_ANY)};
    ask_http1(mock_port(m), path, row->end, &one);
    judge(row, "HTTP/1.1", row->end, row->head, &one);
    ask_http2(mock_port(m), path, row->end2, &two);
    judge(row, "HTTP/2", row->end2, row->head2 != NULL ? row->head2 : row->head, &two);
    CLAIM(two.frames >= row->frames_min && (row->frames_max == 0 || two.frames <= row->frames_max),
          "%s: %zu frames of DATA", row->fault, two.frames);
}

static struct mock *start(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE};
    return rig_start(&config);
}

static void every_fault_does_on_the_wire_what_its_row_says(void)
{
    CLEANUP(rig_stop) struct mock *m = start();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        play(m, &rows[i]);
}

/* The rows that stand for one error each say which in their id. */
static void every_named_error_is_that_error(void)
{
    CLEANUP(rig_stop) struct mock *m = start();
    const struct mock_fault_row *table;
    size_t n = mock_faults_list(&table), errors = 0, exceptions = 0;
    for (size_t i = 0; i < n; i++) {
        char fault[128], status[16], head[128], outline[128];
        (void)snprintf(fault, sizeof fault, "\"%s\"", table[i].code);
        const struct error_type *type = error_type_find(table[i].id);
        if (type != NULL) {
            (void)snprintf(status, sizeof status, "%d", type->status);
            (void)snprintf(head, sizeof head, "x-amzn-errortype: %s:", table[i].id);
            for (char *p = head; *p != '\0'; p++)
                *p = (char)tolower((unsigned char)*p);
            struct row row = {fault, UNARY, status, END_WHOLE, END_WHOLE, .head = head, .body = "{\"message\":"};
            play(m, &row);
            errors++;
        } else if (strncmp(table[i].id, "stream-", 7) == 0) {
            (void)snprintf(outline, sizeof outline, "messageStart %s", table[i].id + 7);
            CLEANUP(buf_release) struct buf with = BUF_INIT(BUF_ANY);
            buf_addf(&with, "%s,\"at_event\":1", fault);
            struct row row = {buf_text(&with), S2, outline, .es = ES_OK, .body = "{\"message\":"};
            play(m, &row);
            exceptions++;
        }
    }
    CLAIM(errors >= 18 && exceptions >= 6, "%zu errors, %zu exceptions", errors, exceptions);
}

static bool is_expected(const struct mock_fault_row *row)
{
    char quoted[80];
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", row->id);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strncmp(rows[i].fault, quoted, strlen(quoted)) == 0)
            return true;
    return error_type_find(row->id) != NULL || strncmp(row->id, "stream-", 7) == 0;
}

static void no_row_is_without_an_expectation(void)
{
    const struct mock_fault_row *table;
    size_t n = mock_faults_list(&table);
    for (size_t i = 0; i < n; i++) {
        CLAIM(is_expected(&table[i]), "nobody says what %s %s does on the wire", table[i].code, table[i].id);
        CLAIM(table[i].does[0] != '\0', "%s says nothing", table[i].id);
        for (size_t k = 0; k < i; k++)
            CLAIM(strcmp(table[i].id, table[k].id) != 0 && strcmp(table[i].code, table[k].code) != 0,
                  "%s %s is there twice", table[i].code, table[i].id);
    }
}

/* Everything that a stream may carry as an exception, and every error of the table, can be asked for by name. */
static void every_modelled_error_has_a_name(void)
{
    const struct error_type *types;
    const struct mock_fault_row *table;
    size_t n = error_types(&types), faults = mock_faults_list(&table);
    for (size_t i = 0; i < n; i++) {
        bool streamed = types[i].exception == NULL;
        for (size_t k = 0; k < faults && !streamed; k++)
            streamed = strncmp(table[k].id, "stream-", 7) == 0 && strcmp(table[k].id + 7, types[i].exception) == 0;
        CLAIM(streamed, "no row for %s in a stream", types[i].name);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every fault does on the wire what its row says", every_fault_does_on_the_wire_what_its_row_says},
        {"every named error is that error", every_named_error_is_that_error},
        {"no row is without an expectation", no_row_is_without_an_expectation},
        {"every modelled error has a name", every_modelled_error_has_a_name},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_fault_wire", tests);
}
