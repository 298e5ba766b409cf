/* One deliberately mis-signed request for each mistake that the diagnosis knows, sent to a strict mock as bytes on a
 * socket, and the sentence that its log gives. The sentences are printed: this is what a person who debugs a gateway
 * gets to read. */
#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mock_rig.h"
#include "sigv4_scenes.h"

struct heard {
    pthread_mutex_t lock;
    char text[2048];
};

static void hear(void *ctx, const char *line)
{
    struct heard *h = ctx;
    (void)pthread_mutex_lock(&h->lock);
    (void)snprintf(h->text, sizeof h->text, "%s", line);
    (void)pthread_mutex_unlock(&h->lock);
}

static void add_span(struct buf *out, struct span text)
{
    buf_add(out, text);
}

/* The head as it is spelled, with the length that frames the body. */
static void write_request(const struct sigv4_request *r, struct buf *out)
{
    add_span(out, r->method);
    buf_addc(out, ' ');
    add_span(out, r->path);
    buf_adds(out, r->query.n > 0 ? "?" : "");
    add_span(out, r->query);
    buf_adds(out, " HTTP/1.1\r\n");
    for (size_t i = 0; i < r->header_count; i++) {
        if (span_is_nocase(r->headers[i].name, "content-length"))
            continue;
        add_span(out, r->headers[i].name);
        buf_adds(out, ": ");
        add_span(out, r->headers[i].value);
        buf_adds(out, "\r\n");
    }
    buf_addf(out, "Content-Length: %zu\r\nConnection: close\r\n\r\n", r->body.n);
    add_span(out, r->body);
}

/* The whole answer; empty when the connection says nothing. */
static void exchange_bytes(uint16_t port, const struct buf *request, struct buf *answer)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char block[4096];
    ssize_t n;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 ||
        write(fd, request->data, request->len) != (ssize_t)request->len)
        abort();
    while ((n = read(fd, block, sizeof block)) > 0)
        buf_add(answer, (struct span){(const unsigned char *)block, (size_t)n});
    (void)close(fd);
}

struct trip {
    struct scene scene;
    const char *known_token; /* of the key, when it is not the one that is sent */
    bool signed_payload;     /* the mock wants it */
};

static void travel(const struct trip *t, const char *id, struct buf *diagnosed)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    CLEANUP(play_release) struct play p;
    CLEANUP(buf_release) struct buf request = BUF_INIT(BUF_ANY), answer = BUF_INIT(BUF_ANY);
    struct heard heard = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct mock_key key = {ACCESS_KEY, SECRET, t->known_token != NULL ? t->known_token : t->scene.token, NULL};
    struct mock_config config = {.auth = MOCK_AUTH_STRICT,
                                 .keys = &key,
                                 .key_count = 1,
                                 .region = "us-east-1",
                                 .clock_offset_ms = (NOW_S - (int64_t)time(NULL)) * 1000,
                                 .log = hear,
                                 .log_ctx = &heard,
                                 .signed_payload = t->signed_payload};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    play(s, &t->scene, &p);
    write_request(&p.request, &request);
    exchange_bytes(mock_port(m), &request, &answer);
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
    /* Where the path is none of Bedrock's, it says that, and the log speaks of the signature all the same. */
    bool told = strncmp(buf_text(&answer), "HTTP/1.1 403 ", 13) == 0 ||
                strstr(buf_text(&answer), "UnknownOperationException") != NULL;
    CLAIM(told, "%s: %.80s", id, buf_text(&answer));
    const char *found = text_at(j.json, "/entries/0/signature/diagnosis/id");
    const char *sentence = text_at(j.json, "/entries/0/signature/diagnosis/sentence");
    buf_adds(diagnosed, found);
    (void)pthread_mutex_lock(&heard.lock);
    const char *said = strstr(heard.text, " refused: ");
    (void)printf("    %s: %s\n", id, said == NULL ? "(nothing)" : said + strlen(" refused: "));
    CLAIM(sentence[0] != '\0' && strstr(heard.text, sentence) != NULL, "%s: the log says '%s', the journal '%s'", id,
          heard.text, sentence);
    CLAIM(strstr(heard.text, "wJalr") == NULL && strstr(heard.text, "TOKEN") == NULL, "%s: a secret is told: %s", id,
          heard.text);
    (void)pthread_mutex_unlock(&heard.lock);
}

/* What cannot happen to a request that came over a socket. */
static const struct {
    const char *id, *why;
} elsewhere[] = {
    {"path-encoded-twice", "only a service that signs its paths once, as S3 does, sees it"},
    {"headers-untrimmed-ends", "HTTP takes the white space off before anybody sees it (RFC 9112 section 5.1)"},
};

static const char *why_not(const char *id)
{
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++)
        if (strcmp(elsewhere[i].id, id) == 0)
            return elsewhere[i].why;
    return NULL;
}

static bool seen[128]; /* rows of the table that were diagnosed */

static void mark(const char *id)
{
    const char *known;
    for (size_t i = 0; (known = sigv4_diagnosis_row(i, NULL)) != NULL && i < COUNT_OF(seen); i++)
        seen[i] = seen[i] || strcmp(known, id) == 0;
}

static void each_mistake_on_the_wire_gets_its_sentence(void)
{
    for (size_t i = 0; i < COUNT_OF(scenes); i++) {
        struct trip t = {.scene = scenes[i]};
        CLEANUP(buf_release) struct buf diagnosed = BUF_INIT(256);
        if (why_not(scenes[i].id) != NULL)
            continue;
        if (strcmp(scenes[i].id, "content-length-changed") == 0) /* the length on the wire is the body's */
            t.scene.signs.extra = "0";
        travel(&t, scenes[i].id, &diagnosed);
        CLAIM(strcmp(buf_text(&diagnosed), scenes[i].id) == 0, "scene %zu, %s: diagnosed %s", i, scenes[i].id,
              buf_text(&diagnosed));
        mark(buf_text(&diagnosed));
    }
}

/* Mistakes beside the table: the signature is right, and something else is not. */
static void right_signatures_over_wrong_things_get_theirs(void)
{
    char hash[SIGV4_HEX], empty[] = SIGV4_EMPTY_HASH;
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    sigv4_sha256_hex(s, SPAN_LIT(BODY), hash);
    const struct trip trips[] = {
        {.scene = ONE("body-changed", .extra_name = "x-amz-content-sha256", .signs.extra = hash, .arrives.body = "{}")},
        {.scene = ONE("body-reserialized", .extra_name = "x-amz-content-sha256", .signs.extra = hash,
                      .arrives.body = "{\"b\": 1, \"a\": \"x, y: \\\"z\\\"\"}")},
        {.scene = ONE("body-empty-hash", .extra_name = "x-amz-content-sha256", .signs.extra = empty)},
        {.scene = ONE("payload-unsigned", .extra_name = "x-amz-content-sha256", .signs.extra = SIGV4_UNSIGNED),
         .signed_payload = true},
        {.scene = ONE("token-missing", .token = NULL), .known_token = "TOKEN"},
        {.scene = ONE("token-other", .token = "OTHER"), .known_token = "TOKEN"},
        {.scene = ONE("signature-malformed", .find = "Signature=", .replace = "Signature=zz")},
    };
    for (size_t i = 0; i < COUNT_OF(trips); i++) {
        CLEANUP(buf_release) struct buf diagnosed = BUF_INIT(256);
        travel(&trips[i], trips[i].scene.id, &diagnosed);
        CLAIM(strcmp(buf_text(&diagnosed), trips[i].scene.id) == 0, "%s: diagnosed %s", trips[i].scene.id,
              buf_text(&diagnosed));
    }
}

static void every_row_of_the_diagnosis_was_met(void)
{
    const char *id;
    size_t n = 0;
    for (size_t i = 0; (id = sigv4_diagnosis_row(i, NULL)) != NULL; i++) {
        const char *why = why_not(id);
        CLAIM(i < COUNT_OF(seen) && (seen[i] || why != NULL), "%s was never diagnosed", id);
        n += i < COUNT_OF(seen) && seen[i];
        if (why != NULL)
            (void)printf("    %s: (not over a socket: %s)\n", id, why);
    }
    (void)printf("    %zu kinds of the table diagnosed\n", n);
    CU_ASSERT(n >= 40);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"each mistake on the wire gets its sentence", each_mistake_on_the_wire_gets_its_sentence},
        {"right signatures over wrong things get theirs", right_signatures_over_wrong_things_get_theirs},
        {"every row of the diagnosis was met", every_row_of_the_diagnosis_was_met},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_mis_signed", tests);
}
