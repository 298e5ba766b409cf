/* policy.c: the policy file: read, checked, asked.
 *
 * The tree stays as it was read; a question walks it. A user's mistake in a policy is a hole or a wall nobody finds, so
 * everything is checked at the start: unknown members, effects that are none, actions without a service.
 */
#include "mock/identity/policy.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/file.h"
#include "protocol/glob.h"

struct policy {
    cJSON *tree;
    const cJSON *statements, *ungranted;
};

static bool matches_any(const cJSON *list, const char *text, bool nocase)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        struct span glob = span_of(item->valuestring);
        if (nocase ? glob_fits_nocase(glob, span_of(text)) : glob_fits(glob, span_of(text)))
            return true;
    }
    return false;
}

/* ---- checking ---- */

static enum err check_strings(const cJSON *object, const char *key, const char *where, bool wanted, struct note *note)
{
    const cJSON *list = json_member(object, key), *item;
    if (list == NULL)
        return wanted ? note_set(note, ERR_INVALID, "%s/%s: expected a list of strings, found nothing", where, key)
                      : OK;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0)
        return note_set(note, ERR_INVALID, "%s/%s: expected a list of strings", where, key);
    int i = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item) || item->valuestring[0] == '\0')
            return note_set(note, ERR_INVALID, "%s/%s/%d: expected a string, found %s", where, key, i,
                            cJSON_IsString(item) ? "an empty one" : json_type_name(item));
        i++;
    }
    return OK;
}

static enum err check_actions(const cJSON *list, const char *where, struct note *note)
{
    const cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (strcmp(item->valuestring, "*") != 0 && strchr(item->valuestring, ':') == NULL)
            return note_set(note, ERR_INVALID, "%s/actions/%d: '%.60s' has no service: did you mean 'bedrock:%.60s'?",
                            where, i, item->valuestring, item->valuestring);
        i++;
    }
    return OK;
}

static enum err check_statement(const cJSON *s, const char *where, struct note *note)
{
    static const char *const known[] = {"sid", "effect", "principals", "actions", "resources", "policy"};
    const char *effect = "", *text = NULL;
    if (!cJSON_IsObject(s))
        return note_set(note, ERR_INVALID, "%s: expected an object, found %s", where, json_type_name(s));
    enum err e = json_only_keys(s, known, COUNT_OF(known), where, note);
    if (e == OK)
        e = json_get_string(s, "effect", where, &effect, note);
    if (e == OK && strcmp(effect, "Allow") != 0 && strcmp(effect, "Deny") != 0)
        e = note_set(note, ERR_INVALID, "%s/effect: expected Allow or Deny, found '%.40s'", where, effect);
    if (e == OK)
        e = json_opt_string(s, "sid", where, &text, note);
    if (e == OK)
        e = json_opt_string(s, "policy", where, &text, note);
    if (e == OK && json_member(s, "policy") != NULL && strcmp(effect, "Deny") != 0)
        e = note_set(note, ERR_INVALID, "%s/policy: a service control policy is named where it denies", where);
    if (e == OK)
        e = check_strings(s, "actions", where, true, note);
    if (e == OK)
        e = check_actions(json_member(s, "actions"), where, note);
    if (e == OK)
        e = check_strings(s, "principals", where, false, note);
    return e == OK ? check_strings(s, "resources", where, false, note) : e;
}

/* What a model that was not granted may be answered with: ids of errors.json. */
static const char *const reasons[] = {"no-model-access",        "marketplace-denied", "use-case-form",
                                      "account-not-authorized", "model-legacy",       "model-eol"};

static enum err check_ungranted(const cJSON *item, const char *where, struct note *note)
{
    static const char *const known[] = {"models", "because"};
    const char *because = reasons[0];
    if (cJSON_IsString(item) && item->valuestring[0] != '\0')
        return OK;
    if (!cJSON_IsObject(item))
        return note_set(note, ERR_INVALID, "%s: expected a model id or an object with models, found %s", where,
                        json_type_name(item));
    enum err e = json_only_keys(item, known, COUNT_OF(known), where, note);
    if (e == OK)
        e = check_strings(item, "models", where, true, note);
    if (e == OK)
        e = json_opt_string(item, "because", where, &because, note);
    for (size_t i = 0; e == OK && i < COUNT_OF(reasons); i++)
        if (strcmp(reasons[i], because) == 0)
            return OK;
    const char *near = nearest_word(because, reasons, COUNT_OF(reasons));
    return e != OK ? e
                   : note_set(note, ERR_INVALID, "%s/because: '%.40s' is no reason; %s %s", where, because,
                              near != NULL ? "did you mean" : "there is", near != NULL ? near : reasons[0]);
}

static enum err check_list(const cJSON *list, const char *name,
                           enum err (*check)(const cJSON *item, const char *where, struct note *note),
                           struct note *note)
{
    const cJSON *item;
    int i = 0;
    enum err e = OK;
    if (list != NULL && !cJSON_IsArray(list))
        return note_set(note, ERR_INVALID, "/%s: expected a list, found %s", name, json_type_name(list));
    cJSON_ArrayForEach(item, list)
    {
        char where[64];
        (void)snprintf(where, sizeof where, "/%s/%d", name, i++);
        if (e == OK)
            e = check(item, where, note);
    }
    return e;
}

static enum err check_policy(const struct policy *p, struct note *note)
{
    static const char *const known[] = {"statements", "ungranted"};
    if (!cJSON_IsObject(p->tree))
        return note_set(note, ERR_INVALID, "expected an object, found %s", json_type_name(p->tree));
    enum err e = json_only_keys(p->tree, known, COUNT_OF(known), "", note);
    if (e == OK)
        e = check_list(p->statements, "statements", check_statement, note);
    return e == OK ? check_list(p->ungranted, "ungranted", check_ungranted, note) : e;
}

/* ---- birth and death ---- */

enum err policy_parse(struct span text, const char *name, struct policy **out, struct note *note)
{
    struct policy *p = *out = calloc(1, sizeof *p);
    if (p == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    enum err e = json_parse(text, JSON_UNIQUE, &p->tree, note);
    if (e == OK) {
        p->statements = json_member(p->tree, "statements");
        p->ungranted = json_member(p->tree, "ungranted");
        e = check_policy(p, note);
    }
    if (e != OK) {
        note_prefix(note, "%s", name);
        policy_free(p);
        *out = NULL;
    }
    return e;
}

enum err policy_new(const char *file, struct policy **out, struct note *note)
{
    *out = NULL;
    CLEANUP(buf_release) struct buf text = BUF_INIT(POLICY_FILE_MAX);
    enum err e = file_read(file, &text, note);
    if (e != OK)
        return e;
    return policy_parse(buf_span(&text), file, out, note);
}

void policy_free(struct policy *p)
{
    if (p == NULL)
        return;
    json_free(&p->tree);
    free(p);
}

/* ---- asking ---- */

/* A role's session has the role's permissions: arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION is, too,
 * arn:aws:iam::ACCOUNT:role/ROLE. False: it is no session. */
static bool role_of(const char *principal, char *to, size_t size)
{
    struct span rest = span_of(principal), part[5], role;
    size_t n = 0;
    while (n < COUNT_OF(part) && span_split(rest, ':', &part[n], &rest))
        n++;
    if (n < COUNT_OF(part) || !span_has_prefix(rest, "assumed-role/"))
        return false;
    (void)span_split(span_from(rest, strlen("assumed-role/")), '/', &role, &rest);
    int len = snprintf(to, size, "arn:%.*s:iam::%.*s:role/%.*s", (int)part[1].n, (const char *)part[1].p,
                       (int)part[4].n, (const char *)part[4].p, (int)role.n, (const char *)role.p);
    return len > 0 && (size_t)len < size;
}

enum policy_says policy_ask(const struct policy *p, const char *principal, const char *action, const char *resource,
                            const char **scp)
{
    char role[256];
    bool has_role = role_of(principal, role, sizeof role);
    enum policy_says says = p->statements == NULL ? POLICY_ALLOWS : POLICY_IS_SILENT;
    const cJSON *s;
    *scp = NULL;
    cJSON_ArrayForEach(s, p->statements)
    {
        const cJSON *who = json_member(s, "principals"), *what = json_member(s, "resources");
        bool applies =
            matches_any(json_member(s, "actions"), action, true) &&
            (what == NULL || matches_any(what, resource, false)) &&
            (who == NULL || matches_any(who, principal, false) || (has_role && matches_any(who, role, false)));
        if (!applies)
            continue;
        says = POLICY_ALLOWS;
        if (strcmp(json_str(s, "effect"), "Deny") == 0) {
            *scp = json_str(s, "policy");
            return POLICY_DENIES;
        }
    }
    return says;
}

const char *policy_ungranted(const struct policy *p, const char *model_id)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, p->ungranted)
    {
        const char *because = json_str(item, "because");
        if (cJSON_IsString(item) ? glob_fits(span_of(item->valuestring), span_of(model_id))
                                 : matches_any(json_member(item, "models"), model_id, false))
            return because != NULL ? because : reasons[0];
    }
    return NULL;
}
