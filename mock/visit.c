/* visit.c: reading what a request says beside its body.
 */
#include "mock/visit.h"

enum err visit_label(const struct visit *v, const char *name, struct buf *out)
{
    return v->route.operation == NULL ? ERR_UNKNOWN : api_route_label(&v->route, name, out);
}

enum err visit_query(const struct visit *v, const char *name, struct buf *out)
{
    struct span rest = v->request->query, pair;
    for (bool more = rest.n > 0; more;) {
        more = span_split(rest, '&', &pair, &rest);
        struct span key, value = SPAN_EMPTY;
        (void)span_split(pair, '=', &key, &value);
        CLEANUP(buf_release) struct buf plain = BUF_INIT(BUF_ANY);
        if (uri_decode(key, &plain) == OK && strcmp(buf_text(&plain), name) == 0)
            return uri_decode(value, out);
    }
    return ERR_UNKNOWN;
}

void visit_region(const struct visit *v, struct buf *out)
{
    buf_adds(out, v->caller.region);
}

const char *visit_account(const struct visit *v)
{
    return v->caller.account;
}

bool visit_streams(const struct visit *v)
{
    return v->streams || (v->route.operation != NULL && v->route.operation->streaming != API_NOT_STREAMING);
}
