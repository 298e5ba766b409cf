/* The journal in a file: every request that ended, a line each, whatever the journal itself has dropped or forgotten. */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "mock/admin/journal.h"
#include "mock_rig.h"
#include "protocol/file.h"

#define MANY 200

static char path[64];

static void new_file(void)
{
    (void)snprintf(path, sizeof path, "journal-file-%d.jsonl", (int)getpid());
    (void)unlink(path);
}

static atomic_int told;
static char words[512];

static void listen_to(void *ctx, const char *line)
{
    (void)ctx;
    if (strstr(line, "--journal-file") == NULL)
        return;
    (void)snprintf(words, sizeof words, "%s", line);
    atomic_fetch_add(&told, 1);
}

/* Each line is a JSON object; line i is request i of its run and says "number i". */
static size_t lines_of(size_t a_run)
{
    struct note note = {""};
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    CU_ASSERT_EQUAL_FATAL(file_read(path, &text, &note), OK);
    size_t n = 0;
    for (struct span rest = buf_span(&text), line; rest.n > 0; n++) {
        CU_ASSERT_FATAL(memchr(rest.p, '\n', rest.n) != NULL);
        (void)span_split(rest, '\n', &line, &rest);
        CLEANUP(json_free) cJSON *entry = NULL;
        CLAIM(json_parse(line, JSON_UNIQUE, &entry, &note) == OK, "line %zu is %s", n + 1, note.text);
        char wanted[32];
        (void)snprintf(wanted, sizeof wanted, "number %zu", n % a_run);
        CLAIM(number_at(entry, "/seq") == (double)(n % a_run + 1) && strstr(text_at(entry, "/body"), wanted) != NULL &&
                  number_at(entry, "/reply/status") == 200 && strcmp(text_at(entry, "/delivered/end"), "complete") == 0,
              "line %zu: %.*s", n + 1, (int)line.n, (const char *)line.p);
    }
    CU_ASSERT_PTR_NULL(strstr(buf_text(&text), "sesame"));
    return n;
}

static void ask_many(struct mock *m)
{
    char body[200];
    const struct key key = {.access = "sesame", .bearer = true};
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(body, sizeof body,
                       "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"number %d\"}]}]}", i);
        CLEANUP(reply_release) struct reply r = fetch(mock_port(m), "POST", CONVERSE, body, NULL, &key);
        CU_ASSERT_EQUAL(r.status, 200);
        if (i == MANY / 2)
        {
            CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "{}");
            CU_ASSERT_EQUAL(reset.status, 200);
        }
    }
}

static void every_request_is_a_line_whatever_the_journal_forgets(void)
{
    new_file();
    for (size_t run = 1; run <= 2; run++) { /* the second appends */
        const struct mock_config config = {.journal_bytes = 10000, .journal_file = path};
        struct mock *m = rig_start(&config);
        ask_many(m);
        CLEANUP(reply_release) struct reply held = admin(m, "GET", "/journal", "");
        CLAIM(number_at(held.json, "/dropped") > 0, "the journal dropped nothing: %s", buf_text(&held.body));
        CU_ASSERT(mock_stop(m));
        size_t n = lines_of(MANY);
        CLAIM(n == run * MANY, "%zu lines after run %zu", n, run);
    }
    (void)unlink(path);
}

static void what_cannot_be_written_is_told(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_NONE, .journal_file = "/dev/full", .log = listen_to};
    struct mock *m = rig_start(&config), *none = NULL;
    struct note note = {""};
    for (int i = 0; i < 3; i++) {
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        CU_ASSERT_EQUAL(r.status, 200);
    }
    CU_ASSERT(!mock_stop(m));
    CLAIM(atomic_load(&told) == 2 && strstr(words, "/dev/full: 3 requests are not in it") != NULL, "told %d times, last: %s",
          atomic_load(&told), words);
    config.journal_file = "no/such/folder";
    CU_ASSERT_EQUAL(mock_start(&config, &none, &note), ERR_IO);
    CLAIM(strstr(note.text, "--journal-file no/such/folder: No such file") != NULL, "%s", note.text);
}

/* Who starts a mock with its output in a pipe, and waits for its end without reading, sees the end. */
static void a_pipe_that_nobody_reads_does_not_hold_the_end(void)
{
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    char name[32];
    (void)snprintf(name, sizeof name, "/dev/fd/%d", ends[1]);
    const struct mock_config config = {.auth = MOCK_AUTH_NONE, .journal_file = name, .log = listen_to};
    struct mock *m = rig_start(&config);
    for (int i = 0; i < MANY; i++) {
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        CU_ASSERT_EQUAL(r.status, 200);
    }
    uint64_t before = now_ns();
    CU_ASSERT(!mock_stop(m));
    CLAIM(now_ns() - before < 20000000000U, "it took %llu ns", (unsigned long long)(now_ns() - before));
    CLAIM(strstr(words, "requests are not in it") != NULL, "%s", words);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* A follower that does not come loses entries, and holds no more than its bound; the journal's own go on. */
static void a_slow_follower_is_bounded(void)
{
    CLEANUP(free_ptr) char *megabyte = calloc(1, 1 << 20);
    struct journal *j = journal_new(100);
    CU_ASSERT_FATAL(megabyte != NULL && j != NULL);
    memset(megabyte, 'x', 1 << 20);
    struct http_request request = {.method = span_of("POST"), .target = span_of("/x"), .body = {(unsigned char *)megabyte, 1 << 20}};
    const struct journal_record record = {.request = &request, .source = SOURCE_DEFAULT, .verdict = "valid", .status = 200};
    CLEANUP(buf_release) struct buf scratch = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    journal_follow_start(j);
    for (int i = 0; i < 80; i++)
        journal_end(j, journal_begin(j, &record, &scratch), &(struct delivery){.status = 200});
    journal_follow_stop(j);
    size_t followed = 0;
    for (uint64_t n; journal_follow(j, &out, &n); buf_reset(&out))
        followed += n;
    struct journal_stats stats;
    journal_stats(j, &stats);
    CLAIM(followed == 63 && stats.unfollowed == 17 && stats.last == 80, "%zu followed, %llu lost", followed,
          (unsigned long long)stats.unfollowed);
    journal_free(j);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        {"every request is a line, whatever the journal forgets", every_request_is_a_line_whatever_the_journal_forgets},
        {"what cannot be written is told", what_cannot_be_written_is_told},
        {"a pipe that nobody reads does not hold the end", a_pipe_that_nobody_reads_does_not_hold_the_end},
        {"a slow follower is bounded", a_slow_follower_is_bounded},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_journal_file", tests);
}
