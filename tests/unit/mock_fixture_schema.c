/* fixtures/fixture.schema.json says of a file what the loader says: table of documents, and the members of a reply. */
#include "mock/fixture/fixture.h"
#include "mock/fixture/fixture_write.h"
#include "mock/script/scripted.h"
#include "protocol/data.h"
#include "protocol/schema.h"

#include "unit.h"

static cJSON *load_schema(void)
{
    struct span text;
    cJSON *schema = NULL;
    if (data_load("fixtures/fixture.schema.json", &text, NULL) != OK || json_parse(text, JSON_UNIQUE, &schema, NULL) != OK)
        abort();
    return schema;
}

static void schema_and_loader_agree(void)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"{\"fixtures\":[]}", true},
        {"{\"$schema\":\"x\",\"about\":\"y\",\"fixtures\":[{\"reply\":{}}]}", true},
        {"{}", false},
        {"[]", false},
        {"{\"fixtures\":{}}", false},
        {"{\"fixtures\":[3]}", false},
        {"{\"fixtures\":[],\"more\":1}", false},
        {"{\"fixtures\":[{}]}", false},
        {"{\"fixtures\":[{\"reply\":{},\"sequence\":[{}]}]}", false},
        {"{\"fixtures\":[{\"sequence\":[]}]}", false},
        {"{\"fixtures\":[{\"sequence\":[{},{\"text\":\"x\"}],\"then\":\"cycle\"}]}", true},
        {"{\"fixtures\":[{\"sequence\":[{}],\"then\":\"cycel\"}]}", false},
        {"{\"fixtures\":[{\"name\":\"n\",\"about\":\"a\",\"priority\":-3,\"times\":2,\"reply\":{\"text\":\"x\"}}]}", true},
        {"{\"fixtures\":[{\"name\":3,\"reply\":{}}]}", false},
        {"{\"fixtures\":[{\"priority\":1.5,\"reply\":{}}]}", false},
        {"{\"fixtures\":[{\"times\":\"always\",\"reply\":{}}]}", true},
        {"{\"fixtures\":[{\"times\":\"often\",\"reply\":{}}]}", false},
        {"{\"fixtures\":[{\"times\":0,\"reply\":{}}]}", false},
        {"{\"fixtures\":[{\"match\":{\"user\":\"x\",\"nth\":1,\"call\":2,\"at\":{\"/a\":1},\"stream\":true},\"reply\":{}}]}", true},
        {"{\"fixtures\":[{\"match\":{\"usr\":\"x\"},\"reply\":{}}]}", false},
        {"{\"fixtures\":[{\"match\":{\"at\":3},\"reply\":{}}]}", false},
        {"{\"fixtures\":[{\"match\":[],\"reply\":{}}]}", false},
        {"{\"fixtures\":[{\"match\":{\"$or\":[{\"user\":\"x\"}]},\"reply\":{}}]}", true},
        {"{\"fixtures\":[{\"reply\":{\"txt\":\"x\"}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"text\":3}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"content\":[{\"text\":\"x\"}],\"usage\":{},\"stop_reason\":\"end_turn\",\"ttft_ms\":1}}]}", true},
        {"{\"fixtures\":[{\"reply\":{\"error\":{\"type\":\"X\",\"status\":418,\"style\":\"code\",\"headers\":[[\"a\",\"b\"]]}}}]}", true},
        {"{\"fixtures\":[{\"reply\":{\"error\":{\"type\":\"ModelErrorException\",\"originalStatusCode\":100,"
         "\"originalMessage\":\"m\",\"resourceName\":\"r\"}}}]}", true},
        {"{\"fixtures\":[{\"reply\":{\"error\":{\"type\":\"X\",\"originalStatusCode\":99}}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"error\":{\"type\":\"X\",\"originalStatusCode\":500.5}}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"error\":{\"type\":\"X\",\"resourceName\":3}}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"error\":{}}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"error\":{\"type\":\"X\",\"status\":99}}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"error\":{\"type\":\"X\",\"style\":\"loud\"}}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"raw\":{\"status\":503,\"body\":\"x\"}}}]}", true},
        {"{\"fixtures\":[{\"reply\":{\"raw\":{\"bdy\":\"x\"}}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"frames\":[{\"event\":\"messageStart\",\"payload\":{},\"after_ms\":3}]}}]}", true},
        {"{\"fixtures\":[{\"reply\":{\"frames\":[{\"evnt\":\"x\"}]}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"gates\":[{\"name\":\"g\"}]}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"latency_ms\":-1}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"faults\":[{\"at_event\":1}]}}]}", false},
        {"{\"fixtures\":[{\"reply\":{\"template\":\"yes\"}}]}", false},
    };
    CLEANUP(json_free) cJSON *schema = load_schema();
    struct note note = {""};
    CLAIM(schema_check_schema(schema, &note) == OK, "%s", note.text);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(json_free) cJSON *document = NULL;
        struct note by_schema = {""}, by_loader = {""};
        if (json_parse(span_of(rows[i].text), JSON_UNIQUE, &document, NULL) != OK)
            abort();
        bool schema_takes = schema_validate(schema, document, &by_schema) == OK;
        bool loader_takes = fixture_check_document(document, &by_loader) == OK;
        CLAIM(schema_takes == rows[i].good, "%s: the schema says: %s", rows[i].text, by_schema.text);
        CLAIM(loader_takes == rows[i].good, "%s: the loader says: %s", rows[i].text, by_loader.text);
    }
}

/* "x" is none that any reply has, so the loader's complaint is about a value, not about the name. */
static void every_member_of_a_reply_is_in_both(void)
{
    CLEANUP(json_free) cJSON *schema = load_schema();
    const cJSON *in_schema = json_at(schema, "/$defs/reply/properties");
    const char *const *names;
    size_t n = scripted_members(&names);
    for (size_t i = 0; i < n; i++)
        CLAIM(json_item(in_schema, names[i]) != NULL, "fixtures/fixture.schema.json lacks %s in $defs/reply", names[i]);
    CLAIM((size_t)cJSON_GetArraySize(in_schema) == n, "fixtures/fixture.schema.json has %d members of a reply, the program %zu",
          cJSON_GetArraySize(in_schema), n);
}

static void what_is_written_is_read(void)
{
    CLEANUP(json_free) cJSON *document = fixture_document_new();
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    struct note note = {""};
    cJSON *f = fixture_document_add(document, "one");
    fixture_want(f, "user", cJSON_CreateString("hi"));
    for (int i = 0; i < 3; i++) {
        cJSON *reply = cJSON_CreateObject();
        (void)json_set_string(reply, "text", i == 0 ? "a" : i == 1 ? "b" : "c");
        fixture_answer(f, reply);
    }
    CLAIM(fixture_document_print(document, &text, &note) == OK, "%s", note.text);
    struct fixture_set *set = fixture_set_new();
    CLAIM(fixture_set_add(set, "x.json", buf_span(&text), &note) == OK && fixture_set_close(set, &note) == OK, "%s", note.text);
    CLAIM(fixture_set_count(set) == 1 && fixture_set_at(set, 0)->count == 3 && strcmp(fixture_set_at(set, 0)->name, "one") == 0, "%s",
          buf_text(&text));
    fixture_set_drop(&set);
    fixture_want(f, "usr", cJSON_CreateString("hi"));
    CLAIM(fixture_document_print(document, &text, &note) != OK, "it prints what nobody can read");
}

static void lines_of_pointers(void)
{
    static const char text[] = "{ \"a\": [\n 1,\n { \"b\\\"\": \"]}\",\n\n \"c\":\n {} } ],\n \"d\": 2 }";
    static const struct {
        const char *pointer;
        size_t line;
    } rows[] = {{"", 1}, {"/a", 1}, {"/a/0", 2}, {"/a/1", 3}, {"/a/1/c", 6}, {"/a/1/none", 3}, {"/a/9", 1}, {"/d", 7}, {"/d/x", 7}, {"/none", 1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CLAIM(fixture_line(span_of(text), rows[i].pointer) == rows[i].line, "%s: line %zu, expected %zu", rows[i].pointer,
              fixture_line(span_of(text), rows[i].pointer), rows[i].line);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"schema and loader agree", schema_and_loader_agree},
        {"every member of a reply is in both", every_member_of_a_reply_is_in_both},
        {"what is written is read", what_is_written_is_read},
        {"lines of pointers", lines_of_pointers},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_fixture_schema", tests);
}
