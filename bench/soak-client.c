/* soak-client.c: the traffic of bench/soak.sh, which compiles it; it belongs to no program.
 *
 * Four threads speak to the mocks as clients do (HTTP/1.1 and HTTP/2, cleartext and TLS), by libcurl's multi interface,
 * so that streams of one HTTP/2 connection run side by side; what they ask is a table in a file (soak-traffic.tsv).
 * Some leave in the middle, some read slowly, some ask for a fault by header. One thread sends what no client would;
 * one reads and writes the admin APIs. A request that asked for no fault must be answered whole, with a status of its
 * row and with its row's words in it: everything else is unexpected, and is shown. Exit 0: nothing was.
 *
 * A soak of some minutes begins with requests that fill the tables of the mocks that have a bound, so that what grows
 * afterwards is no table; it says "filled" and the second when that is done.
 *
 * usage: soak-client SECONDS RATE TRAFFIC FAULTS CLEAR CLEAR_ADMIN CLEAR_HEADERS TLS TLS_ADMIN TLS_HEADERS CA
 *     RATE is requests per second of each of the four; FAULTS a file of fault ids; CLEAR and the like are ports; the
 *     HEADERS are folders of files of header lines, made by `mohs sign` for that port.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SCENES_MAX   128
#define FAULTS_MAX   256
#define STATUSES_MAX 8
#define SLOTS        12
#define SLOW_SLOTS   2 /* of them, the first: they read slowly */
/* The last slots ask for faults, on connections of their own, since a broken one has other victims. */
#define FAULTY_SLOTS 3
#define HELD         (64 * 1024)
#define TEXT_MAX     (256 * 1024)
#define IDLE_MAX     32
#define SHOWN_MAX    10
#define PATIENCE_MS  30000L
#define FILLING_S    180 /* a soak that is shorter leaves the tables to fill as they do */
#define ARN          "@arn@"

struct scene {
    char *name, *method, *path, *header, *words, *body;
    unsigned weight;
    atomic_long first[2]; /* of each mock: so many more of them before there is a mixture */
    long statuses[STATUSES_MAX];
    size_t status_count;
    atomic_ulong asked, whole, refused, throttled, faulty, left;
};

struct side { /* a mock */
    unsigned port, admin;
    const char *headers, *scheme;
};

struct slot {
    CURL *easy;
    struct curl_slist *fields;
    struct scene *scene;
    struct wire *wire;
    CURLM *multi;
    char body[TEXT_MAX], path[2048], header[512];
    char held[HELD + 1], why[CURL_ERROR_SIZE]; /* libcurl's own words, which say more than its code */
    size_t got, leave_after;
    bool busy, slow, faulty, leaves;
};

struct wire {
    const char *name;
    const struct side *side;
    long version;
    uint64_t rng;
    pthread_t thread;
    char arn[512]; /* of the invocation that was begun last, for a path; "": none */
};

static struct scene scenes[SCENES_MAX];
static size_t scene_count;
static unsigned weights;
static char *faults[FAULTS_MAX];
static size_t fault_count;
static struct side sides[2];
static const char *ca;
static double rate;
static bool filling;
static uint64_t begin_ns, end_ns;
static atomic_long to_fill; /* requests */
static atomic_ulong unexpected, hostile, admin_calls, curl_faults;
static pthread_mutex_t print_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t draw(uint64_t *state, uint64_t below)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "soak-client: %s: %s\n", what, why);
    exit(2);
}

static void unlooked_for(const char *wire, const char *scene, long status, const char *why, const char *text)
{
    if (atomic_fetch_add(&unexpected, 1) >= SHOWN_MAX)
        return;
    pthread_mutex_lock(&print_lock);
    printf("UNEXPECTED %s %s: status %ld, %s: %.300s\n", wire, scene, status, why, text);
    fflush(stdout);
    pthread_mutex_unlock(&print_lock);
}

/* ---- what is asked ---- */

static char *column(char **line)
{
    char *text = strsep(line, "\t");
    if (text == NULL)
        die("the table of traffic", "a row lacks a column");
    return text;
}

static void read_scene(char *line)
{
    if (scene_count == SCENES_MAX)
        die("the table of traffic", "too many rows");
    struct scene *s = &scenes[scene_count++];
    s->name = column(&line);
    char *weight = column(&line), *first = strchr(weight, '+');
    s->weight = (unsigned)atoi(weight);
    for (size_t i = 0; i < 2 && first != NULL && filling; i++) {
        s->first[i] = atol(first);
        to_fill += s->first[i];
    }
    for (char *list = column(&line), *one; (one = strsep(&list, ",")) != NULL && s->status_count < STATUSES_MAX;)
        s->statuses[s->status_count++] = atol(one);
    s->method = column(&line);
    s->path = column(&line);
    s->header = column(&line);
    s->words = column(&line);
    s->body = column(&line);
    weights += s->weight;
}

static void read_lines(const char *file, void (*take)(char *line))
{
    FILE *f = fopen(file, "r");
    char *line = NULL;
    size_t cap = 0;
    if (f == NULL)
        die(file, "cannot be read");
    while (getline(&line, &cap, f) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '#' && line[0] != '\0')
            take(strdup(line));
    }
    free(line);
    fclose(f);
}

static void read_fault(char *line)
{
    if (fault_count < FAULTS_MAX)
        faults[fault_count++] = line;
}

/* "@30@" is a number below 30, "@*3000@" so many letters that begin with a number. */
static void fill(const char *pattern, char *to, size_t max, uint64_t *rng)
{
    size_t n = 0;
    while (*pattern != '\0' && n + 1 < max) {
        char *after;
        bool many = pattern[0] == '@' && pattern[1] == '*';
        unsigned long number = pattern[0] == '@' ? strtoul(pattern + 1 + many, &after, 10) : 0;
        if (number == 0 || *after != '@') {
            to[n++] = *pattern++;
            continue;
        }
        pattern = after + 1;
        n += (size_t)snprintf(to + n, max - n, "%lu ", (unsigned long)draw(rng, many ? 100 : number)) - !many;
        for (size_t i = 0; many && i < number && n + 1 < max; i++)
            to[n++] = i % 6 == 5 ? ' ' : (char)('a' + i % 26);
    }
    to[n < max ? n : max - 1] = '\0';
}

static void add_signed(struct slot *s, const char *name)
{
    char file[512], line[8192];
    snprintf(file, sizeof file, "%s/%s", s->wire->side->headers, name);
    FILE *f = fopen(file, "r");
    if (f == NULL)
        die(file, "cannot be read");
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncasecmp(line, "host:", 5) != 0)
            s->fields = curl_slist_append(s->fields, line);
    }
    fclose(f);
}

/* Of four requests three fill the tables of the mock, as long as there is one to fill. */
static struct scene *choose_to_fill(struct wire *w)
{
    size_t side = (size_t)(w->side - sides);
    if (to_fill <= 0 || draw(&w->rng, 4) == 0)
        return NULL;
    for (size_t i = 0; i < scene_count; i++) {
        if (scenes[i].first[side] <= 0 || atomic_fetch_sub(&scenes[i].first[side], 1) <= 0)
            continue;
        if (atomic_fetch_sub(&to_fill, 1) == 1) {
            printf("filled %.0f\n", (double)(now_ns() - begin_ns) / 1e9);
            fflush(stdout);
        }
        return &scenes[i];
    }
    return NULL;
}

static struct scene *choose(struct wire *w)
{
    for (;;) {
        uint64_t at = draw(&w->rng, weights);
        size_t i = 0;
        while (at >= scenes[i].weight)
            at -= scenes[i++].weight;
        if (w->arn[0] != '\0' || strstr(scenes[i].path, ARN) == NULL)
            return &scenes[i];
    }
}

/* "@arn@" in a path, percent-encoded. */
static void fill_path(const struct wire *w, const char *pattern, char *to, size_t max, uint64_t *rng)
{
    const char *at = strstr(pattern, ARN);
    if (at == NULL) {
        fill(pattern, to, max, rng);
        return;
    }
    size_t n = (size_t)snprintf(to, max, "%.*s", (int)(at - pattern), pattern);
    for (const char *p = w->arn; *p != '\0'; p++)
        n += (size_t)snprintf(to + n, max - n, *p == ':' || *p == '/' ? "%%%02X" : "%c", (unsigned char)*p);
    snprintf(to + n, max - n, "%s", at + strlen(ARN));
}

static void keep_arn(struct wire *w, const char *answer)
{
    const char *at = strstr(answer, "{\"invocationArn\":\"arn:");
    size_t n = at == NULL ? 0 : strcspn(at + 18, "\"");
    if (n > 0 && n < sizeof w->arn / 4)
        snprintf(w->arn, sizeof w->arn, "%.*s", (int)n, at + 18);
}

/* ---- clients ---- */

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct slot *s = ctx;
    n *= size;
    for (size_t i = 0; i < n && s->got + i < HELD; i++)
        s->held[s->got + i] = p[i] != '\0' ? p[i] : '.'; /* frames hold NULs, the words are looked for as text */
    s->got += n;
    s->held[s->got < HELD ? s->got : HELD] = '\0';
    return s->leaves && s->got > s->leave_after ? 0 : n;
}

static void choose_fields(struct slot *s)
{
    struct wire *w = s->wire;
    char line[600];
    s->fields = curl_slist_append(NULL, "Content-Type: application/json");
    s->fields = curl_slist_append(s->fields, "Expect:");
    fill(s->scene->header, s->header, sizeof s->header, &w->rng);
    if (strncmp(s->header, "signed:", 7) == 0) {
        curl_slist_free_all(s->fields); /* the file has the content type */
        s->fields = curl_slist_append(NULL, "Expect:");
        add_signed(s, s->header + 7);
    } else {
        snprintf(line, sizeof line, "Authorization: Bearer soak-%d", (int)draw(&w->rng, 20));
        s->fields = curl_slist_append(s->fields, line);
        if (s->header[0] != '\0')
            s->fields = curl_slist_append(s->fields, s->header);
    }
    if (s->faulty) {
        snprintf(line, sizeof line, "x-mohs-fault: %s", faults[draw(&w->rng, fault_count)]);
        s->fields = curl_slist_append(s->fields, line);
    }
}

static void begin(struct slot *s)
{
    struct wire *w = s->wire;
    char url[2200];
    s->scene = s->faulty ? NULL : choose_to_fill(w);
    if (s->scene == NULL)
        s->scene = choose(w);
    s->got = 0;
    s->held[0] = '\0';
    s->leaves = draw(&w->rng, 100) < 5;
    s->leave_after = draw(&w->rng, 3000);
    fill(s->scene->body, s->body, sizeof s->body, &w->rng);
    fill_path(w, s->scene->path, s->path, sizeof s->path, &w->rng);
    snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", w->side->scheme, w->side->port, s->path);
    choose_fields(s);
    curl_easy_reset(s->easy);
    curl_easy_setopt(s->easy, CURLOPT_URL, url);
    curl_easy_setopt(s->easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(s->easy, CURLOPT_HTTP_VERSION, w->version);
    curl_easy_setopt(s->easy, CURLOPT_CAINFO, ca);
    curl_easy_setopt(s->easy, CURLOPT_CUSTOMREQUEST, s->scene->method);
    if (strcmp(s->scene->method, "POST") == 0 || strcmp(s->scene->method, "PUT") == 0)
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, s->body);
    curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->fields);
    curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s);
    curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
    s->why[0] = '\0';
    curl_easy_setopt(s->easy, CURLOPT_ERRORBUFFER, s->why);
    curl_easy_setopt(s->easy, CURLOPT_PIPEWAIT, w->version == CURL_HTTP_VERSION_2TLS ? 1L : 0L);
    /* libcurl 7.88 breaks connections of prior knowledge that it uses again, with any server */
    bool once = w->version == CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    curl_easy_setopt(s->easy, CURLOPT_FRESH_CONNECT, once || draw(&w->rng, 100) < 3 ? 1L : 0L);
    curl_easy_setopt(s->easy, CURLOPT_FORBID_REUSE, once ? 1L : 0L);
    bool hurry = s->leaves && draw(&w->rng, 2) == 0; /* leave by the clock, be there an answer or not */
    curl_easy_setopt(s->easy, CURLOPT_TIMEOUT_MS,
                     hurry ? 1L + (long)draw(&w->rng, 30) : s->faulty ? 400L : PATIENCE_MS);
    if (s->slow)
        curl_easy_setopt(s->easy, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)8000);
    s->busy = curl_multi_add_handle(s->multi, s->easy) == CURLM_OK;
    atomic_fetch_add(&s->scene->asked, 1);
}

static void judge(struct slot *s, CURLcode code)
{
    struct scene *c = s->scene;
    long status = 0;
    size_t i = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    while (i < c->status_count && c->statuses[i] != status)
        i++;
    if (s->faulty) {
        atomic_fetch_add(&c->faulty, 1);
        atomic_fetch_add(&curl_faults, code != CURLE_OK);
    } else if (s->leaves && (code == CURLE_WRITE_ERROR || code == CURLE_OPERATION_TIMEDOUT)) {
        atomic_fetch_add(&c->left, 1);
    } else if (code == CURLE_OK && status == 429) {
        atomic_fetch_add(&c->throttled, 1); /* the fault that comes by rate, and the quotas */
    } else if (code != CURLE_OK || i == c->status_count || (status < 300 && strstr(s->held, c->words) == NULL)) {
        unlooked_for(s->wire->name, c->name, status, s->why[0] != '\0' ? s->why : curl_easy_strerror(code), s->held);
    } else {
        atomic_fetch_add(status < 300 ? &c->whole : &c->refused, 1);
        keep_arn(s->wire, s->held);
    }
}

static void finish(struct slot *s, CURLcode code)
{
    if (code != (CURLcode)-1)
        judge(s, code);
    curl_multi_remove_handle(s->multi, s->easy);
    curl_slist_free_all(s->fields);
    s->fields = NULL;
    s->busy = false;
}

static void gather(CURLM *multi)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(multi, &left)) != NULL;) {
        struct slot *s;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s);
        finish(s, code);
    }
}

static void *run_wire(void *arg)
{
    struct wire *w = arg;
    CURLM *multi[2];
    struct slot *slots = calloc(SLOTS, sizeof *slots);
    uint64_t next = now_ns();
    size_t running = 0;
    if (slots == NULL)
        die(w->name, "out of memory");
    for (size_t i = 0; i < 2; i++) {
        multi[i] = curl_multi_init();
        curl_multi_setopt(multi[i], CURLMOPT_PIPELINING,
                          w->version == CURL_HTTP_VERSION_2TLS ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING);
        curl_multi_setopt(multi[i], CURLMOPT_MAXCONNECTS, (long)SLOTS * 2);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        slots[i].easy = curl_easy_init();
        slots[i].wire = w;
        slots[i].slow = i < SLOW_SLOTS;
        slots[i].faulty = i >= SLOTS - FAULTY_SLOTS && fault_count > 0;
        slots[i].multi = multi[slots[i].faulty];
    }
    do {
        int moving;
        uint64_t now = now_ns();
        if (now > next + 100000000u) /* what could not be sent is not sent later at once */
            next = now;
        running = 0;
        for (size_t i = 0; i < SLOTS; i++) {
            if (!slots[i].busy && now < end_ns && now >= next) {
                begin(&slots[i]);
                next += (uint64_t)(1e9 / rate);
            }
            running += slots[i].busy;
        }
        for (size_t i = 0; i < 2; i++) {
            curl_multi_perform(multi[i], &moving);
            gather(multi[i]);
        }
        usleep(1000); /* what is measured here is not time */
    } while (now_ns() < end_ns || (running > 0 && now_ns() < end_ns + (uint64_t)PATIENCE_MS * 1000000u));
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].busy) {
            unlooked_for(w->name, slots[i].scene->name, 0, "no end in time", "never ended");
            finish(&slots[i], (CURLcode)-1);
        }
        curl_easy_cleanup(slots[i].easy);
    }
    for (size_t i = 0; i < 2; i++)
        curl_multi_cleanup(multi[i]);
    free(slots);
    return NULL;
}

/* ---- what no client sends ---- */

static int dial(unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {0, 200000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        unlooked_for("hostile", "connect", 0, "cannot connect", "");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static const char *const openings[] = {
    "",
    "GET /",
    "POST /model/amazon.nova-lite-v1%3A0/converse HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{\"mess",
    "POST /model/amazon.nova-lite-v1%3A0/converse HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "POST /model/amazon.nova-lite-v1%3A0/converse HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n{",
    "POST /model/x/converse HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "POST /model/x/converse HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffff\r\nabc",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\1\1\1\1",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "GET / HTTP/9.9\r\n\r\n",
    "\r\n\r\n\r\n\r\n",
};

/* One thing at a port: an opening, noise or long lines behind it, and one of the ways to go. */
static void annoy(unsigned port, uint64_t *rng, int *idle)
{
    char noise[20000];
    const char *begin = openings[draw(rng, sizeof openings / sizeof openings[0])];
    int fd = dial(port);
    size_t n = draw(rng, sizeof noise);
    if (fd < 0)
        return;
    bool lines = draw(rng, 3) == 0;
    for (size_t i = 0; i < n; i++)
        noise[i] = lines ? (char)"x-header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"[i % 44] : (char)draw(rng, 256);
    (void)!send(fd, begin, strlen(begin), MSG_NOSIGNAL);
    if (draw(rng, 2) == 0)
        (void)!send(fd, noise, n, MSG_NOSIGNAL);
    size_t place = draw(rng, IDLE_MAX * 4);
    if (place < IDLE_MAX) { /* stays, silent, until another takes its place */
        if (idle[place] >= 0)
            close(idle[place]);
        idle[place] = fd;
        return;
    }
    char heard[512];
    ssize_t got = draw(rng, 2) == 0 ? recv(fd, heard, sizeof heard - 1, 0) : 0;
    heard[got > 0 ? got : 0] = '\0';
    if (strncmp(heard, "HTTP/1.1 5", 10) == 0 && strncmp(heard, "HTTP/1.1 505", 12) != 0)
        unlooked_for("hostile", begin, atol(heard + 9), "answered", heard);
    struct linger reset = {1, 0};
    if (draw(rng, 2) == 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
}

static void *run_hostile(void *arg)
{
    int idle[IDLE_MAX];
    uint64_t rng = 99;
    (void)arg;
    memset(idle, -1, sizeof idle);
    while (now_ns() < end_ns) {
        annoy(sides[draw(&rng, 2)].port, &rng, idle);
        if (draw(&rng, 20) == 0)
            annoy(sides[draw(&rng, 2)].admin, &rng, idle);
        atomic_fetch_add(&hostile, 1);
        usleep(10000);
    }
    for (size_t i = 0; i < IDLE_MAX; i++)
        if (idle[i] >= 0)
            close(idle[i]);
    return NULL;
}

/* ---- the admin API ---- */

struct admin_scene {
    const char *method, *path, *body;
    long status;
};
static const struct admin_scene admin_scenes[] = {
    {"GET", "/health", "", 200},
    {"GET", "/journal?count=1&timeout_ms=5&since=999999999", "", 200},
    {"GET", "/journal?session=soak-@100@", "", 200},
    {"GET", "/journal?since=x", "", 400},
    {"GET", "/metrics", "", 200},
    {"GET", "/sessions", "", 200},
    {"GET", "/quotas", "", 200},
    {"GET", "/cache", "", 200},
    {"GET", "/fixtures", "", 200},
    {"POST", "/fixtures/reload", "", 200},
    {"GET", "/guardrails", "", 200},
    {"GET", "/faults", "", 200},
    {"GET", "/gate", "", 200},
    {"GET", "/clock", "", 200},
    {"POST", "/script",
     "{\"session\":\"soak-@100@\",\"replies\":[{\"times\":3,\"reply\":{\"text\":\"scripted @*900@\"}}]}", 200},
    {"POST", "/script",
     "{\"session\":\"soak-@100@\",\"replies\":[{\"reply\":{\"txt\":\"a\"}}]}", 400},
    {"POST", "/script", "{\"session\":", 400},
    {"POST", "/reset", "{\"session\":\"soak-@100@\"}", 200},
    {"POST", "/gate", "{\"open\":\"soak-@50@\"}", 200},
    {"DELETE", "/health", "", 405},
    {"GET", "/nothing", "", 404},
};

static size_t swallow(char *p, size_t size, size_t n, void *ctx)
{
    (void)p;
    *(size_t *)ctx += size * n;
    return size * n;
}

static void ask_admin(CURL *easy, const struct side *side, const struct admin_scene *a, uint64_t *rng)
{
    char url[512], path[256], body[4096];
    size_t got = 0;
    long status = 0;
    fill(a->path, path, sizeof path, rng);
    fill(a->body, body, sizeof body, rng);
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", side->admin, path);
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, a->method);
    if (strcmp(a->method, "POST") == 0)
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &got);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, PATIENCE_MS);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    atomic_fetch_add(&admin_calls, 1);
    if (code != CURLE_OK || status != a->status)
        unlooked_for("admin", path, status, curl_easy_strerror(code), body);
}

static void *run_admin(void *arg)
{
    static const struct admin_scene whole = {"GET", "/journal", "", 200};
    CURL *easy = curl_easy_init();
    uint64_t rng = 7, journal_at = now_ns();
    (void)arg;
    while (now_ns() < end_ns) {
        const struct side *side = &sides[draw(&rng, 2)];
        ask_admin(easy, side, &admin_scenes[draw(&rng, sizeof admin_scenes / sizeof admin_scenes[0])], &rng);
        if (now_ns() > journal_at) { /* megabytes of JSON: not too often */
            ask_admin(easy, side, &whole, &rng);
            journal_at = now_ns() + 2000000000u;
        }
        usleep(10000);
    }
    curl_easy_cleanup(easy);
    return NULL;
}

/* ---- the end ---- */

static unsigned long report(void)
{
    unsigned long unasked = 0, all = 0;
    printf("%-28s %9s %9s %9s %9s %9s %9s\n", "", "asked", "whole", "refused", "throttled", "faulty", "left");
    for (size_t i = 0; i < scene_count; i++) {
        struct scene *s = &scenes[i];
        printf("%-28s %9lu %9lu %9lu %9lu %9lu %9lu\n", s->name, s->asked, s->whole, s->refused, s->throttled,
               s->faulty, s->left);
        all += s->asked;
        if (s->asked > 50 && s->whole + s->refused == 0) {
            printf("UNEXPECTED %s: never answered as it should be\n", s->name);
            unasked++;
        }
    }
    printf("requests %lu hostile %lu admin %lu faults_seen %lu unexpected %lu\n", all, hostile, admin_calls,
           curl_faults, unexpected + unasked);
    return unexpected + unasked;
}

int main(int argc, char **argv)
{
    if (argc != 12) {
        fputs("usage: see the head of soak-client.c\n", stderr);
        return 2;
    }
    rate = atof(argv[2]);
    filling = atof(argv[1]) >= FILLING_S;
    read_lines(argv[3], read_scene);
    read_lines(argv[4], read_fault);
    sides[0] = (struct side){(unsigned)atoi(argv[5]), (unsigned)atoi(argv[6]), argv[7], "http"};
    sides[1] = (struct side){(unsigned)atoi(argv[8]), (unsigned)atoi(argv[9]), argv[10], "https"};
    ca = argv[11];
    curl_global_init(CURL_GLOBAL_ALL);
    begin_ns = now_ns();
    end_ns = begin_ns + (uint64_t)(atof(argv[1]) * 1e9);
    struct wire wires[] = {{"http/1.1", &sides[0], CURL_HTTP_VERSION_1_1, 1, 0, ""},
                           {"h2c", &sides[0], CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE, 2, 0, ""},
                           {"tls-http/1.1", &sides[1], CURL_HTTP_VERSION_1_1, 3, 0, ""},
                           {"tls-h2", &sides[1], CURL_HTTP_VERSION_2TLS, 4, 0, ""}};
    pthread_t others[2];
    for (size_t i = 0; i < 4; i++)
        pthread_create(&wires[i].thread, NULL, run_wire, &wires[i]);
    pthread_create(&others[0], NULL, run_hostile, NULL);
    pthread_create(&others[1], NULL, run_admin, NULL);
    for (size_t i = 0; i < 4; i++)
        pthread_join(wires[i].thread, NULL);
    for (size_t i = 0; i < 2; i++)
        pthread_join(others[i], NULL);
    return report() > 0;
}
