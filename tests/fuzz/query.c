/* Any bytes as a form of the query protocol: the first byte chooses an operation of STS. What comes out is a tree that
 * the model can judge, or a sentence; text written as XML holds no markup and no byte that XML forbids. */
#include <stdio.h>
#include <stdlib.h>

#include "mock/identity/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void try_xml(struct span text)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    xml_text(text, &out);
    for (size_t i = 0; i < out.len; i++) {
        unsigned char c = (unsigned char)out.data[i];
        must(c != '<' && c != '>' && (c >= 0x20 || c == '\t' || c == '\n'));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const operations[] = {"AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity",
                                             "GetSessionToken"};
    static struct api *api;
    struct note note = {""};
    if (api == NULL)
        must((api = api_load(&note)) != NULL);
    if (size == 0)
        return 0;
    const struct api_operation *o = api_operation(api, operations[data[0] % COUNT_OF(operations)]);
    struct span form = {data + 1, size - 1};
    CLEANUP(json_free) cJSON *tree = NULL;
    CLEANUP(buf_release) struct buf value = BUF_INIT(BUF_ANY);
    enum err e = query_tree(o, form, &tree, &note);
    must((e == OK) == (tree != NULL) && (e == OK || note.text[0] != '\0'));
    struct api_fault fault = API_FAULT_INIT;
    if (e == OK) {
        struct api_input in = {.body = tree};
        e = api_check_request(api, o, &in, &fault);
        must(e == OK || (e == ERR_INVALID && fault.text.len > 0));
    }
    api_fault_release(&fault);
    (void)(query_get(form, "Action", &value) == OK);
    try_xml(buf_span(&value));
    try_xml(form);
    return 0;
}
