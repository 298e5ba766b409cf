/* bidi_parts.h: what the files behind bidi.h share, and record_bidi.c, which keeps scripts, takes of it.
 *
 *   bidi.c        frames in, plans out; faults; the journal
 *   bidi_input.c  bytes of the client in, its frames out (bidi_input.h)
 *   bidi_chain.c  the signature of each frame, and why one is wrong (bidi_chain.h)
 *   bidi_sonic.c  what Nova Sonic makes of the events
 *   bidi_script.c what a script says in its place
 */
#ifndef MOHS_MOCK_BIDI_PARTS_H
#define MOHS_MOCK_BIDI_PARTS_H

#include "mock/bidi/bidi.h"
#include "mock/bidi/bidi_chain.h"
#include "mock/bidi/bidi_input.h"
#include "mock/fault/fault_parts.h"
#include "mock/native/native.h"
#include "mock/time/pace.h"

/* ---- Nova Sonic ---- */

#define SONIC_NAME_MAX     128 /* promptName, contentName; the real limit is not known */
#define SONIC_CONTENTS_MAX 64  /* open at once */
#define SONIC_TEXT_MAX     ((size_t)64 * 1024)

enum sonic_type { SONIC_TEXT, SONIC_AUDIO, SONIC_TOOL };
struct sonic_content {
    char name[SONIC_NAME_MAX];
    enum sonic_type type;
    bool of_user, interactive;
    unsigned rate;
};
struct sonic_tokens {
    uint64_t speech, text;
};
struct sonic {
    bool second; /* Nova 2 Sonic */
    bool began, prompted, prompt_over, over, completing;
    char session[UUID_SIZE], completion[UUID_SIZE], prompt[SONIC_NAME_MAX];
    struct sonic_content contents[SONIC_CONTENTS_MAX];
    size_t open;
    cJSON *tools;                           /* toolConfiguration of promptStart; NULL: none */
    unsigned rate;                          /* of audio out, Hz */
    unsigned pause_ms;                      /* of silence that ends a turn */
    uint64_t heard_samples, silent_samples; /* of this turn */
    bool spoken;
    struct buf text;            /* what the user wrote, or the tool answered */
    char tool_id[TOOL_ID_SIZE]; /* "": no answer of a tool is awaited */
    struct sonic_tokens in, out, told_in, told_out;
    uint64_t answered_in; /* tokens of input that answers have begun for */
    uint64_t wait_ns;     /* before the next event */
    size_t deltas;        /* of this answer */
    size_t turn;
};

struct bidi;
void sonic_init(struct sonic *s, const struct visit *v, struct rng *rng);
void sonic_release(struct sonic *s);
/* One event of the client: check its place, and answer it. */
void sonic_event(struct bidi *b, const char *name, const cJSON *event);
void sonic_end(struct bidi *b); /* the client will say no more */

/* ---- scripts ---- */

/* The steps of the script that wait for this event of the client ("start", "end"): true when there is a script of
 * steps at all, and the model is not asked. */
bool bidi_script_event(struct bidi *b, const char *name);
/* Would a script say something to this event, the n-th of its name? */
bool bidi_script_answers(const cJSON *script, const char *name, size_t n);
bool bidi_script_knows(const char *name); /* may a step wait for it? */
/* The n-th line of `heard` or `said`; NULL: it is not scripted. */
const char *bidi_script_line(const struct bidi *b, const char *list, size_t n);

/* ---- the stream ---- */

struct bidi_count {
    char name[32];
    size_t n;
};
struct bidi {
    struct mock *mock;
    struct worker *worker;
    struct exchange *exchange;
    struct rng rng;
    struct chain chain;
    struct sonic sonic;
    struct pace_talk pace;
    cJSON *script; /* `bidirectional` of the reply; NULL: none */
    struct openings *openings; /* its script is still to be chosen by what the client says; NULL: it is the one above */
    struct buf chosen;         /* the label of the fixture that was */
    char *text;    /* `text` of the reply: what is said; NULL: none */
    cJSON *faults; /* that wait for their event */
    struct bidi_input input;
    struct es_decoder inner;
    struct plan *batch; /* what this event is answered with; NULL: nothing yet */
    size_t batch_events, events;
    uint64_t bytes;
    double speed; /* of a recorded script */
    bool started, paused, over;
    bool working; /* within work(): it is not to be entered twice */
    struct timer silence;
    struct bidi_count counts[32]; /* of the client's events, by name; for `nth` */
    size_t count_n;
    /* for the journal */
    struct buf account;
    char last_name[32];
    size_t last_n, last_bytes, unlisted;
};

/* Say an event (the object below "event", as JSON), after a wait. */
void bidi_say(struct bidi *b, struct span json, uint64_t after_ns);
void bidi_say_frame(struct bidi *b, struct span frame, uint64_t after_ns, const char *gate);
/* The last words: an exception of the stream. */
void bidi_refuse(struct bidi *b, const char *exception, const char *format, ...) PRINTF_LIKE(3, 4);
void bidi_finish(struct bidi *b);                         /* that was all */
size_t bidi_seen(const struct bidi *b, const char *name); /* events of that name so far, this one among them */

#endif
