/* admin_clock.c: reading and moving the mock's clock over the admin API.
 */
#include "mock/admin/admin.h"

static void print_clock(const struct mock *m, struct buf *out)
{
    char now[CLOCK_TEXT];
    clock_iso(clock_ms(&m->clock), now);
    buf_addf(out, "{\"now\":\"%s\",\"offset_ms\":%lld}", now, (long long)clock_offset_ms(&m->clock));
}

static enum err get_clock(struct admin_call *c, struct note *note)
{
    (void)note;
    print_clock(c->mock, &c->out);
    return OK;
}

static enum err set_now(struct mock *m, const cJSON *body, struct note *note)
{
    const char *text = "";
    int64_t ms = 0;
    enum err e = json_get_string(body, "set", "", &text, note);
    if (e == OK && (e = clock_iso_read(text, &ms, note)) != OK)
        note_prefix(note, "/set");
    if (e == OK)
        clock_set_ms(&m->clock, ms);
    return e;
}

static enum err move(struct mock *m, const cJSON *body, const char *key, int64_t from_ms, struct note *note)
{
    int64_t ms = 0;
    enum err e = json_get_int(body, key, "", &ms, note);
    if (e == OK && (ms > CLOCK_OFFSET_MAX_MS || ms < -CLOCK_OFFSET_MAX_MS || from_ms + ms > CLOCK_OFFSET_MAX_MS ||
                    from_ms + ms < -CLOCK_OFFSET_MAX_MS))
        e = note_set(note, ERR_INVALID, "/%s: farther than a hundred years", key);
    if (e == OK)
        clock_set_offset_ms(&m->clock, from_ms + ms);
    return e;
}

static enum err post_clock(struct admin_call *c, struct note *note)
{
    static const char *const known[] = {"set", "advance_ms", "offset_ms"};
    if (!cJSON_IsObject(c->body))
        return note_set(note, ERR_INVALID, "expected an object with set, advance_ms or offset_ms");
    enum err e = json_only_keys(c->body, known, COUNT_OF(known), "", note);
    if (e == OK && cJSON_GetArraySize(c->body) != 1)
        e = note_set(note, ERR_INVALID, "expected one of set, advance_ms and offset_ms");
    if (e != OK)
        return e;
    if (json_item(c->body, "set") != NULL)
        e = set_now(c->mock, c->body, note);
    else if (json_item(c->body, "advance_ms") != NULL)
        e = move(c->mock, c->body, "advance_ms", clock_offset_ms(&c->mock->clock), note);
    else
        e = move(c->mock, c->body, "offset_ms", 0, note);
    print_clock(c->mock, &c->out);
    return e;
}

static void forget_clock(struct mock *m)
{
    clock_reset(&m->clock);
}

static const struct admin_row clock_rows[] = {{"GET", "/clock", get_clock}, {"POST", "/clock", post_clock}};
const struct admin_table mock_admin_clock = {clock_rows, COUNT_OF(clock_rows), "clock", forget_clock};
