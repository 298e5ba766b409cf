/* profile.h: how to reach and speak to one gateway, and what it claims: suites/profiles/NAME.json. */
#ifndef MOHS_PROFILE_H
#define MOHS_PROFILE_H

#include "protocol/json.h"

enum profile_self { SELF_NONE, SELF_GATEWAY, SELF_MOCK };

/* Strings live in the tree. */
struct profile {
    cJSON *root;
    char *path;
    const char *name;
    const char *client_key; /* NULL: none */
    enum profile_self self;
    unsigned request_ms, progress_ms, settle_ms, cancel_ms;
};

/* A name of suites/profiles/, or the path of a file (with a slash or ending in .json). The note knows near names. */
enum err profile_load(const char *name, struct profile *out, struct note *note) MUST_USE;
void profile_release(struct profile *p);

/* Whether it claims that; if not, a sentence that names the line, into `why`. */
bool profile_claims(const struct profile *p, const char *capability, struct note *why);
const cJSON *profile_dialect(const struct profile *p, const char *dialect); /* NULL: not spoken */
/* The client's and the upstream name of a model of the map; false when the profile has none of that name. */
bool profile_model(const struct profile *p, const char *name, const char **client, const char **upstream);
/* Where the gateway calls that model; NULL: where it calls all others. */
const char *profile_model_region(const struct profile *p, const char *name);
/* For --dry-run: how it is understood. */
void profile_describe(const struct profile *p, struct buf *out);

#endif
