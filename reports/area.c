/* area.c: counting requirements, not cases: a requirement that three cases test would weigh three times otherwise.
 *
 * First every requirement of the run gets one status, the worst that was seen; then the requirements are counted in
 * their areas. What a document says is asked for as if anything could be missing, since a report is also made of
 * documents that were saved long ago.
 */
#include "reports/area.h"

/* From harmless to worst; "stale" is a pass here. The words for people beside them. */
static const char *const statuses[] = {"skip", "pass", "error", "xfail", "fail"};
static const char *const counted[][2] = {{"pass", "passed"},
                                         {"fail", "failed"},
                                         {"xfail", "failed as expected"},
                                         {"error", "not judged"},
                                         {"skip", "skipped"}};
const char *const area_levels[AREA_LEVELS] = {"MUST", "SHOULD", "MAY"};

struct span area_of_requirement(const char *id)
{
    return span_cut(span_of(id), 0, strcspn(id, "."));
}

static size_t rank_of(const char *status)
{
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        if (strcmp(statuses[i], status) == 0)
            return i;
    return 1; /* stale: the case held */
}

static bool is_level(const char *level)
{
    for (size_t i = 0; level != NULL && i < AREA_LEVELS; i++)
        if (strcmp(area_levels[i], level) == 0)
            return true;
    return false;
}

/* requirement id -> {level, rank} */
static void note_requirement(cJSON *seen, const cJSON *requirement, size_t rank)
{
    const char *id = json_str(requirement, "id"), *level = json_str(requirement, "level");
    if (id == NULL || !is_level(level))
        return;
    cJSON *row = json_member(seen, id);
    if (row == NULL) {
        row = json_set(seen, id, cJSON_CreateObject());
        (void)json_set_string(row, "level", level);
        (void)json_set_int(row, "rank", (int64_t)rank);
    }
    const cJSON *before = json_member(row, "rank");
    if (before != NULL && (size_t)before->valueint < rank)
        (void)json_set_int(row, "rank", (int64_t)rank);
}

static void add_one(cJSON *object, const char *key, int64_t n)
{
    int64_t before = 0;
    (void)json_int64(json_member(object, key), &before);
    (void)json_set_int(object, key, before + n);
}

static cJSON *area_named(cJSON *areas, struct span name)
{
    cJSON *area;
    cJSON_ArrayForEach(area, areas)
    {
        if (span_equal(span_of(json_str(area, "area")), name))
            return area;
    }
    CLEANUP(free_ptr) char *text = span_dup(name);
    area = cJSON_CreateObject();
    (void)json_set_string(area, "area", text != NULL ? text : "");
    cJSON_AddItemToArray(areas, area);
    return area;
}

static cJSON *counts_of(cJSON *area, const char *level)
{
    cJSON *counts = json_member(area, level);
    if (counts != NULL)
        return counts;
    counts = json_set(area, level, cJSON_CreateObject());
    for (size_t i = 0; i < COUNT_OF(counted); i++)
        (void)json_set_int(counts, counted[i][0], 0);
    return counts;
}

static cJSON *sorted(cJSON *take)
{
    cJSON *out = cJSON_CreateArray();
    while (out != NULL && take != NULL && take->child != NULL) {
        cJSON *least = take->child, *one;
        cJSON_ArrayForEach(one, take) least = strcmp(json_str(one, "area"), json_str(least, "area")) < 0 ? one : least;
        cJSON_AddItemToArray(out, cJSON_DetachItemViaPointer(take, least));
    }
    cJSON_Delete(take);
    return out;
}

cJSON *area_count(const cJSON *cases)
{
    CLEANUP(json_free) cJSON *seen = cJSON_CreateObject();
    const cJSON *one, *requirement;
    cJSON_ArrayForEach(one, cases)
    {
        const char *status = json_str(one, "status");
        cJSON_ArrayForEach(requirement, json_member(one, "requirements"))
        {
            if (status != NULL)
                note_requirement(seen, requirement, rank_of(status));
        }
    }
    cJSON *areas = cJSON_CreateArray();
    for (const cJSON *row = seen == NULL ? NULL : seen->child; areas != NULL && row != NULL; row = row->next) {
        const cJSON *rank = json_member(row, "rank");
        cJSON *area = area_named(areas, area_of_requirement(row->string));
        if (rank != NULL && area != NULL)
            add_one(counts_of(area, json_str(row, "level")), statuses[rank->valueint], 1);
    }
    return sorted(areas);
}

cJSON *area_of_document(const cJSON *conformance)
{
    const cJSON *areas = json_member(conformance, "areas");
    return areas != NULL ? cJSON_Duplicate(areas, true) : area_count(json_member(conformance, "cases"));
}

cJSON *area_total(const cJSON *areas)
{
    cJSON *total = cJSON_CreateObject();
    const cJSON *area;
    (void)json_set_string(total, "area", "all");
    cJSON_ArrayForEach(area, areas)
    {
        for (size_t i = 0; i < AREA_LEVELS; i++) {
            const cJSON *counts = json_member(area, area_levels[i]), *n;
            cJSON *sums = counts == NULL ? NULL : counts_of(total, area_levels[i]);
            cJSON_ArrayForEach(n, counts) add_one(sums, n->string, n->valueint);
        }
    }
    return total;
}

bool area_has_trouble(const cJSON *area, const char *level)
{
    const cJSON *n;
    cJSON_ArrayForEach(n, json_member(area, level))
    {
        if (n->valueint > 0 && strcmp(n->string, "pass") != 0 && strcmp(n->string, "skip") != 0)
            return true;
    }
    return false;
}

void area_add_counts(const cJSON *area, const char *level, struct buf *out)
{
    const cJSON *counts = json_member(area, level);
    const char *between = "";
    for (size_t i = 0; i < COUNT_OF(counted); i++) {
        const cJSON *n = json_member(counts, counted[i][0]);
        if (n == NULL || n->valueint == 0)
            continue;
        bool may = strcmp(level, "MAY") == 0 && strcmp(counted[i][0], "xfail") == 0; /* nobody expected it to hold */
        buf_addf(out, "%s%d %s", between, n->valueint, may ? "not held" : counted[i][1]);
        between = ", ";
    }
}
