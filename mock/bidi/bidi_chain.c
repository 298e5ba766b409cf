/* bidi_chain.c: the signature of each frame, and why one is wrong.
 *
 * The request is signed with a literal in place of its body's hash. Each frame of its body is then wrapped in another
 * one with ":date" and ":chunk-signature"; that signature covers the one before, so nothing can be left out, moved or
 * altered. An empty frame, signed, is the end (protocol/sigv4.h has the form and its sources).
 *
 * A wrong signature alone says nothing to whoever writes a client. So it is compared with what the usual mistakes give:
 * each wrong forerunner, date and payload in turn, and, for two frames that changed places, the next frame in this
 * one's place. What fits is proven, the last sentence is a guess and says so.
 */
#include "mock/bidi/bidi_parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "protocol/eventstream.h"

void chain_init(struct chain *c, const struct visit *v)
{
    const struct sigv4_verdict *d = &v->verdict;
    const struct http_request *r = v->request;
    struct span stated = http_field_get(r->fields, r->field_count, "x-amz-content-sha256");
    enum mock_auth auth = v->mock->config.auth;
    *c = (struct chain){.state = CHAIN_UNSIGNED};
    c->required = auth != MOCK_AUTH_NONE && (auth == MOCK_AUTH_STRICT || d->reason != SIGV4_UNKNOWN_KEY);
    if (!span_is(stated, SIGV4_STREAMING_EVENTS) || d->signature.n != SIGV4_HEX - 1)
        return;
    struct sigv4_scope scope = {d->scope_date, d->region, d->service};
    c->state = CHAIN_STRANGER;
    if (!v->worker->caller.hit ||
        sigv4_chain_init(&c->sigv4, span_of(v->worker->caller.found.secret), &scope, d->signature) != OK)
        return;
    c->state = CHAIN_VERIFIED;
    memcpy(c->seed, c->sigv4.prior, sizeof c->seed);
    memcpy(c->date, d->date, sizeof c->date);
}

void chain_release(struct chain *c)
{
    sigv4_chain_release(&c->sigv4);
}

/* ---- one frame, taken apart ---- */

struct wrapped {
    bool dated, is_signed;
    int64_t at_s;
    struct span signature, payload;
    struct buf headers; /* encoded, without :chunk-signature */
};

static void take_apart(const struct es_message *m, struct wrapped *w)
{
    const struct es_header *date = es_header(m, ":date"), *signature = es_header(m, ":chunk-signature");
    struct span headers, payload;
    *w = (struct wrapped){.payload = m->payload, .headers = BUF_INIT(ES_HEADERS_MAX)};
    w->dated = date != NULL && date->type == ES_TIMESTAMP;
    w->at_s = w->dated ? date->number / 1000 - (date->number % 1000 < 0) : 0;
    w->is_signed = signature != NULL && signature->type == ES_BYTES;
    if (!w->is_signed || !fault_frame_parts(m->frame, &headers, &payload))
        return;
    w->signature = signature->bytes;
    size_t before = (size_t)(signature->name.p - headers.p) - 1; /* its length is a byte */
    size_t behind = (size_t)(signature->bytes.p - headers.p) + signature->bytes.n;
    buf_add(&w->headers, span_cut(headers, 0, before));
    buf_add(&w->headers, span_from(headers, behind));
}

static bool fits(const struct chain *c, struct sigv4 *sigv4, const char *prior, int64_t at_s, struct span headers,
                 struct span payload, struct span signature)
{
    struct sigv4_chain trial = c->sigv4;
    memcpy(trial.prior, prior, SIGV4_HEX);
    bool good = sigv4_chain_verify(&trial, sigv4, at_s, headers, payload, signature) == OK;
    sigv4_chain_release(&trial);
    return good;
}

/* ---- why ---- */

static void explain(struct chain *c, const char *id, const char *format, ...) PRINTF_LIKE(3, 4);

static void explain(struct chain *c, const char *id, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    c->diagnosis_id = id;
    int n = snprintf(c->diagnosis, sizeof c->diagnosis, "frame %zu: ", c->frames);
    if (n > 0 && (size_t)n < sizeof c->diagnosis)
        (void)vsnprintf(c->diagnosis + n, sizeof c->diagnosis - (size_t)n, format, args);
    va_end(args);
}

static bool is_forerunner(struct chain *c, struct sigv4 *sigv4, const struct wrapped *w)
{
    CLEANUP(buf_release) struct buf sent = BUF_INIT(SIGV4_HEX);
    buf_add_hex(&sent, w->signature);
    struct span headers = buf_span(&w->headers);
    size_t first = c->valid > CHAIN_REMEMBERED ? c->valid - CHAIN_REMEMBERED : 0;
    for (size_t i = c->valid; i-- > first;) {
        const char *known = c->known[i % CHAIN_REMEMBERED];
        if (sigv4_equal(span_of(known), buf_span(&sent))) {
            explain(c, "frame-twice", "it is frame %zu once more", i);
            return true;
        }
        if (i + 1 < c->valid && fits(c, sigv4, known, w->at_s, headers, w->payload, w->signature)) {
            explain(c, "wrong-forerunner", "it signs frame %zu as the one before it, and is behind frame %zu", i,
                    c->valid - 1);
            return true;
        }
    }
    if (c->valid == 0 || !fits(c, sigv4, c->seed, w->at_s, headers, w->payload, w->signature))
        return false;
    explain(c, "chain-restarted", "it signs the request as the one before it; each frame must sign the frame before");
    return true;
}

static bool is_empty_chain(struct chain *c, struct sigv4 *sigv4, const struct wrapped *w)
{
    char none[SIGV4_HEX] = "";
    if (!fits(c, sigv4, none, w->at_s, buf_span(&w->headers), w->payload, w->signature))
        return false;
    explain(c, "no-forerunner", "it signs nothing as the one before it; the first frame signs the request's signature");
    return true;
}

static bool is_wrong_date(struct chain *c, struct sigv4 *sigv4, const struct wrapped *w)
{
    int64_t request_s;
    struct span headers = buf_span(&w->headers);
    if (sigv4_date_parse(span_of(c->date), &request_s) == OK && request_s != w->at_s &&
        fits(c, sigv4, c->sigv4.prior, request_s, headers, w->payload, w->signature)) {
        explain(c, "date-of-request", "its string to sign has the date of the request, not that of its :date header");
        return true;
    }
    for (int64_t off = -5; off <= 5; off++) {
        if (off == 0 || !fits(c, sigv4, c->sigv4.prior, w->at_s + off, headers, w->payload, w->signature))
            continue;
        explain(c, "wrong-date", "its string to sign has a date %+lld s off its :date header", (long long)off);
        return true;
    }
    return false;
}

static bool is_wrong_part(struct chain *c, struct sigv4 *sigv4, const struct wrapped *w)
{
    struct span inside = w->payload.n >= ES_OVERHEAD ? es_frame_payload(w->payload) : SPAN_EMPTY;
    struct span headers = buf_span(&w->headers);
    const struct {
        const char *id, *text;
        struct span headers, payload;
    } rows[] = {
        {"inner-payload", "it signs the payload of the inner frame; the whole inner frame is what is signed", headers,
         inside},
        {"empty-payload", "it signs an empty payload; the whole inner frame is what is signed", headers, SPAN_EMPTY},
        {"no-headers", "it signs no headers; the encoded :date header is what is signed", SPAN_EMPTY, w->payload},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!fits(c, sigv4, c->sigv4.prior, w->at_s, rows[i].headers, rows[i].payload, w->signature))
            continue;
        explain(c, rows[i].id, "%s", rows[i].text);
        return true;
    }
    return false;
}

/* The frame behind it, in its place. */
static bool is_swapped(struct chain *c, struct sigv4 *sigv4, struct span behind)
{
    struct es_decoder d;
    struct es_message m;
    struct wrapped w;
    es_decoder_init(&d);
    es_decoder_feed(&d, behind);
    bool found = es_decoder_next(&d, &m) == ES_OK;
    if (found) {
        take_apart(&m, &w);
        found = w.dated && w.is_signed &&
                fits(c, sigv4, c->sigv4.prior, w.at_s, buf_span(&w.headers), w.payload, w.signature);
        buf_release(&w.headers);
    }
    es_decoder_release(&d);
    if (found)
        explain(c, "swapped", "the frame behind it belongs in its place: two frames have changed places");
    return found;
}

static bool inner_is_whole(struct span payload)
{
    struct es_decoder d;
    struct es_message m;
    es_decoder_init(&d);
    es_decoder_feed(&d, payload);
    bool whole = payload.n == 0 || (es_decoder_next(&d, &m) == ES_OK && m.frame.n == payload.n);
    es_decoder_release(&d);
    return whole;
}

static void diagnose(struct chain *c, struct sigv4 *sigv4, const struct wrapped *w, struct span behind)
{
    if (!inner_is_whole(w->payload))
        explain(c, "altered",
                "the frame inside is damaged (its checksum or its length is wrong): its bytes were altered "
                "behind the signature");
    else if (is_forerunner(c, sigv4, w) || is_empty_chain(c, sigv4, w) || is_wrong_date(c, sigv4, w) ||
             is_wrong_part(c, sigv4, w) || is_swapped(c, sigv4, behind))
        return;
    else
        explain(c, "unexplained",
                "its signature covers neither these bytes behind this forerunner nor any usual mistake: "
                "a frame before it is missing, or it was altered, or the secret is another");
}

/* ---- judging ---- */

static bool is_timely(struct chain *c, const struct mock_clock *clock, const struct wrapped *w)
{
    int64_t off = w->at_s - clock_s(clock);
    if (off <= SIGV4_WINDOW_S && off >= -SIGV4_WINDOW_S)
        return true;
    explain(c, "frame-date", "its :date is %lld s %s the server's clock", (long long)(off < 0 ? -off : off),
            off < 0 ? "behind" : "ahead of");
    return false;
}

static bool judge(struct chain *c, struct sigv4 *sigv4, const struct mock_clock *clock, const struct wrapped *w,
                  struct span behind)
{
    if (!w->dated) {
        explain(c, "no-date", "it has a :chunk-signature, and no :date that is a timestamp");
        return false;
    }
    if (c->ended) {
        explain(c, "behind-end", "it is behind the empty frame that ends the stream");
        return false;
    }
    if (sigv4_chain_verify(&c->sigv4, sigv4, w->at_s, buf_span(&w->headers), w->payload, w->signature) != OK) {
        diagnose(c, sigv4, w, behind);
        return false;
    }
    memcpy(c->known[c->valid % CHAIN_REMEMBERED], c->sigv4.prior, SIGV4_HEX);
    c->valid++;
    return is_timely(c, clock, w);
}

bool chain_open(struct chain *c, struct sigv4 *sigv4, const struct mock_clock *clock, const struct es_message *m,
                struct span behind, struct span *inner)
{
    struct wrapped w;
    bool good = true;
    take_apart(m, &w);
    *inner = w.is_signed ? w.payload : m->frame;
    if (!w.is_signed && (c->required || c->state == CHAIN_VERIFIED)) {
        explain(c, "unsigned", "it has no :chunk-signature");
        good = false;
    } else if (w.is_signed && c->state == CHAIN_UNSIGNED && c->required) {
        explain(c, "request-not-streaming",
                "it is signed, but the request's x-amz-content-sha256 is not " SIGV4_STREAMING_EVENTS);
        good = false;
    } else if (w.is_signed && c->state == CHAIN_VERIFIED && !c->broken) {
        good = judge(c, sigv4, clock, &w, behind);
    }
    c->ended = c->ended || (w.is_signed && w.payload.n == 0);
    c->broken = c->broken || !good;
    c->frames++;
    buf_release(&w.headers);
    return good || !c->required;
}
