/* repeats.h: a log that tells a line once and counts its repetitions. A client that is refused 25,000 times a second
 * writes 25,000 equal lines a second, which help nobody, slow the server down and fill a disk.
 *
 * A line that was told less than a second ago is only counted. How many there were is told when the second is over, or
 * before the next different line when that would otherwise stand between the two: "… and 61126 more like it", with the
 * line's beginning where another line stands in between. The next equal line after its second is told in full again.
 * Up to REPEATS_KEPT different lines are watched at a time; of more, the one told longest ago makes room. So the log
 * grows by at most two lines a second for each different text. No line is lost without being counted.
 */
#ifndef MOHS_REPEATS_H
#define MOHS_REPEATS_H

#include <pthread.h>
#include <stdio.h>

#include "protocol/base.h"

#define REPEATS_KEPT      16
#define REPEATS_TEXT_MAX  1200 /* bytes of a line that are told and compared, its end included; the rest is cut */
#define REPEATS_WINDOW_NS 1000000000

struct repeats { /* all zero but the lock: empty */
    pthread_mutex_t lock;
    struct repeats_line {
        char text[REPEATS_TEXT_MAX];
        uint64_t told_ns; /* when it was told in full */
        uint64_t more;    /* seen since, and not told */
    } lines[REPEATS_KEPT];
    size_t count;
    const struct repeats_line *last; /* the one that stands last in the log; NULL: none, or its summary does */
};
#define REPEATS_INIT {.lock = PTHREAD_MUTEX_INITIALIZER}

/* Any thread. `now_ns` is of now_ns(); `out` gets whole lines. */
void repeats_tell(struct repeats *r, FILE *out, const char *line, uint64_t now_ns);
/* Tell the counts of lines whose second is over; with `all`, of every line. */
void repeats_flush(struct repeats *r, FILE *out, uint64_t now_ns, bool all);

#endif
