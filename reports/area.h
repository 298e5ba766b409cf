/* area.h: the score of each area: how many of its requirements held, failed and were skipped, by level.
 *
 * An area is what stands before the dot of a requirement's id ("signing" of "signing.host-as-signed"), as in
 * `mohs list --coverage`. A requirement counts once, with the worst that its cases say: fail, then xfail, error, pass,
 * skip; stale is a pass. A case that fails and names two requirements blames both, as nobody can tell them apart from
 * outside. There is no total in percent: counts of different levels, or of what was skipped, do not add up to a mark.
 */
#ifndef MOHS_REPORTS_AREA_H
#define MOHS_REPORTS_AREA_H

#include "protocol/json.h"

/* The conformance.areas of a result document from its cases: [{"area":"cache","MUST":{"pass":9,"fail":1,"xfail":0,
 * "error":0,"skip":2},...}, ...] by name; a level that no requirement has is absent. The caller's; NULL when out of
 * memory. */
cJSON *area_count(const cJSON *cases);
/* Those of a document, which may be older than areas are: then they are counted now. The caller's. */
cJSON *area_of_document(const cJSON *conformance);
/* All areas as one, of the same form; its "area" is "all". The caller's. */
cJSON *area_total(const cJSON *areas);

/* Whether something of that level ("MUST") is other than pass or skip. */
bool area_has_trouble(const cJSON *area, const char *level);
/* "25 passed, 1 failed, 2 skipped"; nothing when the area has no requirement of that level. */
void area_add_counts(const cJSON *area, const char *level, struct buf *out);

/* "MUST", "SHOULD", "MAY". */
#define AREA_LEVELS 3
extern const char *const area_levels[AREA_LEVELS];

/* "params" of "params.stop-string"; a part of `id`. */
struct span area_of_requirement(const char *id);

#endif
