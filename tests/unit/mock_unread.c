/* Requests that nobody can read: what the server below the mock refuses by itself is answered in Bedrock's form, told by the
 * journal and counted, as every other request is.
 */
#include "mock_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static int dial(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {5, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    CU_ASSERT_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* All that comes until the peer closes. */
static void hear(int fd, struct buf *in)
{
    char part[4096];
    ssize_t n;
    while ((n = recv(fd, part, sizeof part, 0)) > 0)
        buf_add(in, (struct span){(unsigned char *)part, (size_t)n});
    CLAIM(n == 0, "the connection does not end");
}

static void say_long(int fd, const char *start, size_t n)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_adds(&text, start);
    for (size_t i = 0; i < n; i++)
        buf_addc(&text, 'a');
    (void)send(fd, buf_text(&text), text.len, MSG_NOSIGNAL);
}

#define MALFORMED "MalformedHttpRequestException"
#define TOO_LARGE "RequestEntityTooLargeException"
#define HEAD_OF_CONVERSE "POST " CONVERSE " HTTP/1.1\r\nHost: h\r\n"

static const struct {
    const char *name, *text;
    size_t fill;
    int status;
    const char *type, *method, *operation, *why;
} rows[] = {
    {"no HTTP", "garbage\r\n\r\n", 0, 400, MALFORMED, "", "", "first line"},
    {"a TLS handshake", "\x16\x03\x01\x02\x01", 0, 400, MALFORMED, "", "", "begins with TLS"},
    {"another version", "GET /x HTTP/0.9\r\n\r\n", 0, 505, MALFORMED, "GET", "", "version"},
    {"a bad length", HEAD_OF_CONVERSE "Content-Length: abc\r\n\r\n", 0, 400, MALFORMED, "POST", "Converse",
     "Content-Length is no number"},
    {"a length too large", HEAD_OF_CONVERSE "Content-Length: 99999999999\r\n\r\n", 0, 413, TOO_LARGE, "POST", "Converse",
     "larger than this server takes"},
    {"a target too long", "GET /", 40000, 414, MALFORMED, "", "", "too big"},
    {"a header too long", HEAD_OF_CONVERSE "X: ", 40000, 431, MALFORMED, "", "", "too big"},
    {"a chunk without size", HEAD_OF_CONVERSE "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 0, 400, MALFORMED, "POST",
     "Converse", "chunked encoding"},
    {"a stream both ways over HTTP/1.1",
     "POST /model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream HTTP/1.1\r\nHost: h\r\n"
     "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
     0, 505, MALFORMED, "POST", "InvokeModelWithBidirectionalStream", "HTTP/2"},
};

static void claim_answer(size_t row, const char *got)
{
    char status[32], type[96], length[40];
    const char *body = strstr(got, "\r\n\r\n");
    (void)snprintf(status, sizeof status, "HTTP/1.1 %d ", rows[row].status);
    (void)snprintf(type, sizeof type, "\r\nx-amzn-ErrorType: %s:", rows[row].type);
    (void)snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", body == NULL ? 0 : strlen(body + 4));
    CLAIM(strncmp(got, status, strlen(status)) == 0 && strstr(got + 1, "HTTP/1.1 ") == NULL, "%s: %s", rows[row].name,
          got);
    CLAIM(strstr(got, type) != NULL && strstr(got, "\r\nx-amzn-RequestId: ") != NULL && strstr(got, length) != NULL &&
              strstr(got, "\r\nContent-Type: application/json\r\n") != NULL,
          "%s: %s", rows[row].name, got);
    CLAIM(body != NULL && strncmp(body + 4, "{\"message\":\"", 12) == 0 && strstr(body, rows[row].why) != NULL, "%s: %s",
          rows[row].name, got);
}

static void claim_entry(size_t row, const cJSON *entry)
{
    CLAIM(number_at(entry, "/reply/status") == rows[row].status && number_at(entry, "/delivered/status") == rows[row].status &&
              strcmp(text_at(entry, "/reply/source"), "refusal") == 0 &&
              strcmp(text_at(entry, "/delivered/end"), "complete") == 0,
          "%s: status %g, end %s", rows[row].name, number_at(entry, "/reply/status"), text_at(entry, "/delivered/end"));
    CLAIM(strcmp(text_at(entry, "/refusal/layer"), "http") == 0 &&
              strcmp(text_at(entry, "/refusal/type"), rows[row].type) == 0 &&
              strstr(text_at(entry, "/refusal/message"), rows[row].why) != NULL,
          "%s: %s", rows[row].name, text_at(entry, "/refusal/message"));
    CLAIM(strcmp(text_at(entry, "/operation"), rows[row].operation) == 0 &&
              strcmp(text_at(entry, "/method"), rows[row].method) == 0,
          "%s: %s %s", rows[row].name, text_at(entry, "/method"), text_at(entry, "/operation"));
    CLAIM(number_at(entry, "/connection") == (double)row + 1 && number_at(entry, "/on_connection") == 1,
          "%s: connection %g, request %g", rows[row].name, number_at(entry, "/connection"),
          number_at(entry, "/on_connection"));
    CLAIM(cJSON_IsNull(json_at(entry, "/signature")) && cJSON_IsNull(json_at(entry, "/valid")), "%s is judged",
          rows[row].name);
}

static void each_is_answered_told_and_counted(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.admin_port = 0, .auth = MOCK_AUTH_STRICT});
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
        int fd = dial(mock_port(m));
        if (rows[i].fill > 0)
            say_long(fd, rows[i].text, rows[i].fill);
        else
            say(fd, rows[i].text);
        hear(fd, &in);
        close(fd);
        claim_answer(i, buf_text(&in));
    }
    char path[64];
    (void)snprintf(path, sizeof path, "/journal?count=%zu&timeout_ms=3000", COUNT_OF(rows));
    CLEANUP(reply_release) struct reply j = admin(m, "GET", path, "");
    const cJSON *entries = json_at(j.json, "/entries");
    CLAIM(cJSON_GetArraySize(entries) == (int)COUNT_OF(rows), "%d entries", cJSON_GetArraySize(entries));
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        claim_entry(i, cJSON_GetArrayItem(entries, (int)i));
    CLEANUP(reply_release) struct reply metrics = admin(m, "GET", "/metrics", "");
    static const char *const lines[] = {
        "mohs_refusals_total{layer=\"http\"} 9\n",
        "mohs_requests_total{operation=\"Converse\",status=\"413\",source=\"refusal\"} 1\n",
        "mohs_requests_total{operation=\"none\",status=\"414\",source=\"refusal\"} 1\n",
        "mohs_replies_total{end=\"complete\"} 9\n",
        "mohs_requests_in_flight 0\n",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        CLAIM(strstr(buf_text(&metrics.body), lines[i]) != NULL, "no %s in %s", lines[i], buf_text(&metrics.body));
}

/* Two idle connections and one that says something odd: libmicrohttpd does not tell which it was. */
static void what_cannot_be_told_apart_is_told_without_a_connection(void)
{
    CLEANUP(rig_stop) struct mock *m =
        rig_start(&(struct mock_config){.admin_port = 0, .auth = MOCK_AUTH_NONE, .workers = 1});
    static const char get[] = "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n";
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    int fds[2];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        char part[1024];
        fds[i] = dial(mock_port(m));
        say(fds[i], get);
        CU_ASSERT(recv(fds[i], part, sizeof part, 0) > 0);
    }
    say(fds[0], "GET / HTTP/0.9\r\n\r\n");
    hear(fds[0], &in);
    CLAIM(strncmp(buf_text(&in), "HTTP/1.1 505 ", 13) == 0 && strstr(buf_text(&in) + 1, "HTTP/1.1 ") == NULL, "%s",
          buf_text(&in));
    say(fds[1], "POST " CONVERSE " HTTP/1.1\r\nHost: h\r\nX-Mohs-Session: odd\r\nContent-Length: x\r\n\r\n");
    buf_reset(&in);
    hear(fds[1], &in);
    CLAIM(strstr(buf_text(&in) + 1, "HTTP/1.1 ") == NULL && strstr(buf_text(&in), "x-amzn-RequestId") != NULL, "%s",
          buf_text(&in));
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal?status=5xx&count=1&timeout_ms=3000", "");
    CLAIM(number_at(j.json, "/entries/0/connection") == 0 && number_at(j.json, "/entries/0/reply/status") == 505 &&
              strstr(text_at(j.json, "/entries/0/refusal/message"), "version") != NULL,
          "%s", buf_text(&j.body));
    CLEANUP(reply_release) struct reply s = admin(m, "GET", "/journal?session=odd", "");
    CLAIM(number_at(s.json, "/entries/0/connection") == 2 && number_at(s.json, "/entries/0/on_connection") == 2 &&
              strcmp(text_at(s.json, "/entries/0/target"), CONVERSE) == 0,
          "%s", buf_text(&s.body));
    close(fds[0]);
    close(fds[1]);
}

/* The compatible endpoints have a form of their own for every error. */
static void each_surface_says_it_in_its_form(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.admin_port = 0, .auth = MOCK_AUTH_NONE});
    CLEANUP(buf_release) struct buf in = BUF_INIT(BUF_ANY);
    int fd = dial(mock_port(m));
    say(fd, "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n");
    hear(fd, &in);
    close(fd);
    CLAIM(strncmp(buf_text(&in), "HTTP/1.1 413 ", 13) == 0 && strstr(buf_text(&in), "\r\n\r\n{\"error\":{") != NULL, "%s",
          buf_text(&in));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"each is answered, told and counted", each_is_answered_told_and_counted},
        {"what cannot be told apart is told without a connection", what_cannot_be_told_apart_is_told_without_a_connection},
        {"each surface says it in its form", each_surface_says_it_in_its_form},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_unread", tests);
}
