/* bidi_sonic.c: what Nova Sonic makes of the events of a conversation.
 *
 * Event names and members are those of the AWS documentation ("Handling input events with the bidirectional API", and
 * output events) and of the public samples; docs/bidirectional.md says what of the rest is our own choice. The model
 * hears no words: it measures. A turn ends when the user's content ends, or when enough silence follows speech; the
 * answer is a transcript, maybe a tool, the words to be spoken, and a tone as long as they are.
 */
#include "mock/bidi/bidi_parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "mock/model/schema_sample.h"
#include "protocol/token.h"

#define LOUD          500 /* of 32767: quieter samples are silence */
#define SPEECH_HZ     25  /* speech tokens a second; not known of the real one */
#define AUDIO_PART_MS 40u /* of speech in one audioOutput */
#define WORD_MS       40u /* of tone for each word */
#define TONE_MS_MAX   2000u
#define TONE_HZ       440u
#define TONE_PEAK     8000

static const char *name_of(const cJSON *event, const char *key)
{
    const cJSON *item = json_item(event, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

void sonic_init(struct sonic *s, const struct visit *v, struct rng *rng)
{
    *s = (struct sonic){.rate = 24000, .pause_ms = 1500, .text = BUF_INIT(SONIC_TEXT_MAX)};
    s->second = v->model.row == NULL || strstr(v->model.row->id, "nova-sonic-v1") == NULL;
    rng_uuid(rng, s->session);
    rng_uuid(rng, s->completion);
}

void sonic_release(struct sonic *s)
{
    cJSON_Delete(s->tools);
    s->tools = NULL;
    buf_release(&s->text);
}

/* ---- saying ---- */

/* {'NAME':{'sessionId':...,'promptName':...,'completionId':...  and what follows is the caller's. */
static void open_event(const struct sonic *s, const char *name, struct buf *out)
{
    native_print(out, "{%q:{'sessionId':%q,'promptName':%q,'completionId':%q", name, s->session, s->prompt,
                 s->completion);
}

static void close_event(struct bidi *b, struct buf *out)
{
    buf_adds(out, "}}");
    if (buf_error(out) == OK)
        bidi_say(b, buf_span(out), b->sonic.wait_ns);
    b->sonic.wait_ns = 0;
    buf_reset(out);
}

/* The first event of an answer waits as long as the first delta of other streams; its text, speech and tools, but the
 * first of them, as long as the deltas that follow. What stands around them goes with them. */
static void begin_answer(struct bidi *b)
{
    struct sonic *s = &b->sonic;
    uint64_t heard = s->in.speech + s->in.text;
    s->wait_ns = pace_talk_ttft(&b->pace, heard - s->answered_in);
    s->answered_in = heard;
    s->deltas = 0;
}

static void close_delta(struct bidi *b, struct buf *out)
{
    if (b->sonic.deltas++ > 0)
        b->sonic.wait_ns += pace_talk_itl(&b->pace);
    close_event(b, out);
}

static void begin_completion(struct bidi *b)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    if (b->sonic.completing)
        return;
    b->sonic.completing = true;
    open_event(&b->sonic, "completionStart", &out);
    close_event(b, &out);
}

static void end_completion(struct bidi *b)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    if (!b->sonic.completing)
        return;
    b->sonic.completing = false;
    open_event(&b->sonic, "completionEnd", &out);
    native_print(&out, ",'stopReason':'END_TURN'");
    close_event(b, &out);
    rng_uuid(&b->rng, b->sonic.completion);
}

/* One content: its start with `more` members, its events with one member each, its end. */
struct content {
    const char *type, *role, *stage; /* stage NULL: none */
    const char *configuration;       /* JSON members, begun with a comma */
    const char *stop;
};

static void start_content(struct bidi *b, const struct content *c, const char *id)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    open_event(&b->sonic, "contentStart", &out);
    native_print(&out, ",'contentId':%q,'type':%q,'role':%q", id, c->type, c->role);
    if (c->stage != NULL)
        native_print(&out, ",'additionalModelFields':'{\\\"generationStage\\\":\\\"%s\\\"}'", c->stage);
    native_print(&out, "%s", c->configuration);
    close_event(b, &out);
}

static void end_content(struct bidi *b, const struct content *c, const char *id)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    open_event(&b->sonic, "contentEnd", &out);
    native_print(&out, ",'contentId':%q,'type':%q,'stopReason':%q", id, c->type, c->stop);
    close_event(b, &out);
}

static void say_text(struct bidi *b, const char *role, const char *stage, const char *text, const char *stop)
{
    const struct content c = {"TEXT", role, stage, ",\"textOutputConfiguration\":{\"mediaType\":\"text/plain\"}", stop};
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    char id[UUID_SIZE];
    rng_uuid(&b->rng, id);
    start_content(b, &c, id);
    open_event(&b->sonic, "textOutput", &out);
    native_print(&out, ",'contentId':%q,'role':%q,'content':%q", id, role, text);
    close_delta(b, &out);
    end_content(b, &c, id);
}

/* A triangle wave, in integers, so that every machine makes the same bytes. */
static void add_tone(struct buf *pcm, unsigned rate, size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++) {
        int phase = (int)((i * TONE_HZ % rate) * 4 * TONE_PEAK / rate); /* 0 .. 4 peaks */
        int v = phase < TONE_PEAK ? phase : phase < 3 * TONE_PEAK ? 2 * TONE_PEAK - phase : phase - 4 * TONE_PEAK;
        buf_addc(pcm, (char)(v & 0xff));
        buf_addc(pcm, (char)(v >> 8 & 0xff));
    }
}

static void say_audio(struct bidi *b, const char *text)
{
    struct sonic *s = &b->sonic;
    char configuration[256], id[UUID_SIZE];
    (void)snprintf(configuration, sizeof configuration,
                   ",\"audioOutputConfiguration\":{\"mediaType\":\"audio/lpcm\",\"sampleRateHertz\":%u,"
                   "\"sampleSizeBits\":16,\"encoding\":\"base64\",\"channelCount\":1}",
                   s->rate);
    const struct content c = {"AUDIO", "ASSISTANT", NULL, configuration, "PARTIAL_TURN"};
    unsigned ms = WORD_MS;
    for (const char *p = text; *p != '\0' && ms < TONE_MS_MAX; p++)
        ms += *p == ' ' ? WORD_MS : 0;
    rng_uuid(&b->rng, id);
    start_content(b, &c, id);
    size_t part = (size_t)s->rate * AUDIO_PART_MS / 1000, whole = (size_t)s->rate * ms / 1000;
    for (size_t at = 0; at < whole; at += part) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
        CLEANUP(buf_release) struct buf pcm = BUF_INIT(BUF_ANY);
        add_tone(&pcm, s->rate, at, part < whole - at ? part : whole - at);
        open_event(s, "audioOutput", &out);
        native_print(&out, ",'contentId':%q,'content':'", id);
        buf_add_base64(&out, buf_span(&pcm));
        buf_addc(&out, '"');
        close_delta(b, &out);
    }
    end_content(b, &c, id);
    s->out.speech += (uint64_t)ms * SPEECH_HZ / 1000;
}

static void print_tokens(struct buf *out, const char *key, struct sonic_tokens in, struct sonic_tokens o)
{
    native_print(out, "%q:{'input':{'speechTokens':%n,'textTokens':%n},'output':{'speechTokens':%n,'textTokens':%n}}",
                 key, in.speech, in.text, o.speech, o.text);
}

static void say_usage(struct bidi *b)
{
    struct sonic *s = &b->sonic;
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    struct sonic_tokens in = {s->in.speech - s->told_in.speech, s->in.text - s->told_in.text};
    struct sonic_tokens o = {s->out.speech - s->told_out.speech, s->out.text - s->told_out.text};
    open_event(s, "usageEvent", &out);
    native_print(&out, ",'details':{");
    print_tokens(&out, "delta", in, o);
    buf_addc(&out, ',');
    print_tokens(&out, "total", s->in, s->out);
    uint64_t all_in = s->in.speech + s->in.text, all_out = s->out.speech + s->out.text;
    native_print(&out, "},'totalInputTokens':%n,'totalOutputTokens':%n,'totalTokens':%n", all_in, all_out,
                 all_in + all_out);
    close_event(b, &out);
    s->told_in = s->in;
    s->told_out = s->out;
}

/* ---- a turn ---- */

static bool audio_is_open(const struct sonic *s)
{
    for (size_t i = 0; i < s->open; i++)
        if (s->contents[i].type == SONIC_AUDIO)
            return true;
    return false;
}

static void speak(struct bidi *b, const char *text)
{
    begin_completion(b);
    say_text(b, "ASSISTANT", "SPECULATIVE", text, "PARTIAL_TURN");
    say_audio(b, text);
    say_text(b, "ASSISTANT", "FINAL", text, "END_TURN");
    b->sonic.out.text += token_count(span_of(text));
    say_usage(b);
    b->sonic.turn++;
    if (!audio_is_open(&b->sonic))
        end_completion(b);
}

/* The tool that must be called: by toolChoice, or by its name in the user's words. */
static const cJSON *demanded_tool(const struct sonic *s, const char *heard)
{
    const cJSON *choice = json_item(s->tools, "toolChoice"), *tool;
    const char *named = name_of(json_item(choice, "tool"), "name");
    cJSON_ArrayForEach(tool, json_item(s->tools, "tools"))
    {
        const cJSON *spec = json_item(tool, "toolSpec");
        const char *name = name_of(spec, "name");
        if (name[0] == '\0')
            continue;
        if (json_item(choice, "any") != NULL || strcmp(named, name) == 0 || strstr(heard, name) != NULL)
            return spec;
    }
    return NULL;
}

static void call_tool(struct bidi *b, const cJSON *spec, const char *heard)
{
    const struct content c = {"TOOL", "TOOL", NULL,
                              ",\"toolUseOutputConfiguration\":{\"mediaType\":\"application/json\"}", "TOOL_USE"};
    CLEANUP(json_free) cJSON *schema = NULL;
    CLEANUP(json_free) cJSON *input = NULL;
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    char id[UUID_SIZE];
    const char *written = name_of(json_item(spec, "inputSchema"), "json"); /* a schema as text, unlike Converse's */
    if (json_parse(span_of(written), JSON_COMPACT, &schema, NULL) == OK)
        input = schema_sample(schema, heard, &b->rng);
    if (cJSON_IsObject(input))
        json_print(input, JSON_COMPACT, &text);
    else
        buf_adds(&text, "{}");
    rng_uuid(&b->rng, id);
    rng_tool_id(&b->rng, b->sonic.tool_id);
    start_content(b, &c, id);
    open_event(&b->sonic, "toolUse", &out);
    native_print(&out, ",'contentId':%q,'content':%t,'toolName':%q,'toolUseId':%q", id, buf_span(&text),
                 name_of(spec, "name"), b->sonic.tool_id);
    close_delta(b, &out);
    end_content(b, &c, id);
    b->sonic.out.text += token_count(buf_span(&text));
    say_usage(b);
}

static void answer_turn(struct bidi *b, const char *transcript)
{
    struct sonic *s = &b->sonic;
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const char *heard = bidi_script_line(b, "heard", s->turn), *said = bidi_script_line(b, "said", s->turn);
    heard = heard != NULL ? heard : transcript;
    begin_completion(b);
    begin_answer(b);
    say_text(b, "USER", "FINAL", heard, "PARTIAL_TURN");
    const cJSON *tool = demanded_tool(s, heard);
    if (tool != NULL) {
        call_tool(b, tool, heard);
        return;
    }
    buf_addf(&text, "I heard you: %s", heard);
    speak(b, said != NULL ? said : b->text != NULL ? b->text : buf_text(&text));
}

static void end_audio_turn(struct bidi *b, unsigned rate)
{
    struct sonic *s = &b->sonic;
    char transcript[64];
    uint64_t ms = s->heard_samples * 1000 / (rate > 0 ? rate : 16000);
    (void)snprintf(transcript, sizeof transcript, "(audio of %llu ms)", (unsigned long long)ms);
    bool any = s->heard_samples > 0;
    s->heard_samples = s->silent_samples = 0;
    s->spoken = false;
    if (any)
        answer_turn(b, transcript);
}

static void answer_result(struct bidi *b)
{
    struct sonic *s = &b->sonic;
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    const char *said = bidi_script_line(b, "said", s->turn);
    s->tool_id[0] = '\0';
    buf_addf(&text, "The tool answered: %.400s", buf_text(&s->text));
    begin_answer(b);
    speak(b, said != NULL ? said : b->text != NULL ? b->text : buf_text(&text));
}

/* ---- events of the client ---- */

static void wrong(struct bidi *b, const char *format, ...) PRINTF_LIKE(2, 3);

static void wrong(struct bidi *b, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bidi_refuse(b, "validationException", "%s", text);
}

static void on_session_start(struct bidi *b, const cJSON *e)
{
    struct sonic *s = &b->sonic;
    static const struct {
        const char *word;
        unsigned ms;
    } pauses[] = {{"HIGH", 1500}, {"MEDIUM", 1750}, {"LOW", 2000}};
    if (s->began) {
        wrong(b, "sessionStart: the session has started already");
        return;
    }
    s->began = true;
    const char *word = name_of(json_item(e, "turnDetectionConfiguration"), "endpointingSensitivity");
    for (size_t i = 0; i < COUNT_OF(pauses); i++)
        if (strcmp(pauses[i].word, word) == 0)
            s->pause_ms = pauses[i].ms;
    const cJSON *top = json_item(json_item(e, "inferenceConfiguration"), "topP");
    if (top != NULL && !(cJSON_IsNumber(top) && top->valuedouble >= 0 && top->valuedouble <= 1))
        wrong(b, "sessionStart: inferenceConfiguration.topP must be from 0 to 1");
}

static void on_prompt_start(struct bidi *b, const cJSON *e)
{
    struct sonic *s = &b->sonic;
    const cJSON *rate = json_item(json_item(e, "audioOutputConfiguration"), "sampleRateHertz");
    const char *name = name_of(e, "promptName");
    unsigned hertz =
        cJSON_IsNumber(rate) && rate->valuedouble > 0 && rate->valuedouble < 1e6 ? (unsigned)rate->valuedouble : 0;
    if (s->prompted) {
        wrong(b, "promptStart: the prompt %s has started already", s->prompt);
    } else if (name[0] == '\0' || strlen(name) >= sizeof s->prompt) {
        wrong(b, "promptStart: promptName must have 1 to %d characters", SONIC_NAME_MAX - 1);
    } else if (rate != NULL && hertz != 8000 && hertz != 16000 && hertz != 24000) {
        wrong(b, "promptStart: audioOutputConfiguration.sampleRateHertz must be 8000, 16000 or 24000");
    } else {
        s->prompted = true;
        s->rate = rate != NULL ? hertz : s->rate;
        (void)snprintf(s->prompt, sizeof s->prompt, "%s", name);
        const cJSON *tools = json_item(e, "toolConfiguration");
        s->tools = tools != NULL ? cJSON_Duplicate(tools, true) : NULL;
    }
}

static struct sonic_content *content_of(struct bidi *b, const char *event, const cJSON *e)
{
    struct sonic *s = &b->sonic;
    const char *name = name_of(e, "contentName");
    for (size_t i = 0; i < s->open; i++)
        if (strcmp(s->contents[i].name, name) == 0)
            return &s->contents[i];
    wrong(b, "%s: no content \"%.100s\" is open", event, name);
    return NULL;
}

static void on_content_start(struct bidi *b, const cJSON *e)
{
    struct sonic *s = &b->sonic;
    static const char *const types[] = {"TEXT", "AUDIO", "TOOL"};
    static const char *const roles[] = {"SYSTEM", "USER", "ASSISTANT", "TOOL", "SYSTEM_SPEECH"};
    const char *name = name_of(e, "contentName"), *type = name_of(e, "type"), *role = name_of(e, "role");
    size_t t = 0, r = 0;
    while (t < COUNT_OF(types) && strcmp(types[t], type) != 0)
        t++;
    while (r < COUNT_OF(roles) && strcmp(roles[r], role) != 0)
        r++;
    if (name[0] == '\0' || strlen(name) >= SONIC_NAME_MAX) {
        wrong(b, "contentStart: contentName must have 1 to %d characters", SONIC_NAME_MAX - 1);
        return;
    }
    for (size_t i = 0; i < s->open; i++) {
        if (strcmp(s->contents[i].name, name) == 0) {
            wrong(b, "contentStart: the content %s is open already", name);
            return;
        }
    }
    if (t == COUNT_OF(types))
        wrong(b, "contentStart: type must be TEXT, AUDIO or TOOL");
    else if (r == COUNT_OF(roles))
        wrong(b, "contentStart: role must be SYSTEM, USER, ASSISTANT, TOOL or SYSTEM_SPEECH");
    else if (t == SONIC_TOOL && s->tool_id[0] == '\0')
        wrong(b, "contentStart: no tool has been called");
    else if (s->open == SONIC_CONTENTS_MAX)
        wrong(b, "contentStart: more than %d contents are open", SONIC_CONTENTS_MAX);
    if (b->over)
        return;
    struct sonic_content *c = &s->contents[s->open++];
    const cJSON *rate = json_item(json_item(e, "audioInputConfiguration"), "sampleRateHertz");
    bool known = cJSON_IsNumber(rate) && rate->valuedouble >= 1 && rate->valuedouble < 1e6;
    *c = (struct sonic_content){.type = (enum sonic_type)t,
                                .of_user = strcmp(role, "USER") == 0,
                                .interactive = cJSON_IsTrue(json_item(e, "interactive")),
                                .rate = known ? (unsigned)rate->valuedouble : 16000};
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    if (c->type != SONIC_AUDIO)
        buf_reset(&s->text);
}

static void add_text(struct bidi *b, const char *event, const cJSON *e, enum sonic_type type)
{
    struct sonic *s = &b->sonic;
    const struct sonic_content *c = content_of(b, event, e);
    const char *text = name_of(e, "content");
    if (c == NULL)
        return;
    if (c->type != type) {
        wrong(b, "%s: the content %s is of another type", event, c->name);
        return;
    }
    s->in.text += token_count(span_of(text));
    buf_adds(&s->text, text);
    if (buf_error(&s->text) != OK)
        wrong(b, "%s: more than %zu bytes of text in one content", event, SONIC_TEXT_MAX);
}

static void on_text_input(struct bidi *b, const cJSON *e)
{
    add_text(b, "textInput", e, SONIC_TEXT);
}

static void on_tool_result(struct bidi *b, const cJSON *e)
{
    add_text(b, "toolResult", e, SONIC_TOOL);
}

/* How much of it is speech, and how much silence stands at its end. */
static void listen(struct sonic *s, struct span pcm)
{
    for (size_t i = 0; i + 1 < pcm.n; i += 2) {
        int v = (int16_t)(uint16_t)(pcm.p[i] | pcm.p[i + 1] << 8);
        bool loud = v >= LOUD || v <= -LOUD;
        s->spoken = s->spoken || loud;
        s->silent_samples = loud ? 0 : s->silent_samples + 1;
        s->heard_samples++;
    }
}

static void on_audio_input(struct bidi *b, const cJSON *e)
{
    struct sonic *s = &b->sonic;
    const struct sonic_content *c = content_of(b, "audioInput", e);
    CLEANUP(buf_release) struct buf pcm = BUF_INIT(BUF_ANY);
    if (c == NULL)
        return;
    if (c->type != SONIC_AUDIO) {
        wrong(b, "audioInput: the content %s is of another type", c->name);
        return;
    }
    if (buf_add_unbase64(&pcm, span_of(name_of(e, "content"))) != OK) {
        wrong(b, "audioInput: content must be base64");
        return;
    }
    listen(s, buf_span(&pcm));
    s->in.speech += pcm.len / 2 * SPEECH_HZ / c->rate + (pcm.len > 0 && pcm.len / 2 * SPEECH_HZ < c->rate);
    begin_completion(b);
    say_usage(b);
    if (s->spoken && s->tool_id[0] == '\0' && s->silent_samples >= (uint64_t)c->rate * s->pause_ms / 1000)
        end_audio_turn(b, c->rate);
}

static void on_content_end(struct bidi *b, const cJSON *e)
{
    struct sonic *s = &b->sonic;
    struct sonic_content *at = content_of(b, "contentEnd", e);
    if (at == NULL)
        return;
    struct sonic_content c = *at;
    *at = s->contents[--s->open];
    if (c.type == SONIC_AUDIO && c.of_user)
        end_audio_turn(b, c.rate);
    else if (c.type == SONIC_TOOL)
        answer_result(b);
    else if (c.type == SONIC_TEXT && c.of_user && c.interactive && s->second)
        answer_turn(b, buf_text(&s->text));
}

static void on_prompt_end(struct bidi *b, const cJSON *e)
{
    (void)e;
    b->sonic.prompt_over = true;
    end_completion(b);
}

static void on_session_end(struct bidi *b, const cJSON *e)
{
    (void)e;
    b->sonic.over = true;
    end_completion(b);
    bidi_finish(b);
}

enum place { BEFORE_ALL, IN_SESSION, IN_PROMPT };
static const struct {
    const char *name;
    enum place place;
    void (*happens)(struct bidi *b, const cJSON *e);
} events[] = {
    {"sessionStart", BEFORE_ALL, on_session_start}, {"promptStart", IN_SESSION, on_prompt_start},
    {"contentStart", IN_PROMPT, on_content_start},  {"textInput", IN_PROMPT, on_text_input},
    {"audioInput", IN_PROMPT, on_audio_input},      {"toolResult", IN_PROMPT, on_tool_result},
    {"contentEnd", IN_PROMPT, on_content_end},      {"promptEnd", IN_PROMPT, on_prompt_end},
    {"sessionEnd", IN_SESSION, on_session_end},
};

void sonic_event(struct bidi *b, const char *name, const cJSON *event)
{
    const struct sonic *s = &b->sonic;
    size_t i = 0;
    while (i < COUNT_OF(events) && strcmp(events[i].name, name) != 0)
        i++;
    if (i == COUNT_OF(events)) {
        wrong(b, "%.60s: no event of the client is called that", name);
        return;
    }
    if (events[i].place != BEFORE_ALL && !s->began)
        wrong(b, "%s: sessionStart must be the first event", name);
    else if (events[i].place == IN_PROMPT && !s->prompted)
        wrong(b, "%s: promptStart must be before it", name);
    else if (events[i].place == IN_PROMPT && s->prompt_over)
        wrong(b, "%s: the prompt has ended", name);
    else if (events[i].place == IN_PROMPT && strcmp(name_of(event, "promptName"), s->prompt) != 0)
        wrong(b, "%s: promptName must be \"%s\", that of promptStart", name, s->prompt);
    else
        events[i].happens(b, event);
}

void sonic_end(struct bidi *b)
{
    end_completion(b);
}
