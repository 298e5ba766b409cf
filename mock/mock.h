/* mock.h: a Bedrock on a port of 127.0.0.1 that every AWS SDK believes, and its admin API on another
 * (docs/mock-admin.md).
 *
 * It judges every signature, validates every request against the API model and the rules Bedrock adds to it, answers as
 * the real service does byte for byte (compact JSON, sorted keys, event-stream frames with their `p` padding), and
 * keeps a journal of what came in and what went out. What it answers is scripted over the admin API; without a script
 * it makes a pleasant answer of its own from the request and the seed.
 *
 * A zeroed struct mock_config is a working one. All strings are borrowed and must live until mock_start returns.
 */
#ifndef MOHS_MOCK_H
#define MOHS_MOCK_H

#include "protocol/base.h"
#include "protocol/buf.h"

/* Who may ask. A signature is judged, and the verdict put into the journal, in every mode. */
enum mock_auth {
    MOCK_AUTH_LENIENT, /* known keys must verify; an unknown access key id or bearer key is let in, and the journal says
                          so */
    MOCK_AUTH_STRICT,  /* only known keys that verify */
    MOCK_AUTH_NONE,    /* nobody is refused */
    MOCK_AUTH_BEARER   /* only bearer keys: known ones, and short-term ones made from a known key */
};

enum mock_validation {
    MOCK_VALIDATION_STRICT,  /* refuse what a strict Bedrock refuses */
    MOCK_VALIDATION_LENIENT, /* refuse only what breaks the API model; semantic rules go to the journal */
    MOCK_VALIDATION_RECORD   /* refuse nothing that is said to a model, nor any semantic rule: the journal says what a
                                strict Bedrock would have said */
};

enum mock_models {
    MOCK_MODELS_ANY,  /* any id of a known provider, any ARN */
    MOCK_MODELS_KNOWN /* only those of the catalogue, and their profiles from the Regions that have them */
};

enum mock_session_by {
    MOCK_SESSION_HEADER,    /* x-mohs-session says whose test a request is */
    MOCK_SESSION_ACCESS_KEY /* so it does; without one, the access key id */
};

struct mock_key {
    const char *access_key;
    const char *secret;
    const char *session_token; /* NULL: none */
    const char *principal;     /* ARN of whose it is; NULL: the IAM user of its access key id */
};

#define MOCK_DEFAULT_ACCESS_KEY "AKIAIOSFODNN7EXAMPLE"
#define MOCK_DEFAULT_SECRET     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

#define MOCK_ADMIN_NEXT    (-1) /* admin_port: the Bedrock port + 1 */
#define MOCK_ADMIN_OFF     (-2) /* admin_port: no admin API */
#define MOCK_JOURNAL_OFF   SIZE_MAX
#define MOCK_JOURNAL_BYTES ((size_t)64 << 20)

struct tls;

/* Where requests go on to, and what for (mock/record/record.h). */
struct mock_record {
    const char *url;       /* NULL: nothing leaves this machine */
    const char *directory; /* what is answered is kept there */
    bool misses;           /* only what no fixture answers; those of `directory` are among them */
    const char *access_key, *secret, *session_token, *bearer; /* of the user; bearer, when there is one, else the key */
    const char *region;                                       /* to sign for; NULL: that of the URL, else the client's */
    const char *ca_file;                                      /* verify the endpoint by these CAs alone; NULL: the system's */
};

struct mock_config {
    const char *host; /* NULL: 127.0.0.1 */
    const char *admin_host; /* of the admin API; NULL: 127.0.0.1, whatever host is, as its journal holds prompts */
    uint16_t port;    /* 0: any free one */
    int admin_port;   /* 0: any free one; or MOCK_ADMIN_NEXT, MOCK_ADMIN_OFF */
    unsigned workers; /* 0: 1 */
    enum mock_auth auth;
    enum mock_validation validation;
    enum mock_models models;
    const char *models_overlay; /* JSON laid over the catalogue (docs/models.md); NULL: none */
    const char *knowledge_overlay; /* JSON laid over the knowledge bases (docs/knowledge.md); NULL: none */
    const char *knowledge_name;
    const char *models_name;    /* what messages call it: the file's name */
    const struct mock_key *keys; /* SigV4 keys it knows; none: MOCK_DEFAULT_ACCESS_KEY with MOCK_DEFAULT_SECRET */
    size_t key_count;
    const char *const *bearer_keys; /* long-term API keys it knows: KEY, or KEY@2026-01-02T03:04:05Z with its expiry */
    size_t bearer_key_count;
    const char *policy_file; /* who may do what (mock/identity/policy.h); NULL: everybody everything */
    /* What is not known of the real service, or differs from place to place. */
    unsigned skew_s;       /* how far a signature's time may be off, either way; 0: 300 */
    bool signed_payload;   /* refuse UNSIGNED-PAYLOAD */
    bool signed_headers;   /* refuse an x-amz-* header that is not signed; otherwise the journal tells of it */
    bool long_mismatch;    /* a wrong signature is told with the canonical request and the string to sign */
    bool no_auth_is_token; /* a request without credentials lacks an authentication token, not a header */
    int64_t clock_offset_ms; /* how far its clock is off the machine's (mock/time/clock.h) */
    const char *region;   /* the only region whose signatures hold; NULL: any */
    size_t journal_bytes; /* 0: MOCK_JOURNAL_BYTES; MOCK_JOURNAL_OFF: no journal */
    const char *journal_file; /* every request that has ended goes there, too (journal_file.h); "-": standard output; NULL: none */
    uint64_t seed;        /* of ids, paddings and the default answers */
    unsigned latency_ms, ttft_ms,
        itl_ms;               /* before the head; before the first delta; between deltas; scripts override */
    const char *latency, *ttft, *itl; /* the same as laws (mock/time/time.h); NULL: the milliseconds above */
    unsigned ttft_per_token_us;       /* added to the wait before the first delta for each token of input */
    const char *load_factor;          /* "3": how much slower it is with load_full requests at once; NULL: not */
    unsigned load_full;               /* 0: 100 */
    const char *tempo;                /* factors over the time of the run, or the file of them; NULL: none */
    const char *const *faults; /* for every reply, "cut-fin:at_event=3@5%" (mock/fault/fault.h); NULL-ended or NULL */
    bool fault_headers;        /* read x-mohs-fault of requests */
    unsigned probe_deltas;    /* deltas of a stream that answers a probe (protocol/probe.h); 0: by maxTokens, else 16 */
    size_t max_body;          /* bytes; 0: 32 MiB */
    unsigned idle_timeout_ms; /* 0: the server's own */
    const char *const *fixtures; /* files and directories (docs/fixtures.md) */
    size_t fixture_count;
    bool watch;  /* load them again when they change */
    bool strict; /* what neither script nor fixture answers is an error */
    enum mock_session_by session_by;
    const char *guardrails_file; /* laid over the built-in guardrails (mock/guardrail/guardrail.h); NULL: none */
    struct mock_record record;
    const char *replay_speed;    /* of recorded fixtures: "1" as recorded, "2" twice as fast, "0" at once; NULL: "1" */
    const char *admin_token;     /* who asks the admin API must bear it; NULL: nobody need */
    struct tls *tls;          /* of the Bedrock port, until mock_stop() (net/tls.h); NULL: cleartext */
    const char *const *rules_on,
        *const *rules_off; /* ids of semantic rules (mock_rules_list) to switch; NULL-ended or NULL */
    const char *quotas;       /* JSON as POST /quotas takes it; NULL: none */
    bool dry_run;             /* read and check all that is given, and listen nowhere */
    bool no_done;             /* streams of Chat Completions end without [DONE] */
    int64_t async_duration_ms; /* how long asynchronous invocations take; 0: 10 s; negative: no time */
    bool no_cache;            /* prompts are not cached: points are taken and mean nothing */
    bool cache_by_id;         /* a model and its profiles have a prompt cache each, not one together */
    /* One line per refused request, with the diagnosis, and what the servers say; any thread. NULL: nowhere. */
    void (*log)(void *ctx, const char *line);
    void *log_ctx;
};

struct mock;

/* Both servers are listening when it returns OK. ERR_IO: a port could not be bound; ERR_UNKNOWN: a rule nobody knows.
 */
enum err mock_start(const struct mock_config *config, struct mock **out, struct note *note) MUST_USE;
/* Ends every exchange, frees; NULL is fine. False: requests are missing in journal_file, as the log says. */
bool mock_stop(struct mock *mock);
uint16_t mock_port(const struct mock *mock);
uint16_t mock_admin_port(const struct mock *mock); /* 0: off */
/* What it read from fixtures: how many, in how many files, and how many doubts were logged (mock/script/doubt.h). */
struct mock_fixtures {
    size_t fixtures, files, doubts;
};
struct mock_fixtures mock_fixtures(const struct mock *mock);

/* The tables, for `mohs list` and the manual. */
struct plan;
struct cJSON;
struct fault_scene;
struct visit;
struct finding;

/* A fault has two names that are taken wherever one is given: what people write, and what a report quotes. Neither
 * changes its meaning, and a code is never used again. */
struct mock_fault_row {
    const char *code;       /* "HTTP-01"; EVS frames, ORD their order, HTTP, TIM waits, ERR errors, EXC in streams */
    const char *id;         /* "cut-fin" */
    const char *does;       /* one sentence */
    const char *parameters; /* "at_event, at_byte"; "" for none */
    const char *http2;      /* what it does there; NULL: the same */
    /* The rest is for fault*.c. */
    struct plan *(*apply)(struct plan *take, const struct cJSON *fault, const struct fault_scene *scene);
    const char *word; /* what tells rows of one function apart */
    int64_t number;
};
size_t mock_faults_list(const struct mock_fault_row **out);
struct mock_rule_row {
    const char *id;
    const char *does;
    bool on; /* unless switched */
    /* The rest is for rules.c. */
    const char *text; /* id in errors.json */
    bool (*broken)(const struct visit *v, struct finding *f);
    unsigned needs; /* enum holds: at least one of these must be there for the rule to be broken; 0: look always */
};
size_t mock_rules_list(const struct mock_rule_row **out);

#endif
