/* rig.h: a mock and a target, started or found, and the loop and client that speak to them. One rig belongs to one
 * thread.
 *
 * Without a target the mock and the reference gateway are children of this very program; with --target only the mock is
 * ours, on a port the target was told; with --mock-url and --admin-url nothing is; with --start the target is a child
 * too.
 */
#ifndef MOHS_RIG_H
#define MOHS_RIG_H

#include "harness/profile.h"
#include "harness/own.h"
#include "net/client.h"
#include "protocol/sigv4.h"

struct rig_config {
    const struct profile *profile;
    const char *target;   /* NULL: by the profile's "self", else its "target" */
    const char *mock_url; /* of a running mock, with admin_url; NULL: start one */
    const char *admin_url;
    int64_t mock_port; /* 0: any */
    const char *start; /* shell command; NULL: none. "profile": that of the profile */
    const char *region;
    const char *ca_file; /* PEM: who vouches for an https target; NULL: the system's */
};

struct rig {
    const struct profile *profile;
    const char *region;  /* borrowed: what those that we start sign for */
    const char *ca_file; /* borrowed */
    char *mock_url, *admin_url, *target_url;
    char *control_url;       /* of the reference gateway's mutations; NULL: not ours */
    struct own mock, target; /* never started where they are somebody else's */
    struct loop *loop;
    struct client *client;
    struct sigv4 *signer;
    uint64_t nonces;
    bool own_failed; /* what did not come up, or died, is a server of mohs, and so no fault of the target's */
};

/* ERR_IO, ERR_TIMEOUT: the note says what did not come up, with the end of its log. ERR_INVALID: the user asked for
 * what cannot be had, such as a port that somebody else holds. */
enum err rig_start(struct rig *rig, const struct rig_config *config, struct note *note) MUST_USE;
void rig_stop(struct rig *rig);
/* Why a rig that worked does not any more: "" when everything runs. Asks those that we started whether they answer, and
 * waits some seconds for the end of one that does not. Sets own_failed. */
void rig_trouble(struct rig *rig, struct buf *out);

#endif
