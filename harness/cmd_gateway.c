/* cmd_gateway.c: `mohs gateway`: serve the reference gateway until told to stop. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/gateway.h"
#include "harness/credentials.h"
#include "harness/interrupt.h"
#include "harness/option.h"
#include "harness/serve.h"
#include "harness/verbs.h"
#include "reports/exit.h"

enum { MODELS_MAX = 256 };

/* The example key of AWS's documentation, which `mohs mock` knows by default. */
#define DEFAULT_KEY "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

struct gateway_options {
    const char *upstream, *host, *region, *control_port, *key, *bearer, *client_key;
    int64_t port, workers, retries, timeout_ms, ready_fd;
    struct option_list models;
    bool parent_watch, unverified;
};

#define AT(member) offsetof(struct gateway_options, member)

static const struct option_row rows[] = {
    {"upstream", 'u', "URL", OPTION_STRING, AT(upstream), .fallback = "http://127.0.0.1:9555",
     .help = "The Bedrock to call; a path in it is put before Bedrock's own."},
    {"port", 'p', "PORT", OPTION_INT, AT(port), .fallback = "4000", .max = 65535,
     .help = "Port to serve on; 0 takes any free one."},
    {"host", 0, "ADDRESS", OPTION_STRING, AT(host), .fallback = "127.0.0.1", .help = "Address to listen on."},
    {"control-port", 0, "PORT", OPTION_STRING, AT(control_port), .fallback = "off",
     .help = "Port of the control API, by which mutations are put in; 0 takes any free one, off has none."},
    {"workers", 0, "N", OPTION_INT, AT(workers), .fallback = "1", .min = 1, .max = 256,
     .help = "Threads that serve, each with its own connections."},
    {"region", 0, "REGION", OPTION_STRING, AT(region),
     .help = "Region to sign for; AWS_REGION, else us-east-1, when not given."},
    {"key", 0, "AK:SECRET[:TOKEN]", OPTION_STRING, AT(key),
     .help =
         "Key to sign with; AWS_ACCESS_KEY_ID and its kin, else the example key that mohs mock knows, when not given."},
    {"bearer-key", 0, "KEY", OPTION_STRING, AT(bearer), .help = "A Bedrock API key to send instead of a signature."},
    {"client-key", 0, "KEY", OPTION_STRING, AT(client_key),
     .help = "What clients must show, as Authorization: Bearer KEY or x-api-key; others get 401. Anybody is served "
             "when not given."},
    {"model", 0, "NAME=ID[@REGION]", OPTION_LIST, AT(models),
     .help = "A name for a model id, and the region to call for it; may be repeated. Other names go upstream as they "
             "are."},
    {"unverified-prices", 0, NULL, OPTION_FLAG, AT(unverified),
     .help = "Charge also prices that only one public source has; without it such a call is told as of unknown cost."},
    {"retries", 0, "N", OPTION_INT, AT(retries), .fallback = "2", .max = 10,
     .help =
         "Further attempts after 429, 500, 502, 503, 504 or no connection, as long as nothing was sent to the client."},
    {"timeout", 0, "MS", OPTION_MS, AT(timeout_ms), .fallback = "60s", .min = 1, .max = INT_MAX,
     .help = "How long upstream may be silent before it is given up with 504."},
    {"ready-fd", 0, "FD", OPTION_INT, AT(ready_fd), .fallback = "-1", .min = -1, .max = INT_MAX,
     .help = "Write \"PORT CONTROLPORT\" there once it listens (0: no control API); for programs that start this one."},
    {"parent-watch", 0, NULL, OPTION_FLAG, AT(parent_watch), .help = "Stop when standard input ends."},
};

/* What the strings of the configuration are kept in: the gateway borrows them. */
struct kept {
    char *key[3];
    struct gateway_model models[MODELS_MAX];
    char *names[MODELS_MAX], *ids[MODELS_MAX];
    size_t count;
};

static void kept_release(struct kept *k)
{
    for (size_t i = 0; i < COUNT_OF(k->key); i++)
        free(k->key[i]);
    for (size_t i = 0; i < k->count; i++) {
        free(k->names[i]);
        free(k->ids[i]);
    }
}

static enum err control_port_of(const char *text, int *out, struct note *note)
{
    *out = GATEWAY_CONTROL_OFF;
    if (strcmp(text, "off") == 0)
        return OK;
    char *end;
    long port = strtol(text, &end, 10);
    if (end == text || *end != '\0' || port < 0 || port > 65535)
        return note_set(note, ERR_INVALID, "--control-port %s: expected a port from 0 to 65535, or off", text);
    *out = (int)port;
    return OK;
}

static enum err take_key(const char *text, struct kept *kept, struct note *note)
{
    struct credentials c;
    if (text == NULL && getenv("AWS_ACCESS_KEY_ID") == NULL)
        text = DEFAULT_KEY;
    enum err e = credentials_read(text, &c, note);
    if (e != OK)
        return e;
    kept->key[0] = span_dup(c.access_key);
    kept->key[1] = span_dup(c.secret);
    kept->key[2] = c.session_token.n > 0 ? span_dup(c.session_token) : NULL;
    return kept->key[0] != NULL && kept->key[1] != NULL ? OK : note_set(note, ERR_NOMEM, "out of memory");
}

static enum err take_models(const struct option_list *list, struct kept *kept, struct note *note)
{
    for (size_t i = 0; i < list->count; i++) {
        struct span name, rest, id, region;
        bool two = span_split(span_of(list->items[i]), '=', &name, &rest);
        bool three = span_split(rest, '@', &id, &region);
        if (!two || name.n == 0 || id.n == 0 || (three && region.n == 0))
            return note_set(note, ERR_INVALID, "--model %s: expected NAME=ID or NAME=ID@REGION", list->items[i]);
        if (kept->count == MODELS_MAX)
            return note_set(note, ERR_LIMIT, "--model: at most %d", MODELS_MAX);
        char *copy = span_dup(name), *of = span_dup(id);
        kept->names[kept->count] = copy;
        kept->ids[kept->count] = of;
        kept->models[kept->count++] = (struct gateway_model){copy, of, three ? (const char *)region.p : NULL};
        if (copy == NULL || of == NULL)
            return note_set(note, ERR_NOMEM, "out of memory");
    }
    return OK;
}

static enum err configure(const struct gateway_options *o, struct kept *kept, struct gateway_config *config,
                          struct note *note)
{
    static char prefix[] = "mohs gateway";
    enum err e = take_key(o->key, kept, note);
    if (e == OK)
        e = take_models(&o->models, kept, note);
    *config = (struct gateway_config){
        .upstream = o->upstream,
        .host = o->host,
        .port = (uint16_t)o->port,
        .workers = (unsigned)o->workers,
        .region = o->region != NULL ? o->region : getenv("AWS_REGION"),
        .access_key = kept->key[0],
        .secret = kept->key[1],
        .session_token = kept->key[2],
        .bearer = o->bearer,
        .client_key = o->client_key,
        .models = kept->models,
        .model_count = kept->count,
        .unverified_prices = o->unverified,
        .retries = (unsigned)o->retries,
        .idle_timeout_ms = (unsigned)o->timeout_ms,
        .log = serve_log,
        .log_ctx = prefix,
    };
    return e == OK ? control_port_of(o->control_port, &config->control_port, note) : e;
}

static enum err announce(const struct gateway_options *o, const struct gateway *g, struct note *note)
{
    (void)fprintf(stderr, "mohs gateway: listening on http://%s:%u\n", o->host, gateway_port(g));
    if (gateway_control_port(g) != 0)
        (void)fprintf(stderr, "mohs gateway: control API on http://%s:%u\n", o->host, gateway_control_port(g));
    return serve_ready(o->ready_fd, gateway_port(g), gateway_control_port(g), note);
}

static int run(const void *settings, const struct option_list *operands)
{
    (void)operands;
    const struct gateway_options *o = settings;
    struct note note = {""};
    struct gateway_config config;
    CLEANUP(kept_release) struct kept kept = {.count = 0};
    struct gateway *gateway = NULL;
    enum err e = configure(o, &kept, &config, &note);
    if (e == OK)
        e = interrupt_install(&note);
    if (e == OK)
        e = gateway_start(&config, &gateway, &note);
    if (e == OK)
        e = announce(o, gateway, &note);
    if (e == OK)
        serve_until_told(o->parent_watch);
    gateway_stop(gateway);
    serve_log_end();
    if (e != OK)
        (void)fprintf(stderr, "mohs gateway: %s\n", note.text);
    return e == OK ? EXIT_HELD : EXIT_USAGE;
}

const struct verb verb_gateway = {
    .name = "gateway",
    .summary = "serve the reference gateway",
    .about = "An OpenAI chat endpoint in front of a Bedrock: POST /v1/chat/completions, GET /v1/models, and the native "
             "routes\n"
             "POST /model/{id}/converse and /converse-stream, signed anew. It is the gateway that the suite is proven "
             "on.\n\n"
             "It runs until it is interrupted. With --control-port, POST /mutate there makes it misbehave on purpose, "
             "until POST /reset:\n\n"
             "curl -d '{\"mutations\":[{\"on\":\"client.raw\",\"value\":\"x\"}]}' 127.0.0.1:4001/mutate\n\n"
             "suites/README.md#mutations lists them all; the mutations in every case of suites/cases/ are examples.",
    .examples = "mohs gateway\tIn front of mohs mock on its usual port, on port 4000.\n"
                "mohs gateway --client-key sk-test --model fast=anthropic.claude-3-haiku-20240307-v1:0\tWith a key and "
                "a name of your own.\n"
                "mohs gateway --control-port 4001\tIt can be made to misbehave, by POST /mutate on port 4001.\n",
    .options = rows,
    .option_count = COUNT_OF(rows),
    .size = sizeof(struct gateway_options),
    .run = run,
};
