/* Any bytes as a file of fixtures, and as one of another mock's: refused with a sentence that has a line, or taken; and what is taken
 * answers, misses and expands without a slip. What an import writes, the loader takes.
 */
#include <stdlib.h>

#include "mock/fixture/fixture.h"
#include "mock/fixture/fixture_import.h"
#include "mock/fixture/fixture_write.h"
#include "mock/script/scripted.h"
#include "mock/script/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void ignore(void *ctx, bool lost, const char *line)
{
    (void)ctx, (void)lost, (void)line;
}

static void expand(const struct fixture_hit *hit, uint64_t call, const cJSON *subject)
{
    struct rng rng = {1};
    const struct template_scene scene = {.subject = subject, .request_id = "id", .region = "r", .now_ms = 1, .call = call, .nth = hit->nth, .rng = &rng};
    cJSON *out = NULL;
    if (template_check(hit->reply, "", NULL) == OK)
        must(template_expand(hit->reply, &scene, &out, NULL) == OK || out == NULL);
    json_free(&out);
}

static void play(struct fixture_set *set, const cJSON *subject)
{
    struct sessions *all = sessions_new();
    must(all != NULL);
    for (uint64_t call = 1; call < 5; call++) {
        struct fixture_hit hit;
        struct fixture_near near[FIXTURE_NEAREST_MAX];
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        if (fixture_set_take(set, sessions_main(all), call, subject, (enum scripted_use)(call % 3), &hit)) {
            must(scripted_check(hit.reply, "", NULL) == OK);
            expand(&hit, call, subject);
        }
        size_t n = fixture_set_nearest(set, sessions_main(all), subject, near);
        fixture_near_sentence(near, n, &text);
        fixture_near_json(near, n, &text);
    }
    sessions_free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char asked[] = "{\"operation\":\"Converse\",\"model\":\"m\",\"user\":\"x\",\"turn\":1,\"headers\":{\"x-api-key\":\"k\"},"
                                "\"target\":\"/a?X-Amz-Signature=1\",\"body\":{\"a\":[1,\"b\"]}}";
    CLEANUP(json_free) cJSON *subject = cJSON_Parse(asked);
    CLEANUP(json_free) cJSON *theirs = NULL;
    struct span text = {data, size};
    struct note note = {""};
    struct fixture_set *set = fixture_set_new();
    must(subject != NULL && set != NULL);
    if (fixture_set_add(set, "f.json", text, &note) == OK) {
        must(fixture_set_close(set, &note) == OK);
        play(set, subject);
    } else {
        must(strncmp(note.text, "f.json", 6) == 0);
    }
    fixture_set_drop(&set);
    if (json_parse(text, JSON_COMPACT, &theirs, NULL) != OK)
        return 0;
    CLEANUP(json_free) cJSON *document = fixture_document_new();
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    struct fixture_import to = {.document = document, .tell = ignore};
    if (fixture_import_aimock(&to, theirs, "f.json", &note) == OK)
        must(fixture_document_print(document, &out, &note) == OK || note.text[0] != '\0');
    return 0;
}
