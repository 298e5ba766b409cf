/* sts.c: the Security Token Service that a gateway asks for temporary credentials: AssumeRole,
 * AssumeRoleWithWebIdentity, GetCallerIdentity and GetSessionToken (AWS STS API reference, version 2011-06-15).
 *
 * It shares the port with Bedrock: a form at "/", a query with Action, the host sts.*, or a signature for the service
 * sts is meant for it. What it issues signs from then on, with its session token, until the mock's clock says that it
 * has expired. Role and account need not exist; who may assume what is the policy file's business (mock/identity/policy.h). The
 * signature of a web identity token is not looked at, as nobody's keys are known here; its form and expiry are.
 *
 * Errors are XML: SDKs that get JSON from STS fail without a sentence.
 */
#include <stdio.h>

#include "mock/admin/admin.h"
#include "mock/identity/query.h"
#include "mock/surface.h"
#include "mock/time/pace.h"

#define XMLNS               "https://sts.amazonaws.com/doc/2011-06-15/"
#define VERSION             "2011-06-15"
#define ROLE_SECONDS        3600
#define ROLE_CHAIN_SECONDS  3600
#define SESSION_SECONDS     43200
#define POLICY_PACKED_BYTES 2048

/* ---- answers ---- */

static struct plan *xml_plan(const struct visit *v, int status, const struct buf *body)
{
    struct plan *plan = plan_new(status);
    if (plan == NULL)
        return NULL;
    plan_body(plan, "text/xml", buf_span(body));
    plan_header(plan, "x-amzn-RequestId", v->request_id);
    plan->failed = plan->failed || buf_error(body) != OK;
    return plan;
}

static struct plan *error_xml(const struct visit *v, int status, const char *code, const char *message)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    buf_addf(&out, "<ErrorResponse xmlns=\"" XMLNS "\">\n  <Error>\n    <Type>%s</Type>\n    ",
             status < 500 ? "Sender" : "Receiver");
    xml_element("Code", code, &out);
    buf_adds(&out, "\n    ");
    xml_element("Message", message, &out);
    buf_addf(&out, "\n  </Error>\n  <RequestId>%s</RequestId>\n</ErrorResponse>\n", v->request_id);
    return xml_plan(v, status, &out);
}

static struct plan *result_xml(const struct visit *v, const struct buf *result)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    buf_addf(&out, "<%sResponse xmlns=\"" XMLNS "\">\n  <%sResult>", v->operation, v->operation);
    buf_add(&out, buf_span(result));
    buf_addf(&out,
             "</%sResult>\n  <ResponseMetadata>\n    <RequestId>%s</RequestId>\n  </ResponseMetadata>\n</%sResponse>\n",
             v->operation, v->request_id, v->operation);
    struct plan *plan = xml_plan(v, 200, &out);
    if (plan != NULL)
        plan->head_after_ns = visit_latency_ns(v);
    explicit_bzero(out.data, out.len);
    return plan;
}

/* ---- issuing ---- */

static int64_t seconds(const struct visit *v, int64_t fallback)
{
    int64_t s = fallback;
    (void)json_int64(json_member(v->body, "DurationSeconds"), &s);
    return s;
}

/* How long the token is, of what it may be: the members that replace PackedPolicySize in the model of 2026. That 4096 bytes are
 * 100 percent is inferred from the bound of MinimumSessionTokenSize, and so is the rounding upwards. */
static void print_sizes(size_t size, struct buf *out)
{
    buf_addf(out, "<SessionTokenSize>%zu</SessionTokenSize>\n    ", size);
    buf_addf(out, "<SessionTokenUtilization>%zu</SessionTokenUtilization>\n    ",
             (size * 100 + KEY_TOKEN_MAX - 2) / (KEY_TOKEN_MAX - 1));
}

static bool issue(const struct visit *v, const struct principal *whose, int64_t for_s, struct buf *out)
{
    struct key_issue key;
    char until[CLOCK_TEXT];
    int64_t now_ms = clock_ms(&v->mock->clock), expires_ms = (now_ms / 1000 + for_s) * 1000;
    int64_t least = 0;
    (void)json_int64(json_member(v->body, "MinimumSessionTokenSize"), &least);
    if (keys_issue(v->mock->keys, whose, now_ms, expires_ms, (size_t)least, &key) != OK)
        return false;
    clock_iso(expires_ms, until);
    buf_adds(out, "\n    <Credentials>\n      ");
    xml_element("AccessKeyId", key.access_key, out);
    xml_element("SecretAccessKey", key.secret, out);
    xml_element("SessionToken", key.session_token, out);
    xml_element("Expiration", until, out);
    buf_adds(out, "\n    </Credentials>\n    ");
    print_sizes(strlen(key.session_token), out);
    explicit_bzero(&key, sizeof key);
    return true;
}

/* What a role's session is called: arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION, the role without its path. */
struct assumed {
    struct principal principal;
    char arn[KEY_ARN_MAX], id[KEY_USER_ID_MAX];
};

static bool assume(const char *role_arn, const char *session, struct assumed *out)
{
    struct span rest = span_of(role_arn), part[5];
    size_t n = 0;
    while (n < COUNT_OF(part) && span_split(rest, ':', &part[n], &rest))
        n++;
    bool good = n == COUNT_OF(part) && span_is(part[0], "arn") && span_is(part[2], "iam") && part[3].n == 0 &&
                part[4].n == ACCOUNT_SIZE - 1 && span_has_prefix(rest, "role/");
    for (size_t i = 0; good && i < part[4].n; i++)
        good = part[4].p[i] >= '0' && part[4].p[i] <= '9';
    struct span path = span_from(rest, 5), name = SPAN_EMPTY;
    while (good && span_split(path, '/', &name, &path))
        ;
    if (!good || name.n == 0 || name.n > 64 || part[1].n > 16)
        return false;
    char unique[21];
    *out = (struct assumed){.principal = {.arn = out->arn, .user_id = out->id}};
    memcpy(out->principal.account, part[4].p, part[4].n);
    key_unique_id("AROA", span_of(role_arn), unique);
    (void)snprintf(out->arn, sizeof out->arn, "arn:%.*s:sts::%s:assumed-role/%.*s/%s", (int)part[1].n,
                   (const char *)part[1].p, out->principal.account, (int)name.n, (const char *)name.p, session);
    (void)snprintf(out->id, sizeof out->id, "%s:%s", unique, session);
    return true;
}

static void print_assumed(const struct visit *v, const struct assumed *a, struct buf *out)
{
    const char *policy = json_str(v->body, "Policy");
    buf_adds(out, "<AssumedRoleUser>");
    xml_element("AssumedRoleId", a->id, out);
    xml_element("Arn", a->arn, out);
    buf_adds(out, "</AssumedRoleUser>\n    ");
    xml_element("SourceIdentity", json_str(v->body, "SourceIdentity"), out);
    if (policy != NULL)
        buf_addf(out, "<PackedPolicySize>%zu</PackedPolicySize>",
                 (strlen(policy) * 100 + POLICY_PACKED_BYTES - 1) / POLICY_PACKED_BYTES);
}

static struct plan *assume_role(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct assumed a;
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    if (!assume(json_str(v->body, "RoleArn"), json_str(v->body, "RoleSessionName"), &a) ||
        !issue(v, &a.principal, seconds(v, ROLE_SECONDS), &out))
        return NULL;
    print_assumed(v, &a, &out);
    return result_xml(v, &out);
}

/* ---- web identity ---- */

/* A part of a JWT (RFC 7519): base64url without padding (RFC 4648 section 5). */
static cJSON *jwt_part(struct span part)
{
    CLEANUP(buf_release) struct buf base64 = BUF_INIT(BUF_ANY);
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    cJSON *tree = NULL;
    for (size_t i = 0; i < part.n; i++)
        buf_addc(&base64, part.p[i] == '-' ? '+' : part.p[i] == '_' ? '/' : (char)part.p[i]);
    while (base64.len % 4 != 0)
        buf_addc(&base64, '=');
    if (buf_add_unbase64(&text, buf_span(&base64)) != OK ||
        json_parse(buf_span(&text), JSON_COMPACT, &tree, NULL) != OK)
        return NULL;
    if (!cJSON_IsObject(tree))
        json_free(&tree);
    return tree;
}

/* Its claims, or NULL. The caller frees. */
static cJSON *jwt_claims(const char *token)
{
    struct span head, payload, signature;
    if (!span_split(span_of(token), '.', &head, &signature) || !span_split(signature, '.', &payload, &signature) ||
        signature.n == 0)
        return NULL;
    CLEANUP(json_free) cJSON *first = jwt_part(head);
    return first == NULL ? NULL : jwt_part(payload);
}

static struct plan *assume_role_with_web_identity(struct visit *v, const cJSON *reply)
{
    (void)reply;
    struct assumed a;
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    CLEANUP(json_free) cJSON *claims = jwt_claims(json_str(v->body, "WebIdentityToken"));
    const cJSON *audience = json_member(claims, "aud");
    const char *subject = json_str(claims, "sub"), *issuer = json_str(claims, "iss");
    if (cJSON_IsArray(audience))
        audience = audience->child;
    if (!assume(json_str(v->body, "RoleArn"), json_str(v->body, "RoleSessionName"), &a) ||
        !issue(v, &a.principal, seconds(v, ROLE_SECONDS), &out))
        return NULL;
    xml_element("SubjectFromWebIdentityToken", subject != NULL ? subject : "subject", &out);
    print_assumed(v, &a, &out);
    xml_element("Provider", issuer != NULL ? issuer : json_str(v->body, "ProviderId"), &out);
    xml_element("Audience", cJSON_IsString(audience) ? audience->valuestring : "audience", &out);
    return result_xml(v, &out);
}

static struct plan *get_caller_identity(struct visit *v, const cJSON *reply)
{
    (void)reply;
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    buf_adds(&out, "\n    ");
    xml_element("Arn", v->caller.arn, &out);
    xml_element("UserId", v->caller.user_id, &out);
    xml_element("Account", v->caller.account, &out);
    buf_adds(&out, "\n  ");
    return result_xml(v, &out);
}

static struct plan *get_session_token(struct visit *v, const cJSON *reply)
{
    (void)reply;
    CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
    struct principal same = {.arn = v->caller.arn, .user_id = v->caller.user_id};
    memcpy(same.account, v->caller.account, sizeof same.account);
    if (!issue(v, &same, seconds(v, SESSION_SECONDS), &out))
        return NULL;
    return result_xml(v, &out);
}

/* ---- routing ---- */

/* Some texts quote what the client wrote, which may be anything, and the journal and the log are text. */
static void refuse_plainly(struct visit *v, enum refusal_layer layer, const char *code, const char *text)
{
    CLEANUP(buf_release) struct buf plain = BUF_INIT(BUF_ANY);
    for (const char *p = text; *p != '\0'; p++)
        buf_addc(&plain, (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f ? *p : '?');
    refusal_set(&v->refusal, layer, code, "%s", buf_text(&plain));
}

static struct span form_of(const struct visit *v)
{
    return span_is(v->request->method, "GET") ? v->request->query : v->request->body;
}

static void read_form(struct visit *v)
{
    struct note note = {""};
    json_free(&v->body);
    v->body_is_json = query_tree(v->route.operation, form_of(v), &v->body, &note) == OK;
    if (!v->body_is_json)
        refuse_plainly(v, REFUSAL_CONSTRAINT, "MalformedInput", note.text);
}

static const struct operation_row rows[] = {
    {.name = "AssumeRole", .answer = assume_role, .read = read_form},
    {.name = "AssumeRoleWithWebIdentity", .answer = assume_role_with_web_identity, .read = read_form},
    {.name = "GetCallerIdentity", .answer = get_caller_identity, .read = read_form},
    {.name = "GetSessionToken", .answer = get_session_token, .read = read_form},
};

const char *sts_operation_name(size_t i)
{
    return i < COUNT_OF(rows) ? rows[i].name : NULL;
}

static bool mine(const struct visit *v)
{
    const struct http_request *r = v->request;
    if (!span_is(r->path, "/"))
        return false;
    struct span type = http_field_get(r->fields, r->field_count, "content-type");
    struct span host = http_field_get(r->fields, r->field_count, "host");
    struct span authorization = http_field_get(r->fields, r->field_count, "authorization");
    if (host.p == NULL)
        host = http_field_get(r->fields, r->field_count, ":authority");
    return span_has_prefix(type, "application/x-www-form-urlencoded") || query_find(r->query, "Action").p != NULL ||
           span_has_prefix(host, "sts.") || span_find(authorization, "/sts/aws4_request") != NULL;
}

static struct plan *lost(struct visit *v, const char *code, const char *text)
{
    refuse_plainly(v, REFUSAL_ROUTING, code, text);
    return error_xml(v, 400, code, buf_text(&v->refusal.text));
}

static struct plan *route(struct visit *v)
{
    struct buf *action = &v->worker->model;
    CLEANUP(buf_release) struct buf version = BUF_INIT(BUF_ANY);
    buf_reset(action);
    if (query_get(form_of(v), "Action", action) != OK || action->len == 0)
        return lost(v, "MissingAction", "The request is missing an action or a required parameter.");
    if (query_get(form_of(v), "Version", &version) != OK)
        buf_adds(&version, "NO_VERSION_SPECIFIED");
    for (size_t i = 0; i < COUNT_OF(rows) && strcmp(buf_text(&version), VERSION) == 0; i++)
        if (strcmp(buf_text(action), rows[i].name) == 0) {
            v->row = &rows[i];
            v->operation = rows[i].name;
            v->route.operation = api_operation(v->mock->api, rows[i].name);
            return NULL;
        }
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_addf(&text, "Could not find operation %.200s for version %.100s", buf_text(action), buf_text(&version));
    return lost(v, "InvalidAction", buf_text(&text));
}

/* ---- refusals ---- */

/* The service's own codes for what its neighbours call otherwise. */
static const struct code_row {
    const char *type, *code;
    int status;
    const char *text; /* NULL: as it is */
} codes[] = {
    {"ValidationException", "ValidationError", 400, NULL},
    {"SerializationException", "MalformedInput", 400, NULL},
    {"UnrecognizedClientException", "InvalidClientTokenId", 403, NULL},
    {"InvalidSignatureException", "SignatureDoesNotMatch", 403, NULL},
    {"IncompleteSignatureException", "IncompleteSignature", 400, NULL},
    {"MissingAuthenticationTokenException", "MissingAuthenticationToken", 403, NULL},
    {"AccessDenied", "AccessDenied", 403, NULL},
    {"InvalidIdentityToken", "InvalidIdentityToken", 400, NULL},
    {"MalformedPolicyDocument", "MalformedPolicyDocument", 400, NULL},
};

static struct plan *refusal(const struct visit *v)
{
    const struct refusal *r = &v->refusal;
    const char *text = buf_text(&r->text);
    if (r->layer == REFUSAL_AUTH && v->verdict.reason == SIGV4_MISSING_AUTH)
        return error_xml(v, 403, "MissingAuthenticationToken", "Request is missing Authentication Token");
    if (r->layer == REFUSAL_AUTH && v->verdict.reason == SIGV4_TOKEN_EXPIRED)
        return error_xml(v, 403, "ExpiredToken", text);
    if (r->layer == REFUSAL_AUTH && v->verdict.form == SIGV4_FORM_BEARER)
        return error_xml(v, 403, "InvalidClientTokenId", "The security token included in the request is invalid.");
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (strcmp(codes[i].type, r->type) == 0)
            return error_xml(v, codes[i].status, codes[i].code, text);
    return error_xml(v, 400, r->type, text);
}

/* Paths begin with a small letter here: 'RoleSessionName' is told as 'roleSessionName'. */
static void lower_paths(char *text)
{
    for (char *at = strstr(text, "at '"); at != NULL; at = strstr(at, "at '")) {
        at += 4;
        for (bool first = true; *at != '\0' && *at != '\''; at++) {
            if (first && *at >= 'A' && *at <= 'Z')
                *at = (char)(*at + 32);
            first = *at == '.';
        }
    }
}

static void check_shape(struct visit *v)
{
    struct api_fault fault = API_FAULT_INIT;
    struct api_input in = {.body = v->body, .payload_len = 0};
    if (api_check_request(v->mock->api, v->route.operation, &in, &fault) == ERR_INVALID) {
        refusal_set(&v->refusal, REFUSAL_CONSTRAINT, fault.type, "%s", "");
        buf_reset(&v->refusal.text);
        buf_add(&v->refusal.text, buf_span(&fault.text));
        if (v->refusal.text.data != NULL)
            lower_paths(v->refusal.text.data);
    }
    api_fault_release(&fault);
}

static void check_policy_document(struct visit *v)
{
    const char *policy = json_str(v->body, "Policy");
    CLEANUP(json_free) cJSON *tree = NULL;
    if (policy != NULL && (json_parse(span_of(policy), JSON_COMPACT, &tree, NULL) != OK || !cJSON_IsObject(tree) ||
                           json_member(tree, "Statement") == NULL))
        refusal_set(&v->refusal, REFUSAL_SEMANTIC, "MalformedPolicyDocument", "Syntax errors in policy.");
}

static void check_role(struct visit *v)
{
    struct assumed a;
    const char *arn = json_str(v->body, "RoleArn"), *session = json_str(v->body, "RoleSessionName");
    if (arn == NULL || session == NULL || assume(arn, session, &a))
        return;
    CLEANUP(buf_release) struct buf text = BUF_INIT(BUF_ANY);
    buf_addf(&text, "%s is invalid", arn);
    refuse_plainly(v, REFUSAL_SEMANTIC, "ValidationError", buf_text(&text));
}

/* Credentials of a role give at most an hour in a further role, and none at all to GetSessionToken. */
static void check_chain(struct visit *v)
{
    bool temporary = span_has_prefix(span_of(v->caller.access_key), "ASIA");
    if (temporary && strcmp(v->operation, "GetSessionToken") == 0)
        refusal_set(&v->refusal, REFUSAL_SEMANTIC, "AccessDenied",
                    "Cannot call GetSessionToken with session credentials");
    if (span_find(span_of(v->caller.arn), ":assumed-role/") != NULL && strcmp(v->operation, "AssumeRole") == 0 &&
        seconds(v, ROLE_SECONDS) > ROLE_CHAIN_SECONDS)
        refusal_set(
            &v->refusal, REFUSAL_SEMANTIC, "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining");
}

static void check_identity_token(struct visit *v)
{
    const char *token = json_str(v->body, "WebIdentityToken");
    CLEANUP(json_free) cJSON *claims = token == NULL ? NULL : jwt_claims(token);
    int64_t until = 0, now = clock_s(&v->mock->clock);
    bool strict = v->mock->config.auth == MOCK_AUTH_STRICT || v->mock->config.auth == MOCK_AUTH_BEARER;
    if (strcmp(v->operation, "AssumeRoleWithWebIdentity") != 0)
        return;
    if (strict && (claims == NULL || json_str(claims, "sub") == NULL))
        refusal_set(&v->refusal, REFUSAL_SEMANTIC, "InvalidIdentityToken",
                    "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)");
    if (json_int64(json_member(claims, "exp"), &until) && now >= until)
        refusal_set(&v->refusal, REFUSAL_SEMANTIC, "ExpiredTokenException",
                    "Token expired: current date/time %lld must be before the expiration date/time%lld", (long long)now,
                    (long long)until);
}

static void validate(struct visit *v)
{
    static void (*const checks[])(struct visit *) = {check_shape, check_role, check_policy_document, check_chain,
                                                     check_identity_token};
    for (size_t i = 0; i < COUNT_OF(checks) && v->refusal.layer == REFUSAL_NONE; i++)
        checks[i](v);
    v->refuse = v->refusal.layer != REFUSAL_NONE; /* nothing can be issued to a request that makes no sense */
    if (v->refuse)
        mock_log(v->mock, "%s refused: %s: %.300s", v->operation, v->refusal.type, buf_text(&v->refusal.text));
}

static const char *const services[] = {"sts", NULL};
const struct surface sts_surface = {.name = "sts",
                                    .services = services,
                                    .mine = mine,
                                    .route = route,
                                    .validate = validate,
                                    .refusal = refusal,
                                    .unscripted = true,
                                    .anonymous = "AssumeRoleWithWebIdentity",
                                    .regionless = true};

/* ---- the admin API ---- */

static void forget_issued(struct mock *m)
{
    keys_forget_issued(m->keys);
}

const struct admin_table mock_admin_credentials = {NULL, 0, "credentials", forget_issued};
