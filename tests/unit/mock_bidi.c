/* InvokeModelWithBidirectionalStream over raw HTTP/2: a peer (mock_bidi_rig.h) that can be late, silent, wrong or gone.
 */
#include "mock_bidi_rig.h"

#include "mock/time/pace.h"

static struct mock *strict_mock(void)
{
    logged[0] = '\0';
    return rig_start(
        &(struct mock_config){.auth = MOCK_AUTH_STRICT, .admin_port = 0, .log = keep_log, .fault_headers = true});
}

/* ---- tests ---- */

static void each_event_is_answered_before_the_next_is_sent(void)
{
    CLEANUP(rig_stop) struct mock *m = strict_mock();
    struct talk *t = talk_new(m, NULL);
    tell_opening(t);
    for (size_t i = 1; i <= 5; i++) {
        tell_audio(t, 1600);
        CLAIM(talk_until(t, "usageEvent", i, PATIENCE_MS), "audio %zu is not answered (status %d)", i, t->status);
    }
    tell(t, AUDIO_END);
    CU_ASSERT(talk_until(t, "completionEnd", 1, PATIENCE_MS));
    CU_ASSERT(!t->closed);
    tell(t, SESSION_END);
    tell_end(t);
    CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
    CLAIM(t->code == NGHTTP2_NO_ERROR && t->status == 200, "status %d, code %u", t->status, t->code);
    const cJSON *all = talk_events(t), *item;
    CU_ASSERT_EQUAL(t->end, ES_OK);
    size_t bytes = 0, ends = 0;
    cJSON_ArrayForEach(item, all)
    {
        bytes += strlen(text_at(item, "/said/event/audioOutput/content")) / 4 * 3;
        ends += strcmp(text_at(item, "/said/event/contentEnd/stopReason"), "END_TURN") == 0;
    }
    CU_ASSERT(bytes > 1000 && bytes < 8000 * 2 * 2);
    CU_ASSERT_EQUAL(ends, 1);
    CLEANUP(json_free) cJSON *entry = journal_entry(m);
    CU_ASSERT_STRING_EQUAL(text_at(entry, "/bidirectional/signatures/verdict"), "valid");
    CU_ASSERT_EQUAL(number_at(entry, "/bidirectional/signatures/valid"), 10);
    CU_ASSERT_EQUAL(number_at(entry, "/bidirectional/input/3/count"), 5);
    CU_ASSERT_STRING_EQUAL(text_at(entry, "/delivered/end"), "complete");
    CU_ASSERT_EQUAL(number_at(entry, "/delivered/events"), cJSON_GetArraySize(all));
    CU_ASSERT_EQUAL(number_at(entry, "/delivered/bytes"), (double)t->body.len);
    talk_free(t);
}

/* ---- signatures ---- */

enum harm {
    NONE,
    DROP,
    SWAP,
    TWICE,
    ALTER,
    ALTER_DATE,
    RESTART,
    UNSIGNED,
    REQUEST_DATE,
    INNER_ONLY,
    OLD,
    BEHIND_END,
    GAP,
    MOVED,
    SIGNED_TWICE,
    END_LOST,
    OTHER_SERVICE,
    IN_HEX,
    AS_TEXT,
    HARMS
};
static const struct {
    const char *id;
    double frames;
} harms[HARMS] = {
    [NONE] = {"", 5},
    [DROP] = {"lost-or-altered", 4},
    [SWAP] = {"swapped", 4},
    [TWICE] = {"frame-twice", 4},
    [ALTER] = {"altered", 4},
    [ALTER_DATE] = {"lost-or-altered", 4},
    [RESTART] = {"chain-restarted", 4},
    [UNSIGNED] = {"unsigned", 4},
    [REQUEST_DATE] = {"date-of-request", 4},
    [INNER_ONLY] = {"inner-payload", 4},
    [OLD] = {"frame-date", 4},
    [BEHIND_END] = {"behind-end", 5},
    [GAP] = {"gap", 4},
    [MOVED] = {"moved", 4},
    [SIGNED_TWICE] = {"signed-twice", 4},
    [END_LOST] = {"end-lost", 4},
    [OTHER_SERVICE] = {"wrong-scope", 4},
    [IN_HEX] = {"signature-form", 4},
    [AS_TEXT] = {"signature-form", 4},
};

/* Frames of a client whose chain is whole, with some of them kept back; or signed as some client might. */
static void tell_odd(struct talk *t, enum harm harm)
{
    CLEANUP(buf_release) struct buf inner = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf other = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf lost = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf date = BUF_INIT(BUF_ANY);
    char hex[SIGV4_HEX];
    inner_frame(AUDIO_END, &inner);
    inner_frame(SESSION_END, &other);
    if (harm == GAP || harm == MOVED)
        signed_frame(t, buf_span(&other), t->at_s, t->at_s, &lost);
    if (harm == SIGNED_TWICE)
        signed_frame(t, buf_span(&inner), t->at_s - 2, t->at_s - 2, &lost);
    if (harm == END_LOST)
        signed_frame(t, SPAN_EMPTY, t->at_s, t->at_s, &lost);
    if (harm == OTHER_SERVICE)
        (void)snprintf(t->chain.service, sizeof t->chain.service, "bedrock-runtime");
    if (harm == IN_HEX || harm == AS_TEXT) {
        date_header(t->at_s, &date);
        CU_ASSERT_EQUAL(sigv4_chain_sign(&t->chain, t->sigv4, t->at_s, buf_span(&date), buf_span(&inner), hex, NULL),
                        OK);
        struct es_header h[] = {{.name = span_of(":date"), .type = ES_TIMESTAMP, .number = t->at_s * 1000},
                                {.name = span_of(":chunk-signature"),
                                 .type = harm == IN_HEX ? ES_BYTES : ES_STRING,
                                 .bytes = span_of(hex)}};
        CU_ASSERT_EQUAL(es_encode(h, 2, buf_span(&inner), &t->upload), ES_OK);
        return;
    }
    signed_frame(t, buf_span(&inner), t->at_s, t->at_s, &t->upload);
    if (harm == GAP || harm == MOVED)
        signed_frame(t, buf_span(&inner), t->at_s, t->at_s, &t->upload);
    if (harm == MOVED)
        buf_add(&t->upload, buf_span(&lost));
}

/* The fourth frame, as it should not be. */
static void tell_harmed(struct talk *t, enum harm harm)
{
    CLEANUP(buf_release) struct buf inner = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf one = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf two = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf date = BUF_INIT(BUF_ANY);
    char hex[SIGV4_HEX];
    inner_frame(AUDIO_END, &inner);
    if (harm == REQUEST_DATE || harm == OLD) {
        signed_frame(t, buf_span(&inner), harm == OLD ? t->at_s - 1000 : t->at_s,
                     harm == OLD ? t->at_s - 1000 : t->at_s + 60, &one);
    } else if (harm == INNER_ONLY) {
        date_header(t->at_s, &date);
        CU_ASSERT_EQUAL(sigv4_chain_sign(&t->chain, t->sigv4, t->at_s, buf_span(&date),
                                         es_frame_payload(buf_span(&inner)), hex, NULL),
                        OK);
        outer_frame(t->at_s, buf_span(&inner), hex, &one);
    } else if (harm == UNSIGNED) {
        buf_add(&one, buf_span(&inner));
    } else if (harm == BEHIND_END) {
        signed_frame(t, SPAN_EMPTY, t->at_s, t->at_s, &one);
        signed_frame(t, buf_span(&inner), t->at_s, t->at_s, &two);
    } else {
        signed_frame(t, buf_span(&inner), t->at_s, t->at_s, &one);
    }
    size_t at = 0;
    switch (harm) {
    case DROP:
    case SWAP:
    case NONE:
        buf_reset(&inner);
        inner_frame(SESSION_END, &inner);
        signed_frame(t, buf_span(&inner), t->at_s, t->at_s, &two);
        break;
    case ALTER:
        one.data[one.len - 30] ^= 1;
        es_reseal((unsigned char *)one.data, one.len);
        break;
    case ALTER_DATE: /* eight bytes behind a length, ":date" and a type: a day later would be out of the window */
        at = ES_PRELUDE + 1 + 5 + 1 + 7;
        one.data[at] ^= 1;
        one.data[at - 1] ^= 0x7f;
        es_reseal((unsigned char *)one.data, one.len);
        break;
    default:
        break;
    }
    if (harm == TWICE) { /* the third once more in its place */
        size_t third = es_frame_length(buf_span(&t->upload)), rest = t->upload.len;
        size_t from = 0;
        while (from + third < rest) {
            from += third;
            third = es_frame_length(span_from(buf_span(&t->upload), from));
        }
        CLEANUP(buf_release) struct buf copy = BUF_INIT(BUF_ANY);
        buf_add(&copy, span_from(buf_span(&t->upload), from));
        buf_add(&t->upload, buf_span(&copy));
        return;
    }
    if (harm != DROP && harm != SWAP)
        buf_add(&t->upload, buf_span(&one));
    buf_add(&t->upload, buf_span(&two));
    if (harm == SWAP)
        buf_add(&t->upload, buf_span(&one));
}

static void every_break_of_the_chain_is_found_and_explained(void)
{
    for (enum harm h = NONE; h < HARMS; h++) {
        CLEANUP(rig_stop) struct mock *m = strict_mock();
        struct talk *t = talk_new(m, NULL);
        struct sigv4_chain seed = t->chain;
        tell_opening(t);
        if (h == RESTART) {
            t->chain = seed;
            tell(t, AUDIO_END);
        } else if (h >= GAP) {
            tell_odd(t, h);
        } else {
            tell_harmed(t, h);
        }
        if (h == NONE)
            tell_end(t);
        CLAIM(talk_until(t, NULL, 0, PATIENCE_MS), "harm %d: the stream does not end", (int)h);
        CLEANUP(json_free) cJSON *entry = journal_entry(m);
        const char *id = text_at(entry, "/bidirectional/signatures/diagnosis/id");
        CLAIM(strcmp(id, harms[h].id) == 0, "harm %d: %s, not %s: %s", (int)h, id, harms[h].id,
              text_at(entry, "/bidirectional/signatures/diagnosis/sentence"));
        if (h != NONE) {
            CLAIM(strcmp(text_at(last_event(t), "/kind"), "error") == 0, "harm %d: no error frame", (int)h);
            CLAIM(strstr(logged, "frame ") != NULL, "harm %d: the log says %s", (int)h, logged);
            CU_ASSERT_STRING_EQUAL(text_at(last_event(t), "/name"), "InvalidSignatureException");
        }
        CLAIM(number_at(entry, "/bidirectional/signatures/frames") == harms[h].frames, "harm %d: %.0f frames", (int)h,
              number_at(entry, "/bidirectional/signatures/frames"));
        talk_free(t);
    }
}

static void without_authentication_frames_need_no_signature(void)
{
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.auth = MOCK_AUTH_NONE});
    struct talk *t = talk_new(m, &(struct manner){.unsigned_ = true});
    inner_frame(SESSION_START, &t->upload);
    inner_frame(PROMPT_START, &t->upload);
    inner_frame(SESSION_END, &t->upload);
    t->upload_over = true;
    CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
    CU_ASSERT_EQUAL(t->status, 200);
    CLEANUP(json_free) cJSON *entry = journal_entry(m);
    CU_ASSERT_STRING_EQUAL(text_at(entry, "/bidirectional/signatures/verdict"), "unsigned");
    CU_ASSERT_STRING_EQUAL(text_at(entry, "/bidirectional/input/2/event"), "sessionEnd");
    talk_free(t);
}

/* As the AWS SDK for Rust signs it: no x-amz-content-sha256, and the hash of an empty body in the signature. */
static void frames_are_judged_when_the_request_does_not_announce_them(void)
{
    static const struct {
        const char *hash;
        enum mock_auth auth;
        bool wrapped, lost; /* lost: the second frame does not come */
        const char *verdict, *id;
    } rows[] = {
        {"", MOCK_AUTH_STRICT, true, false, "valid", ""},
        {"", MOCK_AUTH_STRICT, true, true, "broken", "gap"},
        {"", MOCK_AUTH_STRICT, false, false, "broken", "unsigned"},
        {"", MOCK_AUTH_NONE, true, false, "valid", ""},
        {"", MOCK_AUTH_NONE, false, false, "unsigned", ""},
        {SIGV4_UNSIGNED, MOCK_AUTH_STRICT, true, false, "broken", "request-not-streaming"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.auth = rows[i].auth, .log = keep_log});
        struct talk *t = talk_new(m, &(struct manner){.content_sha256 = rows[i].hash});
        if (rows[i].wrapped) {
            tell(t, SESSION_START);
            size_t kept = t->upload.len;
            tell(t, PROMPT_START);
            if (rows[i].lost)
                t->upload.len = kept;
            tell(t, SESSION_END);
            tell_end(t);
        } else {
            inner_frame(SESSION_START, &t->upload);
            inner_frame(SESSION_END, &t->upload);
            t->upload_over = true;
        }
        CLAIM(talk_until(t, NULL, 0, 3000), "row %zu: the stream does not end", i);
        CU_ASSERT_EQUAL(t->status, 200);
        CLEANUP(json_free) cJSON *entry = journal_entry(m);
        const char *verdict = text_at(entry, "/bidirectional/signatures/verdict");
        const char *id = text_at(entry, "/bidirectional/signatures/diagnosis/id");
        CLAIM(strcmp(verdict, rows[i].verdict) == 0, "row %zu: the verdict is %s", i, verdict);
        CLAIM(strcmp(id, rows[i].id) == 0, "row %zu: %s", i, id);
        talk_free(t);
    }
}

static void what_cannot_be_decided_is_told_with_all_that_fits(void)
{
    static const struct {
        const char *secret, *id, *words;
        bool later; /* a good frame comes first */
    } rows[] = {
        {NULL, "lost-or-altered", "the secret is the right one, it signed the request", false},
        {NULL, "lost-or-altered", "the secret is the right one, it signed the frames before", true},
        {"another", "lost-or-other-secret", "the request's own signature is wrong, too", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        logged[0] = '\0';
        CLEANUP(rig_stop)
        struct mock *m = rig_start(&(struct mock_config){.auth = MOCK_AUTH_NONE, .admin_port = 0, .log = keep_log});
        struct talk *t = talk_new(m, &(struct manner){.secret = rows[i].secret});
        if (rows[i].later)
            tell(t, SESSION_START);
        size_t kept = t->upload.len;
        tell(t, PROMPT_START);
        t->upload.len = kept;
        tell(t, rows[i].later ? SESSION_END : SESSION_START);
        t->upload_over = true;
        CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
        CU_ASSERT_EQUAL(t->status, 200);
        CLEANUP(json_free) cJSON *entry = journal_entry(m);
        const char *id = text_at(entry, "/bidirectional/signatures/diagnosis/id");
        const char *sentence = text_at(entry, "/bidirectional/signatures/diagnosis/sentence");
        CLAIM(strcmp(id, rows[i].id) == 0 && strstr(sentence, rows[i].words) != NULL, "row %zu: %s: %s", i, id,
              sentence);
        CLAIM(strstr(sentence, "missing") != NULL && strstr(sentence, "altered") != NULL, "row %zu: %s", i, sentence);
        CLAIM(strstr(logged, "not refused") != NULL, "row %zu: the log says %s", i, logged);
        talk_free(t);
    }
}

/* ---- refusals ---- */

static void what_cannot_begin_is_refused_at_once(void)
{
    static const struct {
        struct manner how;
        int status;
        const char *words;
    } rows[] = {
        {{.unsigned_ = true}, 403, "Authorization header is missing"},
        {{.bearer = "Bearer no-such-key"}, 403, "{\"Message\":\"API keys cannot be used with Invoke"},
        {{.path = SONIC_PATH("anthropic.claude-3-haiku-20240307-v1%3A0")}, 400, "bidirectional"},
        {{.fault = "ThrottlingException;message=later"}, 429, "later"},
        {{.fault = "empty-200"}, 200, ""},
    };
    CLEANUP(rig_stop) struct mock *m = strict_mock();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct talk *t = talk_new(m, &rows[i].how);
        CLAIM(talk_until(t, NULL, 0, PATIENCE_MS), "row %zu does not end", i);
        CLAIM(t->status == rows[i].status && strstr(buf_text(&t->body), rows[i].words) != NULL, "row %zu: %d %s", i,
              t->status, buf_text(&t->body));
        talk_free(t);
    }
    CLEANUP(reply_release) struct reply r = ask(m, SONIC, "");
    CLAIM(r.status == 505 && strstr(buf_text(&r.body), "HTTP/2") != NULL, "HTTP/1.1: %d %s", r.status,
          buf_text(&r.body));
}

static void wrong_events_end_the_stream_with_a_sentence(void)
{
    static const struct {
        const char *event, *words;
    } rows[] = {
        {"{\"promptEnd\":{\"promptName\":\"q\"}}", "promptName must be"},
        {SESSION_START, "started already"},
        {PROMPT_START, "started already"},
        {AUDIO_START, "open already"},
        {"{\"audioInput\":{\"promptName\":\"p\",\"contentName\":\"a\",\"content\":\"?\"}}", "base64"},
        {"{\"textInput\":{\"promptName\":\"p\",\"contentName\":\"a\",\"content\":\"x\"}}", "another type"},
        {"{\"contentEnd\":{\"promptName\":\"p\",\"contentName\":\"b\"}}", "no content \"b\" is open"},
        {"{\"contentStart\":{\"promptName\":\"p\",\"contentName\":\"t\",\"type\":\"TOOL\",\"role\":\"TOOL\"}}",
         "no tool"},
        {"{\"contentStart\":{\"promptName\":\"p\",\"contentName\":\"t\",\"type\":\"TEXT\",\"role\":\"GOD\"}}", "role"},
        {"{\"hello\":{}}", "no event"},
        {"{\"a\":{},\"b\":{}}", "of the form"},
        {"[]", "of the form"},
    };
    CLEANUP(rig_stop) struct mock *m = strict_mock();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct talk *t = talk_new(m, NULL);
        tell_opening(t);
        tell(t, rows[i].event);
        CLAIM(talk_until(t, NULL, 0, PATIENCE_MS), "row %zu does not end", i);
        const cJSON *last = last_event(t);
        CLAIM(strcmp(text_at(last, "/name"), "validationException") == 0 &&
                  strstr(text_at(last, "/payload/message"), rows[i].words) != NULL,
              "row %zu: %s: %s", i, text_at(last, "/name"), text_at(last, "/payload/message"));
        CU_ASSERT_EQUAL(t->end, ES_OK);
        talk_free(t);
    }
}

static void broken_and_unfinished_streams_are_told(void)
{
    CLEANUP(rig_stop) struct mock *m = strict_mock();
    for (int cut = 0; cut < 2; cut++) {
        struct talk *t = talk_new(m, NULL);
        tell_opening(t);
        if (cut)
            t->upload.len -= 5;
        else
            t->upload.data[t->upload.len - 1] ^= 1;
        t->upload_over = cut;
        CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
        const char *words = text_at(last_event(t), "/payload/message");
        CLAIM(strstr(words, cut ? "inside a frame" : "message_crc") != NULL, "%s", words);
        talk_free(t);
    }
}

/* ---- faults and scripts ---- */

static void faults_fall_on_their_event(void)
{
    static const struct {
        const char *fault, *last;
        int events;
        bool reset;
    } rows[] = {
        {"stream-throttlingException;at_event=3", "throttlingException", 4, false},
        {"error-frame;at_event=2", "InternalError", 3, false},
        {"cut-rst;at_event=3", NULL, 3, true},
        {"cut-clean;at_event=2", "chunk", 2, false},
        {"unknown-event;at_event=1", "chunk", 7, false},
        {"drop-event;at_event=2", "chunk", 5, false},
        {"shred;bytes=7", "chunk", 6, false},
        {"stream-throttlingException;at_event=99", "chunk", 6, false},
        {"stream-throttlingException;at_event=-1", "chunk", 6, false},
    };
    CLEANUP(rig_stop) struct mock *m = strict_mock();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct talk *t = talk_new(m, &(struct manner){.fault = rows[i].fault});
        tell_opening(t);
        for (int k = 0; k < 4; k++)
            tell_audio(t, 16);
        tell(t, SESSION_END);
        tell_end(t);
        CLAIM(talk_until(t, NULL, 0, PATIENCE_MS), "%s: the stream does not end", rows[i].fault);
        const cJSON *all = talk_events(t);
        const char *last = text_at(cJSON_GetArrayItem(all, cJSON_GetArraySize(all) - 1), "/name");
        CLEANUP(buf_release) struct buf names = BUF_INIT(BUF_ANY);
        const cJSON *item;
        cJSON_ArrayForEach(item, all) buf_addf(
            &names, " %s",
            json_at(item, "/said/event") ? json_at(item, "/said/event")->child->string : text_at(item, "/name"));
        CLAIM(cJSON_GetArraySize(all) == rows[i].events, "%s: %d events:%s", rows[i].fault, cJSON_GetArraySize(all),
              buf_text(&names));
        CLAIM(!rows[i].last || strcmp(last, rows[i].last) == 0, "%s: the last is %s", rows[i].fault, last);
        CLAIM((t->code != NGHTTP2_NO_ERROR) == rows[i].reset, "%s: code %u", rows[i].fault, t->code);
        talk_free(t);
    }
}

static void scripts_answer_the_events_they_name(void)
{
    CLEANUP(rig_stop) struct mock *m = strict_mock();
    script(m, "{\"replies\":[{\"reply\":{\"bidirectional\":{\"steps\":["
              "{\"on\":\"start\",\"frames\":[{\"chunk\":{\"event\":{\"hello\":{}}}}]},"
              "{\"on\":\"audioInput\",\"nth\":2,\"frames\":[{\"chunk\":{\"event\":{\"two\":{}}}}]},"
              "{\"on\":\"audioInput\",\"frames\":[{\"chunk\":{\"event\":{\"each\":{}}},\"gate\":\"g\"}]},"
              "{\"on\":\"end\",\"frames\":[{\"chunk\":{\"event\":{\"bye\":{\"sessionId\":\"mine\"}}}}]}]}}}]}");
    struct talk *t = talk_new(m, NULL);
    CU_ASSERT(talk_until(t, "hello", 1, PATIENCE_MS));
    tell_opening(t);
    tell_audio(t, 16);
    CU_ASSERT(!talk_until(t, "each", 1, 100));
    CLEANUP(reply_release) struct reply opened = admin(m, "POST", "/gate", "{\"open\":\"g\"}");
    CU_ASSERT(talk_until(t, "each", 1, PATIENCE_MS));
    tell_audio(t, 16);
    CU_ASSERT(talk_until(t, "each", 2, PATIENCE_MS));
    CU_ASSERT_EQUAL(talk_count(t, "two"), 1);
    tell_end(t);
    CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
    CU_ASSERT_STRING_EQUAL(text_at(last_event(t), "/said/event/bye/sessionId"), "mine");
    CU_ASSERT_STRING_EQUAL(text_at(last_event(t), "/said/event/bye/promptName"), "p");
    talk_free(t);
}

static void a_wrong_script_is_refused_with_its_place(void)
{
    static const struct {
        const char *value, *words;
    } rows[] = {
        {"{\"step\":[]}", "bidirectional/step: nobody knows this key; did you mean \\\"steps\\\""},
        {"{\"steps\":[{\"on\":\"audioInptu\",\"frames\":[]}]}", "steps/0/on: expected"},
        {"{\"steps\":[{\"on\":\"end\"}]}", "steps/0/frames: must be given"},
        {"{\"steps\":[{\"on\":\"end\",\"frames\":[{}]}]}", "steps/0/frames/0: expected one of"},
        {"{\"steps\":[{\"on\":\"end\",\"nth\":0,\"frames\":[]}]}", "steps/0/nth"},
        {"{\"steps\":[],\"said\":[]}", "without heard and said"},
        {"{\"said\":[1]}", "said: expected a list of strings"},
        {"[]", "bidirectional: expected an object"},
    };
    CLEANUP(rig_stop) struct mock *m = strict_mock();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char body[512];
        (void)snprintf(body, sizeof body, "{\"replies\":[{\"reply\":{\"bidirectional\":%s}}]}", rows[i].value);
        CLEANUP(reply_release) struct reply r = admin(m, "POST", "/script", body);
        CLAIM(r.status == 400 && strstr(buf_text(&r.body), rows[i].words) != NULL, "row %zu: %d %s", i, r.status,
              buf_text(&r.body));
    }
}

/* ---- time ---- */

/* One turn: how long until its first event, and until all of it is there, in ms; events: those that have a delta. */
struct turn_time {
    double first, whole;
    size_t deltas;
};

static size_t deltas_so_far(struct talk *t)
{
    return talk_count(t, "textOutput") + talk_count(t, "audioOutput") + talk_count(t, "toolUse");
}

static struct turn_time time_turn(struct talk *t, size_t number)
{
    struct turn_time out = {0, 0, 0};
    size_t before = deltas_so_far(t), ended = talk_count(t, "contentEnd");
    tell_audio(t, 800);
    CU_ASSERT(talk_until(t, "usageEvent", 2 * number - 1, PATIENCE_MS));
    tell(t, AUDIO_END);
    uint64_t begin = now_ns();
    CLAIM(talk_until(t, "contentStart", ended + 1, PATIENCE_MS), "turn %zu: nothing is said", number);
    out.first = (double)(now_ns() - begin) / 1e6;
    CLAIM(talk_until(t, "completionEnd", number, PATIENCE_MS), "turn %zu does not end", number);
    out.whole = (double)(now_ns() - begin) / 1e6;
    out.deltas = deltas_so_far(t) - before;
    tell(t, AUDIO_START);
    return out;
}

static void answers_wait_as_other_streams_do(void)
{
    enum { MOST_TURNS = 20 };
    static const struct {
        struct mock_config config;
        const char *reply;
        double ttft, itl;
    } rows[] = {
        {{.ttft_ms = 120, .itl_ms = 12}, NULL, 120, 12},
        {{.ttft = "constant:120.5", .itl = "constant:11.5"}, NULL, 120.5, 11.5},
        {{.ttft_per_token_us = 100000}, NULL, 100, 0}, /* 800 samples of 16 kHz are one token */
        {{.itl_ms = 1}, "{\"ttft_ms\":\"constant:120\",\"itl_ms\":[8,16]}", 120, 12},
        {{.ttft = "constant:30.5", .itl = "5", .load_factor = "4", .load_full = 2}, NULL, 30.5, 5},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mock_config config = rows[i].config;
        CLEANUP(rig_stop) struct mock *m = rig_start(&config);
        char body[256];
        (void)snprintf(body, sizeof body, "{\"replies\":[{\"reply\":%s}]}", rows[i].reply ? rows[i].reply : "");
        if (rows[i].reply)
            script(m, body);
        struct talk *t = talk_new(m, NULL);
        tell_opening(t);
        size_t turn = 0;
        for (size_t in_time = 0; in_time < 2 && turn < MOST_TURNS;) { /* a busy machine makes them longer, never shorter */
            struct turn_time took = time_turn(t, ++turn);
            double whole = rows[i].ttft + (double)(took.deltas - 1) * rows[i].itl;
            in_time += took.first < rows[i].ttft + 300 && took.whole < whole + 400;
            CLAIM(took.deltas >= 4 && took.first >= rows[i].ttft - 1 && took.whole >= whole - 9,
                  "row %zu: the first event came after %.1f ms, and all %zu after %.1f, not %.1f", i, took.first,
                  took.deltas, took.whole, whole);
        }
        CLAIM(turn < MOST_TURNS, "row %zu: hardly a turn of %d is in time", i, MOST_TURNS);
        if (config.load_factor) { /* with a second one open all waits are four times as long */
            struct talk *other = talk_new(m, NULL);
            tell_opening(other);
            tell_audio(other, 16);
            CU_ASSERT(talk_until(other, "usageEvent", 1, PATIENCE_MS));
            struct turn_time took = time_turn(t, turn + 1);
            CLAIM(took.first >= 4 * 30.5 - 1, "under load the first event came after %.1f ms", took.first);
            CLAIM(took.whole >= 4 * (30.5 + (double)(took.deltas - 1) * 5) - 1, "under load: %.1f ms", took.whole);
            talk_free(other);
        }
        talk_free(t);
    }
}

static void draw_talk(uint64_t seed, uint64_t number, uint64_t out[12])
{
    struct mock *m = calloc(1, sizeof *m);
    struct worker *w = calloc(1, sizeof *w);
    m->config = (struct mock_config){.seed = seed, .ttft = "lognormal:400,0.6", .itl = "normal:30,9"};
    w->is_numbered = true;
    w->number = number;
    struct visit v = {.mock = m, .worker = w};
    struct pace_talk p;
    CU_ASSERT_EQUAL_FATAL(times_new(&m->config, &m->times, NULL), OK);
    pace_talk_init(&p, &v, NULL);
    for (size_t i = 0; i < 12; i++)
        out[i] = i % 4 == 0 ? pace_talk_ttft(&p, 0) : pace_talk_itl(&p);
    pace_talk_release(&p);
    times_free(m->times);
    free(w);
    free(m);
}

static void the_waits_of_a_run_are_those_of_its_seed(void)
{
    uint64_t first[12], again[12], other_seed[12], other_request[12];
    draw_talk(4, 0, first);
    draw_talk(4, 0, again);
    draw_talk(5, 0, other_seed);
    draw_talk(4, 1, other_request);
    CU_ASSERT_EQUAL(memcmp(first, again, sizeof first), 0);
    for (size_t i = 0; i < 12; i++) {
        CLAIM(first[i] != other_seed[i] && first[i] != other_request[i], "wait %zu is always the same", i);
        CLAIM(i == 0 || first[i] != first[i - 1], "wait %zu is that before it", i);
    }
}

/* ---- slow, silent and gone ---- */

static void a_peer_that_does_not_read_is_not_read(void)
{
    CLEANUP(rig_stop) struct mock *m = strict_mock();
    struct talk *t = talk_new(m, &(struct manner){.manual = true});
    tell_opening(t);
    for (size_t i = 0; i < 12000; i++)
        tell_audio(t, 320);
    tell(t, SESSION_END);
    tell_end(t);
    talk_until_full(t);
    CLAIM(t->uploaded < t->upload.len / 2, "%zu of %zu bytes were taken", t->uploaded, t->upload.len);
    CU_ASSERT(!t->closed);
    for (uint64_t until = now_ns() + PATIENCE_MS * (uint64_t)MS; !t->closed && now_ns() < until;) {
        (void)nghttp2_submit_window_update(t->session, 0, 0, 1 << 20);
        (void)nghttp2_submit_window_update(t->session, 0, t->id, 1 << 20);
        size_t before = t->body.len;
        t->manual = true;
        (void)nghttp2_session_consume(t->session, t->id, 0);
        for (int i = 0; i < 10 && t->body.len == before && !t->closed; i++) {
            struct pollfd at = {.fd = t->fd, .events = POLLIN};
            unsigned char part[65536];
            (void)nghttp2_session_resume_data(t->session, t->id);
            (void)nghttp2_session_send(t->session);
            if (poll(&at, 1, 20) > 0) {
                ssize_t got = recv(t->fd, part, sizeof part, 0);
                if (got > 0)
                    until = now_ns() + PATIENCE_MS * (uint64_t)MS; /* as long as something comes */
                if (got > 0)
                    (void)nghttp2_session_mem_recv(t->session, part, (size_t)got);
            }
        }
    }
    CLAIM(t->closed && t->code == 0, "it does not end: %zu of %zu sent, %zu came", t->uploaded, t->upload.len,
          t->body.len);
    CLAIM(talk_count(t, "usageEvent") == 12000, "%zu answers", talk_count(t, "usageEvent"));
    talk_free(t);
}

static void a_peer_that_leaves_is_told_in_the_journal(void)
{
    CLEANUP(rig_stop) struct mock *m = strict_mock();
    struct talk *t = talk_new(m, NULL);
    tell_opening(t);
    tell_audio(t, 16);
    CU_ASSERT(talk_until(t, "usageEvent", 1, PATIENCE_MS));
    talk_free(t);
    CLEANUP(json_free) cJSON *entry = journal_entry(m);
    CU_ASSERT_STRING_EQUAL(text_at(entry, "/delivered/end"), "peer-closed");
    CU_ASSERT_EQUAL(number_at(entry, "/bidirectional/signatures/frames"), 4);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"each event is answered before the next is sent", each_event_is_answered_before_the_next_is_sent},
        {"every break of the chain is found and explained", every_break_of_the_chain_is_found_and_explained},
        {"what cannot be decided is told with all that fits", what_cannot_be_decided_is_told_with_all_that_fits},
        {"frames are judged when the request does not announce them",
         frames_are_judged_when_the_request_does_not_announce_them},
        {"without authentication frames need no signature", without_authentication_frames_need_no_signature},
        {"what cannot begin is refused at once", what_cannot_begin_is_refused_at_once},
        {"wrong events end the stream with a sentence", wrong_events_end_the_stream_with_a_sentence},
        {"broken and unfinished streams are told", broken_and_unfinished_streams_are_told},
        {"faults fall on their event", faults_fall_on_their_event},
        {"scripts answer the events they name", scripts_answer_the_events_they_name},
        {"a wrong script is refused with its place", a_wrong_script_is_refused_with_its_place},
        {"answers wait as other streams do", answers_wait_as_other_streams_do},
        {"the waits of a run are those of its seed", the_waits_of_a_run_are_those_of_its_seed},
        {"a peer that does not read is not read", a_peer_that_does_not_read_is_not_read},
        {"a peer that leaves is told in the journal", a_peer_that_leaves_is_told_in_the_journal},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_bidi", tests);
}
