/* suite.c: parse, refuse twins among the members, hold against the schema: one way for every kind of file. */
#include "harness/suite.h"

#include <stdio.h>

#include "protocol/data.h"
#include "protocol/file.h"
#include "protocol/schema.h"

enum { LARGEST_SUITE_FILE = 16 << 20 };

enum err suite_parse(struct span bytes, const char *path, const char *schema, cJSON **out, struct note *note)
{
    struct span text;
    CLEANUP(json_free) cJSON *rules = NULL;
    CLEANUP(json_free) cJSON *tree = NULL;
    enum err e = data_load(schema, &text, note);
    if (e == OK)
        e = json_parse(text, JSON_UNIQUE, &rules, note);
    if (e != OK) {
        note_prefix(note, "%s", schema);
        return e;
    }
    e = json_parse(bytes, JSON_UNIQUE, &tree, note);
    if (e == OK)
        e = schema_validate(rules, tree, note);
    if (e != OK) {
        note_prefix(note, "%s", path);
        return e;
    }
    *out = tree;
    tree = NULL;
    return OK;
}

enum err suite_load(const char *path, const char *schema, cJSON **out, struct note *note)
{
    struct span bytes;
    *out = NULL;
    enum err e = data_load(path, &bytes, note);
    return e == OK ? suite_parse(bytes, path, schema, out, note) : e;
}

enum err suite_load_file(const char *path, const char *schema, cJSON **out, struct note *note)
{
    *out = NULL;
    CLEANUP(buf_release) struct buf text = BUF_INIT(LARGEST_SUITE_FILE);
    enum err e = file_read(path, &text, note);
    if (e != OK)
        return e;
    return suite_parse(buf_span(&text), path, schema, out, note);
}

enum err capabilities_load(cJSON **out, struct note *note)
{
    return suite_load("suites/capabilities.json", "suites/capabilities.schema.json", out, note);
}
