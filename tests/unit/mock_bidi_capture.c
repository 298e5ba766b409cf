/* What the AWS SDK for JavaScript puts on the wire for InvokeModelWithBidirectionalStream, taken apart with our own codec
 * and signer, and sent to the mock as it is: fixtures/vectors/sigv4-keys.json, the chain `capture/js-bidirectional`.
 */
#include "mock_bidi_rig.h"

#include "protocol/data.h"

#define ACCESS_KEY "AKIDEXAMPLE"
#define SECRET     "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define EVENTS     7

struct capture {
    cJSON *file;
    const cJSON *entry, *events;
    struct buf body;
};

static void capture_load(struct capture *c)
{
    struct span text = SPAN_EMPTY;
    *c = (struct capture){.body = BUF_INIT(BUF_ANY)};
    CU_ASSERT_EQUAL_FATAL(data_load("fixtures/vectors/sigv4-keys.json", &text, NULL), OK);
    CU_ASSERT_EQUAL_FATAL(json_parse(text, JSON_COMPACT, &c->file, NULL), OK);
    const cJSON *chain;
    cJSON_ArrayForEach(chain, json_item(c->file, "chains")) if (json_item(chain, "body_hex") != NULL) c->entry = chain;
    CU_ASSERT_PTR_NOT_NULL_FATAL(c->entry);
    c->events = json_item(c->entry, "events");
    CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(c->events), EVENTS);
    CU_ASSERT_EQUAL_FATAL(buf_add_unhex(&c->body, span_of(json_str(c->entry, "body_hex"))), OK);
}

static void capture_release(struct capture *c)
{
    json_free(&c->file);
    buf_release(&c->body);
}

static int64_t seconds_of(const char *date)
{
    int64_t at_s = 0;
    CU_ASSERT_EQUAL(sigv4_date_parse(span_of(date), &at_s), OK);
    return at_s;
}

static void its_request_verifies_and_is_the_seed(void)
{
    CLEANUP(capture_release) struct capture c;
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    struct sigv4_header headers[16];
    size_t n = 0;
    capture_load(&c);
    const cJSON *request = json_item(c.entry, "request"), *pair;
    cJSON_ArrayForEach(pair, json_item(request, "headers"))
    {
        if (n < COUNT_OF(headers))
            headers[n++] = (struct sigv4_header){span_of(cJSON_GetArrayItem(pair, 0)->valuestring),
                                                 span_of(cJSON_GetArrayItem(pair, 1)->valuestring)};
    }
    struct sigv4_request r = {.method = span_of(json_str(request, "method")),
                              .path = span_of(json_str(request, "path")),
                              .headers = headers,
                              .header_count = n};
    for (size_t i = 0; i < n; i++)
        if (span_is(headers[i].name, "authorization"))
            CU_ASSERT_PTR_NOT_NULL(span_find(headers[i].value, json_str(c.entry, "signature")));
    for (int harm = 0; harm < 2; harm++) {
        struct sigv4_signing how = {.access_key = span_of(ACCESS_KEY),
                                    .secret = span_of(harm ? "another" : SECRET),
                                    .region = span_of("us-east-1"),
                                    .service = span_of("bedrock"),
                                    .at_s = seconds_of("20260101T235957Z")};
        struct sigv4_signed made;
        struct sigv4_request unsigned_ = r;
        struct sigv4_header left[16];
        size_t kept = 0; /* as the SDK had it before it signed */
        for (size_t i = 0; i < n; i++)
            if (!span_is(headers[i].name, "authorization") && !span_is(headers[i].name, "user-agent") &&
                !span_is(headers[i].name, "x-amz-date"))
                left[kept++] = headers[i];
        unsigned_.headers = left;
        unsigned_.header_count = kept;
        sigv4_signed_init(&made);
        CU_ASSERT_EQUAL(sigv4_sign(s, &unsigned_, &how, &made, NULL), OK);
        CLAIM((strcmp(made.signature, json_str(c.entry, "signature")) == 0) == !harm, "signed as %s", made.signature);
        sigv4_signed_release(&made);
    }
}

static void its_frames_have_the_dates_payloads_and_signatures_of_the_vector(void)
{
    CLEANUP(capture_release) struct capture c;
    struct es_decoder d;
    struct es_message m;
    size_t n = 0;
    capture_load(&c);
    es_decoder_init(&d);
    es_decoder_feed(&d, buf_span(&c.body));
    for (; es_decoder_next(&d, &m) == ES_OK; n++) {
        const cJSON *event = cJSON_GetArrayItem(c.events, (int)n);
        CLEANUP(buf_release) struct buf payload = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf signature = BUF_INIT(BUF_ANY);
        const struct es_header *date = es_header(&m, ":date"), *signed_ = es_header(&m, ":chunk-signature");
        CU_ASSERT_FATAL(event != NULL && date != NULL && signed_ != NULL && m.count == 2);
        CU_ASSERT(date->type == ES_TIMESTAMP && signed_->type == ES_BYTES);
        CU_ASSERT_EQUAL(date->number / 1000, seconds_of(json_str(event, "at")));
        buf_add_hex(&payload, m.payload);
        buf_add_hex(&signature, signed_->bytes);
        CU_ASSERT_STRING_EQUAL(buf_text(&payload), json_str(event, "payload_hex"));
        CU_ASSERT_STRING_EQUAL(buf_text(&signature), json_str(event, "signature"));
    }
    CU_ASSERT_EQUAL(es_decoder_finish(&d), ES_OK);
    CU_ASSERT_EQUAL(n, EVENTS);
    es_decoder_release(&d);
}

static struct mock *mock_of_that_day(void)
{
    static const struct mock_key key = {.access_key = ACCESS_KEY, .secret = SECRET};
    struct mock *m = rig_start(&(struct mock_config){.auth = MOCK_AUTH_STRICT, .keys = &key, .key_count = 1});
    CLEANUP(reply_release) struct reply r = admin(m, "POST", "/clock", "{\"set\":\"2026-01-01T23:59:58Z\"}");
    CU_ASSERT_EQUAL_FATAL(r.status, 200);
    return m;
}

static void the_mock_believes_it_over_midnight(void)
{
    CLEANUP(capture_release) struct capture c;
    CLEANUP(rig_stop) struct mock *m = mock_of_that_day();
    capture_load(&c);
    struct talk *t = talk_new(m, &(struct manner){.captured = json_item(c.entry, "request")});
    buf_add(&t->upload, buf_span(&c.body));
    t->upload_over = true;
    CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
    CLAIM(t->status == 200 && t->code == 0, "status %d: %s", t->status, buf_text(&t->body));
    CU_ASSERT_EQUAL(talk_count(t, "completionEnd"), 1);
    CLAIM(strstr(text_at(cJSON_GetArrayItem(talk_events(t), 2), "/said/event/textOutput/content"),
                 "Gr\xc3\xbc\xc3\x9f" "e") != NULL,
          "heard %s", text_at(cJSON_GetArrayItem(talk_events(t), 2), "/said/event/textOutput/content"));
    CLEANUP(json_free) cJSON *entry = journal_entry(m);
    CU_ASSERT_STRING_EQUAL(text_at(entry, "/bidirectional/signatures/verdict"), "valid");
    CU_ASSERT_STRING_EQUAL(text_at(entry, "/bidirectional/input/5/event"), "sessionEnd");
    talk_free(t);
}

/* Each frame in turn with another date, payload or signature, both checksums right. */
static void the_mock_believes_no_bit_of_it_changed(void)
{
    CLEANUP(capture_release) struct capture c;
    CLEANUP(rig_stop) struct mock *m = mock_of_that_day();
    capture_load(&c);
    size_t from = 0;
    for (size_t i = 0; i + 1 < EVENTS; i++) { /* sessionEnd is the sixth: what is behind it is not read */
        size_t n = es_frame_length(span_from(buf_span(&c.body), from));
        /* the date, the signature, the payload */
        const size_t places[] = {ES_PRELUDE + 13, ES_PRELUDE + 35 + i, n - 5};
        for (size_t k = 0; k < COUNT_OF(places); k++) {
            struct talk *t = talk_new(m, &(struct manner){.captured = json_item(c.entry, "request")});
            buf_add(&t->upload, buf_span(&c.body));
            unsigned char *frame = (unsigned char *)t->upload.data + from;
            frame[places[k]] ^= 1;
            es_reseal(frame, n);
            CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
            CLAIM(strcmp(text_at(last_event(t), "/name"), "InvalidSignatureException") == 0,
                  "frame %zu, byte %zu: it ends with %s", i, places[k], text_at(last_event(t), "/name"));
            talk_free(t);
        }
        from += n;
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"its request verifies and is the seed", its_request_verifies_and_is_the_seed},
        {"its frames have the dates, payloads and signatures of the vector",
         its_frames_have_the_dates_payloads_and_signatures_of_the_vector},
        {"the mock believes it over midnight", the_mock_believes_it_over_midnight},
        {"the mock believes no bit of it changed", the_mock_believes_no_bit_of_it_changed},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_bidi_capture", tests);
}
