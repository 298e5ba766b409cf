/* The files that somebody hands to `mohs mock` or `mohs cost`, and that have no target of their own. The first byte
 * chooses: a catalogue of --models, knowledge bases, quotas, a law of time, a tempo, a file of a trace, keys, guardrails,
 * price tables. What is refused has its sentence; what is taken can be used: the models found and resolved, the bases
 * asked, a request admitted and settled, waits drawn that are never negative or without end, a price looked up.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mock/agent/agent_knowledge.h"
#include "mock/guardrail/guardrail.h"
#include "mock/identity/keys.h"
#include "mock/metering/quota.h"
#include "mock/model/models.h"
#include "mock/time/time.h"
#include "protocol/data.h"
#include "protocol/file.h"
#include "protocol/price_usage.h"
#include "rig/fuzz.h"

#define DRAWS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return fuzz_mutate(data, size, max, seed, "");
}

static void must(bool holds)
{
    if (!holds)
        abort();
}

static const struct api *api(void)
{
    static struct api *all;
    if (all == NULL)
        all = api_load(NULL);
    must(all != NULL);
    return all;
}

static bool taken(enum err e, const struct note *note)
{
    must(e == OK || note->text[0] != '\0');
    return e == OK;
}

/* ---- the kinds ---- */

static void try_models(struct span text)
{
    static const char *const ids[] = {"us.anthropic.claude-haiku-4-5-20251001-v1:0", "acme.giant-v1", "mars.acme.giant-v1",
                                      "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"};
    static const char *const lists[] = {"customModels", "importedModels", "provisionedModels", "promptRouters"};
    struct models *m = NULL;
    struct note note = {""};
    if (taken(models_load(&m, api(), text, "f", &note), &note)) {
        for (size_t i = 0; i < models_count(m); i++) {
            const struct model *one = models_at(m, i);
            must(one->id != NULL && one->provider != NULL && one->burndown >= 1 && one->row != NULL);
            must(models_provider(m, one->provider) != NULL);
            (void)models_alive(m, one, 1767322800000);
        }
        for (size_t i = 0; i < models_geographies(m); i++)
            (void)geography_has(models_geography(m, i), "us-east-1");
        for (size_t i = 0; i < COUNT_OF(ids) * 2; i++)
            (void)models_resolve(m, ids[i / 2], i % 2 == 0);
        for (size_t i = 0; i < COUNT_OF(lists); i++)
            (void)models_resources(m, lists[i]);
        must(models_unknown(m) != NULL);
    }
    models_free(m);
}

static void try_knowledge(struct span text)
{
    struct knowledge *k = NULL;
    struct note note = {""};
    if (taken(knowledge_load(&k, api(), text, "f", &note), &note)) {
        const cJSON *document;
        CLEANUP(json_free) cJSON *filter = cJSON_Parse("{\"orAll\":[{\"equals\":{\"key\":\"shelf\",\"value\":4}},{\"listContains\":{\"key\":\"colours\",\"value\":\"red\"}}]}");
        cJSON_ArrayForEach(document, knowledge_documents(k, "KBPRODUCT1"))
        {
            (void)knowledge_passes(filter, json_item(document, "metadata"));
        }
        must(knowledge_rerank_page(k) > 0);
    }
    knowledge_free(k);
}

static void try_quotas(struct span text)
{
    CLEANUP(json_free) cJSON *tree = NULL;
    struct note note = {""};
    if (!taken(json_parse(text, JSON_UNIQUE, &tree, &note), &note))
        return;
    struct quotas *q = quotas_new();
    must(q != NULL);
    if (taken(quotas_set(q, tree, true, &note), &note)) {
        const struct quota_ask ask = {"arn:aws:iam::123456789012:user/a", "123456789012", "us-east-1", "amazon.nova-lite-v1:0", 10, 20, 1};
        for (int64_t at = 0; at < 8; at++) {
            struct quota_hold hold = {0};
            (void)quota_admit(q, &ask, at * 40000, &hold);
            if (hold.generation != 0)
                quota_settle(q, &hold, at % 2 == 0 ? 5 : QUOTA_SPENT_MAX, 7, at * 40000 + 9);
        }
        CLEANUP(buf_release) struct buf out = BUF_INIT(BUF_ANY);
        CLEANUP(json_free) cJSON *back = NULL;
        quotas_print(q, 400000, &out);
        must(json_parse(buf_span(&out), JSON_UNIQUE, &back, NULL) == OK);
    }
    quotas_free(q);
}

static void try_draws(struct time_law *law)
{
    struct rng rng = {1};
    for (uint64_t i = 0; i < DRAWS; i++)
        must(time_law_draw(law, &rng, i) < UINT64_MAX);
    time_law_release(law);
}

static void try_law(struct span text)
{
    CLEANUP(free_ptr) char *string = span_dup(text);
    struct time_law law = {0};
    struct note note = {""};
    if (string != NULL && taken(time_law_parse(string, false, &law, &note), &note))
        try_draws(&law);
}

static const char *file_of(struct span text)
{
    static char name[] = "/tmp/mohs-fuzz-XXXXXX";
    static int fd = -1;
    if (fd < 0)
        fd = mkstemp(name);
    must(fd >= 0 && pwrite(fd, text.p, text.n, 0) == (ssize_t)text.n && ftruncate(fd, (off_t)text.n) == 0);
    return name;
}

static void try_trace(struct span text)
{
    char name[64];
    struct time_law law = {0};
    struct note note = {""};
    (void)snprintf(name, sizeof name, "trace:%s", file_of(text));
    if (taken(time_law_parse(name, true, &law, &note), &note))
        try_draws(&law);
}

static void try_tempo(struct span text)
{
    CLEANUP(free_ptr) char *string = span_dup(text);
    struct time_tempo tempo = {.count = 0};
    struct note note = {""};
    if (string != NULL)
        (void)taken(time_tempo_parse(string, &tempo, &note), &note);
    must(tempo.count <= TIME_TEMPO_MAX);
    for (size_t i = 0; i < tempo.count; i++)
        must(isfinite(tempo.points[i].at) && isfinite(tempo.points[i].value) && tempo.points[i].value >= 0);
    (void)taken(time_tempo_read(file_of(text), &tempo, &note), &note);
}

/* ACCESS SECRET TOKEN PRINCIPAL in four lines, and bearer keys in the others. */
static void try_keys(struct span text)
{
    char *parts[8] = {NULL};
    size_t count = 0;
    for (bool more = true; more && count < COUNT_OF(parts); count++) {
        struct span line;
        more = span_split(text, '\n', &line, &text);
        parts[count] = span_dup(line);
        must(parts[count] != NULL);
    }
    const struct mock_key key = {parts[0], count > 1 ? parts[1] : "secret", count > 2 && parts[2][0] != '\0' ? parts[2] : NULL,
                                 count > 3 && parts[3][0] != '\0' ? parts[3] : NULL};
    const struct mock_config config = {.keys = &key, .key_count = 1, .bearer_keys = (const char *const *)parts + 4, .bearer_key_count = count > 4 ? count - 4 : 0};
    struct keys *keys = NULL;
    struct key_found found = {0};
    struct note note = {""};
    if (taken(keys_new(&config, &keys, &note), &note)) {
        must(keys_find(keys, span_of(parts[0]), &found));
        key_found_wipe(&found);
        for (size_t i = 4; i < count; i++)
            (void)keys_find_bearer(keys, span_of(parts[i]), 1767322800000, &found);
        key_found_wipe(&found);
    }
    bool quoted = key.principal != NULL && strstr(key.principal, key.secret) != NULL; /* the same text, and no secret there */
    must(strlen(key.secret) < 8 || quoted || strstr(note.text, key.secret) == NULL);
    keys_free(keys);
    for (size_t i = 0; i < count; i++)
        free(parts[i]);
}

static void try_guardrails(struct span text)
{
    struct guardrails *rails = NULL;
    struct note note = {""};
    if (taken(guardrails_new(file_of(text), &rails, &note), &note))
        guardrails_forget(rails);
    guardrails_free(rails);
}

/* Prices, rules and aliases, an object with the three. */
static void try_prices(struct span text)
{
    static const char *const files[] = {"models", "rules", "aliases"};
    CLEANUP(json_free) cJSON *tree = NULL;
    char *parts[COUNT_OF(files)];
    struct note note = {""};
    if (json_parse(text, JSON_UNIQUE, &tree, NULL) != OK)
        return;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char name[64];
        struct span own = SPAN_EMPTY;
        (void)snprintf(name, sizeof name, "fixtures/prices/%s.json", files[i]);
        must(data_load(name, &own, NULL) == OK);
        parts[i] = json_item(tree, files[i]) != NULL ? json_text(json_item(tree, files[i]), JSON_COMPACT) : span_dup(own);
        must(parts[i] != NULL);
    }
    struct price_book *book = price_book_parse(span_of(parts[0]), span_of(parts[1]), span_of(parts[2]), &note);
    must(book != NULL || note.text[0] != '\0');
    for (size_t i = 0; book != NULL && i < price_book_models(book); i++) {
        const struct price_query q = {.model = price_book_id(book, i, 0), .date = "2026-11-01", .region = "us-east-1", .allow_unverified = true};
        struct price_usage usage = {.units = {1000, 1000}};
        struct price_bill bill;
        must(q.model == NULL || price_cost(book, &q, &usage, &bill, &note) == OK || note.text[0] != '\0');
    }
    price_book_free(book);
    for (size_t i = 0; i < COUNT_OF(files); i++)
        free(parts[i]);
}

static void (*const kinds[])(struct span text) = {try_models, try_knowledge, try_quotas, try_law, try_tempo, try_trace, try_keys, try_guardrails, try_prices};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0)
        kinds[data[0] % COUNT_OF(kinds)]((struct span){data + 1, size - 1});
    return 0;
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const struct {
        char kind;
        const char *text;
    } rows[] = {
        {0, "{\"unknown\":\"refuse\",\"retire_by_date\":false,\"models\":[{\"id\":\"anthropic.claude-v2:1\",\"refuse\":\"model-eol\"},{\"id\":\"acme.giant-v1\","
            "\"name\":\"Giant\",\"context\":32000,\"profiles\":[\"us\",\"mars\"],\"images\":true}],\"remove\":[\"ai21.j2-*\"],\"providers\":{\"acme\":\"Acme Inc\"},"
            "\"geographies\":{\"mars\":{\"name\":\"MARS\",\"regions\":[\"mars-east-1\"]}},\"resources\":{\"importedModels\":[]}}"},
        {1, "{\"rerank_page\":1000,\"knowledge_bases\":[{\"id\":\"KBPRODUCT1\",\"name\":\"products\",\"documents\":[{\"id\":\"kettle\",\"text\":\"two litres\","
            "\"location\":{\"type\":\"S3\",\"s3Location\":{\"uri\":\"s3://a/b\"}},\"metadata\":{\"shelf\":4,\"colours\":[\"red\"]}},{\"id\":\"sales\",\"content\":"
            "{\"type\":\"ROW\",\"row\":[{\"columnName\":\"k\",\"type\":\"LONG\",\"columnValue\":\"12\"}]}}]}]}"},
        {2, "{\"quotas\":[{\"principal\":\"*:user/*\",\"model\":\"amazon.*\",\"rpm\":10,\"tpm\":20000,\"rpd\":1000,\"tpd\":500000},{\"region\":\"us-east-1\","
            "\"per\":\"account\",\"tpm\":200000,\"burndown\":5,\"refill\":\"window\"}]}"},
        {3, "normal:20,5"}, {3, "lognormal:20,0.6"}, {3, "lognormal:p50=20,p99=200"}, {3, "table:p0=1,p50=20,p90=60,p99=200,p100=900"}, {3, "1.5s"}, {3, "constant:20us"},
        {4, "0s=1,60s=3,90s=3,90s=1"}, {4, "0s=1\n1m=2\n# x\n"}, {5, "# recorded\n12\n13.5\n\n0\n"},
        {6, "AKIAIOSFODNN7EXAMPLE\nsecretsecret\ntoken\narn:aws:iam::123456789012:role/r\nkey-one@2027-01-02T03:04:05Z\nkey-two"},
        {7, "{\"guardrails\":[{\"guardrailId\":\"abcdefghij\",\"name\":\"n\",\"blockedInputMessaging\":\"i\",\"blockedOutputsMessaging\":\"o\",\"wordPolicy\":{\"words\":"
            "[{\"text\":\"x\"}]},\"sensitiveInformationPolicy\":{\"regexes\":[{\"name\":\"r\",\"pattern\":\"[a-z]+@\",\"action\":\"ANONYMIZE\"}]}}]}"}};
    static const char *const files[] = {"fixtures/models.json", "fixtures/knowledge.json", NULL, NULL, NULL, NULL, NULL, "fixtures/guardrails.json"};
    static const char *const prices[] = {"models", "rules", "aliases"};
    struct span text = SPAN_EMPTY;
    size_t n = i - COUNT_OF(rows), p = n - COUNT_OF(files);
    if (i < COUNT_OF(rows)) {
        buf_addc(out, rows[i].kind);
        buf_adds(out, rows[i].text);
        return true;
    }
    if (n < COUNT_OF(files)) {
        buf_addc(out, (char)n);
        if (files[n] != NULL && data_load(files[n], &text, NULL) == OK)
            buf_add(out, text);
        return true;
    }
    if (p >= COUNT_OF(prices))
        return false;
    char name[64];
    (void)snprintf(name, sizeof name, "fixtures/prices/%s.json", prices[p]);
    must(data_load(name, &text, NULL) == OK);
    buf_addf(out, "%c{\"%s\":", 8, prices[p]);
    buf_add(out, text);
    buf_addc(out, '}');
    return true;
}
