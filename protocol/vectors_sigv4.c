/* vectors_sigv4.c: every entry of fixtures/vectors/sigv4-*.json against our signer and our verifier.
 *
 * A request to sign must give, byte for byte, its canonical request, string to sign, signature and Authorization. What
 * we signed, and the published presigned query where there is one, must then pass our verifier, and must not pass once
 * the last digit of its signature is another. A request to verify must give its verdict and, where AWS's answer is
 * known, the error type and the firm pieces of its text. The form of the files is told in fixtures/vectors/README.md.
 */
#include "protocol/vectors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/data.h"
#include "protocol/json.h"
#include "protocol/sigv4.h"

#define BODY_MAX ((size_t)16 << 20) /* the largest entry has five mebibytes */

struct runner {
    struct sigv4 *s;
    struct vector_tally *tally;
    void (*failed)(void *ctx, const char *name, const char *why);
    void *ctx;
    const cJSON *defaults;
};

static void report(const struct runner *run, const char *name, const char *why)
{
    if (run->failed != NULL)
        run->failed(run->ctx, name, why);
}

/* One entry being run; the first thing wrong with it is kept. */
struct entry {
    const struct runner *run;
    const cJSON *item;
    const char *name;
    struct note wrong; /* empty text: nothing yet */
};

static void fault(struct entry *e, const char *format, ...) PRINTF_LIKE(2, 3);
static void fault(struct entry *e, const char *format, ...)
{
    if (e->wrong.text[0] != '\0')
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(e->wrong.text, sizeof e->wrong.text, format, args);
    va_end(args);
}

static const char *text_of(const struct entry *e, const char *key)
{
    const char *own = json_str(e->item, key);
    return own != NULL ? own : json_str(e->run->defaults, key);
}

static struct span span_at(const struct entry *e, const char *key)
{
    return span_of(text_of(e, key));
}

static bool flag_of(const struct entry *e, const char *key)
{
    return cJSON_IsTrue(json_member(e->item, key));
}

static int64_t number_of(const struct entry *e, const char *key)
{
    int64_t v = 0;
    return json_int64(json_member(e->item, key), &v) ? v : 0;
}

static int64_t time_of(struct entry *e, const char *key)
{
    int64_t at_s = 0;
    if (sigv4_date_parse(span_at(e, key), &at_s) != OK)
        fault(e, "'%s' is not a time", key);
    return at_s;
}

/* Says where two texts part, since a canonical request is long. */
static void expect_text(struct entry *e, const char *what, struct span got, const char *want)
{
    if (want == NULL || span_is(got, want))
        return;
    size_t at = 0;
    while (at < got.n && want[at] != '\0' && got.p[at] == (unsigned char)want[at])
        at++;
    struct span ours = span_cut(got, at, 24);
    fault(e, "the %s differs at byte %zu: got '%.*s', want '%.24s'", what, at, (int)ours.n,
          ours.n == 0 ? "" : (const char *)ours.p, want + at);
}

struct loaded {
    struct sigv4_request request;
    struct sigv4_header headers[SIGV4_HEADERS_MAX];
    struct buf body;
};

static void loaded_release(struct loaded *l)
{
    buf_release(&l->body);
}

static void load_body(struct entry *e, struct buf *body)
{
    const char *base64 = json_str(e->item, "body_b64");
    const cJSON *repeat = json_member(e->item, "body_repeat");
    int64_t count = 0;
    buf_adds(body, json_str(e->item, "body"));
    if (base64 != NULL && buf_add_unbase64(body, span_of(base64)) != OK)
        fault(e, "'body_b64' is not base64");
    if (repeat != NULL) {
        if (!json_int64(json_member(repeat, "count"), &count))
            fault(e, "'body_repeat' has no count");
        buf_adds(body, json_str(repeat, "prefix"));
        for (int64_t i = 0; i < count && buf_error(body) == OK; i++)
            buf_adds(body, json_str(repeat, "unit"));
        buf_adds(body, json_str(repeat, "suffix"));
    }
    if (buf_error(body) != OK)
        fault(e, "the body is too long");
}

static void load_request(struct entry *e, struct loaded *l)
{
    l->body = BUF_INIT(BODY_MAX);
    load_body(e, &l->body);
    size_t n = 0;
    const cJSON *pair;
    cJSON_ArrayForEach(pair, json_member(e->item, "headers"))
    {
        const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0));
        const char *value = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1));
        if (name == NULL || value == NULL || n == SIGV4_HEADERS_MAX - SIGV4_ADDED_MAX) {
            fault(e, "header %zu is not a pair of texts", n);
            return;
        }
        l->headers[n++] = (struct sigv4_header){span_of(name), span_of(value)};
    }
    l->request = (struct sigv4_request){
        .method = span_at(e, "method"),
        .path = span_at(e, "path"),
        .query = span_of(json_str(e->item, "query")),
        .headers = l->headers,
        .header_count = n,
        .body = buf_span(&l->body),
    };
}

static bool look_up(void *ctx, struct span access_key, struct sigv4_known *known)
{
    struct entry *e = ctx;
    if (!span_equal(access_key, span_at(e, "access_key")))
        return false;
    known->secret = span_at(e, "secret_key");
    known->session_token = span_at(e, "session_token");
    known->token_expired = flag_of(e, "token_expired");
    return true;
}

static enum sigv4_path_form path_form(const struct entry *e)
{
    const char *form = json_str(e->item, "path_form");
    return form != NULL && strcmp(form, "once") == 0 ? SIGV4_PATH_ONCE : SIGV4_PATH_TWICE;
}

static struct sigv4_policy policy_of(struct entry *e, int64_t now_s, const char *services[2])
{
    services[0] = text_of(e, "service");
    services[1] = NULL;
    return (struct sigv4_policy){
        .now_s = now_s,
        .region = text_of(e, "region"),
        .services = services,
        .keep_dots = flag_of(e, "keep_dots"),
        .path_form = path_form(e),
        .lookup = look_up,
        .ctx = e,
    };
}

static void expect_verdict(struct entry *e, const char *what, const struct sigv4_request *r,
                           const struct sigv4_policy *policy, enum sigv4_reason want)
{
    struct sigv4_verdict v;
    struct note note = {""};
    enum err error = sigv4_verify(e->run->s, r, policy, &v, &note);
    if (error != OK)
        fault(e, "%s: cannot verify: %s", what, note.text);
    else if (v.reason != want)
        fault(e, "%s: the verdict is %s, want %s", what, sigv4_reason_name(v.reason), sigv4_reason_name(want));
}

static struct sigv4_signing signing_of(struct entry *e, const char *leave[SIGV4_SIGNED_MAX])
{
    const char *payload = json_str(e->item, "payload");
    size_t n = 0;
    const cJSON *name;
    cJSON_ArrayForEach(name, json_member(e->item, "leave")) if (n + 1 < SIGV4_SIGNED_MAX && cJSON_IsString(name))
        leave[n++] = name->valuestring;
    leave[n] = NULL;
    return (struct sigv4_signing){
        .access_key = span_at(e, "access_key"),
        .secret = span_at(e, "secret_key"),
        .session_token = span_at(e, "session_token"),
        .region = span_at(e, "region"),
        .service = span_at(e, "service"),
        .at_s = time_of(e, "at"),
        .expires_s = number_of(e, "expires_s"),
        .add_content_sha256 = flag_of(e, "add_content_sha256"),
        .token_unsigned = flag_of(e, "token_unsigned"),
        .payload_unsigned = payload != NULL && strcmp(payload, "unsigned") == 0,
        .payload_empty = payload != NULL && strcmp(payload, "empty") == 0,
        .keep_dots = flag_of(e, "keep_dots"),
        .path_form = path_form(e),
        .leave = leave,
    };
}

/* From the server's side: what we sent passes, the published query passes, a changed signature does not. */
static void verify_signed(struct entry *e, struct loaded *l, const struct sigv4_signed *made, int64_t at_s)
{
    const char *services[2];
    struct sigv4_policy policy = policy_of(e, at_s, services);
    const char *wire_query = json_str(e->item, "wire_query");
    /* A token that is sent in the query but was not signed is one parameter too many. */
    bool loose = wire_query != NULL && flag_of(e, "token_unsigned");
    enum sigv4_reason want = loose ? SIGV4_SIGNATURE : SIGV4_OK;
    for (size_t i = 0; i < made->added_count; i++)
        l->headers[l->request.header_count++] = made->added[i];
    l->request.query = buf_span(&made->query);
    expect_verdict(e, "what we signed", &l->request, &policy, want);
    if (wire_query != NULL) {
        l->request.query = span_of(wire_query);
        expect_verdict(e, "the query published", &l->request, &policy, want);
    }
    CLEANUP(buf_release) struct buf changed = BUF_INIT(SIGV4_CANONICAL_MAX);
    buf_add(&changed, wire_query != NULL ? buf_span(&made->query) : buf_span(&made->authorization));
    if (changed.len == 0 || buf_error(&changed) != OK)
        return;
    char *last = &changed.data[changed.len - 1];
    *last = *last == '0' ? '1' : '0';
    if (wire_query != NULL)
        l->request.query = buf_span(&changed);
    else
        l->headers[l->request.header_count - 1].value = buf_span(&changed);
    expect_verdict(e, "with another last digit", &l->request, &policy, SIGV4_SIGNATURE);
}

static void run_key(struct entry *e, struct span date, const char *want)
{
    unsigned char key[32];
    struct sigv4_scope scope = {date, span_at(e, "region"), span_at(e, "service")};
    CLEANUP(buf_release) struct buf hex = BUF_INIT(128);
    if (sigv4_signing_key(e->run->s, span_at(e, "secret_key"), &scope, key) != OK)
        fault(e, "no key was derived");
    buf_add_hex(&hex, (struct span){key, sizeof key});
    expect_text(e, "signing key", buf_span(&hex), want);
}

static void run_sign(struct entry *e)
{
    CLEANUP(loaded_release) struct loaded l;
    CLEANUP(sigv4_signed_release) struct sigv4_signed made;
    const char *leave[SIGV4_SIGNED_MAX];
    struct note note = {""};
    sigv4_signed_init(&made);
    load_request(e, &l);
    struct sigv4_signing how = signing_of(e, leave);
    if (e->wrong.text[0] != '\0')
        return;
    if (sigv4_sign(e->run->s, &l.request, &how, &made, &note) != OK) {
        fault(e, "cannot sign: %s", note.text);
        return;
    }
    if (json_str(e->item, "signature") == NULL || json_str(e->item, "canonical") == NULL ||
        json_str(e->item, "string_to_sign") == NULL)
        fault(e, "the entry expects nothing");
    expect_text(e, "canonical request", buf_span(&made.canonical), json_str(e->item, "canonical"));
    expect_text(e, "string to sign", buf_span(&made.string_to_sign), json_str(e->item, "string_to_sign"));
    expect_text(e, "signature", span_of(made.signature), json_str(e->item, "signature"));
    if (how.expires_s == 0 && json_str(e->item, "authorization") == NULL)
        fault(e, "the entry has no Authorization");
    expect_text(e, "Authorization", buf_span(&made.authorization), json_str(e->item, "authorization"));
    if (json_str(e->item, "key") != NULL)
        run_key(e, span_cut(span_of(made.date), 0, 8), json_str(e->item, "key"));
    if (e->wrong.text[0] == '\0')
        verify_signed(e, &l, &made, how.at_s);
}

static enum sigv4_reason reason_named(const char *name)
{
    for (int i = 0; name != NULL && i < SIGV4_REASONS; i++)
        if (strcmp(name, sigv4_reason_name((enum sigv4_reason)i)) == 0)
            return (enum sigv4_reason)i;
    return SIGV4_REASONS;
}

/* The pieces of AWS's text that do not vary, in their order. */
static void expect_refusal(struct entry *e, const struct sigv4_verdict *v)
{
    const char *type = json_str(e->item, "type");
    if (type == NULL)
        return;
    CLEANUP(sigv4_refusal_release) struct sigv4_refusal refusal = SIGV4_REFUSAL_INIT;
    if (sigv4_refuse(v, false, &refusal) != OK || refusal.type == NULL) {
        fault(e, "no refusal");
        return;
    }
    if (strcmp(refusal.type, type) != 0 || refusal.status != number_of(e, "status"))
        fault(e, "refused with %d %s, want %s", refusal.status, refusal.type, type);
    struct span rest = buf_span(&refusal.text);
    const cJSON *piece;
    cJSON_ArrayForEach(piece, json_member(e->item, "text"))
    {
        const char *at = span_find(rest, piece->valuestring);
        if (at == NULL) {
            fault(e, "refused with \"%.200s\", want \"%s\"", buf_text(&refusal.text), piece->valuestring);
            return;
        }
        rest = span_from(rest, (size_t)((const unsigned char *)at - rest.p) + strlen(piece->valuestring));
    }
}

static void run_verify(struct entry *e)
{
    CLEANUP(loaded_release) struct loaded l;
    struct sigv4_verdict v;
    struct note note = {""};
    const char *services[2];
    load_request(e, &l);
    struct sigv4_policy policy = policy_of(e, time_of(e, "now"), services);
    enum sigv4_reason want = reason_named(json_str(e->item, "reason"));
    if (want == SIGV4_REASONS)
        fault(e, "the entry names no known reason");
    if (e->wrong.text[0] != '\0')
        return;
    if (sigv4_verify(e->run->s, &l.request, &policy, &v, &note) != OK) {
        fault(e, "cannot verify: %s", note.text);
        return;
    }
    if (v.reason != want)
        fault(e, "the verdict is %s, want %s", sigv4_reason_name(v.reason), sigv4_reason_name(want));
    expect_text(e, "canonical request", v.canonical, json_str(e->item, "canonical"));
    if (e->wrong.text[0] == '\0')
        expect_refusal(e, &v);
}

static void run_derived(struct entry *e)
{
    if (json_str(e->item, "key") == NULL)
        fault(e, "the entry expects nothing");
    run_key(e, span_at(e, "date"), json_str(e->item, "key"));
}

static void run_event(struct entry *e, const cJSON *event, struct sigv4_chain *signer, struct sigv4_chain *verifier)
{
    struct entry one = {.run = e->run, .item = event, .name = e->name, .wrong = {""}};
    CLEANUP(buf_release) struct buf headers = BUF_INIT(1024), payload = BUF_INIT(1024), text = BUF_INIT(1024);
    CLEANUP(buf_release) struct buf raw = BUF_INIT(64);
    char hex[SIGV4_HEX] = "";
    int64_t at_s = time_of(&one, "at");
    if (buf_add_unhex(&headers, span_at(&one, "headers_hex")) != OK ||
        buf_add_unhex(&payload, span_at(&one, "payload_hex")) != OK ||
        buf_add_unhex(&raw, span_at(&one, "signature")) != OK || raw.len != 32)
        fault(&one, "the event is not in hex");
    else if (sigv4_chain_sign(signer, e->run->s, at_s, buf_span(&headers), buf_span(&payload), hex, &text) != OK)
        fault(&one, "the event cannot be signed");
    expect_text(&one, "string to sign of an event", buf_span(&text), json_str(event, "string_to_sign"));
    expect_text(&one, "signature of an event", span_of(hex), json_str(event, "signature"));
    if (one.wrong.text[0] == '\0') {
        raw.data[0] ^= 1;
        if (sigv4_chain_verify(verifier, e->run->s, at_s, buf_span(&headers), buf_span(&payload), buf_span(&raw)) !=
            ERR_MISMATCH)
            fault(&one, "an event with a changed signature passes");
        raw.data[0] ^= 1;
        if (sigv4_chain_verify(verifier, e->run->s, at_s, buf_span(&headers), buf_span(&payload), buf_span(&raw)) != OK)
            fault(&one, "an event does not verify");
    }
    if (one.wrong.text[0] != '\0')
        fault(e, "%s", one.wrong.text);
}

static void run_chain(struct entry *e)
{
    struct span text = span_at(e, "string_to_sign"), line;
    struct sigv4_chain signer, verifier;
    char hash[SIGV4_HEX], hex[SIGV4_HEX];
    for (int i = 0; i < 2; i++)
        (void)span_split(text, '\n', &line, &text);
    struct sigv4_scope scope = {span_cut(text, 0, 8), span_at(e, "region"), span_at(e, "service")};
    sigv4_sha256_hex(e->run->s, span_at(e, "canonical"), hash);
    if (span_find(text, hash) == NULL)
        fault(e, "the string to sign does not hold the hash of the canonical request");
    if (sigv4_signature(e->run->s, span_at(e, "secret_key"), &scope, span_at(e, "string_to_sign"), hex) != OK)
        fault(e, "the request cannot be signed");
    expect_text(e, "signature", span_of(hex), text_of(e, "signature"));
    if (sigv4_chain_init(&signer, span_at(e, "secret_key"), &scope, span_of(hex)) != OK) {
        fault(e, "the chain cannot begin");
        return;
    }
    verifier = signer;
    const cJSON *event;
    if (cJSON_GetArraySize(json_member(e->item, "events")) == 0)
        fault(e, "the chain has no events");
    cJSON_ArrayForEach(event, json_member(e->item, "events")) run_event(e, event, &signer, &verifier);
    sigv4_chain_release(&signer);
    sigv4_chain_release(&verifier);
}

static void judge_key(struct entry *e, int64_t now_s, const char *region, enum sigv4_reason want)
{
    struct sigv4_verdict v;
    const char *services[2];
    struct sigv4_policy policy = policy_of(e, now_s, services);
    policy.region = region == NULL ? policy.region : region;
    CLEANUP(buf_release) struct buf value = BUF_INIT(SIGV4_API_KEY_MAX + 16);
    buf_adds(&value, "Bearer ");
    buf_add(&value, span_at(e, "token"));
    struct sigv4_header header = {SPAN_LIT("authorization"), buf_span(&value)};
    struct sigv4_request r = {.method = SPAN_LIT("POST"), .path = SPAN_LIT("/"), .headers = &header, .header_count = 1};
    if (sigv4_verify(e->run->s, &r, &policy, &v, NULL) != OK)
        fault(e, "the key cannot be judged");
    else if (v.reason != (want == SIGV4_OK ? SIGV4_OK : SIGV4_BEARER) || v.inner != want)
        fault(e, "the key's verdict is %s (%s), want %s", sigv4_reason_name(v.reason), sigv4_reason_name(v.inner),
              sigv4_reason_name(want));
    if (want == SIGV4_OK) {
        expect_text(e, "canonical request", v.canonical, json_str(e->item, "canonical"));
        expect_text(e, "string to sign", v.string_to_sign, json_str(e->item, "string_to_sign"));
        expect_text(e, "signature", v.signature, json_str(e->item, "signature"));
    }
}

static void run_api_key(struct entry *e)
{
    int64_t at_s = time_of(e, "at"), expires_s = number_of(e, "expires_s");
    judge_key(e, at_s, NULL, SIGV4_OK);
    judge_key(e, at_s + expires_s, NULL, SIGV4_OK);
    judge_key(e, at_s + expires_s + 1, NULL, SIGV4_EXPIRED);
    judge_key(e, at_s, "elsewhere-1", SIGV4_REGION);
    if (json_str(e->item, "generator") == NULL)
        return;
    const char *leave[SIGV4_SIGNED_MAX];
    struct sigv4_signing how = signing_of(e, leave);
    CLEANUP(buf_release) struct buf made = BUF_INIT(SIGV4_API_KEY_MAX);
    if (sigv4_api_key_make(e->run->s, &how, &made, NULL) != OK)
        fault(e, "the key cannot be made");
    expect_text(e, "key we make", buf_span(&made), json_str(e->item, "token"));
}

static const struct kind {
    const char *file;
    const char *list;
    void (*run)(struct entry *e);
} kinds[] = {
    {"fixtures/vectors/sigv4-sign.json", "sign", run_sign},
    {"fixtures/vectors/sigv4-verify.json", "verify", run_verify},
    {"fixtures/vectors/sigv4-keys.json", "keys", run_derived},
    {"fixtures/vectors/sigv4-keys.json", "chains", run_chain},
    {"fixtures/vectors/sigv4-keys.json", "api_keys", run_api_key},
};

static void run_list(struct runner *run, const struct kind *kind, const cJSON *list)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        const char *name = json_str(item, "name");
        struct entry e = {.run = run, .item = item, .name = name == NULL ? "(no name)" : name, .wrong = {""}};
        kind->run(&e);
        run->tally->run++;
        if (e.wrong.text[0] == '\0')
            run->tally->passed++;
        else
            report(run, e.name, e.wrong.text);
    }
}

/* All lists of one file, and the count its head announces. */
static enum err run_file(struct runner *run, const char *path)
{
    struct span text;
    struct note note = {""};
    CLEANUP(json_free) cJSON *root = NULL;
    enum err e = data_load(path, &text, &note);
    if (e == OK)
        e = json_parse(text, JSON_UNIQUE, &root, &note);
    if (e != OK) {
        report(run, path, note.text);
        return e;
    }
    run->defaults = json_member(root, "defaults");
    unsigned before = run->tally->run;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i].file, path) == 0)
            run_list(run, &kinds[i], json_member(root, kinds[i].list));
    int64_t announced = -1;
    unsigned found = run->tally->run - before;
    if (json_int64(json_member(root, "count"), &announced) && announced == (int64_t)found)
        return OK;
    note_set(&note, ERR_INVALID, "%u entries, its head announces %lld", found, (long long)announced);
    report(run, path, note.text);
    return ERR_INVALID;
}

enum err vectors_run_sigv4(struct vector_tally *tally, void (*failed)(void *ctx, const char *name, const char *why),
                           void *ctx)
{
    CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
    struct runner run = {.s = s, .tally = tally, .failed = failed, .ctx = ctx};
    if (s == NULL) {
        report(&run, "sigv4", "cannot set SHA-256 up");
        return ERR_NOMEM;
    }
    enum err worst = OK;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (i > 0 && strcmp(kinds[i].file, kinds[i - 1].file) == 0)
            continue;
        enum err e = run_file(&run, kinds[i].file);
        worst = worst == OK ? e : worst;
    }
    return worst;
}
