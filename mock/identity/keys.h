/* keys.h: the keys a mock knows, whose they are, and the temporary ones that its STS gives out.
 *
 * Keys of the command line stand in a table that nobody changes after the start: they are found without a lock. Keys
 * issued at run time have one lock and a ceiling; when it is reached those that expired first go first, else those that
 * were issued first. What is found is copied out, so that a key may go while its request is still being judged. Secrets
 * are wiped before their memory is given back, and no function here prints one.
 *
 * Every key has a principal. A key of the command line is the IAM user of its own access key id, unless
 * `struct mock_key` says otherwise; a long-term API key is a user BedrockAPIKey-XXXXXXXX, as the console names them,
 * with digits that tell keys apart and give none away. STS makes assumed roles.
 */
#ifndef MOHS_MOCK_KEYS_H
#define MOHS_MOCK_KEYS_H

#include "mock/mock.h"

#define KEYS_ISSUED_MAX 4096 /* alive at once */
#define KEY_ACCESS_MAX  129
#define KEY_SECRET_MAX  41
#define KEY_TOKEN_MAX   4097 /* with its NUL: MinimumSessionTokenSize asks for 4096 bytes at most */
#define KEY_ARN_MAX     (2048 + 64)
#define KEY_USER_ID_MAX (24 + 64 + 2)
#define ACCOUNT_SIZE    13             /* twelve digits and a NUL */
#define MOCK_ACCOUNT    "123456789012" /* whose account it is, unless a key says otherwise */
#define KEY_REGION_MAX  32

/* Who a key belongs to. */
struct principal {
    char account[ACCOUNT_SIZE];
    const char *arn;     /* arn:aws:iam::123456789012:user/NAME, or of an assumed role */
    const char *user_id; /* AIDA..., or AROA...:session */
};

/* A key, found. Zero it first; key_found_wipe when done, or hand it to keys_find again. */
struct key_found {
    const char *secret, *session_token; /* the latter NULL: a long-term key */
    int64_t expires_ms;                 /* by the mock's clock; 0: never */
    struct principal principal;
    /* Room for what is copied out of the store; the pointers above point here, or into the table. */
    char secret_room[KEY_SECRET_MAX], token_room[KEY_TOKEN_MAX], arn_room[KEY_ARN_MAX], id_room[KEY_USER_ID_MAX];
};
void key_found_wipe(struct key_found *f);

/* What STS gives out. */
struct key_issue {
    char access_key[21]; /* ASIA and 16 characters */
    char secret[KEY_SECRET_MAX];
    char session_token[KEY_TOKEN_MAX];
};

struct keys;
/* Copies everything. ERR_INVALID: a key, its ARN or its expiry is malformed; the note holds no secret. */
enum err keys_new(const struct mock_config *config, struct keys **out, struct note *note) MUST_USE;
void keys_free(struct keys *k);

/* False: nobody knows it. An expired key is found, too. Any thread. */
bool keys_find(struct keys *k, struct span access_key, struct key_found *out);

enum bearer_state { BEARER_UNKNOWN, BEARER_GOOD, BEARER_EXPIRED };
/* A long-term API key; out->secret stays NULL. */
enum bearer_state keys_find_bearer(struct keys *k, struct span token, int64_t now_ms, struct key_found *out);

/* A new temporary key of that principal, alive until expires_ms, whose session token has `token_least` bytes or more.
 * The n-th of a mock depends on its seed and n alone, but for what makes a token longer.
 * ERR_LIMIT: the ARN is too long, or the token would be. */
enum err keys_issue(struct keys *k, const struct principal *whose, int64_t now_ms, int64_t expires_ms,
                    size_t token_least, struct key_issue *out) MUST_USE;
size_t keys_issued(struct keys *k); /* how many are held */
/* All of them go; what is issued next are none of them again. Requests that are being judged have their copies. */
void keys_forget_issued(struct keys *k);

/* Four letters and 16 characters made of the text: AIDA..., AROA..., always the same for the same. */
void key_unique_id(const char *prefix, struct span text, char out[static 21]);

#endif
