/* credentials.c: where a command takes its credentials from. A secret may hold ':' nowhere, '/' and '+' often. */
#include "harness/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/file.h"

enum err credentials_read(const char *option, struct credentials *out, struct note *note)
{
    struct span rest;
    if (option == NULL) {
        *out = (struct credentials){span_of(getenv("AWS_ACCESS_KEY_ID")), span_of(getenv("AWS_SECRET_ACCESS_KEY")),
                                    span_of(getenv("AWS_SESSION_TOKEN"))};
        if (out->access_key.n > 0 && out->secret.n > 0)
            return OK;
        return note_set(note, ERR_INVALID,
                        "give --key ACCESS_KEY:SECRET[:TOKEN], or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    }
    if (!span_split(span_of(option), ':', &out->access_key, &rest))
        return note_set(note, ERR_INVALID, "--key wants ACCESS_KEY:SECRET[:TOKEN]; there is no ':' in what was given");
    (void)span_split(rest, ':', &out->secret, &out->session_token);
    if (out->access_key.n == 0 || out->secret.n == 0)
        return note_set(note, ERR_INVALID, "--key wants ACCESS_KEY:SECRET[:TOKEN]; a part is empty");
    return OK;
}

/* ---- what SDKs find ---- */

static void wipe(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void found_credentials_release(struct found_credentials *c)
{
    if (c == NULL)
        return;
    wipe(&c->access_key);
    wipe(&c->secret);
    wipe(&c->session_token);
    wipe(&c->bearer);
    wipe(&c->region);
}

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static enum err copy(char **to, struct span value)
{
    wipe(to);
    *to = span_dup(value);
    return *to != NULL ? OK : ERR_NOMEM;
}

/* One "key = value" of the profile. */
static enum err read_line(struct span line, struct found_credentials *out)
{
    const struct {
        const char *key;
        char **to;
    } rows[] = {{"aws_access_key_id", &out->access_key},
                {"aws_secret_access_key", &out->secret},
                {"aws_session_token", &out->session_token},
                {"region", &out->region}};
    struct span key, value;
    if (!span_split(line, '=', &key, &value))
        return OK;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (span_is_nocase(span_trim(key), rows[i].key))
            return copy(rows[i].to, span_trim(value));
    return OK;
}

/* The file's form: sections in brackets, "key = value", comments after # or ; at the beginning of a line (AWS SDKs and Tools
 * Reference Guide, "Shared config and credentials files"). */
static enum err read_profile(struct span text, const char *profile, struct found_credentials *out, bool *found)
{
    struct span line;
    bool inside = false;
    enum err e = OK;
    for (bool more = true; more && e == OK;) {
        more = span_split(text, '\n', &line, &text);
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        line = span_trim(line);
        if (line.n > 1 && line.p[0] == '[' && line.p[line.n - 1] == ']') {
            inside = span_is(span_trim(span_cut(line, 1, line.n - 2)), profile);
            *found = *found || inside;
        } else if (inside && line.n > 0 && line.p[0] != '#' && line.p[0] != ';') {
            e = read_line(line, out);
        }
    }
    return e;
}

static enum err from_file(const char *profile, struct found_credentials *out, struct note *note)
{
    enum { FILE_MAX = 1 << 20 };
    CLEANUP(buf_release) struct buf path = BUF_INIT(4096);
    CLEANUP(buf_release) struct buf text = BUF_INIT(FILE_MAX);
    const char *given = env("AWS_SHARED_CREDENTIALS_FILE"), *home = env("HOME");
    bool found = false;
    if (given != NULL)
        buf_adds(&path, given);
    else
        buf_addf(&path, "%s/.aws/credentials", home != NULL ? home : "");
    enum err e = file_read(buf_text(&path), &text, note);
    if (e == OK)
        e = read_profile(buf_span(&text), profile, out, &found);
    if (text.data != NULL)
        explicit_bzero(text.data, text.cap);
    if (e == OK && !found)
        return note_set(note, ERR_INVALID, "%s has no profile [%s]", buf_text(&path), profile);
    if (e == OK && (out->access_key == NULL || out->secret == NULL))
        return note_set(note, ERR_INVALID,
                        "profile [%s] of %s has no aws_access_key_id and aws_secret_access_key; profiles of SSO and roles are not "
                        "read: aws configure export-credentials --format env gives their keys",
                        profile, buf_text(&path));
    return e;
}

static enum err from_environment(struct found_credentials *out)
{
    const char *token = env("AWS_SESSION_TOKEN");
    enum err e = copy(&out->access_key, span_of(env("AWS_ACCESS_KEY_ID")));
    if (e == OK)
        e = copy(&out->secret, span_of(env("AWS_SECRET_ACCESS_KEY")));
    return e == OK && token != NULL ? copy(&out->session_token, span_of(token)) : e;
}

enum err credentials_find(const char *profile, struct found_credentials *out, struct note *note)
{
    *out = (struct found_credentials){NULL, NULL, NULL, NULL, NULL};
    const char *region = env("AWS_REGION") != NULL ? env("AWS_REGION") : env("AWS_DEFAULT_REGION");
    enum err e;
    if (profile == NULL && env("AWS_BEARER_TOKEN_BEDROCK") != NULL)
        e = copy(&out->bearer, span_of(env("AWS_BEARER_TOKEN_BEDROCK")));
    else if (profile == NULL && env("AWS_ACCESS_KEY_ID") != NULL && env("AWS_SECRET_ACCESS_KEY") != NULL)
        e = from_environment(out);
    else
        e = from_file(profile != NULL ? profile : env("AWS_PROFILE") != NULL ? env("AWS_PROFILE") : "default", out, note);
    if (e == OK && region != NULL)
        e = copy(&out->region, span_of(region));
    if (e == OK)
        return OK;
    if (profile == NULL)
        note_prefix(note, "no AWS_BEARER_TOKEN_BEDROCK, no AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY");
    return e == ERR_NOMEM ? note_set(note, e, "out of memory") : e;
}
