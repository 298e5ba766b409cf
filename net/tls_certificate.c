/* tls_certificate.c: a CA of one leaf, made in memory.
 *
 * The profile is RFC 5280's, held to the letter, because today's clients check it strictly (Python 3.13 refuses a CA
 * without key usage, or a leaf without an authority key identifier): critical basic constraints and key usage, both key
 * identifiers, names in subjectAltName only, serverAuth, and a life below the 398 days that browsers allow. P-256 is
 * what every client of AWS can verify, and signs quickly.
 */
#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define DAY        ((long)24 * 3600)
#define LIFE       (365 * DAY)
#define HOST_MAX   253 /* of a DNS name, RFC 1035 section 2.3.4 less the root's dot and its length */
#define SERIAL_MAX 16  /* RFC 5280 section 4.1.2.2 allows 20 */

struct extension {
    int nid;
    const char *value; /* in the grammar of x509v3_config(5); NULL: the names */
};

static const struct extension ca_extensions[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
};

static const struct extension leaf_extensions[] = {
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid"},
    {NID_subject_alt_name, NULL},
};

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_certificate(X509 **certificate)
{
    X509_free(*certificate);
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static bool set_serial(X509 *x)
{
    unsigned char bytes[SERIAL_MAX];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40); /* positive, and always of one length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return ok;
}

static bool add_extensions(X509 *x, X509 *issuer, const struct extension *rows, size_t count, const char *names)
{
    X509V3_CTX about;
    X509V3_set_ctx(&about, issuer, x, NULL, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &about, rows[i].nid, rows[i].value ? rows[i].value : names);
        bool ok = e && X509_add_ext(x, e, -1) == 1;
        X509_EXTENSION_free(e);
        if (!ok)
            return false;
    }
    return true;
}

/* All but extensions and signature. */
static X509 *begin(const char *common_name, EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_NAME *subject = x ? X509_get_subject_name(x) : NULL;
    if (x && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
        X509_gmtime_adj(X509_getm_notBefore(x), -DAY) && X509_gmtime_adj(X509_getm_notAfter(x), LIFE) &&
        X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const unsigned char *)"Mohs", -1, -1, 0) == 1 &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0) == 1 &&
        X509_set_pubkey(x, key) == 1)
        return x;
    X509_free(x);
    return NULL;
}

static bool finish(X509 *x, X509 *issuer, EVP_PKEY *issuer_key, const struct extension *rows, size_t count,
                   const char *names)
{
    return X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1 &&
           add_extensions(x, issuer, rows, count, names) && X509_sign(x, issuer_key, EVP_sha256()) > 0;
}

/* Only letters, digits, hyphens and dots: nothing that the grammar of extensions would take for its own. */
static bool is_dns_name(const char *host)
{
    size_t n = strlen(host);
    return n > 0 && n <= HOST_MAX &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == n;
}

static enum err list_names(const char *host, char *to, size_t max, struct note *note)
{
    unsigned char address[16];
    const char *kind = "DNS";
    if (host && (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1))
        kind = "IP";
    else if (host && !is_dns_name(host))
        return note_set(note, ERR_INVALID, "no certificate can name the host %s", host);
    int n = snprintf(to, max, "DNS:localhost,IP:127.0.0.1,IP:::1%s%s%s%s", host ? "," : "", host ? kind : "",
                     host ? ":" : "", host ? host : "");
    return n > 0 && (size_t)n < max ? OK : note_set(note, ERR_LIMIT, "the name of the host is too long");
}

static bool write_pem(X509 *x, struct buf *to)
{
    CLEANUP(free_bio) BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio_X509(bio, x) != 1)
        return false;
    char *text = NULL;
    long n = BIO_get_mem_data(bio, &text);
    buf_add(to, (struct span){(const unsigned char *)text, n > 0 ? (size_t)n : 0});
    return n > 0 && buf_error(to) == OK;
}

enum err tls_new_self_signed(const char *host, struct tls **out, struct buf *ca_pem, struct note *note)
{
    char names[HOST_MAX + 64];
    *out = NULL;
    enum err e = list_names(host, names, sizeof names, note);
    if (e != OK)
        return e;
    CLEANUP(free_key) EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    CLEANUP(free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
    CLEANUP(free_certificate) X509 *ca = ca_key ? begin("Mohs test CA", ca_key) : NULL;
    CLEANUP(free_certificate) X509 *leaf = key ? begin("Mohs test server", key) : NULL;
    bool made = ca && leaf && finish(ca, ca, ca_key, ca_extensions, COUNT_OF(ca_extensions), NULL) &&
                finish(leaf, ca, ca_key, leaf_extensions, COUNT_OF(leaf_extensions), names) && write_pem(ca, ca_pem);
    ERR_clear_error();
    if (!made)
        return note_set(note, ERR_NOMEM, "a certificate could not be made");
    return tls_new_from(key, leaf, out, note);
}
