/* guardrail_admin.c: GET and POST /guardrails of the admin API.
 */
#include "mock/admin/admin.h"
#include "mock/guardrail/guardrail.h"

static enum err get_guardrails(struct admin_call *c, struct note *note)
{
    (void)note;
    CLEANUP(guardrail_set_drop) struct guardrail_set *set = guardrails_hold(c->mock->guardrails);
    json_print(guardrail_set_tree(set), JSON_COMPACT, &c->out);
    return OK;
}

static enum err post_guardrails(struct admin_call *c, struct note *note)
{
    enum err e = guardrails_overlay(c->mock->guardrails, c->body, note);
    buf_adds(&c->out, "{\"ok\":true}");
    return e;
}

static void forget(struct mock *m)
{
    guardrails_forget(m->guardrails);
}

static const struct admin_row rows[] = {{"GET", "/guardrails", get_guardrails},
                                        {"POST", "/guardrails", post_guardrails}};

const struct admin_table mock_admin_guardrails = {rows, COUNT_OF(rows), "guardrails", forget};
