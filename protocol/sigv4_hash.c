/* sigv4_hash.c: SHA-256, HMAC and signing keys; the only file that knows OpenSSL.
 *
 * A mock verifies each request, so this is kept short of waste: SHA-256 is fetched once (OpenSSL 3 looks an algorithm
 * up by name at every use otherwise), one digest context is used again and again, and HMAC (RFC 2104) is written as its
 * two digests, which for keys of 32 bytes costs less than setting an EVP_MAC up. Signing keys change once a day per
 * credential, region and service, so a small cache saves the four HMACs of the derivation: sixteen sets of four, each
 * entry with the full tuple beside the key, because a hash alone would let one client use another's key.
 *
 * Nothing here is shared between threads, so there are no locks. Keys are wiped when they go.
 */
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "protocol/sigv4_internal.h"

#define CACHE_SETS  16
#define CACHE_WAYS  4
#define CACHE_TUPLE 256 /* longer tuples are not cached */
#define HMAC_BLOCK  64

struct cached_key {
    size_t n; /* 0: free */
    unsigned char tuple[CACHE_TUPLE];
    unsigned char key[SIGV4_DIGEST];
};

struct sigv4 {
    EVP_MD *sha256;
    EVP_MD_CTX *context;
    bool failed;
    uint64_t found, derived;
    unsigned next_way;
    struct sigv4_scratch scratch;
    struct cached_key cache[CACHE_SETS][CACHE_WAYS];
};

struct sigv4 *sigv4_new(void)
{
    struct sigv4 *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    buf_init(&s->scratch.decoded, SIGV4_CANONICAL_MAX);
    buf_init(&s->scratch.canonical, SIGV4_CANONICAL_MAX);
    buf_init(&s->scratch.string_to_sign, SIGV4_CANONICAL_MAX);
    s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    s->context = EVP_MD_CTX_new();
    if (s->sha256 == NULL || s->context == NULL || EVP_DigestInit_ex2(s->context, s->sha256, NULL) != 1) {
        sigv4_free(s);
        return NULL;
    }
    return s;
}

void sigv4_free(struct sigv4 *s)
{
    if (s == NULL)
        return;
    EVP_MD_CTX_free(s->context);
    EVP_MD_free(s->sha256);
    buf_release(&s->scratch.decoded);
    buf_release(&s->scratch.canonical);
    buf_release(&s->scratch.string_to_sign);
    OPENSSL_cleanse(s->cache, sizeof s->cache);
    free(s);
}

void sigv4_free_ptr(struct sigv4 **s)
{
    sigv4_free(*s);
    *s = NULL;
}

void sigv4_cache_counts(const struct sigv4 *s, uint64_t *found, uint64_t *derived)
{
    *found = s->found;
    *derived = s->derived;
}

struct sigv4_scratch *sigv4_scratch(struct sigv4 *s)
{
    return &s->scratch;
}

bool sigv4_failed(struct sigv4 *s)
{
    bool failed = s->failed;
    s->failed = false;
    return failed;
}

void sigv4_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

bool sigv4_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

static void digest(struct sigv4 *s, struct span first, struct span second, unsigned char out[SIGV4_DIGEST])
{
    unsigned n = 0;
    bool done = EVP_DigestInit_ex2(s->context, s->sha256, NULL) == 1 &&
                EVP_DigestUpdate(s->context, first.p, first.n) == 1 &&
                EVP_DigestUpdate(s->context, second.p, second.n) == 1 && EVP_DigestFinal_ex(s->context, out, &n) == 1;
    if (!done) {
        s->failed = true;
        memset(out, 0, SIGV4_DIGEST);
    }
}

void sigv4_sha256(struct sigv4 *s, struct span bytes, unsigned char out[SIGV4_DIGEST])
{
    digest(s, bytes, SPAN_EMPTY, out);
}

void sigv4_hmac(struct sigv4 *s, struct span key, struct span bytes, unsigned char out[SIGV4_DIGEST])
{
    unsigned char block[HMAC_BLOCK] = {0}, inner[SIGV4_DIGEST];
    if (key.n > HMAC_BLOCK)
        sigv4_sha256(s, key, block);
    else if (key.n > 0)
        memcpy(block, key.p, key.n);
    for (size_t i = 0; i < HMAC_BLOCK; i++)
        block[i] ^= 0x36;
    digest(s, (struct span){block, HMAC_BLOCK}, bytes, inner);
    for (size_t i = 0; i < HMAC_BLOCK; i++)
        block[i] ^= 0x36 ^ 0x5c;
    digest(s, (struct span){block, HMAC_BLOCK}, (struct span){inner, sizeof inner}, out);
    OPENSSL_cleanse(block, sizeof block);
}

void sigv4_hex(const unsigned char bytes[SIGV4_DIGEST], char hex[SIGV4_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SIGV4_DIGEST; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[SIGV4_HEX - 1] = '\0';
}

void sigv4_sha256_hex(struct sigv4 *s, struct span bytes, char hex[SIGV4_HEX])
{
    unsigned char out[SIGV4_DIGEST];
    sigv4_sha256(s, bytes, out);
    sigv4_hex(out, hex);
}

/* IAM User Guide, "Calculate the signature": HMAC over date, region, service and the terminator, each keyed by the
 * last. */
void sigv4_derive(struct sigv4 *s, const char *prefix, struct span secret, const struct sigv4_scope *scope,
                  struct span last, unsigned char key[SIGV4_DIGEST])
{
    struct buf start = BUF_INIT(SIGV4_CANONICAL_MAX);
    buf_adds(&start, prefix);
    buf_add(&start, secret);
    s->failed |= buf_error(&start) != OK;
    sigv4_hmac(s, buf_span(&start), scope->date, key);
    sigv4_hmac(s, (struct span){key, SIGV4_DIGEST}, scope->region, key);
    sigv4_hmac(s, (struct span){key, SIGV4_DIGEST}, scope->service, key);
    if (last.n > 0)
        sigv4_hmac(s, (struct span){key, SIGV4_DIGEST}, last, key);
    if (start.data != NULL)
        OPENSSL_cleanse(start.data, start.cap);
    buf_release(&start);
}

/* Length-prefixed, so that no two tuples read alike. 0: too long to be cached. */
static size_t write_tuple(struct span secret, const struct sigv4_scope *scope, unsigned char out[CACHE_TUPLE])
{
    const struct span parts[] = {secret, scope->date, scope->region, scope->service};
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (parts[i].n > 255 || parts[i].n + 1 > CACHE_TUPLE - n)
            return 0;
        out[n++] = (unsigned char)parts[i].n;
        if (parts[i].n > 0)
            memcpy(out + n, parts[i].p, parts[i].n);
        n += parts[i].n;
    }
    return n;
}

static struct cached_key *set_of(struct sigv4 *s, const unsigned char *tuple, size_t n)
{
    uint32_t h = 2166136261U; /* FNV-1a: spreads, and is not relied on for more */
    for (size_t i = 0; i < n; i++)
        h = (h ^ tuple[i]) * 16777619U;
    return s->cache[(h ^ h >> 16) % CACHE_SETS];
}

enum err sigv4_signing_key(struct sigv4 *s, struct span secret, const struct sigv4_scope *scope,
                           unsigned char key[SIGV4_DIGEST])
{
    unsigned char tuple[CACHE_TUPLE];
    size_t n = write_tuple(secret, scope, tuple);
    struct cached_key *set = n == 0 ? NULL : set_of(s, tuple, n);
    for (size_t i = 0; set != NULL && i < CACHE_WAYS; i++) {
        if (set[i].n == n && memcmp(set[i].tuple, tuple, n) == 0) {
            memcpy(key, set[i].key, SIGV4_DIGEST);
            OPENSSL_cleanse(tuple, n);
            s->found++;
            return OK;
        }
    }
    sigv4_derive(s, "AWS4", secret, scope, SPAN_LIT(SIGV4_SCOPE_END), key);
    s->derived++;
    if (sigv4_failed(s))
        return ERR_NOMEM;
    if (set != NULL) {
        struct cached_key *slot = &set[s->next_way++ % CACHE_WAYS];
        slot->n = n;
        memcpy(slot->tuple, tuple, n);
        memcpy(slot->key, key, SIGV4_DIGEST);
        OPENSSL_cleanse(tuple, n);
    }
    return OK;
}

enum err sigv4_signature(struct sigv4 *s, struct span secret, const struct sigv4_scope *scope,
                         struct span string_to_sign, char hex[SIGV4_HEX])
{
    unsigned char key[SIGV4_DIGEST], mac[SIGV4_DIGEST];
    enum err e = sigv4_signing_key(s, secret, scope, key);
    if (e != OK)
        return e;
    sigv4_hmac(s, (struct span){key, sizeof key}, string_to_sign, mac);
    OPENSSL_cleanse(key, sizeof key);
    sigv4_hex(mac, hex);
    return sigv4_failed(s) ? ERR_NOMEM : OK;
}
