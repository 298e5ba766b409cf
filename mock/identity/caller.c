/* caller.c: from the claim of a request to the principal it is counted by.
 *
 * The key that the judgement looked up is kept in the worker's room, so that nobody looks twice. Names that strangers
 * bring are made of what they sent, hence cleaned: they end up in ARNs, in refusals and as keys of quotas.
 */
#include <stdio.h>

#include "mock/rng.h"
#include "mock/visit.h"

#define REGION_DEFAULT "us-east-1"

bool caller_lookup(void *ctx, struct span access_key, struct sigv4_known *known)
{
    struct visit *v = ctx;
    struct caller_room *room = &v->worker->caller;
    if (!keys_find(v->mock->keys, access_key, &room->found))
        return false;
    room->hit = true;
    *known = (struct sigv4_known){.secret = span_of(room->found.secret),
                                  .session_token = span_of(room->found.session_token),
                                  .token_expired = room->found.expires_ms != 0 &&
                                                   clock_ms(&v->mock->clock) >= room->found.expires_ms};
    return true;
}

bool caller_bearer(void *ctx, struct span token)
{
    struct visit *v = ctx;
    struct caller_room *room = &v->worker->caller;
    room->bearer = keys_find_bearer(v->mock->keys, token, clock_ms(&v->mock->clock), &room->found);
    room->hit = room->bearer != BEARER_UNKNOWN;
    return room->bearer == BEARER_GOOD;
}

void caller_begin(struct visit *v)
{
    v->worker->caller.hit = false;
    v->worker->caller.bearer = BEARER_UNKNOWN;
}

/* Letters, digits and a few signs, or nothing. */
static void copy_word(struct span word, char *to, size_t size)
{
    size_t n = 0;
    while (n < word.n && n + 1 < size) {
        unsigned char c = word.p[n];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
        if (!plain)
            break;
        to[n++] = (char)c;
    }
    to[n == word.n ? n : 0] = '\0';
}

static void name_stranger(struct visit *v)
{
    struct caller_room *room = &v->worker->caller;
    if (room->access_key[0] != '\0')
        (void)snprintf(room->arn, sizeof room->arn, "arn:aws:iam::" MOCK_ACCOUNT ":user/%s", room->access_key);
    else if (v->verdict.bearer.n > 0)
        (void)snprintf(room->arn, sizeof room->arn, "arn:aws:iam::" MOCK_ACCOUNT ":user/BedrockAPIKey-%08x",
                       (unsigned)rng_hash(0xbea, v->verdict.bearer));
    else
        (void)snprintf(room->arn, sizeof room->arn, "arn:aws:iam::" MOCK_ACCOUNT ":user/anonymous");
    key_unique_id("AIDA", span_of(room->arn), room->user_id);
    v->caller.account = MOCK_ACCOUNT;
    v->caller.arn = room->arn;
    v->caller.user_id = room->user_id;
}

void caller_settle(struct visit *v)
{
    struct caller_room *room = &v->worker->caller;
    copy_word(v->verdict.access_key, room->access_key, sizeof room->access_key);
    copy_word(v->verdict.region, room->region, sizeof room->region);
    v->caller = (struct caller){.account = room->found.principal.account,
                                .arn = room->found.principal.arn,
                                .user_id = room->found.principal.user_id,
                                .access_key = room->access_key,
                                .region = room->region,
                                .known = room->hit && v->verdict.reason == SIGV4_OK};
    if (room->region[0] == '\0')
        v->caller.region = v->mock->region != NULL ? v->mock->region : REGION_DEFAULT;
    if (!room->hit)
        name_stranger(v);
    if (room->bearer == BEARER_EXPIRED)
        v->verdict.inner = SIGV4_TOKEN_EXPIRED;
}
