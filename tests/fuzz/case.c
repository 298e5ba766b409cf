/* Any bytes as a file of the suites: a case, a profile, a list of expected failures. The first byte chooses. What is
 * refused has its sentence; what is taken is sound: a case passes case_check() to its end, each of its mutations names a
 * check of its own, and a profile can be asked what it claims.
 */
#include <stdio.h>
#include <stdlib.h>

#include "harness/case.h"
#include "harness/expand.h"
#include "harness/expected.h"
#include "harness/profile.h"
#include "harness/suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

struct house {
    struct requirements requirements;
    cJSON *capabilities;
};

static const struct house *house(void)
{
    static struct house h;
    struct note note = {""};
    if (h.capabilities == NULL)
        must(requirements_load(&h.requirements, &note) == OK && capabilities_load(&h.capabilities, &note) == OK);
    return &h;
}

static void try_case(const cJSON *tree)
{
    struct note note = {""};
    enum err e = case_check(tree, &house()->requirements, house()->capabilities, &note);
    must(e == OK || note.text[0] != '\0');
    const cJSON *m;
    cJSON_ArrayForEach(m, json_member(tree, "mutations"))
    {
        bool has = case_has_check(tree, json_str(m, "caught"));
        must(e != OK || has);
    }
}

static void try_profile(cJSON *tree)
{
    struct profile p = {.root = tree, .path = (char[]){"x.json"}, .name = json_str(tree, "name")};
    struct note why = {""};
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const cJSON *capability;
    cJSON_ArrayForEach(capability, json_member(house()->capabilities, "capabilities"))
    {
        must(profile_claims(&p, capability->string, &why) || why.text[0] != '\0');
    }
    const char *client = NULL, *upstream = NULL;
    must(!profile_model(&p, "default", &client, &upstream) || client != NULL);
    profile_describe(&p, &text);
}

static void try_expected(cJSON *tree)
{
    struct expected x = {tree};
    struct finding one = {.id = (char[]){"steps[0].receive.status"}, .ok = false};
    struct findings found = {&one, 1, 1};
    struct note why = {""};
    for (const cJSON *row = json_member(tree, "cases")->child; row != NULL; row = row->next)
        must(expected_judge(&x, row->string, &found, &why) == EXPECTED_NONE || why.text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const schemas[] = {"suites/case.schema.json", "suites/profile.schema.json",
                                          "suites/expected-failures.schema.json"};
    if (size == 0)
        return 0;
    CLEANUP(json_free) cJSON *tree = NULL, *names = cJSON_Parse("{\"port\":\"80\"}");
    struct note note = {""};
    size_t kind = data[0] == '{' ? 0 : data[0] % COUNT_OF(schemas); /* a case may stand there as it is */
    struct span text = {data + (data[0] != '{'), size - (data[0] != '{')};
    if (suite_parse(text, "x.json", schemas[kind], &tree, &note) != OK) {
        must(note.text[0] != '\0' && tree == NULL);
        return 0;
    }
    if (kind == 0)
        try_case(tree);
    else if (kind == 1)
        try_profile(tree);
    else
        try_expected(tree);
    const struct expansion x = {names, NULL};
    must(expand_tree(&x, tree, &note) == OK || note.text[0] != '\0');
    return 0;
}
