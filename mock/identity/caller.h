/* caller.h: who asks. Filled by visit_authenticate for every request, whatever --auth says.
 *
 *   v->caller.account      "123456789012": the account that quotas, caches and jobs belong to; never NULL
 *   v->caller.arn          the principal: a user, or arn:aws:sts::123456789012:assumed-role/ROLE/SESSION; never NULL
 *   v->caller.access_key   the access key id that signed, also inside a short-term API key; "" for other bearer keys
 *   v->caller.region       what it was signed for, else the mock's --region, else us-east-1; never NULL
 *   v->caller.known        false: a stranger whom the mode lets in, or nobody at all
 *
 * Strangers are told apart, too: an unknown access key is the user of its id, an unknown bearer key a user
 * BedrockAPIKey-XXXXXXXX, and a request without any of them the user "anonymous", all of the account MOCK_ACCOUNT.
 * Everything lives as long as the visit: copy what is kept.
 */
#ifndef MOHS_MOCK_CALLER_H
#define MOHS_MOCK_CALLER_H

#include "mock/identity/keys.h"

struct caller {
    const char *account, *arn, *user_id, *access_key, *region;
    bool known;
};

/* The room of a worker for the caller of the request it serves. */
struct caller_room {
    struct key_found found;
    bool hit;                 /* `found` is the key of this request */
    enum bearer_state bearer; /* of a long-term API key */
    char access_key[KEY_ACCESS_MAX], region[KEY_REGION_MAX], arn[KEY_ACCESS_MAX + 64], user_id[21];
};

struct visit;
struct sigv4_known;
/* What is known of a key, for struct sigv4_policy: `ctx` is the struct visit. */
bool caller_lookup(void *ctx, struct span access_key, struct sigv4_known *known);
bool caller_bearer(void *ctx, struct span token);
void caller_begin(struct visit *v);  /* before the judgement */
void caller_settle(struct visit *v); /* and after it */
/* v->caller.account: what quotas, caches and jobs are counted by. Never NULL. */
const char *visit_account(const struct visit *v);

#endif
