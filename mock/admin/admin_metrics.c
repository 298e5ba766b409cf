/* admin_metrics.c: GET /metrics, for Prometheus. It is text, where all other answers of the admin API are JSON. */
#include "mock/admin/admin.h"
#include "mock/admin/metrics.h"

static enum err get_metrics(struct admin_call *c, struct note *note)
{
    (void)note;
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    metrics_print(c->mock, &text);
    struct plan *plan = plan_new(200);
    if (plan != NULL)
        plan_body_take(plan, METRICS_TYPE, &text);
    c->later = true;
    exchange_reply(c->exchange, plan);
    return OK;
}

static const struct admin_row rows[] = {{"GET", "/metrics", get_metrics}};

const struct admin_table mock_admin_metrics = {rows, COUNT_OF(rows), NULL, NULL};
