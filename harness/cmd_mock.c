/* cmd_mock.c: `mohs mock`: serve a Bedrock until told to stop. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/credentials.h"
#include "harness/identity.h"
#include "harness/interrupt.h"
#include "harness/option.h"
#include "harness/serve.h"
#include "harness/verbs.h"
#include "mock/identity/keys.h"
#include "mock/mock.h"
#include "mock/time/clock.h"
#include "protocol/file.h"
#include "reports/exit.h"

enum { KEYS_MAX = 64, OVERLAY_MAX = 16 << 20, QUOTA_FILE_MAX = 1 << 20, SKEW_MAX_S = 7 * 86400 };

struct mock_options {
    const char *host, *admin_host, *auth, *validation, *models, *region, *admin_port, *guardrails, *knowledge;
    const char *clock_offset, *policy, *mismatch, *missing_auth;
    int64_t skew_ns;
    bool signed_payload, signed_headers;
    const char *latency, *ttft, *itl, *load_factor, *tempo;
    int64_t port, workers, seed, journal, ttft_per_token, load_full, probe_deltas, max_body, ready_fd;
    struct option_list keys, principals, bearer_keys, rules_on, rules_off, faults;
    int64_t async_ns;
    bool parent_watch, no_cache, no_done, fault_headers;
    const char *cache_scope, *quota;
    struct identity_options tls;
    const char *session_by, *admin_token, *journal_file;
    const char *record, *record_to, *record_profile, *record_region, *record_ca, *replay_speed;
    bool record_misses;
    struct option_list fixtures;
    bool watch, strict, dry_run;
};

#define AT(member) offsetof(struct mock_options, member)

static const struct option_row rows[] = {
    OPTION_GROUP("Where it listens"),
    {"port", 'p', "PORT", OPTION_INT, AT(port), .fallback = "9555", .max = 65535,
     .help = "Port to serve Bedrock on; 0 takes any free one."},
    {"host", 0, "ADDRESS", OPTION_STRING, AT(host), .fallback = "127.0.0.1", .help = "Address to listen on."},
    {"tls-cert", 0, "FILE", OPTION_STRING, AT(tls.certificate),
     .help = "Serve Bedrock over TLS with this certificate (PEM, its chain behind it); needs --tls-key. The admin API "
             "stays cleartext."},
    {"tls-key", 0, "FILE", OPTION_STRING, AT(tls.key), .help = "The private key of --tls-cert (PEM)."},
    {"tls-self-signed", 0, NULL, OPTION_FLAG, AT(tls.self_signed),
     .help = "Serve Bedrock over TLS with a certificate made for this run, for localhost, 127.0.0.1, ::1 and --host. "
             "The file of the CA to trust is printed."},
    {"tls-ca-out", 0, "FILE", OPTION_STRING, AT(tls.ca_out),
     .help = "Write that CA there, and leave it there. Default: a new file of $XDG_RUNTIME_DIR, $TMPDIR or /tmp, "
             "removed in the end."},
    {"workers", 0, "N", OPTION_INT, AT(workers), .fallback = "1", .min = 1, .max = 256,
     .help = "Threads that serve, each with its own connections."},
    {"ready-fd", 0, "FD", OPTION_INT, AT(ready_fd), .fallback = "-1", .min = -1, .max = INT_MAX,
     .help = "Write \"PORT ADMINPORT\" there once both servers listen; for programs that start this one."},
    {"parent-watch", 0, NULL, OPTION_FLAG, AT(parent_watch), .help = "Stop when standard input ends."},
    OPTION_GROUP("Who may ask"),
    {"auth", 0, "MODE", OPTION_STRING, AT(auth), .fallback = "lenient", .choices = "lenient|strict|none|bearer",
     .help = "Who may ask. lenient: known keys must sign rightly, unknown ones are let in. strict: known keys only. "
             "none: nobody is refused. "
             "bearer: API keys only. Every signature is judged for the journal, whatever the mode."},
    {"key", 0, "AK:SECRET[:TOKEN]", OPTION_LIST, AT(keys),
     .help = "A key whose signatures are verified; may be repeated. Default: " MOCK_DEFAULT_ACCESS_KEY
             " with the secret of AWS's documentation."},
    {"principal", 0, "AK=ARN", OPTION_LIST, AT(principals),
     .help = "Whose a key is; may be repeated. Default: the IAM user of account " MOCK_ACCOUNT
             " that bears the key's id as its name."},
    {"bearer-key", 0, "KEY[@EXPIRY]", OPTION_LIST, AT(bearer_keys),
     .help = "A long-term API key that is known; may be repeated. KEY@2026-01-02T03:04:05Z says when it expires."},
    {"policy", 0, "FILE", OPTION_STRING, AT(policy),
     .help = "Who may do what, as IAM says it, and which models are not granted (docs/identity.md)."},
    {"region", 0, "REGION", OPTION_STRING, AT(region),
     .help = "The only region whose signatures hold; any when not given."},
    {"skew", 0, "TIME", OPTION_DURATION, AT(skew_ns), .fallback = "5m",
     .help = "How far a signature's time may be off, either way."},
    {"clock-offset", 0, "OFFSET", OPTION_STRING, AT(clock_offset),
     .help = "How far the mock's clock is off this machine's: -10m, 3600s, 2h, 1d. Signatures and expiries are judged "
             "by it; POST /clock of the admin API moves it on."},
    {"signed-payload", 0, NULL, OPTION_FLAG, AT(signed_payload),
     .help = "Refuse UNSIGNED-PAYLOAD, which is taken otherwise; what Bedrock does is not published."},
    {"signed-headers", 0, NULL, OPTION_FLAG, AT(signed_headers),
     .help = "Refuse a request with an x-amz-* header that its signature does not cover; otherwise the journal tells "
             "of it. They should be signed; what Bedrock does is not published."},
    {"mismatch", 0, "FORM", OPTION_STRING, AT(mismatch), .fallback = "short", .choices = "short|long",
     .help = "How a wrong signature is told; long adds the canonical request and the string to sign. Bedrock does "
             "either."},
    {"missing-auth", 0, "FORM", OPTION_STRING, AT(missing_auth), .fallback = "header", .choices = "header|token",
     .help = "What a request without credentials is told: that its header is missing (AccessDeniedException), or its "
             "token (MissingAuthenticationTokenException)."},
    OPTION_GROUP("What it takes and refuses"),
    {"validation", 0, "MODE", OPTION_STRING, AT(validation), .fallback = "strict", .choices = "strict|lenient|record",
     .help = "strict refuses what Bedrock refuses; lenient only what breaks the API model; record refuses only "
             "what makes no sense to operations that look up or change something, and notes the rest in the journal."},
    {"rule", 0, "ID", OPTION_LIST, AT(rules_on),
     .help = "Switch a semantic rule on; may be repeated. mohs list --rules shows them."},
    {"no-rule", 0, "ID", OPTION_LIST, AT(rules_off), .help = "Switch a semantic rule off; may be repeated."},
    {"models", 0, "any|known|FILE", OPTION_STRING, AT(models), .fallback = "any",
     .help = "any: every id of a known provider and every ARN; known: only those of the catalogue, and their profiles "
             "from the Regions that have them; else a FILE that is laid over the catalogue (docs/models.md), which may "
             "add, change, retire and deny models."},
    OPTION_GROUP("What it answers"),
    {"fixtures", 'f', "FILE|DIR", OPTION_LIST, AT(fixtures),
     .help =
         "Answers kept in files, and in the *.json of directories at every depth; may be repeated (docs/fixtures.md)."},
    {"watch", 'w', NULL, OPTION_FLAG, AT(watch),
     .help = "Load the fixtures again when a file changes. One with a mistake changes nothing, and the log says where "
             "it is."},
    {"dry-run", 'n', NULL, OPTION_FLAG, AT(dry_run),
     .help = "Read and check the fixtures and all other files and settings, say what is wrong with them, and end: 0 "
             "when they are good, 2 when not."},
    {"strict", 0, NULL, OPTION_FLAG, AT(strict),
     .help =
         "A call of a model that neither a script nor a fixture answers is an error, MohsFixtureMiss, which names the "
         "nearest fixture and why it missed."},
    {"session-by", 0, "WHAT", OPTION_STRING, AT(session_by), .fallback = "header", .choices = "header|access-key",
     .help = "What tells parallel tests apart: the header x-mohs-session alone, or without it the access key id, too."},
    {"seed", 0, "N", OPTION_INT, AT(seed), .fallback = "1",
     .help = "Seed of ids, paddings and default answers; the same seed gives the same bytes."},
    {"guardrails", 0, "FILE", OPTION_STRING, AT(guardrails),
     .help = "Guardrails, word lists and settings laid over the built-in ones (docs/guardrails.md)."},
    {"knowledge", 0, "FILE", OPTION_STRING, AT(knowledge),
     .help = "Knowledge bases laid over the built-in ones, for Retrieve and RetrieveAndGenerate (docs/knowledge.md)."},
    {"async-duration", 0, "TIME", OPTION_DURATION, AT(async_ns), .fallback = "10s",
     .help = "How long asynchronous invocations are in progress, by the mock's clock; 0s: they are over at once."},
    {"no-prompt-cache", 0, NULL, OPTION_FLAG, AT(no_cache),
     .help = "Cache no prompts: cache points are taken and change nothing."},
    {"cache-scope", 0, "WHAT", OPTION_STRING, AT(cache_scope), .fallback = "model", .choices = "model|id",
     .help = "Who shares cached prompts. model: a model and its inference profiles; id: each id has its own."},
    {"no-done", 0, NULL, OPTION_FLAG, AT(no_done),
     .help = "Streams of Chat Completions end without [DONE] (docs/compatible-endpoints.md)."},
    OPTION_GROUP("Limits"),
    {"quota", 0, "FILE", OPTION_STRING, AT(quota),
     .help = "Quotas of requests and tokens per minute and day (docs/cache-and-quotas.md); none when not given."},
    {"max-body", 0, "BYTES", OPTION_BYTES, AT(max_body), .fallback = "32M",
     .help = "Largest request body; larger ones get 413."},
    OPTION_GROUP("Faults"),
    {"fault", 0, "ID[:P=V,...][@RATE]", OPTION_LIST, AT(faults),
     .help =
         "A fault for every reply, or for that part of them: --fault EVS-02:at_event=3@5%. May be repeated. mohs list "
         "--faults shows them. Chance comes from --seed and the number of the request, or its header x-mohs-id."},
    {"fault-headers", 0, NULL, OPTION_FLAG, AT(fault_headers),
     .help =
         "Take faults from the header x-mohs-fault of a request, too: \"EVS-01;at_event=2, slow-head\". It need not "
         "be signed."},
    OPTION_GROUP("Time"),
    {"latency", 'l', "TIME", OPTION_STRING, AT(latency), .fallback = "0",
     .help = "Wait before each answer: milliseconds (20, 1.5s) or a law, drawn from --seed and the number of the "
             "request (or its header x-mohs-id): normal:20,5; lognormal:20,0.6 or lognormal:p50=20,p99=200; "
             "table:p50=20,p90=60,p99=200; trace:FILE."},
    {"ttft", 0, "TIME", OPTION_STRING, AT(ttft), .fallback = "0",
     .help = "Wait before the first delta of a stream; as --latency."},
    {"itl", 0, "TIME", OPTION_STRING, AT(itl), .fallback = "0",
     .help = "Wait between the deltas of a stream; as --latency, drawn for each."},
    {"ttft-per-token", 0, "US", OPTION_INT, AT(ttft_per_token), .max = 1000000,
     .help = "Microseconds more before the first delta for each token of input."},
    {"load-factor", 0, "F", OPTION_STRING, AT(load_factor),
     .help = "All these waits grow with the requests at once, up to F times with --load-full of them."},
    {"load-full", 0, "N", OPTION_INT, AT(load_full), .fallback = "100", .min = 2, .max = 1000000,
     .help = "Requests at once that make the waits --load-factor times as long."},
    {"tempo", 0, "POINTS", OPTION_STRING, AT(tempo),
     .help = "Factors over the time of the run, lines between them, a step where two are at one instant: "
             "\"0s=1,60s=3,60s=1\"; or the file of them."},
    {"probe-deltas", 0, "N", OPTION_INT, AT(probe_deltas), .max = 1000000,
     .help = "Deltas of a stream that answers a load probe; 0: as many as maxTokens says, else 16."},
    OPTION_GROUP("Record and replay"),
    {"record", 0, "URL", OPTION_STRING, AT(record),
     .help = "Send requests on to this endpoint, https://bedrock-runtime.us-east-1.amazonaws.com, signed anew with "
             "your own credentials, and keep its answers as fixtures (docs/record.md). Without it nothing leaves this "
             "machine."},
    {"record-to", 0, "DIR", OPTION_STRING, AT(record_to),
     .help = "Where --record keeps answers, a file for each request."},
    {"record-misses", 0, NULL, OPTION_FLAG, AT(record_misses),
     .help = "Send on only what no fixture answers; those of --record-to are among them."},
    {"record-profile", 0, "NAME", OPTION_STRING, AT(record_profile),
     .help = "The profile of ~/.aws/credentials to sign with. Default: AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID and "
             "its kin, then the profile of AWS_PROFILE, or default."},
    {"record-region", 0, "REGION", OPTION_STRING, AT(record_region),
     .help = "Region to sign for. Default: that of an AWS URL, else AWS_REGION, else the client's."},
    {"record-cacert", 0, "FILE", OPTION_STRING, AT(record_ca),
     .help = "Verify the endpoint by the CAs of this PEM file alone; default: those of the system."},
    {"replay-speed", 0, "FACTOR", OPTION_STRING, AT(replay_speed), .fallback = "1",
     .help = "How fast recorded answers come: 1 as they were recorded, 2 twice as fast, 0 at once."},
    OPTION_GROUP("Journal and admin API"),
    {"journal", 0, "BYTES", OPTION_BYTES, AT(journal), .fallback = "64M",
     .help = "Room for the journal; 0 switches it off."},
    {"journal-file", 0, "FILE", OPTION_STRING, AT(journal_file),
     .help = "Append every request that has ended to FILE, as the journal shows it, a JSON object on a line; what "
             "--journal has no room for is there, too. - is standard output."},
    {"admin-host", 0, "ADDRESS", OPTION_STRING, AT(admin_host), .fallback = "127.0.0.1",
     .help = "Address of the admin API, which has one of its own because its journal holds prompts. In a container it "
             "needs 0.0.0.0, as --host does, and --admin-token."},
    {"admin-port", 0, "PORT", OPTION_STRING, AT(admin_port), .fallback = "next",
     .help = "Port of the admin API; next is the one after --port, 0 takes any free one, off has none."},
    {"admin-token", 0, "TOKEN", OPTION_STRING, AT(admin_token),
     .help = "The admin API answers only requests with \"Authorization: Bearer TOKEN\". The environment's "
             "MOHS_ADMIN_TOKEN says it too, and is seen by fewer."},
};

static enum err admin_port_of(const char *text, int *out, struct note *note)
{
    static const struct {
        const char *word;
        int port;
    } words[] = {{"next", MOCK_ADMIN_NEXT}, {"off", MOCK_ADMIN_OFF}};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(text, words[i].word) == 0) {
            *out = words[i].port;
            return OK;
        }
    char *end;
    long port = strtol(text, &end, 10);
    if (end == text || *end != '\0' || port < 0 || port > 65535)
        return note_set(note, ERR_INVALID, "--admin-port %s: expected a port from 0 to 65535, next or off", text);
    *out = (int)port;
    return OK;
}

/* Position of a word among "a|b|c"; the option's choices have made sure that it is there. */
static unsigned choice(const char *word, const char *choices)
{
    struct span rest = span_of(choices), one;
    for (unsigned i = 0;; i++) {
        bool more = span_split(rest, '|', &one, &rest);
        if (span_is(one, word) || !more)
            return i;
    }
}

/* The keys with NUL-ended parts: the mock takes strings. */
struct known_keys {
    struct mock_key keys[KEYS_MAX];
    char *owned[3 * KEYS_MAX];
    size_t count, owned_count;
};

static void known_keys_release(struct known_keys *k)
{
    for (size_t i = 0; i < k->owned_count; i++)
        free(k->owned[i]);
}

static enum err take_keys(const struct option_list *list, struct known_keys *out, struct note *note)
{
    if (list->count > KEYS_MAX)
        return note_set(note, ERR_LIMIT, "--key: at most %d", KEYS_MAX);
    for (size_t i = 0; i < list->count; i++) {
        struct credentials c;
        enum err e = credentials_read(list->items[i], &c, note);
        if (e != OK)
            return e;
        char **part = &out->owned[out->owned_count];
        part[0] = span_dup(c.access_key);
        part[1] = span_dup(c.secret);
        part[2] = c.session_token.n > 0 ? span_dup(c.session_token) : NULL;
        out->owned_count += 3;
        if (part[0] == NULL || part[1] == NULL)
            return note_set(note, ERR_NOMEM, "out of memory");
        out->keys[out->count++] = (struct mock_key){part[0], part[1], part[2], NULL};
    }
    return OK;
}

/* AK=ARN: the ARN is looked at when the mock starts. */
static enum err take_principals(const struct option_list *list, struct known_keys *out, struct note *note)
{
    static const struct mock_key usual = {MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, NULL, NULL};
    if (list->count > 0 && out->count == 0)
        out->keys[out->count++] = usual;
    for (size_t i = 0; i < list->count; i++) {
        struct span key, arn;
        bool both = span_split(span_of(list->items[i]), '=', &key, &arn);
        size_t k = 0;
        while (both && k < out->count && !span_is(key, out->keys[k].access_key))
            k++;
        if (!both || k == out->count)
            return note_set(note, ERR_INVALID,
                            "--principal %.100s: expected ACCESS_KEY=ARN, the key being one of --key", list->items[i]);
        out->keys[k].principal = (const char *)arn.p;
    }
    return OK;
}

static enum err configure(const struct mock_options *o, struct known_keys *keys, struct mock_config *config,
                          struct note *note)
{
    static char prefix[] = "mohs mock";
    *config = (struct mock_config){
        .host = o->host,
        .admin_host = o->admin_host,
        .dry_run = o->dry_run,
        .port = (uint16_t)o->port,
        .workers = (unsigned)o->workers,
        .auth = (enum mock_auth)choice(o->auth, "lenient|strict|none|bearer"),
        .validation = (enum mock_validation)choice(o->validation, "strict|lenient|record"),
        .models = strcmp(o->models, "known") == 0 ? MOCK_MODELS_KNOWN : MOCK_MODELS_ANY,
        .region = o->region,
        .bearer_keys = o->bearer_keys.items,
        .bearer_key_count = o->bearer_keys.count,
        .journal_file = o->journal_file,
        .journal_bytes = o->journal == 0 ? MOCK_JOURNAL_OFF : (size_t)o->journal,
        .seed = (uint64_t)o->seed,
        .latency = o->latency,
        .ttft = o->ttft,
        .itl = o->itl,
        .ttft_per_token_us = (unsigned)o->ttft_per_token,
        .load_factor = o->load_factor,
        .load_full = (unsigned)o->load_full,
        .tempo = o->tempo,
        .probe_deltas = (unsigned)o->probe_deltas,
        .max_body = (size_t)o->max_body,
        .guardrails_file = o->guardrails,
        .policy_file = o->policy,
        .skew_s = (unsigned)(o->skew_ns / 1000000000),
        .signed_payload = o->signed_payload,
        .signed_headers = o->signed_headers,
        .long_mismatch = choice(o->mismatch, "short|long") == 1,
        .no_auth_is_token = choice(o->missing_auth, "header|token") == 1,
        .async_duration_ms = o->async_ns < 1000000 ? -1 : o->async_ns / 1000000,
        .no_cache = o->no_cache,
        .no_done = o->no_done,
        .cache_by_id = choice(o->cache_scope, "model|id") == 1,
        .fault_headers = o->fault_headers,
        .fixtures = o->fixtures.items,
        .fixture_count = o->fixtures.count,
        .watch = o->watch,
        .strict = o->strict,
        .admin_token = o->admin_token,
        .session_by = (enum mock_session_by)choice(o->session_by, "header|access-key"),
        .log = serve_log,
        .log_ctx = prefix,
    };
    enum err e = admin_port_of(o->admin_port, &config->admin_port, note);
    if (e == OK)
        e = take_keys(&o->keys, keys, note);
    if (e == OK && (o->skew_ns < 1000000000 || o->skew_ns / 1000000000 > SKEW_MAX_S))
        e = note_set(note, ERR_INVALID, "--skew: expected at least a second and at most a week");
    if (e == OK && o->watch && o->fixtures.count == 0 && !o->record_misses)
        e = note_set(note, ERR_INVALID, "--watch belongs to --fixtures, and there are none");
    if (e == OK && o->journal_file != NULL && o->journal == 0)
        e = note_set(note, ERR_INVALID,
                     "--journal-file writes what the journal holds, and --journal 0 switches that off");
    if (e == OK)
        e = take_principals(&o->principals, keys, note);
    if (e == OK && o->clock_offset != NULL &&
        (e = clock_offset_read(o->clock_offset, &config->clock_offset_ms, note)) != OK)
        note_prefix(note, "--clock-offset");
    config->keys = keys->keys;
    config->key_count = keys->count;
    return e;
}

/* The list with a NULL behind it, as the mock wants it; the caller frees. */
static const char **ended(const struct option_list *list)
{
    const char **copy = calloc(list->count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < list->count; i++)
        copy[i] = list->items[i];
    return copy;
}

/* Files whose text goes to the mock, which judges them. */
struct overlays {
    struct buf models, knowledge;
};

static void overlays_release(struct overlays *f)
{
    buf_release(&f->models);
    buf_release(&f->knowledge);
}

static enum err read_overlays(const struct mock_options *o, struct overlays *f, struct mock_config *config,
                              struct note *note)
{
    enum err e = OK;
    if (strcmp(o->models, "any") != 0 && strcmp(o->models, "known") != 0) {
        e = file_read(o->models, &f->models, note);
        if (e != OK)
            note_prefix(note, "--models: neither any nor known, and not a file that can be read");
        config->models_overlay = buf_text(&f->models);
        config->models_name = o->models;
    }
    if (e == OK && o->knowledge != NULL) {
        e = file_read(o->knowledge, &f->knowledge, note);
        if (e != OK)
            note_prefix(note, "--knowledge");
        config->knowledge_overlay = buf_text(&f->knowledge);
        config->knowledge_name = o->knowledge;
    }
    return e;
}

static bool is_aws(const char *url)
{
    return strstr(url, ".amazonaws.com") != NULL || strstr(url, ".api.aws") != NULL;
}

/* The credentials are looked for only when requests are to go on. */
static enum err read_record(const struct mock_options *o, struct found_credentials *found, struct mock_config *config,
                            struct note *note)
{
    config->replay_speed = o->replay_speed;
    config->record.url = o->record;
    config->record.directory = o->record_to;
    if (o->record == NULL && (o->record_misses || o->record_profile != NULL || o->record_region != NULL ||
                              o->record_ca != NULL))
        return note_set(note, ERR_INVALID,
                        "--record-misses, --record-profile, --record-region and --record-cacert belong to --record "
                        "URL");
    if (o->record == NULL)
        return OK;
    if (o->record_ca != NULL && access(o->record_ca, R_OK) != 0)
        return note_set(note, ERR_IO, "--record-cacert %s cannot be read: %s", o->record_ca, strerror(errno));
    enum err e = credentials_find(o->record_profile, found, note);
    if (e != OK) {
        note_prefix(note, "--record signs with your own credentials");
        return e;
    }
    config->record = (struct mock_record){
        .url = o->record,
        .directory = o->record_to,
        .misses = o->record_misses,
        .access_key = found->access_key,
        .secret = found->secret,
        .session_token = found->session_token,
        .bearer = found->bearer,
        .region = o->record_region != NULL ? o->record_region : is_aws(o->record) ? NULL : found->region,
        .ca_file = o->record_ca};
    return OK;
}

static enum err announce(const struct mock_options *o, const struct identity *identity, const struct mock *mock,
                         struct note *note)
{
    if (o->strict && o->fixtures.count == 0 && !o->record_misses)
        (void)fprintf(stderr, "mohs mock: --strict without --fixtures: a call of a model that POST /script does not "
                              "answer is an error\n");
    const char *scheme = identity_scheme(identity);
    if (identity->ca_file[0] != '\0')
        (void)fprintf(stderr, "mohs mock: the CA to trust is %s\n", identity->ca_file);
    if (mock_admin_port(mock) != 0)
        (void)fprintf(stderr, "mohs mock: listening on %s://%s:%u, admin on http://%s:%u\n", scheme, o->host,
                      mock_port(mock), o->admin_host, mock_admin_port(mock));
    else
        (void)fprintf(stderr, "mohs mock: listening on %s://%s:%u, no admin API\n", scheme, o->host, mock_port(mock));
    return serve_ready(o->ready_fd, mock_port(mock), mock_admin_port(mock), note);
}

static void report_dry_run(const struct mock *mock)
{
    struct mock_fixtures f = mock_fixtures(mock);
    (void)printf("%zu fixture%s of %zu file%s %s good, %zu warning%s\n", f.fixtures,
                 f.fixtures == 1 ? "" : "s", f.files, f.files == 1 ? "" : "s",
                 f.fixtures == 1 ? "is" : "are", f.doubts, f.doubts == 1 ? "" : "s");
}

static int run(const void *settings, const struct option_list *operands)
{
    (void)operands;
    const struct mock_options *o = settings;
    struct note note = {""};
    struct mock_config config;
    CLEANUP(known_keys_release) struct known_keys keys = {.count = 0};
    struct identity_options tls = o->tls;
    tls.dry_run = o->dry_run;
    CLEANUP(identity_release) struct identity identity = {.tls = NULL};
    CLEANUP(free_ptr) const char **on = ended(&o->rules_on);
    CLEANUP(free_ptr) const char **off = ended(&o->rules_off);
    CLEANUP(free_ptr) const char **faults = ended(&o->faults);
    struct mock *mock = NULL;
    CLEANUP(buf_release) struct buf quotas = BUF_INIT(QUOTA_FILE_MAX);
    enum err e = configure(o, &keys, &config, &note);
    if (e == OK && o->quota != NULL && (e = file_read(o->quota, &quotas, &note)) == OK)
        config.quotas = buf_text(&quotas);
    config.rules_on = on;
    config.rules_off = off;
    config.faults = faults;
    CLEANUP(overlays_release) struct overlays overlays = {BUF_INIT(OVERLAY_MAX), BUF_INIT(OVERLAY_MAX)};
    if (e == OK)
        e = read_overlays(o, &overlays, &config, &note);
    CLEANUP(found_credentials_release) struct found_credentials found = {.region = NULL};
    if (e == OK)
        e = read_record(o, &found, &config, &note);
    if (e == OK)
        e = identity_open(&tls, o->host, &identity, &note);
    config.tls = identity.tls;
    if (e == OK)
        e = interrupt_install(&note);
    if (e == OK)
        e = mock_start(&config, &mock, &note);
    if (e == OK && o->dry_run)
        report_dry_run(mock);
    else if (e == OK)
        e = announce(o, &identity, mock, &note);
    if (e == OK && !o->dry_run)
        serve_until_told(o->parent_watch);
    bool whole = mock_stop(mock);
    serve_log_end();
    if (e != OK)
        (void)fprintf(stderr, "mohs mock: %s\n", note.text);
    return e == OK && whole ? EXIT_HELD : EXIT_USAGE;
}

const struct verb verb_mock = {
    .name = "mock",
    .summary = "serve a mock Amazon Bedrock",
    .about =
        "A Bedrock on this machine. It serves Converse, InvokeModel, both as streams, too, streams both ways and\n"
        "asynchronous calls, CountTokens, guardrails, knowledge bases, the control plane, STS and the endpoints "
        "that are\ncompatible with OpenAI and Anthropic. Shapes, validation and error texts are the service's own, "
        "signatures are\n"
        "verified, and an admin API says what it answers and how it misbehaves (docs/mock-admin.md).\n\n"
        "It runs until it is interrupted. Without a script it answers by itself, always the same for the same request.",
    .examples =
        "mohs mock\tBedrock on port 9555, the admin API on 9556.\n"
        "mohs mock --auth strict --ttft 200 --itl 20\tOnly signed requests, at the pace of a real model.\n"
        "mohs mock --ttft lognormal:p50=300,p99=2000 --itl normal:20,5 --fault ThrottlingException@2%\tA bad day.\n"
        "mohs mock --tls-self-signed --tls-ca-out ca.pem\tOver https, for clients that trust ca.pem.\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct mock_options),
    .run = run,
};
