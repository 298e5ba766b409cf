/* STS: its four operations, its errors, and credentials that sign and expire. */
#include <unistd.h>

#include "mock_rig.h"

#define ROLE  "arn%3Aaws%3Aiam%3A%3A210987654321%3Arole%2Fpath%2FGateway"
#define BEGIN "Version=2011-06-15&Action="
#define FORM  "application/x-www-form-urlencoded; charset=utf-8"
#define LATER "{\"advance_ms\":840000}"

static const struct key sts_key = {MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, NULL, "sts", "us-east-1", false, 0};

/* A form, signed like AWS's SDKs sign it. `method` GET: in the query. */
static struct reply sts(struct mock *m, const char *method, const char *form, const struct key *key)
{
    struct reply out = {.body = BUF_INIT(BUF_ANY)};
    bool get = strcmp(method, "GET") == 0;
    char host[32];
    CLEANUP(buf_release) struct buf url = BUF_INIT(BUF_ANY);
    struct http_headers h;
    http_headers_init(&h);
    http_headers_init(&out.headers);
    (void)snprintf(host, sizeof host, "127.0.0.1:%u", mock_port(m));
    buf_addf(&url, "http://%s/%s%s", host, get ? "?" : "", get ? form : "");
    if (!get)
        http_headers_add(&h, "Content-Type", FORM);
    if (key != NULL && key->bearer) {
        sign(&h, mock_port(m), method, "/", span_of(""), key);
    } else if (key != NULL) {
        CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new();
        struct sigv4_header headers[] = {{span_of("host"), span_of(host)}, {span_of("content-type"), span_of(FORM)}};
        struct sigv4_request r = {.method = span_of(method),
                                  .path = span_of("/"),
                                  .query = span_of(get ? form : ""),
                                  .headers = headers,
                                  .header_count = get ? 1 : 2,
                                  .body = span_of(get ? "" : form)};
        struct sigv4_signing how = {.access_key = span_of(key->access),
                                    .secret = span_of(key->secret),
                                    .session_token = span_of(key->token),
                                    .region = span_of(key->region),
                                    .service = span_of(key->service),
                                    .at_s = (int64_t)time(NULL) + key->skew_s};
        CLEANUP(sigv4_signed_release) struct sigv4_signed made;
        sigv4_signed_init(&made);
        if (sigv4_sign(s, &r, &how, &made, NULL) != OK)
            abort();
        for (size_t i = 0; i < made.added_count; i++) {
            CLEANUP(free_ptr) char *name = span_dup(made.added[i].name);
            CLEANUP(free_ptr) char *value = span_dup(made.added[i].value);
            http_headers_set(&h, name, value);
        }
        http_headers_set(&h, "Authorization", buf_text(&made.authorization));
    }
    struct client_request request = {
        .method = method, .url = buf_text(&url), .headers = &h, .body = span_of(get ? "" : form), .timeout_ms = PATIENCE_MS};
    struct client_response response = {0};
    out.error = client_fetch(&request, &response, NULL);
    out.status = response.status;
    http_headers_copy(&out.headers, &response.headers);
    buf_add(&out.body, buf_span(&response.body));
    client_response_release(&response);
    http_headers_release(&h);
    return out;
}

/* What stands between <name> and </name>. */
static const char *element(const struct reply *r, const char *name, char *room, size_t size)
{
    char open[64], close[64];
    (void)snprintf(open, sizeof open, "<%s>", name);
    (void)snprintf(close, sizeof close, "</%s>", name);
    const char *at = strstr(buf_text(&r->body), open), *end = at == NULL ? NULL : strstr(at, close);
    room[0] = '\0';
    if (end != NULL)
        (void)snprintf(room, size, "%.*s", (int)(end - at - (ptrdiff_t)strlen(open)), at + strlen(open));
    return room;
}

struct session {
    char access[64], secret[64], token[5000], arn[256], expiration[64];
};

static struct key take_session(const struct reply *r, struct session *s)
{
    (void)element(r, "AccessKeyId", s->access, sizeof s->access);
    (void)element(r, "SecretAccessKey", s->secret, sizeof s->secret);
    (void)element(r, "SessionToken", s->token, sizeof s->token);
    (void)element(r, "Arn", s->arn, sizeof s->arn);
    (void)element(r, "Expiration", s->expiration, sizeof s->expiration);
    return (struct key){s->access, s->secret, s->token, "bedrock", "us-east-1", false, 0};
}

static void assumed_credentials_sign_and_expire(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct session s;
    CLEANUP(reply_release)
    struct reply r =
        sts(m, "POST", BEGIN "AssumeRole&RoleSessionName=mohs&DurationSeconds=900&RoleArn=" ROLE, &sts_key);
    CLAIM(r.status == 200, "%d %s", r.status, buf_text(&r.body));
    CU_ASSERT_STRING_EQUAL(header(&r, "Content-Type"), "text/xml");
    struct key key = take_session(&r, &s);
    CLAIM(strlen(s.access) == 20 && strncmp(s.access, "ASIA", 4) == 0, "%s", s.access);
    CU_ASSERT_STRING_EQUAL(s.arn, "arn:aws:sts::210987654321:assumed-role/Gateway/mohs");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(buf_text(&r.body), "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&r.body), ":mohs</AssumedRoleId>"));
    CLEANUP(reply_release) struct reply good = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &key);
    CLAIM(good.status == 200, "%s", buf_text(&good.body));
    struct key bare = key, other = key;
    bare.token = NULL;
    other.token = "IQoJb3JpZ2luX2VjEother==";
    CLEANUP(reply_release) struct reply without = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &bare);
    CLEANUP(reply_release) struct reply wrong = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &other);
    CU_ASSERT_EQUAL(without.status, 403);
    CU_ASSERT_STRING_EQUAL(text_at(wrong.json, "/message"), "The security token included in the request is invalid.");
    CLEANUP(reply_release) struct reply c1 = admin(m, "POST", "/clock", LATER);
    key.skew_s = bare.skew_s = 840; /* a minute before its end */
    CLEANUP(reply_release) struct reply still = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &key);
    CU_ASSERT_EQUAL(still.status, 200);
    CLEANUP(reply_release) struct reply c2 = admin(m, "POST", "/clock", "{\"advance_ms\":61000}");
    CLEANUP(reply_release) struct reply gone = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &key);
    CU_ASSERT_EQUAL(gone.status, 403);
    CU_ASSERT_STRING_EQUAL(text_at(gone.json, "/message"), "The security token included in the request is expired");
    CLAIM(strncmp(header(&gone, "x-amzn-ErrorType"), "ExpiredTokenException:", 22) == 0, "%s",
          header(&gone, "x-amzn-ErrorType"));
    struct key asks = key;
    asks.service = "sts";
    CLEANUP(reply_release) struct reply who = sts(m, "POST", BEGIN "GetCallerIdentity", &asks);
    CU_ASSERT_EQUAL(who.status, 403);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&who.body), "<Code>ExpiredToken</Code>"));
}

static void callers_are_told_who_they_are(void)
{
    static const struct mock_key keys[] = {
        {"AKIAONE", "secret-1", NULL, NULL},
        {"AKIATWO", "secret-2", NULL, "arn:aws:iam::999999999999:user/team/two"},
    };
    struct mock_config config = {.keys = keys, .key_count = 2, .region = "eu-west-1"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct {
        struct key key;
        const char *arn, *account;
    } rows[] = {
        {{"AKIAONE", "secret-1", NULL, "sts", "us-east-1", false, 0},
         "arn:aws:iam::123456789012:user/AKIAONE",
         "123456789012"},
        {{"AKIATWO", "secret-2", NULL, "sts", "ap-south-1", false, 0},
         "arn:aws:iam::999999999999:user/team/two",
         "999999999999"},
        {{"AKIATHREE", "x", NULL, "sts", "us-east-1", false, 0},
         "arn:aws:iam::123456789012:user/AKIATHREE",
         "123456789012"},
        {{"AKIA<THREE", "x", NULL, "sts", "us-east-1", false, 0},
         "arn:aws:iam::123456789012:user/anonymous",
         "123456789012"},
    };
    static const char *const methods[] = {"POST", "GET"};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t k = 0; k < COUNT_OF(methods); k++) {
            char arn[256], account[32];
            CLEANUP(reply_release) struct reply r = sts(m, methods[k], BEGIN "GetCallerIdentity", &rows[i].key);
            CLAIM(r.status == 200 && strcmp(element(&r, "Arn", arn, sizeof arn), rows[i].arn) == 0 &&
                      strcmp(element(&r, "Account", account, sizeof account), rows[i].account) == 0,
                  "row %zu, %s: %d %s", i, methods[k], r.status, buf_text(&r.body));
        }
    struct session s;
    CLEANUP(reply_release) struct reply t = sts(m, "POST", BEGIN "GetSessionToken", &rows[1].key);
    struct key session = take_session(&t, &s);
    session.service = "sts";
    CLEANUP(reply_release) struct reply again = sts(m, "POST", BEGIN "GetCallerIdentity", &session);
    char arn[256];
    CU_ASSERT_STRING_EQUAL(element(&again, "Arn", arn, sizeof arn), rows[1].arn);
    CLEANUP(reply_release) struct reply no = sts(m, "POST", BEGIN "GetSessionToken", &session);
    CLAIM(no.status == 403 &&
              strstr(buf_text(&no.body), "Cannot call GetSessionToken with session credentials") != NULL,
          "%s", buf_text(&no.body));
}

/* {"alg":"RS256"} . {"sub":"system:sa","iss":"https://idp.example","aud":["sts.amazonaws.com"],"exp":4102444800} */
#define JWT_HEAD "eyJhbGciOiJSUzI1NiJ9."
#define JWT                                                                                                            \
    JWT_HEAD "eyJzdWIiOiJzeXN0ZW06c2EiLCJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwiYXVkIjpbInN0cy5hbWF6b25hd3MuY29tIl0sImV" \
             "4cCI6NDEwMjQ0NDgwMH0.c2ln"
/* {"sub":"a","exp":1000} */
#define OLD_JWT JWT_HEAD "eyJzdWIiOiJhIiwiZXhwIjoxMDAwfQ.c2ln"
#define WEB     BEGIN "AssumeRoleWithWebIdentity&RoleSessionName=web&RoleArn=" ROLE "&WebIdentityToken="

static void web_identities_need_no_signature(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct session s;
    char text[256];
    CLEANUP(reply_release) struct reply r = sts(m, "POST", WEB JWT, NULL);
    CLAIM(r.status == 200, "%s", buf_text(&r.body));
    CU_ASSERT_STRING_EQUAL(element(&r, "SubjectFromWebIdentityToken", text, sizeof text), "system:sa");
    CU_ASSERT_STRING_EQUAL(element(&r, "Provider", text, sizeof text), "https://idp.example");
    CU_ASSERT_STRING_EQUAL(element(&r, "Audience", text, sizeof text), "sts.amazonaws.com");
    struct key key = take_session(&r, &s);
    CLEANUP(reply_release) struct reply good = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &key);
    CU_ASSERT_EQUAL(good.status, 200);
    CLEANUP(reply_release) struct reply old = sts(m, "POST", WEB OLD_JWT, NULL);
    CLAIM(old.status == 400 && strstr(buf_text(&old.body), "<Code>ExpiredTokenException</Code>") != NULL &&
              strstr(buf_text(&old.body), "must be before the expiration date/time1000") != NULL,
          "%d %s", old.status, buf_text(&old.body));
    CLEANUP(reply_release) struct reply none = sts(m, "POST", WEB "opaque-token", NULL);
    CLAIM(none.status == 400 && strstr(buf_text(&none.body), "<Code>InvalidIdentityToken</Code>") != NULL, "%s",
          buf_text(&none.body));
    CLEANUP(reply_release) struct reply get = sts(m, "GET", WEB JWT "&X=1", NULL);
    CU_ASSERT_EQUAL(get.status, 200);
    CLEANUP(reply_release) struct reply j = admin(m, "GET", "/journal", "");
    CLAIM(strstr(buf_text(&j.body), "eyJzdWIi") == NULL && strstr(buf_text(&j.body), s.token) == NULL &&
              strstr(buf_text(&j.body), "opaque-token") == NULL,
          "a token is in the journal: %s", buf_text(&j.body));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&j.body), "WebIdentityToken=<redacted>\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&j.body), "WebIdentityToken=<redacted>&X=1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&j.body), "\"operation\":\"AssumeRoleWithWebIdentity\""));
}

#define ASSUME BEGIN "AssumeRole&RoleSessionName=mohs&RoleArn=" ROLE

static void errors_are_xml_with_the_services_codes(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT, .region = "eu-west-1"};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    static const struct key stranger = {"AKIANOBODY", "x", NULL, "sts", "us-east-1", false, 0};
    static const struct key liar = {MOCK_DEFAULT_ACCESS_KEY, "x", NULL, "sts", "us-east-1", false, 0};
    static const struct key astray = {
        MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, NULL, "bedrock", "us-east-1", false, 0};
    static const struct key late = {
        MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, NULL, "sts", "us-east-1", false, -900};
    static const struct key bearer = {.access = "ABSKx", .bearer = true};
    static const struct {
        const char *form;
        const struct key *key;
        int status;
        const char *code, *says;
    } rows[] = {
        {"Version=2011-06-15", &sts_key, 400, "MissingAction", "missing an action"},
        {"Action=AssumeRole", &sts_key, 400, "InvalidAction",
         "Could not find operation AssumeRole for version NO_VERSION_SPECIFIED"},
        {BEGIN "Assume%3CRole%3E%00", &sts_key, 400, "MissingAction", "missing"},
        {BEGIN "Assume%3CRole%3E%FF", &sts_key, 400, "InvalidAction",
         "operation Assume&lt;Role&gt;? for version 2011-06-15"},
        {BEGIN "AssumeRole", &sts_key, 400, "ValidationError", "2 validation errors detected: Value null at 'roleArn'"},
        {ASSUME "&DurationSeconds=899", &sts_key, 400, "ValidationError",
         "at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
        {ASSUME "&MinimumSessionTokenSize=4097", &sts_key, 400, "ValidationError",
         "at 'minimumSessionTokenSize' failed to satisfy constraint: Member must have value less than or equal to 4096"},
        {ASSUME, &sts_key, 200, NULL, "<SessionTokenUtilization>9</SessionTokenUtilization>"},
        {ASSUME "&MinimumSessionTokenSize=0", &sts_key, 200, NULL, "<SessionTokenSize>352</SessionTokenSize>"},
        {ASSUME "&MinimumSessionTokenSize=4055", &sts_key, 200, NULL, "<SessionTokenUtilization>99</SessionTokenUtilization>"},
        {BEGIN "GetSessionToken&MinimumSessionTokenSize=4096", &sts_key, 200, NULL,
         "<SessionTokenSize>4096</SessionTokenSize>\n    <SessionTokenUtilization>100</SessionTokenUtilization>"},
        {ASSUME "&DurationSeconds=1e3", &sts_key, 400, "MalformedInput", "DurationSeconds: expected a whole number"},
        {ASSUME "&Tags.member.1.Key=a&Tags.member.1.Value=b&Tags.member.2.Value=c", &sts_key, 400, "ValidationError",
         "at 'tags.2.member.key' failed"},
        {ASSUME "&Tags.member.2.Key=a", &sts_key, 400, "MalformedInput", "without holes"},
        {ASSUME "&Tags.member.4294967297.Key=a", &sts_key, 400, "MalformedInput", "without holes"},
        {ASSUME "&ExternalId=%FF%FE", &sts_key, 400, "MalformedInput", "ExternalId is not UTF-8"},
        {ASSUME "&ExternalId=%zz", &sts_key, 400, "MalformedInput", "percent-encoded"},
        {ASSUME "&ExternalId=a%3Cb%26%22", &sts_key, 400, "ValidationError", "Value 'a&lt;b&amp;\"' at 'externalId'"},
        {ASSUME "&Policy=%7Bnot+json", &sts_key, 400, "MalformedPolicyDocument", "Syntax errors in policy."},
        {ASSUME "&Policy=%7B%7D", &sts_key, 400, "MalformedPolicyDocument", "Syntax errors in policy."},
        {ASSUME "&Policy=%7B%22Statement%22%3A%5B%5D%7D&Tags.member.1.Key=a&Tags.member.1.Value=b&Unknown.x=1",
         &sts_key, 200, NULL, "<PackedPolicySize>1</PackedPolicySize>"},
        {BEGIN "AssumeRole&RoleSessionName=mohs&RoleArn=arn%3Aaws%3Aiam%3A%3A12345%3Arole%2FGateway", &sts_key, 400,
         "ValidationError", "arn:aws:iam::12345:role/Gateway is invalid"},
        {ASSUME, NULL, 403, "MissingAuthenticationToken", "Request is missing Authentication Token"},
        {ASSUME, &stranger, 403, "InvalidClientTokenId", "The security token included in the request is invalid."},
        {ASSUME, &bearer, 403, "InvalidClientTokenId", "The security token included in the request is invalid."},
        {ASSUME, &liar, 403, "SignatureDoesNotMatch", "The request signature we calculated"},
        {ASSUME, &late, 403, "SignatureDoesNotMatch", "Signature expired: "},
        {ASSUME, &astray, 403, "SignatureDoesNotMatch", "Credential should be scoped to correct service: 'sts'."},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char code[128], type[32];
        CLEANUP(reply_release) struct reply r = sts(m, "POST", rows[i].form, rows[i].key);
        CLAIM(r.status == rows[i].status && strstr(buf_text(&r.body), rows[i].says) != NULL, "row %zu: %d %s", i,
              r.status, buf_text(&r.body));
        if (rows[i].code == NULL)
            continue;
        CLAIM(strcmp(element(&r, "Code", code, sizeof code), rows[i].code) == 0 &&
                  strcmp(element(&r, "Type", type, sizeof type), "Sender") == 0 &&
                  strcmp(header(&r, "Content-Type"), "text/xml") == 0,
              "row %zu: %s", i, buf_text(&r.body));
    }
}

static void replies_for_models_are_not_taken_by_sts(void)
{
    struct mock_config config = {0};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    script(m, "{\"replies\":[{\"reply\":{\"text\":\"for the model\"}}]}");
    CLEANUP(reply_release) struct reply r = sts(m, "POST", ASSUME, &sts_key);
    CU_ASSERT_EQUAL(r.status, 200);
    CLEANUP(reply_release) struct reply c = ask(m, CONVERSE, HELLO);
    CU_ASSERT_STRING_EQUAL(text_at(c.json, "/output/message/content/0/text"), "for the model");
    CLEANUP(reply_release) struct reply lost = fetch(mock_port(m), "POST", "/", "{}", NULL, &usual_key);
    CLAIM(lost.status == 404 && strstr(buf_text(&lost.body), "UnknownOperationException") != NULL, "%d %s", lost.status,
          buf_text(&lost.body));
}

static void a_long_session_token_signs_like_a_short_one(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct session s;
    CLEANUP(reply_release) struct reply r = sts(m, "POST", ASSUME "&MinimumSessionTokenSize=4096", &sts_key);
    struct key key = take_session(&r, &s);
    CLAIM(strlen(s.token) == 4096, "%zu", strlen(s.token));
    CLEANUP(reply_release) struct reply good = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &key);
    CLAIM(good.status == 200, "%s", buf_text(&good.body));
    s.token[4000] ^= 1;
    CLEANUP(reply_release) struct reply other = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &key);
    CU_ASSERT_EQUAL(other.status, 403);
}

static void roles_in_a_chain_last_an_hour(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct session s;
    CLEANUP(reply_release) struct reply r = sts(m, "POST", ASSUME "&DurationSeconds=43200", &sts_key);
    CU_ASSERT_EQUAL(r.status, 200);
    struct key key = take_session(&r, &s);
    key.service = "sts";
    CLEANUP(reply_release) struct reply no = sts(m, "POST", ASSUME "&DurationSeconds=3601", &key);
    CLAIM(no.status == 400 && strstr(buf_text(&no.body), "role chaining") != NULL, "%s", buf_text(&no.body));
    CLEANUP(reply_release) struct reply yes = sts(m, "POST", ASSUME "&DurationSeconds=3600", &key);
    CU_ASSERT_EQUAL(yes.status, 200);
}

static void an_api_key_does_not_outlive_its_session(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    struct session s;
    CLEANUP(reply_release) struct reply r = sts(m, "POST", ASSUME "&DurationSeconds=900", &sts_key);
    struct key key = take_session(&r, &s);
    CLEANUP(sigv4_free_ptr) struct sigv4 *signer = sigv4_new();
    CLEANUP(buf_release) struct buf text = BUF_INIT(SIGV4_API_KEY_MAX);
    struct sigv4_signing how = {.access_key = span_of(key.access),
                                .secret = span_of(key.secret),
                                .session_token = span_of(key.token),
                                .region = SPAN_LIT("us-east-1"),
                                .service = SPAN_LIT("bedrock"),
                                .at_s = (int64_t)time(NULL),
                                .expires_s = 43200};
    CU_ASSERT_EQUAL_FATAL(sigv4_api_key_make(signer, &how, &text, NULL), OK);
    struct key api_key = {.access = buf_text(&text), .bearer = true};
    CLEANUP(reply_release) struct reply good = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &api_key);
    CLAIM(good.status == 200, "%s", buf_text(&good.body));
    CLEANUP(reply_release) struct reply c = admin(m, "POST", "/clock", "{\"advance_ms\":901000}");
    CLEANUP(reply_release) struct reply gone = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &api_key);
    CU_ASSERT_EQUAL(gone.status, 403);
    CU_ASSERT_STRING_EQUAL(text_at(gone.json, "/Message"), "Bearer Token has expired");
}

static void a_policy_says_who_may_assume_what(void)
{
    static const char text[] = "{\"statements\":[{\"effect\":\"Allow\",\"actions\":[\"sts:AssumeRole\"],"
                               "\"resources\":[\"*:role/path/Gateway\"]}]}";
    char name[] = "/tmp/mohs-sts-policy-XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0)
        abort();
    struct mock_config config = {.auth = MOCK_AUTH_STRICT, .policy_file = name};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    (void)unlink(name);
    char code[64], message[512];
    CLEANUP(reply_release) struct reply yes = sts(m, "POST", ASSUME, &sts_key);
    CU_ASSERT_EQUAL(yes.status, 200);
    CLEANUP(reply_release)
    struct reply no =
        sts(m, "POST", BEGIN "AssumeRole&RoleSessionName=mohs&RoleArn=arn%3Aaws%3Aiam%3A%3A210987654321%3Arole%2FOther",
            &sts_key);
    CU_ASSERT_EQUAL(no.status, 403);
    CU_ASSERT_STRING_EQUAL(element(&no, "Code", code, sizeof code), "AccessDenied");
    CU_ASSERT_STRING_EQUAL(element(&no, "Message", message, sizeof message),
                           "User: arn:aws:iam::123456789012:user/AKIAIOSFODNN7EXAMPLE is not authorized to perform: "
                           "sts:AssumeRole on resource: arn:aws:iam::210987654321:role/Other");
    CLEANUP(reply_release) struct reply who = sts(m, "POST", BEGIN "GetCallerIdentity", &sts_key);
    CLEANUP(reply_release) struct reply web = sts(m, "POST", WEB JWT, NULL);
    CU_ASSERT_EQUAL(who.status, 200);
    CU_ASSERT_EQUAL(web.status, 200);
    struct session s;
    struct key key = take_session(&yes, &s);
    CLEANUP(reply_release) struct reply call = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &key);
    CLAIM(call.status == 403 &&
              strstr(text_at(call.json, "/Message"), "assumed-role/Gateway/mohs is not authorized") != NULL,
          "%s", buf_text(&call.body));
}

static void a_reset_forgets_credentials_unless_told_not_to(void)
{
    static const char assume[] = BEGIN "AssumeRole&RoleSessionName=mohs&RoleArn=" ROLE;
    CLEANUP(rig_stop) struct mock *m = rig_start(&(struct mock_config){.auth = MOCK_AUTH_STRICT});
    struct session s, s2;
    CLEANUP(reply_release) struct reply r = sts(m, "POST", assume, &sts_key);
    struct key key = take_session(&r, &s);
    CLEANUP(reply_release) struct reply kept = admin(m, "POST", "/reset", "{\"keep\":[\"credentials\"]}");
    CLEANUP(reply_release) struct reply good = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &key);
    CLAIM(kept.status == 200 && good.status == 200, "%s", buf_text(&good.body));
    CLEANUP(reply_release) struct reply reset = admin(m, "POST", "/reset", "{}");
    CLEANUP(reply_release) struct reply gone = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &key);
    CLAIM(reset.status == 200 && gone.status == 403, "%d %s", gone.status, buf_text(&gone.body));
    CU_ASSERT_STRING_EQUAL(text_at(gone.json, "/message"), "The security token included in the request is invalid.");
    CLEANUP(reply_release) struct reply again = sts(m, "POST", assume, &sts_key);
    struct key other = take_session(&again, &s2);
    CU_ASSERT_STRING_NOT_EQUAL(s.access, s2.access);
    CLEANUP(reply_release) struct reply fine = fetch(mock_port(m), "POST", CONVERSE, HELLO, NULL, &other);
    CU_ASSERT_EQUAL(fine.status, 200);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"assumed credentials sign and expire", assumed_credentials_sign_and_expire},
        {"callers are told who they are", callers_are_told_who_they_are},
        {"web identities need no signature", web_identities_need_no_signature},
        {"errors are XML with the service's codes", errors_are_xml_with_the_services_codes},
        {"replies for models are not taken by STS", replies_for_models_are_not_taken_by_sts},
        {"a reset forgets credentials unless told not to", a_reset_forgets_credentials_unless_told_not_to},
        {"a long session token signs like a short one", a_long_session_token_signs_like_a_short_one},
        {"roles in a chain last an hour", roles_in_a_chain_last_an_hour},
        {"an API key does not outlive its session", an_api_key_does_not_outlive_its_session},
        {"a policy says who may assume what", a_policy_says_who_may_assume_what},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock_sts", tests);
}
