/* bidi_chain.c: the signature of each frame, and why one is wrong.
 *
 * The request is signed with a literal in place of its body's hash; the AWS SDK for Rust states none, and signs the hash
 * of an empty body. Each frame of its body is then wrapped in another one with ":date" and ":chunk-signature"; that
 * signature covers the one before, so nothing can be left out, moved or altered. An empty frame, signed, is the end
 * (protocol/sigv4.h has the form and its sources).
 *
 * A wrong signature alone says nothing to whoever writes a client. So it is compared with what the usual mistakes give:
 * each wrong forerunner, date, scope and payload in turn, a forerunner that never came but can be guessed, and, for
 * frames that changed places, those behind it in this one's place. What fits is proven. A frame that is missing cannot
 * be proven: its signature is a hash over what nobody has. But the frame behind this one can go on from the signature
 * that this one states, and then the client's own chain is whole, and the harm was done on the way. The last sentences
 * say what is left, and no more.
 */
#include "mock/bidi/bidi_chain.h"

#include <stdarg.h>
#include <stdio.h>

#include "mock/fault/fault_parts.h"

#define SIGNATURE_BYTES ((size_t)(SIGV4_HEX - 1) / 2)
#define DATE_HEADER   15  /* bytes of ":date", encoded: two lengths and types around a name and eight bytes */
#define GUESS_SECONDS 5   /* how much older a forerunner that never came may be: whole seconds ... */
#define GUESS_MS      250 /* ... or milliseconds. Each guess costs some microseconds, once in a stream ... */
#define GUESS_BYTES   ((size_t)2 << 20) /* ... and hashes the payload: no more of them than for so many bytes */

void chain_init(struct chain *c, const struct visit *v)
{
    const struct sigv4_verdict *d = &v->verdict;
    const struct http_request *r = v->request;
    struct span stated = http_field_get(r->fields, r->field_count, "x-amz-content-sha256");
    enum mock_auth auth = v->mock->config.auth;
    *c = (struct chain){.state = CHAIN_UNSIGNED};
    c->required = auth != MOCK_AUTH_NONE && (auth == MOCK_AUTH_STRICT || d->reason != SIGV4_UNKNOWN_KEY);
    c->announced = span_is(stated, SIGV4_STREAMING_EVENTS);
    if ((!c->announced && stated.n > 0) || d->signature.n != SIGV4_HEX - 1)
        return;
    struct sigv4_scope scope = {d->scope_date, d->region, d->service};
    c->state = CHAIN_STRANGER;
    if (!v->worker->caller.hit ||
        sigv4_chain_init(&c->sigv4, span_of(v->worker->caller.found.secret), &scope, d->signature) != OK)
        return;
    c->state = CHAIN_VERIFIED;
    c->secret_known = d->reason == SIGV4_OK;
    memcpy(c->seed, c->sigv4.prior, sizeof c->seed);
    memcpy(c->date, d->date, sizeof c->date);
}

void chain_release(struct chain *c)
{
    sigv4_chain_release(&c->sigv4);
}

/* ---- one frame, taken apart ---- */

struct wrapped {
    bool dated, is_signed, is_text; /* is_text: the signature is a string */
    int64_t at_s, at_ms;
    struct span signature, payload;
    struct buf headers; /* encoded, without :chunk-signature */
};

static void take_apart(const struct es_message *m, struct wrapped *w)
{
    const struct es_header *date = es_header(m, ":date"), *signature = es_header(m, ":chunk-signature");
    struct span headers, payload;
    *w = (struct wrapped){.payload = m->payload, .headers = BUF_INIT(ES_HEADERS_MAX)};
    w->dated = date != NULL && date->type == ES_TIMESTAMP;
    w->at_ms = w->dated ? date->number : 0;
    w->at_s = w->at_ms / 1000 - (w->at_ms % 1000 < 0);
    w->is_text = signature != NULL && signature->type == ES_STRING;
    w->is_signed = w->is_text || (signature != NULL && signature->type == ES_BYTES);
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
    memmove(trial.prior, prior, SIGV4_HEX);
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

static bool is_wrong_scope(struct chain *c, struct sigv4 *sigv4, const struct wrapped *w)
{
    static const struct {
        const char *region, *service; /* NULL: that of the request */
    } rows[] = {{NULL, "bedrock-runtime"}, {NULL, "bedrock"}, {"us-east-1", NULL}, {"", NULL}, {NULL, ""}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sigv4_chain trial = c->sigv4;
        if (rows[i].region != NULL)
            (void)snprintf(trial.region, sizeof trial.region, "%s", rows[i].region);
        if (rows[i].service != NULL)
            (void)snprintf(trial.service, sizeof trial.service, "%s", rows[i].service);
        bool found = sigv4_chain_verify(&trial, sigv4, w->at_s, buf_span(&w->headers), w->payload, w->signature) == OK;
        if (found)
            explain(c, "wrong-scope", "its scope is %.20s/%.20s, that of the request %.20s/%.20s", trial.region,
                    trial.service, c->sigv4.region, c->sigv4.service);
        sigv4_chain_release(&trial);
        if (found)
            return true;
    }
    return false;
}

/* The right signature in the wrong clothes, or something that cannot be one. */
static bool is_wrong_form(struct chain *c, struct sigv4 *sigv4, const struct wrapped *w)
{
    CLEANUP(buf_release) struct buf raw = BUF_INIT(SIGNATURE_BYTES);
    if (!w->is_text && w->signature.n == SIGNATURE_BYTES)
        return false;
    struct span bytes = w->signature;
    if (bytes.n == SIGV4_HEX - 1 && buf_add_unhex(&raw, bytes) == OK)
        bytes = buf_span(&raw);
    bool right = fits(c, sigv4, c->sigv4.prior, w->at_s, buf_span(&w->headers), w->payload, bytes);
    explain(c, "signature-form", "its :chunk-signature is %s of %zu bytes%s; it must be a byte array of %zu",
            w->is_text ? "a string" : "a byte array", w->signature.n,
            !right                    ? ""
            : bytes.n < w->signature.n ? " (the right one, in hex)"
                                       : " (the right one)",
            SIGNATURE_BYTES);
    return true;
}

/* A forerunner that never came, and whose bytes can be guessed: the headers of this one, `back_ms` earlier. */
static bool follows_guess(const struct chain *c, struct sigv4 *sigv4, const struct wrapped *w, struct span payload,
                          int64_t back_ms)
{
    CLEANUP(buf_release) struct buf date = BUF_INIT(DATE_HEADER);
    struct sigv4_chain trial = c->sigv4;
    char hex[SIGV4_HEX];
    int64_t at_ms = w->at_ms - back_ms;
    buf_add(&date, span_cut(buf_span(&w->headers), 0, DATE_HEADER - 8));
    for (int shift = 56; shift >= 0; shift -= 8)
        buf_addc(&date, (char)((uint64_t)at_ms >> shift & 0xff));
    bool good =
        buf_error(&date) == OK &&
        sigv4_chain_sign(&trial, sigv4, at_ms / 1000, buf_span(&date), payload, hex, NULL) == OK &&
        sigv4_chain_verify(&trial, sigv4, w->at_s, buf_span(&w->headers), w->payload, w->signature) == OK;
    sigv4_chain_release(&trial);
    return good;
}

static bool is_behind_guess(struct chain *c, struct sigv4 *sigv4, const struct wrapped *w)
{
    if (w->headers.len != DATE_HEADER || w->at_ms < (int64_t)GUESS_SECONDS * 1000)
        return false;
    size_t guesses = GUESS_BYTES / (w->payload.n + 1);
    for (size_t i = 0; i <= GUESS_SECONDS + GUESS_MS && i <= guesses; i++) {
        int64_t back_ms = (int64_t)(i <= GUESS_SECONDS ? i * 1000 : i - GUESS_SECONDS);
        if (follows_guess(c, sigv4, w, w->payload, back_ms)) {
            explain(c, "signed-twice",
                    "it signs as the one before it a frame that never came and held the same event: it was signed "
                    "twice and sent once, or the first of two alike is missing");
            return true;
        }
        if (follows_guess(c, sigv4, w, SPAN_EMPTY, back_ms)) {
            explain(c, "end-lost",
                    "it signs as the one before it the empty frame, which ends a stream and never came");
            return true;
        }
    }
    return false;
}

/* ---- what is behind it ---- */

/* Its n-th frame from 1, in place of this one; or, with n 0, its first behind the signature that this one states. */
static bool behind_fits(const struct chain *c, struct sigv4 *sigv4, const struct wrapped *this, struct span behind,
                        size_t n)
{
    struct es_decoder d;
    struct es_message m;
    struct wrapped w = {.headers = BUF_INIT(0)};
    CLEANUP(buf_release) struct buf stated = BUF_INIT(SIGV4_HEX);
    buf_add_hex(&stated, this->signature);
    es_decoder_init(&d);
    es_decoder_feed(&d, behind);
    bool found = true;
    for (size_t i = 0; found && i < (n == 0 ? 1 : n); i++)
        found = es_decoder_next(&d, &m) == ES_OK;
    if (found)
        take_apart(&m, &w);
    const char *prior = n == 0 ? buf_text(&stated) : c->sigv4.prior;
    found = found && w.dated && w.is_signed && (n > 0 || stated.len == SIGV4_HEX - 1) &&
            fits(c, sigv4, prior, w.at_s, buf_span(&w.headers), w.payload, w.signature);
    buf_release(&w.headers);
    es_decoder_release(&d);
    return found;
}

static bool is_moved(struct chain *c, struct sigv4 *sigv4, const struct wrapped *w, struct span behind)
{
    for (size_t n = 1; n <= CHAIN_REMEMBERED && behind.n > 0; n++) {
        if (!behind_fits(c, sigv4, w, behind, n))
            continue;
        if (n == 1)
            explain(c, "swapped", "the frame behind it belongs in its place: two frames have changed places");
        else
            explain(c, "moved", "frame %zu, behind it, belongs in its place: it was overtaken on the way",
                    c->frames + n);
        return true;
    }
    return false;
}

/* What is not proven, told with all that fits it. */
static void explain_rest(struct chain *c, struct sigv4 *sigv4, const struct wrapped *w, struct span behind)
{
    const char *here = c->valid > 0 ? "a frame between the last good one and this one is missing"
                                    : "a frame before it is missing";
    if (behind_fits(c, sigv4, w, behind, 0))
        explain(c, "gap",
                "the frame behind it goes on from its signature, so the client's own chain is whole: either %s, or "
                "this one was altered behind its signature",
                here);
    else if (c->valid > 0 || c->secret_known)
        explain(c, "lost-or-altered",
                "either %s, or this one was altered behind its signature, or it is signed in a way of its own; the "
                "secret is the right one, it signed %s",
                here, c->valid > 0 ? "the frames before" : "the request");
    else
        explain(c, "lost-or-other-secret",
                "either %s, or this one was altered, or the secret is another: the request's own signature is wrong, "
                "too",
                here);
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
    else if (!is_wrong_form(c, sigv4, w) && !is_forerunner(c, sigv4, w) && !is_empty_chain(c, sigv4, w) &&
             !is_wrong_date(c, sigv4, w) && !is_wrong_part(c, sigv4, w) && !is_wrong_scope(c, sigv4, w) &&
             !is_moved(c, sigv4, w, behind) && !is_behind_guess(c, sigv4, w))
        explain_rest(c, sigv4, w, behind);
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
    if (w->is_text ||
        sigv4_chain_verify(&c->sigv4, sigv4, w->at_s, buf_span(&w->headers), w->payload, w->signature) != OK) {
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
    if (!c->announced && c->frames == 0 && !w.is_signed && !c->required)
        c->state = CHAIN_UNSIGNED;
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

void chain_refusal(struct buf *out)
{
    if (es_encode_error(out, "InvalidSignatureException",
                        "The request signature we calculated does not match the signature you provided. Check your AWS "
                        "Secret Access Key and signing method. Consult the service documentation for details.") !=
        ES_OK)
        buf_reset(out);
}
