/* sigv4.h: AWS Signature Version 4, both sides: signing, verifying, and saying why a signature is wrong.
 *
 * The rules are those of the IAM User Guide, "Signature Version 4 for API requests" (create a canonical request, create
 * a string to sign, calculate the signature), with what Amazon Bedrock and the AWS SDKs do on top of it:
 *   - the canonical path is the path on the wire, percent-encoded once more (%3A becomes %253A), never decoded first;
 *   - over HTTP/2 the AWS SDK for JavaScript signs ":authority" where HTTP/1.1 signs "host"; both name the same value;
 *   - a SignedHeaders list is taken as the client wrote it; `host` or `:authority` must be in it.
 *
 * A `struct sigv4` holds what signing needs and no request does: the fetched SHA-256, scratch memory, and a cache of
 * signing keys by (secret, date, region, service). It belongs to ONE thread at a time: give each worker its own. It
 * holds key material, which sigv4_free wipes. Spans handed back are borrowed from the request or from the struct sigv4,
 * and live until the next call with it.
 *
 * Every loop over wire data has a ceiling below; a request above one is refused, never cut.
 */
#ifndef MOHS_SIGV4_H
#define MOHS_SIGV4_H

#include "protocol/base.h"
#include "protocol/buf.h"

#define SIGV4_CANONICAL_MAX         ((size_t)256 * 1024) /* a canonical request; servers take 64 KiB of headers */
#define SIGV4_HEADERS_MAX           256                  /* header fields of a request */
#define SIGV4_SIGNED_MAX            128                  /* names in SignedHeaders; SDKs sign about ten */
#define SIGV4_QUERY_MAX             256                  /* query parameters */
#define SIGV4_DEPTH_MAX             256                  /* path segments, when the path is normalised */
#define SIGV4_WINDOW_S              300                  /* how far a clock may be off, either way */
#define SIGV4_EXPIRES_MAX_S         604800               /* X-Amz-Expires: seven days */
#define SIGV4_API_KEY_EXPIRES_MAX_S 43200 /* a short-term Bedrock API key lives for twelve hours at most */
#define SIGV4_HEX                   65    /* a SHA-256 in hex, with its NUL */
#define SIGV4_DATE                  17    /* YYYYMMDDTHHMMSSZ, with its NUL */

#define SIGV4_UNSIGNED         "UNSIGNED-PAYLOAD"
#define SIGV4_STREAMING_EVENTS "STREAMING-AWS4-HMAC-SHA256-EVENTS"

struct sigv4;
struct sigv4 *sigv4_new(void); /* NULL: out of memory, or no SHA-256 in this OpenSSL */
void sigv4_free(struct sigv4 *s);
void sigv4_free_ptr(struct sigv4 **s); /* for CLEANUP(sigv4_free_ptr) struct sigv4 *s = sigv4_new(); */
/* How often a signing key was found ready, and how often it had to be derived (four HMACs). */
void sigv4_cache_counts(const struct sigv4 *s, uint64_t *found, uint64_t *derived);

/* SHA-256 in lower-case hex: the one hash of this program, so that others need no OpenSSL. */
void sigv4_sha256_hex(struct sigv4 *s, struct span bytes, char hex[SIGV4_HEX]);

/* ---- Time: seconds since 1970 and ISO 8601 basic form, Gregorian, UTC, years 0000 to 9999. ---- */
void sigv4_date_format(int64_t at_s, char out[SIGV4_DATE]); /* out of range: clamped */
/* YYYYMMDDTHHMMSSZ and nothing else; a 31st of February is ERR_INVALID. */
enum err sigv4_date_parse(struct span text, int64_t *at_s) MUST_USE;

/* ---- The three stages ---- */

struct sigv4_header {
    struct span name;  /* any case */
    struct span value; /* as on the wire; a folded value holds its "\n" */
};

/* A request as it is on the wire. The path ends before "?", the query begins after it; neither is decoded. */
struct sigv4_request {
    struct span method;
    struct span path;
    struct span query;
    const struct sigv4_header *headers;
    size_t header_count;
    struct span body;
};

enum sigv4_path_form {
    SIGV4_PATH_TWICE = 0, /* the wire path encoded once more: every service but S3 */
    SIGV4_PATH_ONCE,      /* as it is on the wire: S3 */
    SIGV4_PATH_THRICE,    /* nobody's: for the diagnosis and for mutations */
    SIGV4_PATH_DECODED    /* nobody's: the path a web framework hands to its handlers */
};

/* What clients get wrong in a canonical request. For the diagnosis, and for gateways that are to sign wrongly on
 * purpose. */
enum sigv4_quirk {
    SIGV4_QUERY_UNSORTED = 1,
    SIGV4_QUERY_RAW = 2,        /* not decoded and encoded again */
    SIGV4_QUERY_PLUS = 4,       /* "+" read as a space */
    SIGV4_HEADERS_UNSORTED = 8, /* header lines in the order of the wire */
    SIGV4_HEADERS_INNER = 16,   /* runs of spaces kept */
    SIGV4_HEADERS_RAW = 32,     /* white space kept at both ends too */
    SIGV4_LINES_CRLF = 64,
    SIGV4_LINE_END = 128, /* "\n" after the last line */
    SIGV4_SPACE_END = 256 /* " " after the last line */
};

struct sigv4_inputs {
    struct span method; /* as sent; the case counts */
    struct span path;
    struct span query;
    struct span skip[2]; /* decoded names of query parameters left out: X-Amz-Signature, a later Version */
    const struct sigv4_header *headers;
    size_t header_count;
    const struct span *names; /* the signed header names, in the order of the list */
    size_t name_count;
    struct span payload_hash; /* 64 hex digits, or a literal such as UNSIGNED-PAYLOAD */
    bool keep_dots;           /* do not remove "." and ".." and empty segments from the path */
    enum sigv4_path_form path_form;
    unsigned quirks; /* enum sigv4_quirk; 0 */
};

struct sigv4_scope {
    struct span date; /* YYYYMMDD */
    struct span region;
    struct span service;
};

/* Stage 1. Appends to *out. A signed name that no header bears gets no line. ERR_LIMIT above a ceiling. */
enum err sigv4_canonical_request(const struct sigv4_inputs *in, struct buf *out, struct note *note) MUST_USE;
/* Stage 2. `date` is YYYYMMDDTHHMMSSZ. */
void sigv4_string_to_sign(struct sigv4 *s, struct span date, const struct sigv4_scope *scope, struct span canonical,
                          struct buf *out);
/* Stage 3. ERR_NOMEM when OpenSSL fails. */
enum err sigv4_signature(struct sigv4 *s, struct span secret, const struct sigv4_scope *scope,
                         struct span string_to_sign, char hex[SIGV4_HEX]) MUST_USE;
/* The derived key of stage 3, 32 bytes, through the cache. */
enum err sigv4_signing_key(struct sigv4 *s, struct span secret, const struct sigv4_scope *scope,
                           unsigned char key[32]) MUST_USE;
/* Equal, in a time that depends on the lengths only. */
bool sigv4_equal(struct span a, struct span b);

/* ---- Signing ---- */

struct sigv4_signing {
    struct span access_key;
    struct span secret;
    struct span session_token; /* empty: long-term credentials */
    struct span region;
    struct span service;
    int64_t at_s;            /* used when the request carries no X-Amz-Date yet */
    int64_t expires_s;       /* above 0: query authentication ("presigned"), good for so long */
    bool add_content_sha256; /* add and sign x-amz-content-sha256 unless it is there */
    bool token_unsigned;     /* send the token, but do not sign it */
    bool payload_unsigned;   /* UNSIGNED-PAYLOAD stands for the hash */
    bool payload_empty;      /* the hash of no bytes, whatever the body: what some clients do for streams */
    bool keep_dots;
    enum sigv4_path_form path_form;
    unsigned quirks;
    const char *const *leave; /* NULL-ended lower-case names not to be signed, besides those no SDK signs; or NULL */
};

#define SIGV4_ADDED_MAX 4

/* Everything a signature brought forth. The caller owns it: sigv4_signed_release. */
struct sigv4_signed {
    struct buf canonical;
    struct buf string_to_sign;
    struct buf signed_headers; /* "host;x-amz-date" */
    struct buf authorization;  /* empty when presigned */
    struct buf query;          /* the query to send: as given, or with the X-Amz- parameters */
    struct buf token;
    char payload_hash[SIGV4_HEX];
    char date[SIGV4_DATE];
    char signature[SIGV4_HEX];
    struct sigv4_header added[SIGV4_ADDED_MAX]; /* header fields to send besides those given; spans into this struct */
    size_t added_count;
};

void sigv4_signed_init(struct sigv4_signed *r);
void sigv4_signed_release(struct sigv4_signed *r);
/* Signs every header but those that hops change (user-agent, connection, ...). The spans of `r->added` point into *out,
 * which must not be moved. ERR_INVALID: the X-Amz-Date given is none. ERR_LIMIT: a ceiling. */
enum err sigv4_sign(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_signing *how,
                    struct sigv4_signed *out, struct note *note) MUST_USE;

/* ---- Verifying ---- */

/* In the order in which they are looked for. */
enum sigv4_reason {
    SIGV4_OK = 0,
    SIGV4_MISSING_AUTH, /* no Authorization, nor X-Amz- parameters */
    SIGV4_INCOMPLETE,   /* a parameter missing, doubled or malformed; header and query authentication both */
    SIGV4_ALGORITHM,    /* AWS4-, but not AWS4-HMAC-SHA256 */
    SIGV4_BEARER,       /* a bearer token that is not good; `inner` says what is wrong with a short-term key */
    SIGV4_NO_DATE,
    SIGV4_BAD_DATE,      /* not ISO 8601 basic form, or two different ones */
    SIGV4_DATE_SCOPE,    /* the scope's date is not the request's */
    SIGV4_EXPIRES_PARAM, /* X-Amz-Expires is not a number from 1 to 604800 */
    SIGV4_HOST_NOT_SIGNED,
    SIGV4_TERMINATOR, /* the scope does not end in aws4_request */
    SIGV4_REGION,
    SIGV4_SERVICE,
    SIGV4_EXPIRED,
    SIGV4_NOT_YET,
    SIGV4_UNKNOWN_KEY, /* everything that needs no secret is right; the caller may choose to believe the rest */
    SIGV4_TOKEN,       /* the session token is absent, another, or too many */
    SIGV4_SIGNATURE,
    SIGV4_BODY_HASH, /* signature right, x-amz-content-sha256 is not the body's */
    SIGV4_TOKEN_EXPIRED,
    SIGV4_REASONS
};
const char *sigv4_reason_name(enum sigv4_reason reason); /* "body-hash"; "?" for strangers */

/* What the server knows of an access key. */
struct sigv4_known {
    struct span secret;
    struct span session_token; /* empty: a long-term key, which takes none */
    bool any_token;            /* take whatever token comes, or none */
    bool token_expired;
};

struct sigv4_policy {
    int64_t now_s;               /* the server's clock */
    unsigned window_s;           /* 0: SIGV4_WINDOW_S */
    const char *region;          /* NULL: any but the empty one */
    const char *const *services; /* NULL-ended, the first is named in refusals; NULL: any but the empty one */
    bool keep_dots;
    bool signed_payload; /* refuse UNSIGNED-PAYLOAD, as a body that is not the one that was hashed */
    enum sigv4_path_form path_form;
    /* False: nobody knows that key. The spans must live as long as the call of sigv4_verify. */
    bool (*lookup)(void *ctx, struct span access_key, struct sigv4_known *known);
    /* True: take this bearer token as it is. NULL, or false: only short-term keys that verify are taken. */
    bool (*bearer)(void *ctx, struct span token);
    void *ctx;
};

enum sigv4_form { SIGV4_FORM_NONE, SIGV4_FORM_HEADER, SIGV4_FORM_QUERY, SIGV4_FORM_BEARER };

enum sigv4_missing {
    SIGV4_NO_CREDENTIAL = 1,
    SIGV4_NO_SIGNATURE = 2,
    SIGV4_NO_SIGNED_HEADERS = 4,
    SIGV4_NO_EXPIRES = 8,
    SIGV4_NO_ALGORITHM = 16
};

enum sigv4_malformed {
    SIGV4_FORM_FINE,
    SIGV4_NOT_A_PAIR,     /* a piece of the Authorization value without "=" */
    SIGV4_BAD_CREDENTIAL, /* not five parts */
    SIGV4_DOUBLED,        /* a parameter, a header or a way of authenticating twice */
    SIGV4_TOO_MANY        /* names in SignedHeaders */
};

struct sigv4_verdict {
    enum sigv4_reason reason;
    enum sigv4_reason inner; /* SIGV4_BEARER: the reason found inside a short-term key; OK for another fault */
    enum sigv4_form form;
    /* As the client wrote them; empty when not reached. */
    struct span access_key, scope_date, region, service, terminator;
    struct span signed_headers, signature;
    struct span token;  /* session token sent */
    struct span bearer; /* the token after "Bearer " */
    struct span date_sent;
    struct span names[SIGV4_SIGNED_MAX]; /* signed_headers, split */
    size_t name_count;
    char date[SIGV4_DATE]; /* "" until known */
    int64_t signed_at_s;
    int64_t expires_s; /* presigned: X-Amz-Expires, else 0 */
    int64_t now_s;
    unsigned window_s;
    unsigned missing;                      /* enum sigv4_missing */
    enum sigv4_malformed malformed;        /* incomplete, with nothing missing: what is wrong, at `detail` */
    struct span detail;                    /* the piece that is wrong: a pair without "=", a credential, an algorithm */
    const char *want_service;              /* the policy's first */
    bool token_signed;                     /* false: a token was sent, but not signed */
    bool names_sorted;                     /* SignedHeaders in ascending order, as the rules want */
    struct span canonical, string_to_sign; /* the server's; empty when the key is unknown */
};

/* Judge a request. OK: *verdict is filled, whatever the reason. ERR_LIMIT: above a ceiling, with the reason set to
 * incomplete. ERR_NOMEM: not judged, and the reason is then never SIGV4_OK. */
enum err sigv4_verify(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_policy *policy,
                      struct sigv4_verdict *verdict, struct note *note) MUST_USE;

/* How Bedrock words a refusal. Texts seen on bedrock-runtime in public issue reports are used as they were seen; those
 * of body-hash, algorithm, terminator, not-yet and expires-param are inferred from other AWS services. */
struct sigv4_refusal {
    const char *id;       /* "signature-expired", ... */
    int status;           /* 403 */
    const char *type;     /* for x-amzn-ErrorType, without its suffix */
    const char *body_key; /* "message", or "Message" */
    struct buf text;
};
#define SIGV4_REFUSAL_INIT ((struct sigv4_refusal){NULL, 0, NULL, NULL, BUF_INIT(2 * SIGV4_CANONICAL_MAX)})
/* `spell_out`: add the canonical request and the string to sign to a mismatch, as Bedrock sometimes does. These hold a
 * signed session token, so never log such a text. A verdict of OK gives a refusal with status 0. */
enum err sigv4_refuse(const struct sigv4_verdict *verdict, bool spell_out, struct sigv4_refusal *out) MUST_USE;
void sigv4_refusal_release(struct sigv4_refusal *r);

/* ---- Why is it wrong? ---- */

#define SIGV4_DIAGNOSE_BYTES_MAX ((size_t)64 << 20) /* bytes hashed in search of an answer; then it gives up */
#define SIGV4_DIAGNOSE_BODY_MAX  ((size_t)1 << 20)  /* larger bodies are not re-serialised */

struct sigv4_diagnosis {
    const char *id;     /* a stable word, "path-encoded-once"; "unexplained" when nothing fits */
    const char *second; /* the other of a pair of mistakes, or NULL */
    bool proven;        /* false: a hint only (something odd in the request); nothing reproduced the signature */
    char sentence[768]; /* for people; holds no secret */
};
/* After a verdict of signature, body-hash or token: try the known mistakes, one by one and then in pairs, and name what
 * gives exactly the client's signature. Costs milliseconds: not for the path of a load test. */
enum err sigv4_diagnose(struct sigv4 *s, const struct sigv4_request *r, const struct sigv4_policy *policy,
                        const struct sigv4_verdict *verdict, struct sigv4_diagnosis *out) MUST_USE;
/* The ids and sentences of the table, for the manual; NULL beyond its end. */
const char *sigv4_diagnosis_row(size_t i, const char **sentence);

/* ---- Short-term Bedrock API keys: "bedrock-api-key-" and the base64 of a presigned request ---- */

#define SIGV4_API_KEY_PREFIX "bedrock-api-key-"
#define SIGV4_API_KEY_MAX    8192

/* The key as the AWS token generators make it (parameters sorted, as the one for JavaScript). */
enum err sigv4_api_key_make(struct sigv4 *s, const struct sigv4_signing *how, struct buf *out,
                            struct note *note) MUST_USE;
/* Judge one offline. sigv4_verify calls this for "Authorization: Bearer bedrock-api-key-...". The verdict's form is
 * bearer, its reason OK or SIGV4_BEARER; `inner` tells an unknown access key or an expired key from the rest. */
enum err sigv4_api_key_verify(struct sigv4 *s, struct span token, const struct sigv4_policy *policy,
                              struct sigv4_verdict *verdict, struct note *note) MUST_USE;

/* ---- Signed events: STREAMING-AWS4-HMAC-SHA256-EVENTS, where each frame signs the one before it ---- */

#define SIGV4_SECRET_MAX 256

/* An event that follows midnight is signed in the new day's scope, so the chain keeps the secret, not a key. */
struct sigv4_chain {
    char secret[SIGV4_SECRET_MAX], region[64], service[64];
    char prior[SIGV4_HEX]; /* the last signature; at first that of the request */
};
/* The scope's date is not looked at. ERR_LIMIT: a part does not fit. ERR_INVALID: `request_signature` is not 64 bytes.
 */
enum err sigv4_chain_init(struct sigv4_chain *c, struct span secret, const struct sigv4_scope *scope,
                          struct span request_signature) MUST_USE;
void sigv4_chain_release(struct sigv4_chain *c); /* wipes the secret */
/* Sign the next event: `headers` are its encoded event-stream headers without ":chunk-signature" (that is, ":date"),
 * at_s the second in them. The chain moves on. `string_to_sign` may be NULL. */
enum err sigv4_chain_sign(struct sigv4_chain *c, struct sigv4 *s, int64_t at_s, struct span headers,
                          struct span payload, char hex[SIGV4_HEX], struct buf *string_to_sign) MUST_USE;
/* Verify the next event against the 32 bytes of its ":chunk-signature". ERR_MISMATCH leaves the chain where it was. */
enum err sigv4_chain_verify(struct sigv4_chain *c, struct sigv4 *s, int64_t at_s, struct span headers,
                            struct span payload, struct span signature) MUST_USE;

#endif
