/* bidi_input.c: see bidi_input.h. The decoder looks at the buffer it was fed, or at a copy of its own of a frame that
 * was cut; only in the first case the bytes behind a frame are at hand.
 */
#include "mock/bidi/bidi_input.h"

#include "protocol/sigv4.h"

void bidi_input_init(struct bidi_input *in, struct exchange *x)
{
    *in = (struct bidi_input){.exchange = x, .feeding = BUF_INIT(BUF_ANY), .waiting = BUF_INIT(BUF_ANY)};
    es_decoder_init(&in->decoder);
}

void bidi_input_release(struct bidi_input *in)
{
    if (in == NULL)
        return;
    es_decoder_release(&in->decoder);
    buf_release(&in->feeding);
    buf_release(&in->waiting);
}

bool bidi_input_add(struct bidi_input *in, struct span bytes)
{
    buf_add(&in->waiting, bytes);
    return buf_error(&in->waiting) == OK;
}

/* Hand the next buffer to the decoder; false: there is none. */
static bool feed(struct bidi_input *in)
{
    exchange_consumed(in->exchange, in->feeding.len);
    buf_reset(&in->feeding);
    in->fed = false;
    if (in->waiting.len == 0)
        return false;
    struct buf spare = in->feeding;
    in->feeding = in->waiting;
    in->waiting = spare;
    es_decoder_feed(&in->decoder, buf_span(&in->feeding));
    in->fed = true;
    return true;
}

enum es_error bidi_input_next(struct bidi_input *in, struct es_message *m, struct span *behind)
{
    enum es_error e;
    do {
        e = in->fed ? es_decoder_next(&in->decoder, m) : ES_MORE;
    } while (e == ES_MORE && feed(in));
    const unsigned char *begin = (const unsigned char *)in->feeding.data, *end = begin + in->feeding.len;
    *behind = SPAN_EMPTY;
    if (e == ES_OK && m->frame.p >= begin && m->frame.p < end)
        *behind = span_from((struct span){m->frame.p, (size_t)(end - m->frame.p)}, m->frame.n);
    return e;
}

bool bidi_input_ended(const struct bidi_input *in)
{
    return in->over && !in->fed && in->waiting.len == 0;
}

/* ---- openings ---- */

#define SAID_IN_FULL 256 /* bytes of a string; audio is longer */

static void digest_long(cJSON *item, struct sigv4 *hasher)
{
    cJSON *child;
    cJSON_ArrayForEach(child, item)
    {
        if (cJSON_IsString(child) && strlen(child->valuestring) > SAID_IN_FULL) {
            char text[SIGV4_HEX + 8] = "sha256:";
            sigv4_sha256_hex(hasher, span_of(child->valuestring), text + 7);
            (void)cJSON_SetValuestring(child, text);
        }
        digest_long(child, hasher);
    }
}

cJSON *bidi_opening_event(const cJSON *event, struct sigv4 *hasher)
{
    static const char *const made_up[] = {"promptName", "contentName"};
    cJSON *said = cJSON_CreateObject(), *own = cJSON_Duplicate(event, true);
    for (size_t i = 0; i < COUNT_OF(made_up); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(own, made_up[i]);
    digest_long(own, hasher);
    (void)json_set(said, event->string, own);
    return said;
}
