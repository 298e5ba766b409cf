/* fuzz/http2: any bytes of a peer, behind a preface or not, must do no harm to a server, and leave no exchange without
 * its done().
 *
 * A session lives on a socket in a loop, so a whole server is started once and each input is a connection to it. The
 * first byte says how the input begins and what answers it: bit 0, with the preface and an empty frame of settings (a
 * random change would seldom leave them whole); bit 1, the lengths in the frame heads are made to fit; the rest chooses
 * the answer. Without the preface the bytes may as well be HTTP/1.1, which the same port speaks: some seeds are.
 */
#include "net/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct server *server;
static atomic_ulong handled, done;
static atomic_uint answer;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void on_done(void *ctx, struct exchange *x, const struct delivery *d)
{
    (void)ctx, (void)x;
    must(d->end <= DELIVERY_STOPPED);
    atomic_fetch_add(&done, 1);
}

static struct plan *make_plan(unsigned how)
{
    static const enum plan_end ends[] = {PLAN_END_CLEAN, PLAN_END_FIN, PLAN_END_RST, PLAN_END_HANG};
    struct plan *plan = plan_new(200);
    if (!plan)
        return NULL;
    for (size_t i = 0; i < 8; i++)
        (void)plan_add(plan, SPAN_LIT("0123456789012345678901234567890123456789"), how & 1 ? 20000 : 0, i);
    plan_cut_at_byte(plan, how & 8 ? 100 : 10000, ends[how >> 1 & 3]);
    if (how & 16)
        plan_shred(plan, 7);
    return plan;
}

static void handle(void *ctx, struct exchange *x)
{
    const struct http_request *r = exchange_request(x);
    size_t sum = r->method.n + r->target.n + r->body.n;
    (void)ctx;
    for (size_t i = 0; i < r->field_count; i++)
        sum += r->fields[i].name.n + (r->fields[i].value.n > 0 ? r->fields[i].value.p[0] : 0);
    must(sum < (size_t)1 << 30);
    atomic_fetch_add(&handled, 1);
    exchange_on_done(x, on_done, NULL);
    exchange_reply(x, make_plan(atomic_load(&answer)));
}

static void start(void)
{
    struct server_config config = {.handle = handle, .idle_timeout_ms = 1000, .hang_limit_ms = 20, .max_body = 4096};
    struct note note;
    must(server_start(&config, &server, &note) == OK);
}

/* Walk from frame head to frame head; a length out of reach becomes all there is, or what fits in a byte. */
static void repair(unsigned char *p, size_t n)
{
    while (n >= 9) {
        size_t room = n - 9;
        size_t length = p[2] < room ? p[2] : room;
        p[0] = 0;
        p[1] = (unsigned char)(length >> 8);
        p[2] = (unsigned char)length;
        p += 9 + length;
        n -= 9 + length;
    }
}

static int dial(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {5, 0};
    struct linger at_once = {1, 0}; /* no thousands of ports in TIME_WAIT */
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    must(connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char begin[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    if (!server)
        start();
    if (size < 1 || size > INPUT_MAX)
        return 0;
    CLEANUP(buf_release) struct buf bytes = BUF_INIT(INPUT_MAX);
    buf_add(&bytes, (struct span){data + 1, size - 1});
    if (data[0] & 2)
        repair((unsigned char *)bytes.data, bytes.len);
    atomic_store(&answer, data[0] >> 2);
    int fd = dial();
    if (data[0] & 1)
        (void)send(fd, begin, sizeof begin - 1, MSG_NOSIGNAL);
    (void)send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
    char heard[4096];
    usleep(data[0] & 4 ? 300 : 0); /* time for paced pieces */
    (void)shutdown(fd, SHUT_WR);
    while (recv(fd, heard, sizeof heard, 0) > 0)
        ;
    close(fd);
    for (int i = 0; atomic_load(&handled) != atomic_load(&done); i++) {
        must(i < 50000);
        usleep(100);
    }
    return 0;
}
