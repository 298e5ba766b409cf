/* secret.h: which header fields carry credentials. The one list of journal, evidence and logs. */
#ifndef MOHS_SECRET_H
#define MOHS_SECRET_H

#include "protocol/base.h"

/* True for fields whose value must be blanked whole: keys, tokens, cookies, and any name with "secret" in it, as gateways that take
 * their credentials with each request call theirs. `Authorization` is among them; whoever wants to show its scope, as the mock's
 * journal does, treats it first. */
bool secret_header(struct span name);

#endif
