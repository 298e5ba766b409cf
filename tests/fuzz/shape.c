/* Any JSON may be checked against any operation, counted and matched: nothing crashes, and a fault always has its text. */
#include <stdio.h>
#include <stdlib.h>

#include "protocol/match.h"
#include "protocol/shape.h"
#include "protocol/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_operation(const struct api *api, const char *name, const cJSON *body)
{
    CLEANUP(api_fault_release) struct api_fault fault = API_FAULT_INIT;
    struct api_input in = {.body = body};
    enum err e = api_check_request(api, api_operation(api, name), &in, &fault);
    if (e != OK && (e != ERR_INVALID || fault.status != 400 || fault.text.len == 0))
        abort();
}

/* The tokens of a text are the text. */
static void check_tokens(struct span text)
{
    size_t at = 0;
    for (size_t n; (n = token_next(text, at)) > 0; at += n)
        if (n > TOKEN_BYTES_MAX)
            abort();
    if (at != text.n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct api *api;
    struct note note = {""};
    if (api == NULL && (api = api_load(&note)) == NULL) {
        (void)fprintf(stderr, "%s\n", note.text);
        abort();
    }
    CLEANUP(json_free) cJSON *tree = NULL;
    check_tokens((struct span){data, size});
    if (json_parse((struct span){data, size}, 0, &tree, NULL) != OK)
        return 0;
    check_operation(api, "Converse", tree);
    check_operation(api, "CountTokens", tree);
    check_operation(api, "ApplyGuardrail", tree);
    (void)token_count_request(tree);
    CLEANUP(match_vars_release) struct match_vars vars = MATCH_VARS_INIT;
    struct match_failure failure = {"", "", ""};
    if (match_validate(tree, "", &note) == OK && !match(tree, tree, &vars, &failure) && failure.expected[0] == '\0')
        abort();
    return 0;
}
