/* select.c: a word selects a case when it is its id, a folder above it, or a glob of it; a file selects itself. */
#include "harness/select.h"

#include <stdlib.h>

#include "harness/suite.h"
#include "protocol/glob.h"

static bool is_file(const char *word)
{
    size_t n = strlen(word);
    return n > 5 && strcmp(word + n - 5, ".json") == 0;
}

static bool word_selects(const char *word, const char *id)
{
    size_t n = strlen(word);
    while (n > 0 && word[n - 1] == '/')
        n--;
    bool below = strncmp(word, id, n) == 0 && (id[n] == '/' || id[n] == '\0');
    return n > 0 && (below || glob_fits(span_of(word), span_of(id)));
}

static bool is_like(const struct requirement *r, const char *word)
{
    return glob_fits(span_of(word), span_of(r->id)) || glob_fits(span_of(word), span_of(r->alias));
}

static bool any_requirement(const struct option_list *wanted, const struct requirements *requirements,
                            const struct case_file *c)
{
    const cJSON *name;
    cJSON_ArrayForEach(name, json_member(c->root, "requirements"))
    {
        const struct requirement *r = requirement_find(requirements, name->valuestring);
        for (size_t i = 0; i < wanted->count; i++)
            if (is_like(r, wanted->items[i]))
                return true;
    }
    return wanted->count == 0;
}

/* The id under which a file was added. */
static const char *id_of_word(const struct cases *cases, const char *word)
{
    for (size_t i = 0; is_file(word) && i < cases->count; i++)
        if (strcmp(cases->items[i].path, word) == 0)
            return cases->items[i].id;
    return word;
}

static bool is_selected(const struct selection *s, const struct cases *cases, const struct requirements *requirements,
                        const struct case_file *c)
{
    bool named = s->words->count == 0;
    for (size_t i = 0; i < s->words->count && !named; i++)
        named = word_selects(id_of_word(cases, s->words->items[i]), c->id);
    for (size_t i = 0; i < s->skip->count && named; i++)
        named = !word_selects(s->skip->items[i], c->id);
    return named && c->level >= s->level && any_requirement(s->requirements, requirements, c);
}

static enum err check_words(const struct selection *s, const struct cases *cases,
                            const struct requirements *requirements, struct note *note)
{
    for (size_t i = 0; i < s->words->count; i++) {
        bool hit = is_file(s->words->items[i]);
        for (size_t k = 0; k < cases->count && !hit; k++)
            hit = word_selects(s->words->items[i], cases->items[k].id);
        if (hit)
            continue;
        const char *near = case_near(cases, s->words->items[i]);
        return note_set(note, ERR_UNKNOWN, "no case is called '%s'%s%s; mohs list --cases shows them",
                        s->words->items[i], near != NULL ? "; did you mean " : "", near != NULL ? near : "");
    }
    for (size_t i = 0; i < s->requirements->count; i++) {
        const char *word = s->requirements->items[i];
        bool hit = false;
        for (size_t k = 0; k < requirements->count && !hit; k++)
            hit = is_like(&requirements->items[k], word);
        const char *near = hit ? NULL : requirement_near(requirements, word);
        if (!hit)
            return note_set(note, ERR_UNKNOWN, "there is no requirement '%s'%s%s", word,
                            near != NULL ? "; did you mean " : "", near != NULL ? near : "");
    }
    return OK;
}

enum err select_cases(const struct selection *s, struct cases *cases, struct requirements *requirements, size_t **out,
                      size_t *count, struct note *note)
{
    *out = NULL;
    *count = 0;
    for (size_t i = 0; i < s->words->count; i++) {
        enum err e = is_file(s->words->items[i]) ? cases_add_file(cases, s->words->items[i], requirements, note) : OK;
        if (e != OK)
            return e;
    }
    enum err e = check_words(s, cases, requirements, note);
    if (e != OK)
        return e;
    *out = calloc(cases->count + 1, sizeof **out);
    if (*out == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < cases->count; i++)
        if (is_selected(s, cases, requirements, &cases->items[i]))
            (*out)[(*count)++] = i;
    return OK;
}
