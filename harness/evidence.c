/* evidence.c: messages as they look on the wire. Authorization and its kin are replaced here, at capture, so that no
 * later reader can print them; the mock has done the same for the upstream side, as far as it knows names, and what a
 * gateway forwards of a client's credentials (x-portkey-aws-secret-access-key, say) goes here. */
#include "harness/evidence.h"

#include <stdio.h>
#include <strings.h>

#include "protocol/secret.h"

/* Printable as it is; the rest as \xNN. Cut at the limit, and said so. */
static void add_bytes(struct buf *out, struct span bytes)
{
    struct span shown = span_cut(bytes, 0, EVIDENCE_BODY_MAX);
    for (size_t i = 0; i < shown.n; i++) {
        unsigned char c = shown.p[i];
        if (c == '\n' || c == '\t' || (c >= ' ' && c != 0x7f))
            buf_addc(out, (char)c);
        else if (c != '\r')
            buf_addf(out, "\\x%02x", c);
    }
    if (bytes.n > shown.n)
        buf_addf(out, "\n... and %zu bytes more", bytes.n - shown.n);
}

static void add_headers(struct buf *out, const struct http_headers *h)
{
    for (size_t i = 0; i < h->count; i++)
        buf_addf(out, "%s: %s\n", h->items[i].name, secret_header(span_of(h->items[i].name)) ? "<redacted>" : h->items[i].value);
}

static void put(cJSON *evidence, size_t step, const char *what, size_t number, const struct buf *text)
{
    char key[64];
    (void)snprintf(key, sizeof key, number > 0 ? "step %zu %s %zu" : "step %zu %s", step + 1, what, number);
    CLEANUP(free_ptr) char *whole = span_dup(buf_span(text));
    (void)json_set_string(evidence, key, whole != NULL ? whole : "");
}

static void add_frames(struct buf *out, const struct stream *s)
{
    size_t shown = s->count < 40 ? s->count : 40;
    for (size_t i = 0; i < shown; i++)
        buf_addf(out, "%s %.300s\n", s->events[i].type != NULL ? s->events[i].type : "?",
                 s->events[i].text != NULL ? s->events[i].text : "");
    if (s->count > shown)
        buf_addf(out, "... and %zu frames more\n", s->count - shown);
}

static void add_response(cJSON *evidence, size_t step, const struct talk *t)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    if (t->status == 0)
        buf_addf(&text, "(no answer: %s)", t->left ? "the client left" : t->result.text);
    else {
        buf_addf(&text, "HTTP/1.1 %d %s\n", t->status, http_reason(t->status));
        add_headers(&text, &t->headers);
        buf_addc(&text, '\n');
        bool binary = t->stream != NULL && t->stream->es.messages > 0;
        if (binary)
            add_frames(&text, t->stream);
        else
            add_bytes(&text, buf_span(&t->body));
    }
    if (t->stream != NULL)
        buf_addf(&text, "\n(%zu events, ended: %s)", t->stream->count, stream_end_name(t->stream->end));
    put(evidence, step, "client response", 0, &text);
}

static void add_entry(cJSON *evidence, size_t step, size_t number, const cJSON *entry)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_addf(&text, "%s %s\n", json_str(entry, "method"), json_str(entry, "target"));
    const cJSON *pair;
    cJSON_ArrayForEach(pair, json_member(entry, "headers"))
    {
        const cJSON *name = cJSON_GetArrayItem(pair, 0), *value = cJSON_GetArrayItem(pair, 1);
        if (!cJSON_IsString(name) || !cJSON_IsString(value))
            continue;
        /* The mock has blanked the signature and left the scope, which a reader needs. */
        bool shown = strcasecmp(name->valuestring, "authorization") == 0 || !secret_header(span_of(name->valuestring));
        buf_addf(&text, "%s: %s\n", name->valuestring, shown ? value->valuestring : "<redacted>");
    }
    buf_addc(&text, '\n');
    const char *body = json_str(entry, "body");
    add_bytes(&text, span_of(body != NULL ? body : "(no text body)"));
    static const char *const verdicts[] = {"signature", "valid", "refusal", "canaries", "reply", "delivered"};
    buf_addc(&text, '\n');
    for (size_t i = 0; i < COUNT_OF(verdicts); i++) {
        CLEANUP(free_ptr) char *json = json_text(json_member(entry, verdicts[i]), JSON_COMPACT);
        buf_addf(&text, "(%s: %s)\n", verdicts[i], json != NULL ? json : "");
    }
    put(evidence, step, "upstream", number, &text);
}

void evidence_add(cJSON *evidence, size_t step, const struct talk_plan *plan, const struct talk *talk,
                  const cJSON *entries)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_addf(&text, "%s %s\n", plan->request->method, plan->url);
    add_headers(&text, &plan->request->headers);
    buf_addc(&text, '\n');
    add_bytes(&text, buf_span(&plan->request->body));
    put(evidence, step, "client request", 0, &text);
    add_response(evidence, step, talk);
    const cJSON *entry;
    size_t n = 0;
    cJSON_ArrayForEach(entry, entries)
    {
        add_entry(evidence, step, ++n, entry);
    }
    if (n == 0) {
        buf_reset(&text);
        buf_adds(&text, "(the mock saw no call)");
        put(evidence, step, "upstream", 0, &text);
    }
}
