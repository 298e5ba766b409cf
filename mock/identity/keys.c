/* keys.c: the key store.
 *
 * Issued keys are found through a small hash table; a list in the order of issue is the order in which they go when the
 * store is full and none has expired. Ids, secrets and tokens come from the seeded generator, so that a run can be
 * replayed: they are as secret as everything in a mock is, yet they are treated as if they were.
 */
#include "mock/identity/keys.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "mock/rng.h"
#include "mock/time/clock.h"
#include "protocol/sigv4.h"

#define BUCKETS 1024

struct fixed_key {
    char *access_key, *secret, *session_token; /* of a bearer key: `secret` is the key */
    char *arn;
    char user_id[21];
    char account[ACCOUNT_SIZE];
    int64_t expires_ms;
};

struct issued_key {
    char access_key[21], secret[KEY_SECRET_MAX], *session_token; /* as in struct key_issue, but no longer than it is */
    char account[ACCOUNT_SIZE], *arn, *user_id;
    int64_t expires_ms;
    struct issued_key *chain;       /* of the bucket */
    struct issued_key *prev, *next; /* by issue */
};

struct keys {
    struct fixed_key *fixed, *bearers;
    size_t fixed_count, bearer_count;
    pthread_mutex_t lock; /* of what follows */
    struct issued_key *buckets[BUCKETS];
    struct issued_key *first, *last;
    size_t issued;
    struct rng rng;
};

static void wipe(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void key_found_wipe(struct key_found *f)
{
    if (f == NULL)
        return;
    explicit_bzero(f->secret_room, sizeof f->secret_room);
    explicit_bzero(f->token_room, sizeof f->token_room);
    f->secret = f->session_token = NULL;
}

void key_unique_id(const char *prefix, struct span text, char out[static 21])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    struct rng rng = {rng_hash(0x1d, text)};
    (void)snprintf(out, 21, "%.4s", prefix);
    for (size_t i = 4; i < 20; i++)
        out[i] = alphabet[rng_below(&rng, 32)];
    out[20] = '\0';
}

/* ---- the table ---- */

static bool is_account(struct span text)
{
    bool digits = text.n == ACCOUNT_SIZE - 1;
    for (size_t i = 0; digits && i < text.n; i++)
        digits = text.p[i] >= '0' && text.p[i] <= '9';
    return digits;
}

/* arn:partition:service:region:account:rest, of iam or sts. */
static enum err read_arn(const char *arn, struct fixed_key *key, struct note *note)
{
    struct span rest = span_of(arn), part[5];
    size_t n = 0;
    while (n < COUNT_OF(part) && span_split(rest, ':', &part[n], &rest))
        n++;
    bool good = n == COUNT_OF(part) && span_is(part[0], "arn") && is_account(part[4]) && rest.n > 0 &&
                (span_is(part[2], "iam") || span_is(part[2], "sts")) && strlen(arn) < KEY_ARN_MAX;
    if (!good)
        return note_set(note, ERR_INVALID,
                        "'%.100s' is no principal: expected an ARN like arn:aws:iam::123456789012:user/name", arn);
    memcpy(key->account, part[4].p, part[4].n);
    return OK;
}

static enum err give_principal(struct fixed_key *key, const char *arn, const char *name, struct note *note)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(KEY_ARN_MAX - 1);
    if (arn == NULL)
        buf_addf(&text, "arn:aws:iam::%s:user/%s", MOCK_ACCOUNT, name);
    else
        buf_adds(&text, arn);
    key->arn = buf_error(&text) == OK ? buf_take(&text) : NULL;
    if (key->arn == NULL)
        return note_set(note, ERR_NOMEM, "a principal is too long, or memory is short");
    key_unique_id("AIDA", span_of(key->arn), key->user_id);
    return read_arn(key->arn, key, note);
}

static enum err add_fixed(struct fixed_key *key, const struct mock_key *from, struct note *note)
{
    key->access_key = strdup(from->access_key);
    key->secret = strdup(from->secret);
    key->session_token = from->session_token == NULL ? NULL : strdup(from->session_token);
    if (key->access_key == NULL || key->secret == NULL || (from->session_token != NULL && key->session_token == NULL))
        return note_set(note, ERR_NOMEM, "out of memory");
    return give_principal(key, from->principal, from->access_key, note);
}

/* KEY or KEY@2026-01-02T03:04:05Z; a key has no "@" of its own. */
static enum err add_bearer(struct fixed_key *key, const char *text, struct note *note)
{
    struct span token, expiry;
    bool expires = span_split(span_of(text), '@', &token, &expiry);
    char name[32];
    key->secret = span_dup(token);
    if (key->secret == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    if (token.n == 0)
        return note_set(note, ERR_INVALID, "--bearer-key: expected KEY or KEY@2026-01-02T03:04:05Z");
    enum err e = expires ? clock_iso_read((const char *)expiry.p, &key->expires_ms, note) : OK;
    if (e != OK) {
        note_prefix(note, "--bearer-key, what follows \"@\"");
        return e;
    }
    (void)snprintf(name, sizeof name, "BedrockAPIKey-%08x", (unsigned)rng_hash(0xbea, token));
    return give_principal(key, NULL, name, note);
}

enum err keys_new(const struct mock_config *c, struct keys **out, struct note *note)
{
    static const struct mock_key usual = {MOCK_DEFAULT_ACCESS_KEY, MOCK_DEFAULT_SECRET, NULL, NULL};
    const struct mock_key *keys = c->key_count > 0 ? c->keys : &usual;
    size_t n = c->key_count > 0 ? c->key_count : 1;
    struct keys *k = *out = calloc(1, sizeof *k);
    if (k == NULL)
        return note_set(note, ERR_NOMEM, "out of memory");
    (void)pthread_mutex_init(&k->lock, NULL);
    k->rng.state = c->seed ^ 0x6b657973u;
    k->fixed = calloc(n, sizeof *k->fixed);
    k->bearers = calloc(c->bearer_key_count + 1, sizeof *k->bearers);
    enum err e = k->fixed == NULL || k->bearers == NULL ? note_set(note, ERR_NOMEM, "out of memory") : OK;
    for (size_t i = 0; e == OK && i < n; i++, k->fixed_count++)
        e = add_fixed(&k->fixed[i], &keys[i], note);
    for (size_t i = 0; e == OK && i < c->bearer_key_count; i++, k->bearer_count++)
        e = add_bearer(&k->bearers[i], c->bearer_keys[i], note);
    if (e != OK) {
        keys_free(k);
        *out = NULL;
    }
    return e;
}

static void release_fixed(struct fixed_key *keys, size_t n)
{
    for (size_t i = 0; keys != NULL && i < n; i++) {
        free(keys[i].access_key);
        wipe(keys[i].secret);
        wipe(keys[i].session_token);
        free(keys[i].arn);
    }
    free(keys);
}

static void issued_free(struct issued_key *key)
{
    if (key == NULL)
        return;
    free(key->arn);
    free(key->user_id);
    wipe(key->session_token);
    explicit_bzero(key, sizeof *key);
    free(key);
}

void keys_free(struct keys *k)
{
    if (k == NULL)
        return;
    release_fixed(k->fixed, k->fixed_count);
    release_fixed(k->bearers, k->bearer_count);
    for (struct issued_key *key = k->first, *next; key != NULL; key = next) {
        next = key->next;
        issued_free(key);
    }
    (void)pthread_mutex_destroy(&k->lock);
    free(k);
}

/* ---- finding ---- */

static void lend(const struct fixed_key *key, struct key_found *out)
{
    out->secret = key->secret;
    out->session_token = key->session_token;
    out->expires_ms = key->expires_ms;
    out->principal.arn = key->arn;
    out->principal.user_id = key->user_id;
    memcpy(out->principal.account, key->account, ACCOUNT_SIZE);
}

static void copy_out(const struct issued_key *key, struct key_found *out)
{
    memcpy(out->secret_room, key->secret, sizeof out->secret_room);
    memcpy(out->token_room, key->session_token, strlen(key->session_token) + 1);
    (void)snprintf(out->arn_room, sizeof out->arn_room, "%s", key->arn);
    (void)snprintf(out->id_room, sizeof out->id_room, "%s", key->user_id);
    memcpy(out->principal.account, key->account, ACCOUNT_SIZE);
    out->secret = out->secret_room;
    out->session_token = out->token_room;
    out->expires_ms = key->expires_ms;
    out->principal.arn = out->arn_room;
    out->principal.user_id = out->id_room;
}

static struct issued_key **bucket(struct keys *k, struct span access_key)
{
    return &k->buckets[rng_hash(0, access_key) % BUCKETS];
}

bool keys_find(struct keys *k, struct span access_key, struct key_found *out)
{
    for (size_t i = 0; i < k->fixed_count; i++)
        if (span_is(access_key, k->fixed[i].access_key)) {
            lend(&k->fixed[i], out);
            return true;
        }
    if (!span_has_prefix(access_key, "ASIA"))
        return false;
    (void)pthread_mutex_lock(&k->lock);
    const struct issued_key *key = *bucket(k, access_key);
    while (key != NULL && !span_is(access_key, key->access_key))
        key = key->chain;
    if (key != NULL)
        copy_out(key, out);
    (void)pthread_mutex_unlock(&k->lock);
    return key != NULL;
}

enum bearer_state keys_find_bearer(struct keys *k, struct span token, int64_t now_ms, struct key_found *out)
{
    for (size_t i = 0; i < k->bearer_count; i++) {
        const struct fixed_key *key = &k->bearers[i];
        if (!sigv4_equal(token, span_of(key->secret)))
            continue;
        lend(key, out);
        out->secret = NULL;
        return key->expires_ms != 0 && now_ms >= key->expires_ms ? BEARER_EXPIRED : BEARER_GOOD;
    }
    return BEARER_UNKNOWN;
}

/* ---- issuing; the lock is held by those that take a struct issued_key ---- */

static void forget(struct keys *k, struct issued_key *key)
{
    struct issued_key **at = bucket(k, span_of(key->access_key));
    while (*at != key)
        at = &(*at)->chain;
    *at = key->chain;
    *(key->prev != NULL ? &key->prev->next : &k->first) = key->next;
    *(key->next != NULL ? &key->next->prev : &k->last) = key->prev;
    k->issued--;
    issued_free(key);
}

/* All that have expired go before one that has not. */
static void make_room(struct keys *k, int64_t now_ms)
{
    if (k->issued < KEYS_ISSUED_MAX)
        return;
    for (struct issued_key *key = k->first, *next; key != NULL; key = next) {
        next = key->next;
        if (key->expires_ms <= now_ms)
            forget(k, key);
    }
    if (k->issued >= KEYS_ISSUED_MAX)
        forget(k, k->first);
}

static void add(struct keys *k, struct issued_key *key)
{
    struct issued_key **at = bucket(k, span_of(key->access_key));
    key->chain = *at;
    *at = key;
    key->prev = k->last;
    *(k->last != NULL ? &k->last->next : &k->first) = key;
    k->last = key;
    k->issued++;
}

#define TOKEN_USUAL 352 /* bytes: as long as small real ones are */

/* In the base64 alphabet and padded, so that who forgets to escape it is seen. What makes it longer is drawn from the key
 * id and not from the store's own chance: the keys that follow stay the same. */
static void write_token(struct rng *rng, struct key_issue *out, size_t n)
{
    static const char start[] = "IQoJb3JpZ2luX2VjE", end[] = "+/==";
    char *at = out->session_token;
    memcpy(at, start, sizeof start - 1);
    rng_base64(rng, at + sizeof start - 1, TOKEN_USUAL - sizeof start - 1);
    struct rng more = {rng_hash(0x70, span_of(out->access_key))};
    if (n > TOKEN_USUAL)
        rng_base64(&more, at + TOKEN_USUAL - (sizeof end - 1), n - TOKEN_USUAL);
    memcpy(at + n - (sizeof end - 1), end, sizeof end);
}

static void write_key(struct rng *rng, size_t token_size, struct key_issue *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    memcpy(out->access_key, "ASIA", 4);
    for (size_t i = 4; i < sizeof out->access_key - 1; i++)
        out->access_key[i] = alphabet[rng_below(rng, 32)];
    out->access_key[sizeof out->access_key - 1] = '\0';
    rng_base64(rng, out->secret, sizeof out->secret - 1);
    out->secret[sizeof out->secret - 1] = '\0';
    write_token(rng, out, token_size);
}

enum err keys_issue(struct keys *k, const struct principal *whose, int64_t now_ms, int64_t expires_ms,
                    size_t token_least, struct key_issue *out)
{
    size_t token_size = token_least > TOKEN_USUAL ? token_least : TOKEN_USUAL;
    if (strlen(whose->arn) >= KEY_ARN_MAX || strlen(whose->user_id) >= KEY_USER_ID_MAX || token_size >= KEY_TOKEN_MAX)
        return ERR_LIMIT;
    struct issued_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ERR_NOMEM;
    key->arn = strdup(whose->arn);
    key->user_id = strdup(whose->user_id);
    key->session_token = calloc(1, token_size + 1);
    if (key->arn == NULL || key->user_id == NULL || key->session_token == NULL) {
        issued_free(key);
        return ERR_NOMEM;
    }
    memcpy(key->account, whose->account, ACCOUNT_SIZE);
    key->expires_ms = expires_ms;
    (void)pthread_mutex_lock(&k->lock);
    make_room(k, now_ms);
    write_key(&k->rng, token_size, out);
    memcpy(key->access_key, out->access_key, sizeof key->access_key);
    memcpy(key->secret, out->secret, sizeof key->secret);
    memcpy(key->session_token, out->session_token, token_size + 1);
    add(k, key);
    (void)pthread_mutex_unlock(&k->lock);
    return OK;
}

size_t keys_issued(struct keys *k)
{
    (void)pthread_mutex_lock(&k->lock);
    size_t n = k->issued;
    (void)pthread_mutex_unlock(&k->lock);
    return n;
}

void keys_forget_issued(struct keys *k)
{
    (void)pthread_mutex_lock(&k->lock);
    while (k->first != NULL)
        forget(k, k->first);
    (void)pthread_mutex_unlock(&k->lock);
}
