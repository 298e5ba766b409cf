/* profile.c: reading a profile; what it leaves out has a default here, in one table. */
#include "harness/profile.h"

#include <stdlib.h>

#include "harness/suite.h"
#include "protocol/data.h"

#define PROFILES_DIR   "suites/profiles/"
#define PROFILE_SCHEMA "suites/profile.schema.json"

struct names {
    const char *items[64];
    size_t count;
    struct buf text;
};

static int add_name(void *ctx, const char *path, struct span bytes)
{
    struct names *n = ctx;
    (void)bytes;
    if (n->count < COUNT_OF(n->items))
        n->items[n->count++] = path + strlen(PROFILES_DIR);
    buf_addf(&n->text, "%s%.*s", n->text.len > 0 ? ", " : "", (int)(strlen(path) - strlen(PROFILES_DIR) - 5),
             path + strlen(PROFILES_DIR));
    return 0;
}

static enum err no_such_profile(const char *name, struct note *note)
{
    struct names names = {.text = BUF_INIT(BUF_ANY)};
    (void)data_each(PROFILES_DIR, add_name, &names);
    enum err e = note_set(note, ERR_UNKNOWN, "there is no profile '%s'; there are %s, and any file ending in .json",
                          name, buf_text(&names.text));
    buf_release(&names.text);
    return e;
}

static enum err load_tree(const char *name, struct profile *out, struct note *note)
{
    size_t n = strlen(name);
    if (strchr(name, '/') != NULL || (n > 5 && strcmp(name + n - 5, ".json") == 0)) {
        out->path = span_dup(span_of(name));
        return suite_load_file(name, PROFILE_SCHEMA, &out->root, note);
    }
    struct buf path = BUF_INIT(BUF_ANY);
    struct span bytes;
    buf_addf(&path, PROFILES_DIR "%s.json", name);
    out->path = buf_take(&path);
    if (out->path == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    if (data_load(out->path, &bytes, NULL) != OK)
        return no_such_profile(name, note);
    return suite_parse(bytes, out->path, PROFILE_SCHEMA, &out->root, note);
}

static unsigned wait_ms(const cJSON *root, const char *name, unsigned fallback)
{
    int64_t ms = 0;
    const cJSON *given = json_member(json_member(root, "timeouts_ms"), name);
    return given != NULL && json_int64(given, &ms) ? (unsigned)ms : fallback;
}

static enum err check_claims(const struct profile *p, struct note *note)
{
    CLEANUP(json_free) cJSON *capabilities = NULL;
    enum err e = capabilities_load(&capabilities, note);
    const cJSON *known = json_member(capabilities, "capabilities");
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(p->root, "claims"))
    {
        if (e == OK && cJSON_GetObjectItemCaseSensitive(known, one->valuestring) == NULL)
            e = note_set(note, ERR_UNKNOWN, "%s: /claims: '%s' is not in suites/capabilities.json", p->path,
                         one->valuestring);
    }
    if (e == OK && profile_model(p, "default", &(const char *){NULL}, &(const char *){NULL}) == false)
        e = note_set(note, ERR_INVALID, "%s: /models: there must be one named default", p->path);
    return e;
}

enum err profile_load(const char *name, struct profile *out, struct note *note)
{
    *out = (struct profile){0};
    enum err e = load_tree(name, out, note);
    if (e != OK)
        return e;
    const char *self = json_str(out->root, "self");
    out->name = json_str(out->root, "name");
    out->client_key = json_str(out->root, "client_key");
    out->self = self == NULL ? SELF_NONE : strcmp(self, "gateway") == 0 ? SELF_GATEWAY : SELF_MOCK;
    out->request_ms = wait_ms(out->root, "request", 30000);
    out->progress_ms = wait_ms(out->root, "progress", 3000);
    out->settle_ms = wait_ms(out->root, "settle", 100);
    out->cancel_ms = wait_ms(out->root, "cancel", 3000);
    return check_claims(out, note);
}

void profile_release(struct profile *p)
{
    if (p == NULL)
        return;
    json_free(&p->root);
    free(p->path);
    *p = (struct profile){0};
}

bool profile_claims(const struct profile *p, const char *capability, struct note *why)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(p->root, "claims"))
    {
        if (strcmp(one->valuestring, capability) == 0)
            return true;
    }
    const char *reason = json_str(json_member(p->root, "unclaimed"), capability);
    (void)note_set(why, ERR_UNSUPPORTED, "%s: /claims does not hold '%s'%s%s", p->path, capability,
                   reason != NULL ? ": " : "", reason != NULL ? reason : "");
    return false;
}

const cJSON *profile_dialect(const struct profile *p, const char *dialect)
{
    return json_member(json_member(p->root, "dialects"), dialect);
}

const char *profile_model_region(const struct profile *p, const char *name)
{
    return json_str(json_member(json_member(p->root, "models"), name), "region");
}

bool profile_model(const struct profile *p, const char *name, const char **client, const char **upstream)
{
    const cJSON *model = json_member(json_member(p->root, "models"), name);
    if (model == NULL)
        return false;
    *client = json_str(model, "client");
    *upstream = json_str(model, "upstream") != NULL ? json_str(model, "upstream") : *client;
    return true;
}

void profile_describe(const struct profile *p, struct buf *out)
{
    static const char *const selves[] = {"a program of its own", "the reference gateway of this program",
                                         "the mock itself"};
    buf_addf(out, "profile %s (%s): %s\n  from       %s\n  target     %s\n", p->name, json_str(p->root, "title"),
             selves[p->self], p->path,
             json_str(p->root, "target") != NULL ? json_str(p->root, "target")
                                                 : "(given by --target, or started by mohs)");
    buf_addf(out, "  waits      request %u ms, progress %u ms, settle %u ms, cancel %u ms\n", p->request_ms,
             p->progress_ms, p->settle_ms, p->cancel_ms);
    const cJSON *one;
    cJSON_ArrayForEach(one, json_member(p->root, "dialects"))
    {
        buf_addf(out, "  dialect    %s at %s/\n", one->string,
                 json_str(one, "base") != NULL ? json_str(one, "base") : "");
    }
    cJSON_ArrayForEach(one, json_member(p->root, "models"))
    {
        const char *client = NULL, *upstream = NULL;
        (void)profile_model(p, one->string, &client, &upstream);
        buf_addf(out, "  model      %-8s %s%s%s\n", one->string, client, client == upstream ? "" : " -> ",
                 client == upstream ? "" : upstream);
    }
    buf_adds(out, "  claims    ");
    cJSON_ArrayForEach(one, json_member(p->root, "claims"))
    {
        buf_addf(out, " %s", one->valuestring);
    }
    buf_addc(out, '\n');
}
