/* sigv4_event.c: events that sign their forerunners, for STREAMING-AWS4-HMAC-SHA256-EVENTS.
 *
 * A bidirectional stream signs its request with that literal as payload hash; then each frame is wrapped in an event
 * with the headers ":date" and ":chunk-signature", whose signature covers the one before. The form follows
 * awslabs/aws-c-auth and the AWS SDK for JavaScript: the scope, and with it the key, are those of the event's own day.
 */
#include "protocol/sigv4_internal.h"

static bool copy_text(struct span from, char *to, size_t room)
{
    if (from.n >= room)
        return false;
    if (from.n > 0)
        memcpy(to, from.p, from.n);
    to[from.n] = '\0';
    return true;
}

enum err sigv4_chain_init(struct sigv4_chain *c, struct span secret, const struct sigv4_scope *scope,
                          struct span request_signature)
{
    memset(c, 0, sizeof *c);
    if (request_signature.n != SIGV4_HEX - 1)
        return ERR_INVALID;
    bool fits = copy_text(secret, c->secret, sizeof c->secret) &&
                copy_text(scope->region, c->region, sizeof c->region) &&
                copy_text(scope->service, c->service, sizeof c->service) &&
                copy_text(request_signature, c->prior, sizeof c->prior);
    return fits ? OK : ERR_LIMIT;
}

void sigv4_chain_release(struct sigv4_chain *c)
{
    if (c != NULL)
        sigv4_wipe(c, sizeof *c);
}

static enum err next_signature(const struct sigv4_chain *c, struct sigv4 *s, int64_t at_s, struct span headers,
                               struct span payload, char hex[SIGV4_HEX], struct buf *string_to_sign)
{
    char date[SIGV4_DATE], headers_hash[SIGV4_HEX], payload_hash[SIGV4_HEX];
    sigv4_date_format(at_s, date);
    sigv4_sha256_hex(s, headers, headers_hash);
    sigv4_sha256_hex(s, payload, payload_hash);
    CLEANUP(buf_release) struct buf text = BUF_INIT(1024);
    buf_addf(&text, SIGV4_ALGORITHM_NAME "-PAYLOAD\n%s\n%.8s/%s/%s/" SIGV4_SCOPE_END "\n%s\n%s\n%s", date, date,
             c->region, c->service, c->prior, headers_hash, payload_hash);
    if (string_to_sign != NULL)
        buf_add(string_to_sign, buf_span(&text));
    struct sigv4_scope scope = {span_cut(span_of(date), 0, 8), span_of(c->region), span_of(c->service)};
    enum err e = buf_error(&text);
    return e != OK ? e : sigv4_signature(s, span_of(c->secret), &scope, buf_span(&text), hex);
}

enum err sigv4_chain_sign(struct sigv4_chain *c, struct sigv4 *s, int64_t at_s, struct span headers,
                          struct span payload, char hex[SIGV4_HEX], struct buf *string_to_sign)
{
    enum err e = next_signature(c, s, at_s, headers, payload, hex, string_to_sign);
    if (e == OK)
        memcpy(c->prior, hex, SIGV4_HEX);
    return e;
}

enum err sigv4_chain_verify(struct sigv4_chain *c, struct sigv4 *s, int64_t at_s, struct span headers,
                            struct span payload, struct span signature)
{
    char hex[SIGV4_HEX];
    CLEANUP(buf_release) struct buf sent = BUF_INIT(SIGV4_HEX);
    if (signature.n != SIGV4_DIGEST)
        return ERR_MISMATCH;
    buf_add_hex(&sent, signature);
    enum err e = next_signature(c, s, at_s, headers, payload, hex, NULL);
    if (e != OK || buf_error(&sent) != OK)
        return e != OK ? e : buf_error(&sent);
    if (!sigv4_equal(span_of(hex), buf_span(&sent)))
        return ERR_MISMATCH;
    memcpy(c->prior, hex, sizeof hex);
    return OK;
}
