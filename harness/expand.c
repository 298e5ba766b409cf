/* expand.c: one pass, no recursion into what was put in, so a saved answer cannot inject a name. */
#include "harness/expand.h"

#include <stdlib.h>

enum { NAME_LONGEST = 96 };

static enum err expand_name(const struct expansion *x, struct span name, struct buf *out, struct note *note)
{
    char text[NAME_LONGEST];
    if (name.n >= sizeof text)
        return note_set(note, ERR_LIMIT, "a name in ${...} is longer than %d bytes", NAME_LONGEST - 1);
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    bool saved = strncmp(text, "save.", 5) == 0;
    const cJSON *value =
        saved ? (x->saved == NULL ? NULL : match_vars_get(x->saved, text + 5)) : json_member(x->names, text);
    if (value == NULL)
        return note_set(note, ERR_UNKNOWN,
                        saved ? "${%s}: nothing was saved under that name" : "${%s}: nobody knows that name", text);
    if (cJSON_IsString(value))
        buf_adds(out, value->valuestring);
    else
        json_print(value, JSON_COMPACT, out);
    return OK;
}

enum err expand_text(const struct expansion *x, const char *text, struct buf *out, struct note *note)
{
    for (const char *p = text; *p != '\0';) {
        const char *mark = strstr(p, "${");
        size_t n = mark == NULL ? strlen(p) : (size_t)(mark - p);
        bool escaped = mark != NULL && mark > p && mark[-1] == '$';
        buf_add(out, (struct span){(const unsigned char *)p, escaped ? n - 1 : n});
        p += n;
        if (mark == NULL)
            break;
        if (escaped) {
            buf_adds(out, "${");
            p += 2;
            continue;
        }
        const char *end = strchr(p, '}');
        if (end == NULL)
            return note_set(note, ERR_SYNTAX, "\"%.40s\" has ${ without }", text);
        enum err e = expand_name(x, (struct span){(const unsigned char *)p + 2, (size_t)(end - p) - 2}, out, note);
        if (e != OK)
            return e;
        p = end + 1;
    }
    return buf_error(out);
}

enum err expand_tree(const struct expansion *x, cJSON *tree, struct note *note)
{
    if (cJSON_IsString(tree) && strstr(tree->valuestring, "${") != NULL) {
        struct buf text = BUF_INIT(BUF_ANY);
        enum err e = expand_text(x, tree->valuestring, &text, note);
        char *whole = e == OK ? buf_take(&text) : NULL;
        buf_release(&text);
        if (whole == NULL)
            return e != OK ? e : ERR_NOMEM;
        if ((tree->type & cJSON_IsReference) == 0)
            cJSON_free(tree->valuestring);
        tree->valuestring = whole;
    }
    bool nested = cJSON_IsObject(tree) || cJSON_IsArray(tree);
    for (cJSON *c = nested ? tree->child : NULL; c != NULL; c = c->next) {
        enum err e = expand_tree(x, c, note);
        if (e != OK)
            return e;
    }
    return OK;
}
