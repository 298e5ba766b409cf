/* spawn: what a child gets of us, and what we get to know of it. */
#include <poll.h>
#include <unistd.h>

#include "harness/spawn.h"
#include "tests/unit/unit.h"

enum { SOON_MS = PATIENCE_MS };

/* A pipe as libcurl makes its sockets: not closed by exec. When the child has none of it, closing our end ends it. */
static void a_child_holds_nothing_of_ours_open(void)
{
    int ends[2];
    struct note note = {""};
    struct spawn s = SPAWN_INIT;
    static const char *const argv[] = {"cat", NULL}; /* runs until we let go of its standard input */
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    CU_ASSERT_EQUAL_FATAL(spawn_start(&s, &(struct spawn_config){.argv = argv}, &note), OK);
    (void)close(ends[1]);
    struct pollfd end = {.fd = ends[0], .events = POLLIN};
    CLAIM(poll(&end, 1, SOON_MS) == 1 && (end.revents & POLLHUP) != 0, "the child keeps our pipe open");
    CU_ASSERT_TRUE(spawn_alive(&s));
    spawn_stop(&s);
    (void)close(ends[0]);
}

static void what_it_wrote_is_kept_and_its_environment_is_ours_and_more(void)
{
    struct note note = {""};
    struct spawn s = SPAWN_INIT;
    static const char *const argv[] = {"/bin/sh", "-c", "echo \"said $WORD\"; echo \"$PORT 0\" >&3; cat", NULL};
    static const char *const env[] = {"WORD=hello", "PORT=4711", NULL};
    unsigned port = 0, second = 1;
    CU_ASSERT_EQUAL_FATAL(spawn_start(&s, &(struct spawn_config){.argv = argv, .env = env, .ready = true}, &note), OK);
    CU_ASSERT_EQUAL(spawn_wait_ready(&s, SOON_MS, &port, &second, &note), OK);
    CU_ASSERT_EQUAL(port, 4711);
    CU_ASSERT_EQUAL(second, 0);
    CLEANUP(buf_release) struct buf log = BUF_INIT(BUF_ANY);
    spawn_log(&s, 100, &log);
    CU_ASSERT_STRING_EQUAL(buf_text(&log), "said hello\n");
    spawn_stop(&s);
}

static void a_program_that_is_not_there_is_an_error_at_once(void)
{
    struct note note = {""};
    struct spawn s = SPAWN_INIT;
    static const char *const argv[] = {"/no/such/program", NULL};
    CU_ASSERT_NOT_EQUAL(spawn_start(&s, &(struct spawn_config){.argv = argv}, &note), OK);
    CLAIM(strstr(note.text, "/no/such/program") != NULL, "the note does not name it: %s", note.text);
    spawn_stop(&s);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a child holds nothing of ours open", a_child_holds_nothing_of_ours_open},
        {"what it wrote is kept, and its environment is ours and more", what_it_wrote_is_kept_and_its_environment_is_ours_and_more},
        {"a program that is not there is an error at once", a_program_that_is_not_there_is_an_error_at_once},
        CU_TEST_INFO_NULL,
    };
    return unit_main("spawn", tests);
}
