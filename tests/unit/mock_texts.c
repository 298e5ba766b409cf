/* Every text of fixtures/api/errors.json is said by the mock to a request of fixtures/vectors/error-texts.json, letter
 * for letter, with its status, type, spelling and content type; or there is a reason why not, which is printed. */
#include <unistd.h>

#include "protocol/data.h"

#include "mock_rig.h"

#define RETURNED "The model returned the following errors: "
#define WORDS    8 /* switched rules, bearer keys of a row */

struct tally {
    size_t texts, plain, switched, fault, none;
};

static cJSON *load(const char *path)
{
    struct span text;
    cJSON *tree = NULL;
    struct note note = {""};
    if (data_load(path, &text, &note) != OK || json_parse(text, JSON_UNIQUE, &tree, &note) != OK) {
        (void)fprintf(stderr, "%s: %s\n", path, note.text);
        abort();
    }
    return tree;
}

static const cJSON *find(const cJSON *list, const char *id)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, list)
    {
        if (strcmp(json_str(row, "id"), id) == 0)
            return row;
    }
    return NULL;
}

/* ---- a mock as the row wants it ---- */

static void list_words(const cJSON *list, const char *out[static WORDS + 1])
{
    size_t n = 0;
    const cJSON *word;
    cJSON_ArrayForEach(word, list) out[n < WORDS ? n++ : WORDS - 1] = word->valuestring;
    out[n] = NULL;
}

static void policy_to_file(const cJSON *policy, char name[static 32])
{
    CLEANUP(free_ptr) char *text = json_text(policy, JSON_COMPACT);
    (void)snprintf(name, 32, "/tmp/mohs-texts-XXXXXX");
    int fd = mkstemp(name);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0)
        abort();
}

static struct mock *start(const cJSON *row)
{
    const cJSON *how = json_member(row, "mock"), *policy = json_member(how, "policy");
    const char *on[WORDS + 1], *off[WORDS + 1], *bearers[WORDS + 1];
    char file[32] = "";
    CLEANUP(free_ptr) char *quotas = NULL;
    CLEANUP(free_ptr) char *models = NULL;
    list_words(json_member(how, "rules"), on);
    list_words(json_member(how, "no_rules"), off);
    list_words(json_member(how, "bearer_keys"), bearers);
    if (policy != NULL)
        policy_to_file(policy, file);
    if (json_member(how, "quotas") != NULL)
        quotas = json_text(json_member(how, "quotas"), JSON_COMPACT);
    if (json_member(how, "models") != NULL)
        models = json_text(json_member(how, "models"), JSON_COMPACT);
    struct mock_config config = {.auth = MOCK_AUTH_STRICT,
                                 .rules_on = on,
                                 .rules_off = off,
                                 .bearer_keys = bearers,
                                 .bearer_key_count = (size_t)cJSON_GetArraySize(json_member(how, "bearer_keys")),
                                 .policy_file = policy != NULL ? file : NULL,
                                 .quotas = quotas,
                                 .models_overlay = models,
                                 .models_name = "models.json",
                                 .long_mismatch = cJSON_IsTrue(json_member(how, "long_mismatch")),
                                 .no_auth_is_token = cJSON_IsTrue(json_member(how, "no_auth_is_token"))};
    struct mock *m = rig_start(&config);
    if (policy != NULL)
        (void)unlink(file);
    return m;
}

/* ---- the request ---- */

static void repeat(cJSON *body, const cJSON *how)
{
    cJSON *list = json_at(body, json_str(how, "pointer"));
    for (double n = number_at(how, "/times"); n > 0; n--)
        (void)cJSON_AddItemToArray(list, cJSON_Duplicate(json_member(how, "item"), true));
}

static void fill(cJSON *body, const cJSON *how, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    for (double n = number_at(how, "/times"); n > 0; n--)
        buf_adds(&text, json_str(how, "of"));
    if (body == NULL)
        buf_add(out, buf_span(&text));
    else
        cJSON_SetValuestring(json_at(body, json_str(how, "pointer")), buf_text(&text));
}

static void write_body(const cJSON *row, struct buf *out)
{
    const cJSON *given = json_member(row, "body"), *text = json_member(row, "text");
    CLEANUP(json_free) cJSON *body = given != NULL ? cJSON_Duplicate(given, true) : NULL;
    if (json_member(row, "repeat") != NULL)
        repeat(body, json_member(row, "repeat"));
    if (json_member(row, "fill") != NULL)
        fill(body, json_member(row, "fill"), out);
    if (body != NULL)
        json_print(body, JSON_COMPACT, out);
    else if (text != NULL)
        buf_adds(out, text->valuestring);
}

/* What stands between <name> and </name>. */
static void element(const struct reply *r, const char *name, struct buf *out)
{
    char open[64], close[64];
    (void)snprintf(open, sizeof open, "<%s>", name);
    (void)snprintf(close, sizeof close, "</%s>", name);
    const char *at = strstr(buf_text(&r->body), open), *end = at == NULL ? NULL : strstr(at, close);
    if (end != NULL)
        buf_addf(out, "%.*s", (int)(end - at - (ptrdiff_t)strlen(open)), at + strlen(open));
}

struct session {
    struct buf access, secret, token;
};

static void session_release(struct session *s)
{
    buf_release(&s->access);
    buf_release(&s->secret);
    buf_release(&s->token);
}

static void assume(struct mock *m, struct session *s)
{
    struct key key = usual_key;
    key.service = "sts";
    CLEANUP(reply_release)
    struct reply r = fetch(mock_port(m), "GET",
                           "/?Version=2011-06-15&Action=AssumeRole&RoleSessionName=mohs&DurationSeconds=900&RoleArn="
                           "arn%3Aaws%3Aiam%3A%3A210987654321%3Arole%2FGateway",
                           "", NULL, &key);
    CLAIM(r.status == 200, "AssumeRole: %s", buf_text(&r.body));
    element(&r, "AccessKeyId", &s->access);
    element(&r, "SecretAccessKey", &s->secret);
    element(&r, "SessionToken", &s->token);
}

static const char *or_else(const cJSON *object, const char *key, const char *otherwise)
{
    const char *text = json_str(object, key);
    return text != NULL ? text : otherwise;
}

static struct reply send_row(struct mock *m, const cJSON *row)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(BUF_ANY);
    CLEANUP(session_release)
    struct session s = {BUF_INIT(BUF_ANY), BUF_INIT(BUF_ANY), BUF_INIT(BUF_ANY)};
    CLEANUP(http_headers_release) struct http_headers more;
    const cJSON *pair, *how = json_item(row, "key");
    http_headers_init(&more);
    struct key key = usual_key;
    if (cJSON_IsTrue(json_member(row, "assume"))) {
        assume(m, &s);
        key.access = buf_text(&s.access);
        key.secret = buf_text(&s.secret);
        key.token = buf_text(&s.token);
    }
    cJSON_ArrayForEach(pair, json_member(row, "admin"))
    {
        CLEANUP(free_ptr) char *told = json_text(cJSON_GetArrayItem(pair, 1), JSON_COMPACT);
        CLEANUP(reply_release) struct reply a = admin(m, "POST", cJSON_GetArrayItem(pair, 0)->valuestring, told);
        CLAIM(a.status == 200, "%s: %s", told, buf_text(&a.body));
    }
    key.access = or_else(how, "access", key.access);
    key.secret = or_else(how, "secret", key.secret);
    key.service = or_else(how, "service", key.service);
    key.bearer = cJSON_IsTrue(json_member(how, "bearer"));
    key.skew_s = json_member(how, "skew_s") != NULL ? (int64_t)number_at(how, "/skew_s") : 0;
    cJSON_ArrayForEach(pair, json_member(row, "headers"))
        http_headers_add(&more, cJSON_GetArrayItem(pair, 0)->valuestring, cJSON_GetArrayItem(pair, 1)->valuestring);
    write_body(row, &body);
    const char *method = or_else(row, "method", "POST"), *path = json_str(row, "path");
    const struct key *signer = cJSON_IsNull(how) ? NULL : &key;
    for (double n = number_at(row, "/before"); n > 0; n--) {
        CLEANUP(reply_release) struct reply r = fetch(mock_port(m), method, path, buf_text(&body), &more, signer);
        CLAIM(r.status == 200, "%s: one before: %s", json_str(row, "id"), buf_text(&r.body));
    }
    return fetch(mock_port(m), method, path, buf_text(&body), &more, signer);
}

/* ---- what it must say ---- */

static void fill_in(const char *text, const cJSON *with, struct buf *out)
{
    while (*text != '\0') {
        const cJSON *word = NULL;
        const char *end = *text == '{' ? strchr(text, '}') : NULL;
        if (end != NULL) {
            CLEANUP(free_ptr)
            char *name = span_dup((struct span){(const unsigned char *)text + 1, (size_t)(end - text - 1)});
            word = json_member(with, name);
        }
        if (word != NULL) {
            buf_adds(out, word->valuestring);
            text = end + 1;
        } else {
            buf_addc(out, *text++);
        }
    }
}

/* {placeholders} stand for one character or more. */
static bool fits(const char *text, const char *said)
{
    if (*text == '\0')
        return *said == '\0';
    const char *end = *text == '{' ? strchr(text, '}') : NULL;
    if (end == NULL)
        return *text == *said && fits(text + 1, said + 1);
    for (const char *at = said; *at != '\0';)
        if (fits(end + 1, ++at))
            return true;
    return false;
}

static bool says(const cJSON *row, const cJSON *text, const char *said, struct buf *wanted)
{
    const char *literal = json_str(row, "says"), *prefix = json_str(row, "prefix");
    if (literal != NULL || prefix != NULL)
        buf_adds(wanted, literal != NULL ? literal : prefix);
    else
        fill_in(json_str(text, "text"), json_member(row, "with"), wanted);
    if (cJSON_IsTrue(json_member(row, "adapter")) && span_has_prefix(buf_span(wanted), RETURNED))
        buf_consume(wanted, strlen(RETURNED));
    if (cJSON_IsTrue(json_member(row, "fits")))
        return fits(buf_text(wanted), said);
    if (literal == NULL && prefix == NULL && strchr(buf_text(wanted), '{') != NULL)
        return false; /* a placeholder nobody named */
    return cJSON_IsTrue(json_member(row, "within")) ? strstr(said, buf_text(wanted)) != NULL
                                                    : strcmp(said, buf_text(wanted)) == 0;
}

/* Where the text stands, and that nothing else is spelled wrong. */
static void take_said(const struct reply *r, const cJSON *text, struct buf *said)
{
    const char *id = json_str(text, "id"), *key = json_str(text, "body_key"), *type = json_str(text, "type");
    const char *media = key == NULL ? "application/xml" : strchr(key, '/') != NULL ? "text/xml" : "application/json";
    int status = (int)number_at(text, "/status");
    CLAIM(status > 0 ? r->status == status : r->status / 100 == 4, "%s: status %d", id, r->status);
    CLAIM(strcmp(header(r, "Content-Type"), media) == 0, "%s: %s", id, header(r, "Content-Type"));
    if (key == NULL) {
        buf_add(said, buf_span(&r->body));
        return;
    }
    if (strchr(key, '/') != NULL) {
        CLEANUP(buf_release) struct buf code = BUF_INIT(BUF_ANY);
        element(r, "Code", &code);
        CLAIM(strcmp(buf_text(&code), type) == 0, "%s: %s", id, buf_text(&code));
        element(r, "Message", said);
        return;
    }
    if (strcmp(key, "error.message") == 0) { /* the error object of OpenAI */
        CLAIM(strlen(text_at(r->json, "/error/type")) > 0, "%s: %s", id, buf_text(&r->body));
        buf_adds(said, text_at(r->json, "/error/message"));
        return;
    }
    CLEANUP(buf_release) struct buf named = BUF_INIT(BUF_ANY);
    const char *suffix = json_str(text, "errortype_suffix");
    buf_addf(&named, "%s:%s", type, suffix != NULL ? suffix : "");
    CLAIM(strncmp(header(r, "x-amzn-ErrorType"), buf_text(&named), named.len) == 0, "%s: type %s", id,
          header(r, "x-amzn-ErrorType"));
    CLAIM(cJSON_GetArraySize(r->json) == 1 && strlen(header(r, "x-amzn-RequestId")) == 36, "%s: %s", id,
          buf_text(&r->body));
    buf_adds(said, or_else(r->json, key, ""));
}

static bool reach(const cJSON *row, const cJSON *text)
{
    struct mock *m = start(row);
    CLEANUP(buf_release) struct buf said = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf wanted = BUF_INIT(BUF_ANY);
    CLEANUP(reply_release) struct reply r = send_row(m, row);
    mock_stop(m);
    take_said(&r, text, &said);
    bool right = says(row, text, buf_text(&said), &wanted);
    CLAIM(right, "%s: expected %.400s\n    got %.400s", json_str(row, "id"), buf_text(&wanted), buf_text(&r.body));
    return right;
}

static void every_text_is_said_or_has_a_reason(void)
{
    CLEANUP(json_free) cJSON *errors = load("fixtures/api/errors.json");
    CLEANUP(json_free) cJSON *file = load("fixtures/vectors/error-texts.json");
    const cJSON *text, *rows = json_member(file, "rows");
    struct tally n = {0};
    cJSON_ArrayForEach(text, json_member(errors, "errors"))
    {
        const char *id = json_str(text, "id");
        const cJSON *row = find(rows, id);
        n.texts++;
        CLAIM(row != NULL, "%s has neither a request nor a reason", id);
        if (row == NULL)
            continue;
        const char *reason = json_str(row, "reason");
        if (reason != NULL) {
            (void)printf("    not reached: %s: %s\n", id, reason);
            n.none++;
            continue;
        }
        if (!reach(row, text))
            continue;
        bool fault = json_member(row, "by") != NULL;
        bool switched = json_member(json_member(row, "mock"), "rules") != NULL;
        *(fault ? &n.fault : switched ? &n.switched : &n.plain) += 1;
        CLAIM(!fault || number_at(text, "/status") == 429 || number_at(text, "/status") == 408 ||
                  number_at(text, "/status") >= 500,
              "%s is not what only a service in trouble says", id);
    }
    const cJSON *row;
    cJSON_ArrayForEach(row, rows) CLAIM(find(json_member(errors, "errors"), json_str(row, "id")) != NULL,
                                        "no text is called %s", json_str(row, "id"));
    CLAIM((size_t)cJSON_GetArraySize(rows) == n.texts, "%d rows for %zu texts", cJSON_GetArraySize(rows), n.texts);
    (void)printf("    %zu of %zu reached: %zu by a request, %zu with a rule switched on, %zu by a fault; %zu not\n",
                 n.plain + n.switched + n.fault, n.texts, n.plain, n.switched, n.fault, n.none);
}

/* The same requests are answered when nothing is wrong with them: a mock that refuses all would pass the test above. */
static void the_rules_that_are_off_say_nothing(void)
{
    CLEANUP(json_free) cJSON *file = load("fixtures/vectors/error-texts.json");
    const cJSON *row;
    size_t n = 0;
    cJSON_ArrayForEach(row, json_member(file, "rows"))
    {
        const cJSON *rule, *rules = json_member(json_member(row, "mock"), "rules");
        CLEANUP(json_free) cJSON *other = rules == NULL ? NULL : cJSON_Duplicate(row, true);
        if (other == NULL)
            continue;
        cJSON *off = cJSON_Duplicate(rules, true);
        cJSON_ArrayForEach(rule, json_member(json_member(row, "mock"), "no_rules"))(void)
            cJSON_AddItemToArray(off, cJSON_Duplicate(rule, true));
        cJSON_DeleteItemFromObject(json_member(other, "mock"), "rules");
        (void)json_set(json_member(other, "mock"), "no_rules", off);
        struct mock *m = start(other);
        CLEANUP(reply_release) struct reply r = send_row(m, other);
        mock_stop(m);
        CLAIM(r.status == 200, "%s: %d %.300s", json_str(row, "id"), r.status, buf_text(&r.body));
        n++;
    }
    CLAIM(n > 10, "%zu rows", n);
}

/* The catalogue's `refuse` and the policy's `ungranted` say texts that other requests say, too. */
static void no_text_leaves_with_a_placeholder(void)
{
    CLEANUP(json_free) cJSON *fixture = load("fixtures/api/errors.json");
    const cJSON *row;
    size_t asked = 0;
    cJSON_ArrayForEach(row, json_member(fixture, "errors"))
    {
        const char *layer = json_str(row, "layer"), *id = json_str(row, "id");
        if (strcmp(layer, "access") != 0 && strcmp(layer, "model-resolution") != 0)
            continue;
        char overlay[256], file[32];
        (void)snprintf(overlay, sizeof overlay,
                       "{\"models\":[{\"id\":\"anthropic.claude-3-haiku-20240307-v1:0\",\"refuse\":\"%s\"}]}", id);
        CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.models_overlay = overlay});
        CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
        CLAIM(r.status >= 400 && r.body.len > 0 && strchr(text_at(r.json, "/message"), '{') == NULL, "refuse %s: %d %s",
              id, r.status, buf_text(&r.body));
        CLEANUP(json_free) cJSON *policy = NULL;
        CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
        buf_addf(&text,
                 "{\"statements\":[{\"effect\":\"Allow\",\"principals\":[\"*\"],\"actions\":[\"*\"],\"resources\":"
                 "[\"*\"]}],\"ungranted\":[{\"models\":[\"anthropic.*\"],\"because\":\"%s\"}]}",
                 id);
        if (json_parse(buf_span(&text), JSON_COMPACT, &policy, NULL) != OK)
            abort();
        policy_to_file(policy, file);
        struct mock *p = NULL;
        struct note note = {""};
        if (mock_start(&(struct mock_config){.auth = MOCK_AUTH_STRICT, .policy_file = file}, &p, &note) == OK) {
            CLEANUP(reply_release) struct reply u = ask(p, CONVERSE, HELLO);
            CLAIM(u.status >= 400 && text_at(u.json, "/message")[0] != '\0' &&
                      strchr(text_at(u.json, "/message"), '{') == NULL,
                  "ungranted %s: %d %s", id, u.status, buf_text(&u.body));
            asked++;
        }
        mock_stop(p);
        (void)unlink(file);
    }
    CLAIM(asked >= 6, "policies of %zu reasons were asked", asked);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"every text is said, or has a reason", every_text_is_said_or_has_a_reason},
        {"the rules that are off say nothing", the_rules_that_are_off_say_nothing},
        {"no text leaves with a placeholder", no_text_leaves_with_a_placeholder},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_texts", tests);
}
