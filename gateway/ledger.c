/* ledger.c: a ring of calls behind one lock. */
#include "gateway/ledger.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct ledger_row {
    char id[LEDGER_ID];
    struct cost cost;
    bool estimated;
};

struct ledger {
    pthread_mutex_t lock;
    size_t next;
    struct ledger_row rows[LEDGER_CALLS];
};

struct ledger *ledger_new(void)
{
    struct ledger *l = calloc(1, sizeof *l);
    if (l != NULL)
        (void)pthread_mutex_init(&l->lock, NULL);
    return l;
}

void ledger_free(struct ledger *l)
{
    if (l == NULL)
        return;
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

/* With the lock held. */
static struct ledger_row *row_of(struct ledger *l, struct span id)
{
    for (size_t i = 0; i < LEDGER_CALLS && id.n > 0; i++)
        if (span_is(id, l->rows[i].id))
            return &l->rows[i];
    return NULL;
}

void ledger_add(struct ledger *l, const char *id, const struct cost *cost, bool estimated)
{
    (void)pthread_mutex_lock(&l->lock);
    struct ledger_row *row = &l->rows[l->next++ % LEDGER_CALLS];
    (void)snprintf(row->id, sizeof row->id, "%s", id);
    row->cost = *cost;
    row->estimated = estimated;
    (void)pthread_mutex_unlock(&l->lock);
}

cJSON *ledger_find(struct ledger *l, struct span id)
{
    cJSON *out = NULL;
    (void)pthread_mutex_lock(&l->lock);
    const struct ledger_row *row = row_of(l, id);
    if (row != NULL) {
        out = cJSON_CreateObject();
        (void)json_set_string(out, "id", row->id);
        if (row->cost.usd[0] != '\0')
            (void)json_set_string(out, "cost_usd", row->cost.usd);
        else
            (void)json_set_string(out, "cost_unknown", row->cost.unknown.text);
        (void)json_set(out, "estimated", cJSON_CreateBool(row->estimated));
    }
    (void)pthread_mutex_unlock(&l->lock);
    return out;
}
