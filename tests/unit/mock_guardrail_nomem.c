/* mock_guardrail_nomem.c: memory that runs out while guardrails are read, laid over and asked: it is said, nothing is
 * lost, and a finding is never missed in silence.
 */
#include "failing_alloc.h"

#include "mock/guardrail/guardrail_assess.h"
#include "protocol/regex.h"
#include "unit.h"

enum { ALLOCATIONS_MAX = 200000 };

static struct guardrails *rails;

/* True: as with all the memory in the world; false: it said that it had none. Wrong ones make the claim fail here. */
typedef bool story(void);

static bool overlays(void)
{
    static const char text[] =
        "{\"settings\":{\"latency_ms\":0},\"lists\":{\"profanity\":[\"bother\"],\"content\":{\"HATE\":{\"LOW\":[\"x\"]}"
        "}},"
        "\"guardrails\":[{\"guardrailId\":\"mine\",\"name\":\"m\",\"blockedInputMessaging\":\"i\","
        "\"blockedOutputsMessaging\":\"o\",\"wordPolicy\":{\"words\":[{\"text\":\"pear\"}]}}]}";
    CLEANUP(json_free) cJSON *tree = NULL;
    struct note note = {""};
    enum err e = json_parse(SPAN_LIT(text), JSON_UNIQUE, &tree, &note);
    if (e == OK)
        e = guardrails_overlay(rails, tree, &note);
    struct guardrail_set *set = guardrails_hold(rails);
    bool there = guardrail_find(set, "mine", "1") != NULL;
    guardrail_set_drop(&set);
    guardrails_forget(rails);
    CLAIM(e == OK ? there : e == ERR_NOMEM, "%s: %s", err_name(e), note.text);
    return e == OK;
}

static bool judges(void)
{
    struct guardrail_part parts[] = {{.text = SPAN_LIT("darn, a stock tip for jane@example.com"), .guarded = true},
                                     {.text = SPAN_LIT("account 1234567890, you fool"), .guarded = true}};
    struct guardrail_set *set = guardrails_hold(rails);
    struct guardrail_ask ask = {.set = set,
                                .rail = guardrail_find(set, "everything01", "1"),
                                .output = true,
                                .full = true,
                                .parts = parts,
                                .count = 2,
                                .source = SPAN_LIT("a source of some words"),
                                .query = SPAN_LIT("some query")};
    struct guardrail_verdict v;
    guardrail_assess(&ask, &v);
    bool right = !v.failed;
    CLAIM(v.failed || (v.blocked && v.masked && v.texts[0] != NULL && v.texts[1] != NULL), "a finding is lost");
    guardrail_verdict_release(&v);
    guardrail_set_drop(&set);
    return right;
}

static bool loads(void)
{
    struct guardrails *g = NULL;
    struct note note = {""};
    enum err e = guardrails_new(NULL, &g, &note);
    CLAIM(e == OK ? g != NULL : e == ERR_NOMEM && g == NULL, "%s: %s", err_name(e), note.text);
    guardrails_free(g);
    return e == OK;
}

/* The n-th allocation fails, for n = 1, 2, ... until none does; beyond the first hundred in growing steps. */
static void starve(const char *name, story *act, bool for_good)
{
    bool failed = true;
    size_t n = 0;
    while (failed && n < ALLOCATIONS_MAX) {
        n += 1 + (n < 200 ? 0 : n / 50);
        long before = alloc_live();
        alloc_fail_at(n, for_good);
        bool right = act();
        failed = alloc_calm();
        CLAIM(failed || right, "%s: not right with memory", name);
        CLAIM(!failed || !right || !for_good, "%s: right without memory, from allocation %zu on", name, n);
        CLAIM(alloc_live() == before, "%s: %ld blocks are lost at %zu", name, alloc_live() - before, n);
    }
    CLAIM(n > 10 && n < ALLOCATIONS_MAX, "%s: %zu allocations", name, n);
}

static void guardrails_say_so_or_are_right(void)
{
    static const struct {
        const char *name;
        story *act;
    } rows[] = {{"overlays", overlays}, {"judges", judges}, {"loads", loads}};
    struct note note = {""};
    alloc_watch();
    if (guardrails_new(NULL, &rails, &note) != OK)
        abort();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLAIM(rows[i].act(), "%s: wrong with memory", rows[i].name);
        starve(rows[i].name, rows[i].act, false);
        starve(rows[i].name, rows[i].act, true);
    }
    guardrails_free(rails);
}

int main(void)
{
    CU_TestInfo tests[] = {{"guardrails_say_so_or_are_right", guardrails_say_so_or_are_right}, CU_TEST_INFO_NULL};
    return unit_main("mock_guardrail_nomem", tests);
}
