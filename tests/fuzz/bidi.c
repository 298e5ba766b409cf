/* The input of InvokeModelWithBidirectionalStream. The first byte says how it comes: bit 0, the bytes are the body as
 * they are; else lines of JSON, each of which is an event, put into its frame and, with bit 1, into a signed one of the
 * chain. Bits 2 and 3 choose the mock: auth none, lenient, strict. The second byte is the size of the parts in which
 * the body comes; the third damages one frame (which, and how), holds the peer's reading back, or scripts the answer.
 *
 * Whatever comes: no more is held than the ceilings say, what is answered is whole frames with right checksums, there is an
 * end once the input has one, and with a right chain under strict nobody speaks of signatures.
 */
#include <stdlib.h>
#include <time.h>

#include "mock/bidi/bidi.h"
#include "protocol/eventstream.h"
#include "rig/fuzz.h"
#include "rig/rig.h"

#define HEAD       4
#define EVENTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return fuzz_mutate(data, size, max, seed, "\n");
}

enum how { RAW = 1, CHAINED = 2, SECOND_MODEL = 16, SCRIPTED = 32, HELD = 64, NO_END = 128 };
enum damage { WHOLE, FLIPPED, DROPPED, TWICE, SWAPPED, STALE, DAMAGES };

struct talk {
    struct sigv4 *sigv4;
    struct sigv4_signed head;
    struct sigv4_chain chain;
    int64_t at_s;
    struct rig_ask ask;
};

static struct mock *mock_at(size_t i)
{
    static struct mock *mocks[3];
    static const enum mock_auth auths[] = {MOCK_AUTH_NONE, MOCK_AUTH_LENIENT, MOCK_AUTH_STRICT};
    const struct mock_config config = {.auth = auths[i], .journal_bytes = 65536, .seed = i};
    if (mocks[i] == NULL)
        mocks[i] = rig_mock(&config);
    return mocks[i];
}

static void script(struct mock *m)
{
    static const char body[] =
        "{\"replies\":[{\"reply\":{\"bidirectional\":{\"heard\":[\"good morning\"],\"said\":[\"Good morning to you!\"]},\"faults\":"
        "[{\"id\":\"delay\",\"at_event\":2,\"ms\":1}]}}]}";
    const struct rig_ask ask = {.method = "POST", .target = SPAN_LIT("/script"), .body = SPAN_LIT(body)};
    struct exchange *x = rig_send(m->admin, &ask);
    rig_free(x, DELIVERY_COMPLETE);
}

/* ---- frames ---- */

static void sign_head(struct talk *t, const char *path)
{
    const struct sigv4_header headers[] = {{SPAN_LIT(":authority"), SPAN_LIT("127.0.0.1:4566")},
                                           {SPAN_LIT("x-amz-content-sha256"), span_of(SIGV4_STREAMING_EVENTS)}};
    const struct sigv4_request r = {.method = SPAN_LIT("POST"), .path = span_of(path), .headers = headers, .header_count = 2};
    const struct sigv4_signing how = {.access_key = span_of(MOCK_DEFAULT_ACCESS_KEY), .secret = span_of(MOCK_DEFAULT_SECRET),
                                      .region = SPAN_LIT("us-east-1"), .service = SPAN_LIT("bedrock"), .at_s = t->at_s};
    const struct sigv4_scope scope = {SPAN_LIT("20000101"), how.region, how.service};
    must(sigv4_sign(t->sigv4, &r, &how, &t->head, NULL) == OK);
    must(sigv4_chain_init(&t->chain, how.secret, &scope, span_of(t->head.signature)) == OK);
    t->ask.fields[0] = (struct http_field){headers[0].name, headers[0].value};
    t->ask.fields[1] = (struct http_field){headers[1].name, headers[1].value};
    t->ask.fields[2] = (struct http_field){SPAN_LIT("x-amz-date"), span_of(t->head.date)};
    t->ask.fields[3] = (struct http_field){SPAN_LIT("authorization"), buf_span(&t->head.authorization)};
    t->ask.field_count = 4;
}

/* {"event":LINE} as AWS has it: in base64, in JSON, in a frame. */
static void frame_event(struct span line, struct buf *out)
{
    CLEANUP(buf_release) struct buf payload = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf event = BUF_INIT(BUF_ANY);
    buf_adds(&event, "{\"event\":");
    buf_add(&event, line);
    buf_addc(&event, '}');
    buf_adds(&payload, "{\"bytes\":\"");
    buf_add_base64(&payload, buf_span(&event));
    buf_adds(&payload, "\"}");
    must(es_encode_event(out, "chunk", buf_span(&payload)) == ES_OK);
}

static void sign_frame(struct talk *t, struct span inner, int64_t stated_s, struct buf *out)
{
    CLEANUP(buf_release) struct buf bare = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf raw = BUF_INIT(BUF_ANY);
    struct es_header h[] = {{.name = SPAN_LIT(":date"), .type = ES_TIMESTAMP, .number = stated_s * 1000},
                            {.name = SPAN_LIT(":chunk-signature"), .type = ES_BYTES}};
    char hex[SIGV4_HEX];
    must(es_encode(h, 1, SPAN_EMPTY, &bare) == ES_OK);
    must(sigv4_chain_sign(&t->chain, t->sigv4, t->at_s, span_cut(buf_span(&bare), ES_PRELUDE, bare.len - ES_OVERHEAD), inner, hex, NULL) == OK);
    must(buf_add_unhex(&raw, span_of(hex)) == OK);
    h[1].bytes = buf_span(&raw);
    must(es_encode(h, 2, inner, out) == ES_OK);
}

static void damage(struct buf *frames, size_t count, unsigned how, unsigned which)
{
    struct buf *one = &frames[which % count], *next = &frames[(which + 1) % count];
    struct buf spare = *one;
    switch (how) {
    case FLIPPED:
        one->data[which % one->len] ^= 1;
        if (which % 2 == 0)
            es_reseal((unsigned char *)one->data, one->len);
        break;
    case DROPPED:
        buf_reset(one);
        break;
    case TWICE: {
        CLEANUP(buf_release) struct buf copy = BUF_INIT(BUF_ANY);
        buf_add(&copy, buf_span(one));
        buf_add(one, buf_span(&copy));
        break;
    }
    case SWAPPED:
        *one = *next;
        *next = spare;
        break;
    default:
        break;
    }
}

/* The body; false: it was damaged. */
static bool make_body(struct talk *t, unsigned how, unsigned hurt, unsigned which, struct span rest, struct buf *out)
{
    struct buf frames[EVENTS_MAX + 1];
    size_t count = 0;
    if (how & RAW) {
        buf_add(out, rest);
        return false;
    }
    for (bool more = rest.n > 0; more && count < EVENTS_MAX; count++) {
        struct span line;
        CLEANUP(buf_release) struct buf inner = BUF_INIT(BUF_ANY);
        more = span_split(rest, '\n', &line, &rest);
        frames[count] = BUF_INIT(BUF_ANY);
        frame_event(line, &inner);
        bool stale = hurt == STALE && count == which % EVENTS_MAX;
        if (how & CHAINED)
            sign_frame(t, buf_span(&inner), t->at_s - (stale ? 1000 : 0), &frames[count]);
        else
            buf_add(&frames[count], buf_span(&inner));
    }
    if (how & CHAINED) {
        frames[count] = BUF_INIT(BUF_ANY);
        sign_frame(t, SPAN_EMPTY, t->at_s, &frames[count++]);
    }
    if (count > 0 && hurt != WHOLE)
        damage(frames, count, hurt, which);
    for (size_t i = 0; i < count; i++) {
        buf_add(out, buf_span(&frames[i]));
        buf_release(&frames[i]);
    }
    return hurt == WHOLE;
}

/* ---- the talk ---- */

static void hear(struct exchange *x, struct span body, size_t part, unsigned how)
{
    rig_turn(); /* it begins */
    for (struct span rest = body; rest.n > 0;) {
        size_t n = part < rest.n ? part : rest.n;
        rig_hold(x, (how & HELD) && rest.n % 3 != 0);
        /* a copy: it must not be looked at later */
        CLEANUP(buf_release) struct buf copy = BUF_INIT(BUF_ANY);
        buf_add(&copy, span_cut(rest, 0, n));
        rig_push(x, buf_span(&copy));
        (void)rig_drain(x);
        rest = span_from(rest, n);
    }
    rig_hold(x, false);
    (void)rig_drain(x);
    if (!(how & NO_END)) {
        rig_push_end(x);
        (void)rig_drain(x);
        must(!rig_is_open(x));
    }
    (void)rig_drain(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sigv4 *sigv4;
    if (size < HEAD)
        return 0;
    if (sigv4 == NULL)
        sigv4 = sigv4_new();
    unsigned how = data[0], hurt = data[2] % DAMAGES, which = data[3];
    size_t part = data[1] < 250 ? data[1] + 1u : (size_t)1 << data[1] % 16;
    struct mock *m = mock_at((how >> 2) % 3);
    struct talk t = {.sigv4 = sigv4, .at_s = (int64_t)time(NULL)};
    const char *path = (how & SECOND_MODEL) ? "/model/amazon.nova-2-sonic-v1%3A0/invoke-with-bidirectional-stream"
                                            : "/model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream";
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    rig_reset(m);
    if (how & SCRIPTED)
        script(m);
    sigv4_signed_init(&t.head);
    t.ask = (struct rig_ask){.method = "POST", .target = span_of(path), .body_follows = true, .version = 20};
    sign_head(&t, path);
    bool whole = make_body(&t, how, hurt, which, (struct span){data + HEAD, size - HEAD}, &body);
    struct exchange *x = rig_send(m->server, &t.ask);
    must(rig_replied(x) && rig_status(x) == 200);
    hear(x, buf_span(&body), part, how);
    if (!(how & SCRIPTED))
        rig_check(x);
    struct span said = rig_drain(x);
    must(!(whole && (how & CHAINED)) || span_find(said, "InvalidSignatureException") == NULL);
    rig_free(x, (how & NO_END) ? DELIVERY_PEER_CLOSED : DELIVERY_COMPLETE);
    sigv4_chain_release(&t.chain);
    sigv4_signed_release(&t.head);
    return 0;
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const talks[] = {
        "{\"sessionStart\":{\"inferenceConfiguration\":{\"maxTokens\":1024,\"topP\":0.9,\"temperature\":0.7},\"turnDetectionConfiguration\":"
        "{\"endpointingSensitivity\":\"HIGH\"}}}\n"
        "{\"promptStart\":{\"promptName\":\"p\",\"textOutputConfiguration\":{\"mediaType\":\"text/plain\"},\"audioOutputConfiguration\":"
        "{\"mediaType\":\"audio/lpcm\",\"sampleRateHertz\":8000,\"sampleSizeBits\":16,\"channelCount\":1,\"voiceId\":\"matthew\",\"encoding\":"
        "\"base64\",\"audioType\":\"SPEECH\"},\"toolConfiguration\":{\"tools\":[{\"toolSpec\":{\"name\":\"weather\",\"description\":\"d\","
        "\"inputSchema\":{\"json\":\"{}\"}}}],\"toolChoice\":{\"any\":{}}}}}\n"
        "{\"contentStart\":{\"promptName\":\"p\",\"contentName\":\"s\",\"type\":\"TEXT\",\"role\":\"SYSTEM\",\"interactive\":false,"
        "\"textInputConfiguration\":{\"mediaType\":\"text/plain\"}}}\n"
        "{\"textInput\":{\"promptName\":\"p\",\"contentName\":\"s\",\"content\":\"be kind\"}}\n"
        "{\"contentEnd\":{\"promptName\":\"p\",\"contentName\":\"s\"}}\n"
        "{\"contentStart\":{\"promptName\":\"p\",\"contentName\":\"a\",\"type\":\"AUDIO\",\"role\":\"USER\",\"interactive\":true,"
        "\"audioInputConfiguration\":{\"mediaType\":\"audio/lpcm\",\"sampleRateHertz\":16000,\"sampleSizeBits\":16,\"channelCount\":1,"
        "\"audioType\":\"SPEECH\",\"encoding\":\"base64\"}}}\n"
        "{\"audioInput\":{\"promptName\":\"p\",\"contentName\":\"a\",\"content\":\"ACAAIAAgACAAIAAgACAAIAAgACAAIAAg\"}}\n"
        "{\"contentEnd\":{\"promptName\":\"p\",\"contentName\":\"a\"}}\n"
        "{\"contentStart\":{\"promptName\":\"p\",\"contentName\":\"t\",\"type\":\"TOOL\",\"role\":\"TOOL\",\"interactive\":false,"
        "\"toolResultInputConfiguration\":{\"toolUseId\":\"x\",\"type\":\"TEXT\",\"textInputConfiguration\":{\"mediaType\":\"text/plain\"}}}}\n"
        "{\"toolResult\":{\"promptName\":\"p\",\"contentName\":\"t\",\"content\":\"{\\\"sun\\\":1}\"}}\n"
        "{\"contentEnd\":{\"promptName\":\"p\",\"contentName\":\"t\"}}\n{\"promptEnd\":{\"promptName\":\"p\"}}\n{\"sessionEnd\":{}}",
        "{\"sessionStart\":{\"inferenceConfiguration\":{\"maxTokens\":9}}}\n"
        "{\"promptStart\":{\"promptName\":\"p\",\"audioOutputConfiguration\":{\"sampleRateHertz\":24000}}}\n"
        "{\"contentStart\":{\"promptName\":\"p\",\"contentName\":\"u\",\"type\":\"TEXT\",\"role\":\"USER\",\"interactive\":true}}\n"
        "{\"textInput\":{\"promptName\":\"p\",\"contentName\":\"u\",\"content\":\"hello there\"}}\n"
        "{\"contentEnd\":{\"promptName\":\"p\",\"contentName\":\"u\"}}\n{\"promptEnd\":{\"promptName\":\"p\"}}\n{\"sessionEnd\":{}}"};
    if (i >= 32 * COUNT_OF(talks))
        return false;
    const unsigned char hows[] = {CHAINED | 8, CHAINED | 4, 0, RAW, CHAINED | 8 | SECOND_MODEL, CHAINED | SCRIPTED, CHAINED | 8 | HELD, NO_END};
    const unsigned char head[HEAD] = {hows[i % 8], (unsigned char)(i % 3 == 0 ? 255 : 40 + i), (unsigned char)(i / 8 % DAMAGES), (unsigned char)i};
    buf_add(out, (struct span){head, sizeof head});
    buf_adds(out, talks[i % COUNT_OF(talks)]);
    return true;
}
