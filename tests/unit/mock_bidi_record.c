/* InvokeModelWithBidirectionalStream through `mohs mock --record`, with a second mock as the endpoint: what goes on and
 * when, whose signature it bears, what is kept, and what that replays. The client is mock_bidi_rig.h's.
 */
#include "mock_bidi_rig.h"

#include <dirent.h>

#include "net/tls.h"
#include "protocol/file.h"

#define OUR_KEY    "AKIDOURSANDNOTHEIRS0"
#define OUR_SECRET "our+secret/that-stays-here-0123456789"
#define OUR_TOKEN  "our-session-token-0123456789"

static const struct mock_key our_key = {OUR_KEY, OUR_SECRET, OUR_TOKEN, NULL};

/* Who of a scene speaks TLS; all with one certificate. */
struct over {
    bool endpoint, recorder;
};

static const struct over cleartext = {false, false}, endpoint_tls = {true, false};

struct scene {
    struct mock *endpoint, *recorder;
    struct over over;
    struct tls *tls;
    char url[64], folder[160], ca_file[192], directory[192]; /* the latter two in the first */
    char file[400];                                          /* what was kept last */
};

static const char *trusted(const struct scene *s, bool tls)
{
    return tls ? s->ca_file : NULL;
}

static size_t kept_files(struct scene *s)
{
    size_t n = 0;
    DIR *d = opendir(s->directory);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(s->file, sizeof s->file, "%s/%.200s", s->directory, e->d_name);
        n++;
    }
    if (d != NULL)
        (void)closedir(d);
    return n;
}

static void scene_end(struct scene *s)
{
    mock_stop(s->recorder);
    mock_stop(s->endpoint);
    while (kept_files(s) > 0)
        (void)unlink(s->file);
    (void)rmdir(s->directory);
    (void)unlink(s->ca_file);
    (void)rmdir(s->folder);
    tls_free(s->tls);
}

static struct mock_config recording(const struct scene *s)
{
    return (struct mock_config){.auth = MOCK_AUTH_STRICT,
                                .log = keep_log,
                                .tls = s->over.recorder ? s->tls : NULL,
                                .record = {.url = s->url,
                                           .ca_file = trusted(s, s->over.endpoint),
                                           .directory = s->directory,
                                           .access_key = OUR_KEY,
                                           .secret = OUR_SECRET,
                                           .session_token = OUR_TOKEN}};
}

static void make_identity(struct scene *s)
{
    CLEANUP(buf_release) struct buf pem = BUF_INIT(BUF_ANY);
    CU_ASSERT_EQUAL_FATAL(tls_new_self_signed(NULL, &s->tls, &pem, NULL), OK);
    FILE *f = fopen(s->ca_file, "wb");
    if (f == NULL || fwrite(pem.data, 1, pem.len, f) != pem.len || fclose(f) != 0)
        abort();
}

static void scene_begin_over(struct scene *s, const char *reply, struct over over)
{
    *s = (struct scene){.over = over};
    unit_folder("bidi", s->folder, sizeof s->folder);
    (void)snprintf(s->ca_file, sizeof s->ca_file, "%s/ca.pem", s->folder);
    (void)snprintf(s->directory, sizeof s->directory, "%s/kept", s->folder);
    if (over.endpoint || over.recorder)
        make_identity(s);
    struct mock_config endpoint = {
        .keys = &our_key, .key_count = 1, .auth = MOCK_AUTH_STRICT, .tls = over.endpoint ? s->tls : NULL};
    s->endpoint = rig_start(&endpoint);
    (void)snprintf(s->url, sizeof s->url, "%s://127.0.0.1:%u", over.endpoint ? "https" : "http", mock_port(s->endpoint));
    struct mock_config config = recording(s);
    s->recorder = rig_start(&config);
    if (reply != NULL)
        script(s->endpoint, reply);
}

static void scene_begin(struct scene *s, const char *reply)
{
    scene_begin_over(s, reply, cleartext);
}

static struct mock *replaying(const struct scene *s, const char *speed)
{
    const char *const paths[] = {s->directory};
    return rig_start(&(struct mock_config){.auth = MOCK_AUTH_STRICT,
                                           .fixtures = paths,
                                           .fixture_count = 1,
                                           .strict = true,
                                           .validation = MOCK_VALIDATION_RECORD,
                                           .replay_speed = speed});
}

/* ---- a conversation, with a prompt of any name ---- */

static void tell_about(struct talk *t, const char *format, const char *prompt)
{
    char json[512];
    size_t at = 0;
    for (const char *p = format; *p != '\0' && at + 64 < sizeof json; p++) {
        if (*p == '@')
            at += (size_t)snprintf(json + at, sizeof json - at, "%s", prompt);
        else
            json[at++] = *p;
    }
    json[at] = '\0';
    tell(t, json);
}

#define TEXT_START                                                                                                     \
    "{\"contentStart\":{\"promptName\":\"@\",\"contentName\":\"u\",\"type\":\"TEXT\",\"role\":\"USER\","              \
    "\"interactive\":true}}"
#define TEXT_INPUT "{\"textInput\":{\"promptName\":\"@\",\"contentName\":\"u\",\"content\":\"good day\"}}"
#define TEXT_END   "{\"contentEnd\":{\"promptName\":\"@\",\"contentName\":\"u\"}}"
#define PROMPT     "{\"promptStart\":{\"promptName\":\"@\",\"audioOutputConfiguration\":{\"sampleRateHertz\":8000}}}"

/* What came, without what is drawn anew: the padding. */
static void shape(struct talk *t, struct buf *out)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, talk_events(t))
    {
        const cJSON *said = json_item(item, "said");
        if (said != NULL)
            json_print(said, JSON_SORTED, out);
        else
            buf_addf(out, "%s %s", text_at(item, "/kind"), text_at(item, "/name"));
        buf_addc(out, '\n');
    }
}

/* Two turns of text, each answered before the next is said. `leave_open`: the client does not end its half. */
static struct talk *converse(struct mock *m, const char *prompt, bool leave_open, const char *ca_file)
{
    struct talk *t = talk_new(m, &(struct manner){.ca_file = ca_file});
    tell(t, SESSION_START);
    tell_about(t, PROMPT, prompt);
    for (size_t turn = 1; turn <= 2; turn++) {
        tell_about(t, TEXT_START, prompt);
        tell_about(t, TEXT_INPUT, prompt);
        tell_about(t, TEXT_END, prompt);
        CLAIM(talk_until(t, "completionEnd", turn, PATIENCE_MS), "turn %zu is not answered: %d %s", turn, t->status,
              buf_text(&t->body));
        CU_ASSERT(!t->closed);
    }
    tell(t, SESSION_END);
    if (!leave_open)
        tell_end(t);
    CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
    CLAIM(t->status == 200 && t->code == NGHTTP2_NO_ERROR && t->end == ES_OK, "status %d, code %u", t->status, t->code);
    return t;
}

static void wait_for_files(struct scene *s, size_t n)
{
    for (int i = 0; i < PATIENCE_MS / 5 && kept_files(s) < n; i++)
        usleep(5000);
    CLAIM(kept_files(s) == n, "%zu files are kept, not %zu; the log says %s", kept_files(s), n, logged);
}

static void replace_all(struct buf *text, const char *from, const char *to)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    const char *p = buf_text(text);
    for (const char *hit; (hit = strstr(p, from)) != NULL; p = hit + strlen(from)) {
        buf_add(&out, (struct span){(const unsigned char *)p, (size_t)(hit - p)});
        buf_adds(&out, to);
    }
    buf_adds(&out, p);
    buf_reset(text);
    buf_add(text, buf_span(&out));
}

/* Over cleartext and TLS, on either side: what goes on, is kept and replays is the same. */
static void what_was_said_goes_on_signed_anew_and_replays(void)
{
    for (int i = 0; i < 8; i++) {
        bool leave_open = i & 1;
        CLEANUP(scene_end) struct scene s;
        scene_begin_over(&s, NULL, (struct over){.endpoint = i & 2, .recorder = i & 4});
        CLEANUP(buf_release) struct buf first = BUF_INIT(BUF_ANY);
        struct talk *t = converse(s.recorder, "mine", leave_open, trusted(&s, s.over.recorder));
        shape(t, &first);
        talk_free(t);
        CLEANUP(json_free) cJSON *there = journal_entry(s.endpoint);
        CU_ASSERT_STRING_EQUAL(text_at(there, "/bidirectional/signatures/verdict"), "valid");
        CU_ASSERT_STRING_EQUAL(text_at(there, "/http"), "2");
        CU_ASSERT(number_at(there, "/bidirectional/signatures/valid") >= 9);
        CU_ASSERT_STRING_EQUAL(text_at(there, "/bidirectional/input/3/body/content"), "good day");
        wait_for_files(&s, 1);
        CLEANUP(json_free) cJSON *here = journal_entry(s.recorder);
        CU_ASSERT_STRING_EQUAL(text_at(here, "/reply/source"), "record");
        CLAIM(strstr(text_at(here, "/reply/upstream/kept"), "InvokeModelWithBidirectionalStream-amazon.nova-2-sonic") !=
                  NULL,
              "kept as %s", text_at(here, "/reply/upstream/kept"));
        CU_ASSERT(number_at(here, "/reply/upstream/frames_sent") >= 9);
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        CU_ASSERT_EQUAL(file_read(s.file, &text, NULL), OK);
        CU_ASSERT_PTR_NULL(strstr(buf_text(&text), "OURS"));
        CU_ASSERT_PTR_NULL(strstr(buf_text(&text), "\"mine\""));
        CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&text), "I heard you: good day"));
        CLAIM((strstr(buf_text(&text), "\"end\": true") != NULL) == leave_open, "left open %d: %s", leave_open,
              strstr(buf_text(&text), "sessionEnd"));

        CLEANUP(rig_stop) struct mock *again = replaying(&s, "0");
        CLEANUP(buf_release) struct buf second = BUF_INIT(BUF_ANY);
        t = converse(again, "yours", leave_open, NULL);
        shape(t, &second);
        talk_free(t);
        replace_all(&first, "\"mine\"", "\"yours\"");
        CLAIM(strcmp(buf_text(&first), buf_text(&second)) == 0, "it replays otherwise:\n%s\n%s", buf_text(&first),
              buf_text(&second));
        CU_ASSERT(first.len > 2000);
    }
}

/* One turn of text; what the model says to it. */
static void say_words(struct mock *m, const char *prompt, const char *words, struct buf *answer)
{
    CLEANUP(buf_release) struct buf input = BUF_INIT(BUF_ANY);
    struct talk *t = talk_new(m, NULL);
    buf_addf(&input, "{\"textInput\":{\"promptName\":\"%s\",\"contentName\":\"u\",\"content\":\"%s\"}}", prompt, words);
    tell(t, SESSION_START);
    tell_about(t, PROMPT, prompt);
    tell_about(t, TEXT_START, prompt);
    tell(t, buf_text(&input));
    tell_about(t, TEXT_END, prompt);
    CLAIM(talk_until(t, "completionEnd", 1, 5000), "\"%s\" is not answered: %d %s", words, t->status, buf_text(&t->body));
    tell(t, SESSION_END);
    tell_end(t);
    CU_ASSERT(talk_until(t, NULL, 0, 5000));
    shape(t, answer);
    talk_free(t);
}

static void each_session_gets_its_own_again_in_any_order(void)
{
    static const char *const words[] = {"good day", "good night", "how are you"};
    static const struct {
        const char *said, *heard; /* the words that the answer takes up; "": those of any of the three */
    } asked[] = {{"how are you", "how are you"}, {"good night", "good night"}, {"good day", "good day"},
                 {"good night", "good night"}, {"never said", ""}};
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, NULL);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        CLEANUP(buf_release) struct buf answer = BUF_INIT(BUF_ANY);
        say_words(s.recorder, "mine", words[i], &answer);
        wait_for_files(&s, i + 1);
    }
    CLEANUP(rig_stop) struct mock *again = replaying(&s, "0");
    size_t own = 0;
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        CLEANUP(buf_release) struct buf answer = BUF_INIT(BUF_ANY);
        char heard[64];
        say_words(again, "another", asked[i].said, &answer);
        (void)snprintf(heard, sizeof heard, "I heard you: %s", asked[i].heard);
        CLAIM(strstr(buf_text(&answer), heard) != NULL, "\"%s\": %s", asked[i].said, buf_text(&answer));
        CLEANUP(json_free) cJSON *entry = journal_entry(again);
        own += strstr(text_at(entry, "/bidirectional/fixture"), "InvokeModelWithBidirectionalStream") != NULL;
    }
    CLAIM(own == COUNT_OF(asked), "%zu entries say which session it was", own);
    CLEANUP(reply_release) struct reply fixtures = admin(again, "GET", "/fixtures", "");
    double hits = 0;
    for (int i = 0; i < 3; i++) {
        double of = number_at(cJSON_GetArrayItem(json_at(fixtures.json, "/fixtures"), i), "/hits");
        CLAIM(of >= 1, "a fixture has %.0f hits", of);
        hits += of;
    }
    CU_ASSERT_EQUAL(hits, COUNT_OF(asked));
}

/* The same words twice are one file with a sequence, whatever was said between. */
static void sessions_that_begin_alike_are_a_sequence(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, "{\"replies\":["
                    "{\"reply\":{\"bidirectional\":{\"said\":[\"first\"]}}},{\"reply\":{\"bidirectional\":{\"said\":[\"other\"]}}},"
                    "{\"reply\":{\"bidirectional\":{\"said\":[\"second\"]}}}]}");
    static const char *const said[] = {"good day", "good night", "good day"};
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        CLEANUP(buf_release) struct buf answer = BUF_INIT(BUF_ANY);
        say_words(s.recorder, "mine", said[i], &answer);
        CLEANUP(json_free) cJSON *here = journal_entry(s.recorder);
        wait_for_files(&s, i == 0 ? 1 : 2);
    }
    static const struct {
        const char *said, *answer;
    } asked[] = {{"good night", "\"other\""}, {"good day", "\"first\""}, {"good night", "\"other\""},
                 {"good day", "\"second\""}, {"good day", "\"second\""}};
    CLEANUP(rig_stop) struct mock *again = replaying(&s, "0");
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        CLEANUP(buf_release) struct buf answer = BUF_INIT(BUF_ANY);
        say_words(again, "another", asked[i].said, &answer);
        CLAIM(strstr(buf_text(&answer), asked[i].answer) != NULL, "%zu: \"%s\": %s", i, asked[i].said, buf_text(&answer));
    }
}

static void each_event_goes_on_before_the_next_is_said(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, NULL);
    struct talk *t = talk_new(s.recorder, NULL);
    tell_opening(t);
    for (size_t i = 1; i <= 5; i++) {
        tell_audio(t, 1600);
        CLAIM(talk_until(t, "usageEvent", i, PATIENCE_MS), "audio %zu is not answered (status %d)", i, t->status);
    }
    tell(t, AUDIO_END);
    CU_ASSERT(talk_until(t, "completionEnd", 1, PATIENCE_MS));
    tell(t, SESSION_END);
    tell_end(t);
    CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
    talk_free(t);
    wait_for_files(&s, 1);
    CLEANUP(json_free) cJSON *file = NULL;
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    CU_ASSERT_EQUAL(file_read(s.file, &text, NULL), OK);
    CU_ASSERT_EQUAL(json_parse(buf_span(&text), JSON_COMPACT, &file, NULL), OK);
    const cJSON *steps = json_at(file, "/fixtures/0/reply/bidirectional/steps");
    for (int i = 0; i < 5; i++) {
        const cJSON *step = cJSON_GetArrayItem(steps, i);
        CLAIM(strcmp(text_at(step, "/on"), "audioInput") == 0 && number_at(step, "/nth") == i + 1, "step %d: %s %.0f", i,
              text_at(step, "/on"), number_at(step, "/nth"));
        CU_ASSERT_EQUAL(cJSON_GetArraySize(json_item(step, "frames")), i == 0 ? 2 : 1);
    }
    CU_ASSERT_STRING_EQUAL(text_at(cJSON_GetArrayItem(steps, 5), "/on"), "contentEnd");
}

static void an_exception_of_the_endpoint_is_kept(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, "{\"replies\":[{\"reply\":{\"bidirectional\":{\"steps\":[{\"on\":\"promptStart\",\"frames\":"
                    "[{\"chunk\":{\"event\":{\"completionStart\":{}}},\"after_ms\":1500},"
                    "{\"exception\":\"modelTimeoutException\",\"payload\":{\"message\":\"too late\"}}]}]}}}]}");
    for (int turn = 0; turn < 3; turn++) {
        CLEANUP(rig_stop) struct mock *again = turn > 0 ? replaying(&s, turn == 1 ? "1" : "0") : NULL;
        struct talk *t = talk_new(turn > 0 ? again : s.recorder, NULL);
        tell(t, SESSION_START);
        tell(t, PROMPT_START);
        uint64_t begin = now_ns();
        CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
        uint64_t took_ms = (now_ns() - begin) / MS;
        CLAIM(turn == 2 ? took_ms < 1490 : took_ms >= 1490, "turn %d took %llu ms", turn, (unsigned long long)took_ms);
        const cJSON *last = last_event(t);
        CLAIM(strcmp(text_at(last, "/name"), "modelTimeoutException") == 0 &&
                  strcmp(text_at(last, "/payload/message"), "too late") == 0,
              "turn %d ends with %s", turn, text_at(last, "/name"));
        CU_ASSERT_EQUAL(talk_count(t, "completionStart"), 1);
        talk_free(t);
        if (turn == 0)
            wait_for_files(&s, 1);
    }
}

static void a_wrong_frame_of_the_client_ends_it_here(void)
{
    for (int broken = 0; broken < 2; broken++) {
        CLEANUP(scene_end) struct scene s;
        scene_begin(&s, NULL);
        struct talk *t = talk_new(s.recorder, NULL);
        tell_opening(t);
        tell_audio(t, 16);
        CU_ASSERT(talk_until(t, "usageEvent", 1, PATIENCE_MS));
        size_t from = t->upload.len;
        tell_audio(t, 16);
        unsigned char *frame = (unsigned char *)t->upload.data + from;
        frame[t->upload.len - from - 20] ^= 1;
        if (!broken)
            es_reseal(frame, t->upload.len - from);
        CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
        CU_ASSERT_STRING_EQUAL(text_at(last_event(t), "/kind"), "error");
        CU_ASSERT_STRING_EQUAL(text_at(last_event(t), "/name"),
                               broken ? "MohsUpstreamError" : "InvalidSignatureException");
        talk_free(t);
        CLEANUP(json_free) cJSON *here = journal_entry(s.recorder);
        CLAIM(strstr(text_at(here, "/reply/upstream/error"), broken ? "broken" : "frame 4: the frame inside is damaged"),
              "it says %s", text_at(here, "/reply/upstream/error"));
        CLEANUP(json_free) cJSON *there = journal_entry(s.endpoint);
        CU_ASSERT_STRING_EQUAL(text_at(there, "/bidirectional/signatures/verdict"), "valid");
        CU_ASSERT_EQUAL(number_at(there, "/bidirectional/signatures/frames"), 4);
        CU_ASSERT_EQUAL(kept_files(&s), 0);
    }
}

static void a_refusal_of_the_endpoint_is_relayed(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, "{\"replies\":[{\"reply\":{\"error\":{\"type\":\"ThrottlingException\",\"message\":\"later\"}}}]}");
    struct talk *t = talk_new(s.recorder, NULL);
    tell_opening(t);
    CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
    CLAIM(t->status == 429 && strstr(buf_text(&t->body), "later") != NULL, "%d %s", t->status, buf_text(&t->body));
    talk_free(t);
    CU_ASSERT_EQUAL(kept_files(&s), 0);
    mock_stop(s.endpoint);
    s.endpoint = NULL;
    t = talk_new(s.recorder, NULL);
    tell_opening(t);
    CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
    CLAIM(t->status == 502 && strstr(buf_text(&t->body), "did not answer") != NULL, "%d %s", t->status,
          buf_text(&t->body));
    talk_free(t);
}

static void a_bearer_key_alone_cannot_sign_frames(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, NULL);
    struct mock_config config = recording(&s);
    config.record.access_key = config.record.secret = config.record.session_token = NULL;
    config.record.bearer = "ABSK-our-bearer-key-0123456789";
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct talk *t = talk_new(m, NULL);
    tell_opening(t);
    CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
    CLAIM(t->status == 502 && strstr(buf_text(&t->body), "takes an access key") != NULL, "%d %s", t->status,
          buf_text(&t->body));
    talk_free(t);
}

static void a_client_that_leaves_ends_the_stream_there(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, NULL);
    struct talk *t = talk_new(s.recorder, NULL);
    tell_opening(t);
    tell_audio(t, 16);
    CU_ASSERT(talk_until(t, "usageEvent", 1, PATIENCE_MS));
    talk_free(t);
    CLEANUP(json_free) cJSON *there = journal_entry(s.endpoint);
    CU_ASSERT_STRING_EQUAL(text_at(there, "/delivered/end"), "peer-closed");
    CLEANUP(json_free) cJSON *here = journal_entry(s.recorder);
    CU_ASSERT(strstr(text_at(here, "/reply/upstream/error"), "the client left") != NULL);
    CU_ASSERT_EQUAL(kept_files(&s), 0);
}

/* It sends 13 MB and reads nothing: windows close from one end to the other, and nothing is lost when they open. */
static void do_not_read(struct over over)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin_over(&s, NULL, over);
    struct talk *t = talk_new(s.recorder, &(struct manner){.manual = true});
    tell_opening(t);
    for (size_t i = 0; i < 16000; i++)
        tell_audio(t, 160);
    tell(t, SESSION_END);
    tell_end(t);
    talk_until_full(t);
    CLAIM(t->uploaded < t->upload.len, "all of %zu bytes were taken", t->upload.len);
    CU_ASSERT(!t->closed);
    (void)nghttp2_submit_window_update(t->session, 0, 0, 1 << 20);
    (void)nghttp2_submit_window_update(t->session, 0, t->id, 1 << 20);
    for (uint64_t until = now_ns() + PATIENCE_MS * (uint64_t)MS; !t->closed && now_ns() < until;) {
        (void)nghttp2_session_resume_data(t->session, t->id);
        (void)nghttp2_session_send(t->session);
        struct pollfd at = {.fd = t->fd, .events = POLLIN};
        unsigned char part[65536];
        ssize_t got = poll(&at, 1, 20) > 0 ? recv(t->fd, part, sizeof part, 0) : 0;
        if (got <= 0)
            continue;
        until = now_ns() + PATIENCE_MS * (uint64_t)MS; /* as long as something comes */
        (void)nghttp2_session_mem_recv(t->session, part, (size_t)got);
        (void)nghttp2_submit_window_update(t->session, 0, 0, (int32_t)got);
        (void)nghttp2_submit_window_update(t->session, 0, t->id, (int32_t)got);
    }
    CLAIM(t->closed && t->code == 0, "it does not end: %zu of %zu sent", t->uploaded, t->upload.len);
    CLAIM(talk_count(t, "usageEvent") == 16000, "%zu answers", talk_count(t, "usageEvent"));
    talk_free(t);
}

static void a_peer_that_does_not_read_slows_the_endpoint(void)
{
    do_not_read(cleartext);
    do_not_read(endpoint_tls);
}

/* The mock would take HTTP/2 from whoever begins with it; Bedrock goes by ALPN (RFC 7301 section 3.1), so its offer is
 * looked for where it stands in the clear: in the first flight. */
static void an_endpoint_is_offered_http2_and_nothing_else(void)
{
    static const unsigned char offer[] = {0, 16, 0, 5, 0, 3, 2, 'h', '2'};
    CLEANUP(scene_end) struct scene s;
    scene_begin_over(&s, NULL, endpoint_tls);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_FATAL(bind(listener, (struct sockaddr *)&at, n) == 0 && listen(listener, 4) == 0 &&
                    getsockname(listener, (struct sockaddr *)&at, &n) == 0);
    (void)snprintf(s.url, sizeof s.url, "https://127.0.0.1:%u", ntohs(at.sin_port));
    struct mock_config config = recording(&s);
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct talk *t = talk_new(m, NULL);
    tell_opening(t);
    struct pollfd comes = {.fd = listener, .events = POLLIN};
    for (int i = 0; i < PATIENCE_MS / 10 && poll(&comes, 1, 0) == 0; i++)
        CU_ASSERT(!talk_until(t, NULL, 0, 10));
    CU_ASSERT_FATAL(poll(&comes, 1, 0) == 1);
    unsigned char hello[4096];
    int fd = accept(listener, NULL, NULL);
    ssize_t got = recv(fd, hello, sizeof hello, 0);
    CLAIM(got > 0 && memmem(hello, (size_t)got, offer, sizeof offer) != NULL, "no such offer in %zd bytes", got);
    (void)close(fd);
    (void)close(listener);
    CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
    CU_ASSERT_EQUAL(t->status, 502);
    talk_free(t);
}

/* A certificate that nobody vouches for: nothing is said to such an endpoint, and the client is told why. */
static void an_endpoint_whose_certificate_is_not_trusted_hears_nothing(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin_over(&s, NULL, endpoint_tls);
    struct mock_config config = recording(&s);
    config.record.ca_file = NULL;
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct talk *t = talk_new(m, NULL);
    tell_opening(t);
    CU_ASSERT(talk_until(t, NULL, 0, PATIENCE_MS));
    CLAIM(t->status == 502 && strstr(buf_text(&t->body), "certificate") != NULL, "%d %s", t->status,
          buf_text(&t->body));
    talk_free(t);
    CLEANUP(reply_release) struct reply r = admin(s.endpoint, "GET", "/journal", "");
    CU_ASSERT_EQUAL(cJSON_GetArraySize(json_item(r.json, "entries")), 0);
    CU_ASSERT_EQUAL(kept_files(&s), 0);
}

static void sessions_of_a_run_are_a_sequence(void)
{
    CLEANUP(scene_end) struct scene s;
    scene_begin(&s, "{\"replies\":[{\"reply\":{\"bidirectional\":{\"said\":[\"one\"]}}},"
                    "{\"reply\":{\"bidirectional\":{\"said\":[\"two\"]}}}]}");
    CLEANUP(buf_release) struct buf first = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf again = BUF_INIT(BUF_ANY);
    for (int i = 0; i < 2; i++) {
        struct talk *t = converse(s.recorder, "p", false, NULL);
        shape(t, &first);
        talk_free(t);
        wait_for_files(&s, 1);
        for (int k = 0; k < PATIENCE_MS / 5 && strstr(logged, "recorded") == NULL; k++)
            usleep(5000);
    }
    CLEANUP(rig_stop) struct mock *m = replaying(&s, "0");
    for (int i = 0; i < 2; i++) {
        struct talk *t = converse(m, "p", false, NULL);
        shape(t, &again);
        talk_free(t);
    }
    CU_ASSERT(strstr(buf_text(&first), "two") > strstr(buf_text(&first), "one"));
    CU_ASSERT_STRING_EQUAL(buf_text(&first), buf_text(&again));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"what was said goes on signed anew and replays", what_was_said_goes_on_signed_anew_and_replays},
        {"each session gets its own again in any order", each_session_gets_its_own_again_in_any_order},
        {"sessions that begin alike are a sequence", sessions_that_begin_alike_are_a_sequence},
        {"each event goes on before the next is said", each_event_goes_on_before_the_next_is_said},
        {"an exception of the endpoint is kept", an_exception_of_the_endpoint_is_kept},
        {"a wrong frame of the client ends it here", a_wrong_frame_of_the_client_ends_it_here},
        {"a refusal of the endpoint is relayed", a_refusal_of_the_endpoint_is_relayed},
        {"a bearer key alone cannot sign frames", a_bearer_key_alone_cannot_sign_frames},
        {"a client that leaves ends the stream there", a_client_that_leaves_ends_the_stream_there},
        {"a peer that does not read slows the endpoint", a_peer_that_does_not_read_slows_the_endpoint},
        {"an endpoint is offered HTTP/2 and nothing else", an_endpoint_is_offered_http2_and_nothing_else},
        {"an endpoint whose certificate is not trusted hears nothing", an_endpoint_whose_certificate_is_not_trusted_hears_nothing},
        {"sessions of a run are a sequence", sessions_of_a_run_are_a_sequence},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_bidi_record", tests);
}
