/* cost_audit.c: three readers of price tables, one comparison.
 *
 * A reader turns a table into `quotes`: name, dimension, exact decimal. It never goes through a double: JSON numbers
 * keep their literal. A quote is then held against the book at the same name: right, a power of ten away, or wrong.
 * What a table does not say is found the other way round, from our models to its names.
 *
 * Only what our book knows from more than one source, or from a published price list, counts as a difference; a figure
 * that only one table has cannot convict another.
 */
#include "harness/cost_audit.h"

#include <stdio.h>
#include <stdlib.h>

enum { SCALE_MAX = 6, QUOTES_MAX = 200000, TEXT_MAX = 512 };

static const struct {
    const char *name, *says;
    bool difference;
} kinds[AUDIT_KINDS] = {
    [AUDIT_SCALE] = {"scale", "the figure is a power of ten away: per 1K or per token taken for per 1M", true},
    [AUDIT_EXPIRED] = {"expired", "a price that was true once", true},
    [AUDIT_GLOBAL] = {"global", "the price of the global profile, under a name that is billed at the regional one",
                      true},
    [AUDIT_FIGURE] = {"figure", "another figure than ours", true},
    [AUDIT_CACHE] = {"cache", "caching has a price, and the table has none", true},
    [AUDIT_GEOGRAPHY] = {"geography", "the table prices the model, but not under this geography", true},
    [AUDIT_MISSING] = {"missing", "the table prices the model, but not this dimension", true},
    [AUDIT_FREE] = {"free", "a price of 0", true},
    [AUDIT_ABSENT] = {"absent", "the table lacks this model", true},
    [AUDIT_UNKNOWN] = {"unknown", "we have no price to compare with", false},
    [AUDIT_UNVERIFIED] = {"unverified", "differs from a figure of ours that has one source only", false},
};

const char *audit_kind_name(enum audit_kind k)
{
    return kinds[k].name;
}

const char *audit_kind_says(enum audit_kind k)
{
    return kinds[k].says;
}

bool audit_kind_is_difference(enum audit_kind k)
{
    return kinds[k].difference;
}

/* ---- findings ---- */

static char *decimal_text(price_int value, unsigned scale)
{
    struct buf b = BUF_INIT(128);
    decimal_print(value, scale, &b);
    return buf_take(&b);
}

/* Figures are told per million for tokens, per unit otherwise; both come here per single unit. */
static char *figure_text(enum price_dimension d, price_int atto_each)
{
    return decimal_text(atto_each, d < PRICE_TOKENS ? MONEY_DECIMALS - 6 : MONEY_DECIMALS);
}

static void add_finding(struct audit *a, struct audit_finding take)
{
    if (a->count == a->cap) {
        size_t cap = a->cap == 0 ? 64 : 2 * a->cap;
        struct audit_finding *grown = realloc(a->findings, cap * sizeof *grown);
        if (grown == NULL) {
            a->starved = true;
            free(take.name), free(take.dimension), free(take.theirs), free(take.ours);
            return;
        }
        a->findings = grown;
        a->cap = cap;
    }
    a->findings[a->count++] = take;
    a->counts[take.kind]++;
}

void audit_release(struct audit *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->count; i++) {
        free(a->findings[i].name);
        free(a->findings[i].dimension);
        free(a->findings[i].theirs);
        free(a->findings[i].ours);
    }
    free(a->findings);
    *a = (struct audit){0};
}

static char *copy(const char *text)
{
    return span_dup(span_of(text));
}

/* ---- what a table says ---- */

struct quote {
    char *name; /* without routes of the table's own */
    enum price_dimension d;
    char *variant;
    const char *tier;
    price_int atto_each;
};

struct quotes {
    struct quote *items;
    size_t count, cap;
    const struct price_book *book;
    const char *date;
    struct audit *audit;
};

static void quotes_release(struct quotes *q)
{
    for (size_t i = 0; i < q->count; i++) {
        free(q->items[i].name);
        free(q->items[i].variant);
    }
    free(q->items);
}

static enum err quotes_add(struct quotes *q, const char *name, enum price_dimension d, const char *variant,
                           const char *tier, price_int atto_each)
{
    if (q->count == q->cap) {
        size_t cap = q->cap == 0 ? 256 : 2 * q->cap;
        struct quote *grown = cap > QUOTES_MAX ? NULL : realloc(q->items, cap * sizeof *grown);
        if (grown == NULL)
            return ERR_NOMEM;
        q->items = grown;
        q->cap = cap;
    }
    q->items[q->count++] = (struct quote){copy(name), d, variant == NULL ? NULL : copy(variant), tier, atto_each};
    return OK;
}

/* A number or a decimal string, scaled; false when it is neither or has too many digits. */
static bool read_decimal(const cJSON *item, int scale, price_int *out)
{
    const char *text = cJSON_IsNumber(item) || cJSON_IsString(item) ? item->valuestring : NULL;
    return text != NULL && decimal_parse(text, scale, out) == OK;
}

/* ---- litellm: {"name": {"litellm_provider": "bedrock", "input_cost_per_token": 3e-06, ...}} ---- */

static const struct {
    const char *key;
    enum price_dimension d;
    const char *tier;
} litellm_keys[] = {
    {"input_cost_per_token", PRICE_INPUT, NULL},
    {"output_cost_per_token", PRICE_OUTPUT, NULL},
    {"cache_read_input_token_cost", PRICE_CACHE_READ, NULL},
    {"cache_creation_input_token_cost", PRICE_CACHE_WRITE_5M, NULL},
    {"cache_creation_input_token_cost_above_1hr", PRICE_CACHE_WRITE_1H, NULL},
    {"input_cost_per_audio_token", PRICE_INPUT_AUDIO, NULL},
    {"output_cost_per_audio_token", PRICE_OUTPUT_AUDIO, NULL},
    {"input_cost_per_token_batches", PRICE_INPUT, "batch"},
    {"output_cost_per_token_batches", PRICE_OUTPUT, "batch"},
    {"output_cost_per_image", PRICE_IMAGE, NULL},
    {"input_cost_per_image", PRICE_INPUT_IMAGE, NULL},
    {"input_cost_per_video_per_second", PRICE_INPUT_VIDEO_SECOND, NULL},
    {"input_cost_per_audio_per_second", PRICE_INPUT_AUDIO_SECOND, NULL},
    {"input_cost_per_query", PRICE_QUERY, NULL},
};

static enum err read_litellm_model(struct quotes *q, const cJSON *model)
{
    for (size_t i = 0; i < COUNT_OF(litellm_keys); i++) {
        const cJSON *item = json_member(model, litellm_keys[i].key);
        price_int each;
        if (item == NULL || !read_decimal(item, MONEY_DECIMALS, &each))
            continue;
        enum err e = quotes_add(q, model->string, litellm_keys[i].d, NULL, litellm_keys[i].tier, each);
        if (e != OK)
            return e;
    }
    return OK;
}

/* Provisioned throughput and image sizes stand in the name there; those names are not models. */
static bool is_litellm_model(const cJSON *model)
{
    const char *provider = json_str(model, "litellm_provider"), *name = model->string;
    return provider != NULL && (strcmp(provider, "bedrock") == 0 || strcmp(provider, "bedrock_converse") == 0) &&
           strstr(name, "-commitment/") == NULL && strstr(name, "-x-") == NULL && strchr(name, '@') == NULL;
}

static enum err read_litellm(struct quotes *q, const cJSON *doc, struct note *note)
{
    const cJSON *model;
    if (!cJSON_IsObject(doc))
        return note_set(note, ERR_INVALID, "a LiteLLM price map is a JSON object of models");
    cJSON_ArrayForEach(model, doc)
    {
        if (!cJSON_IsObject(model) || !is_litellm_model(model))
            continue;
        q->audit->names++;
        if (read_litellm_model(q, model) != OK)
            return note_set(note, ERR_NOMEM, "out of memory");
    }
    return OK;
}

/* ---- genai-prices: a list of {id, match, prices_usd_per_million}, the first match wins ---- */

static const struct {
    const char *key;
    enum price_dimension d;
} genai_keys[] = {
    {"input_mtok", PRICE_INPUT},
    {"output_mtok", PRICE_OUTPUT},
    {"cache_read_mtok", PRICE_CACHE_READ},
    {"cache_write_mtok", PRICE_CACHE_WRITE_5M},
    {"input_audio_mtok", PRICE_INPUT_AUDIO},
    {"output_audio_mtok", PRICE_OUTPUT_AUDIO},
};

static bool genai_clause(const cJSON *match, const char *name, unsigned depth)
{
    static const char *const lists[] = {"or", "and"};
    const char *contains = json_str(match, "contains"), *starts = json_str(match, "starts_with");
    const char *equals = json_str(match, "equals"), *ends = json_str(match, "ends_with");
    size_t n = strlen(name);
    if (contains != NULL)
        return strstr(name, contains) != NULL;
    if (starts != NULL)
        return strncmp(name, starts, strlen(starts)) == 0;
    if (equals != NULL)
        return strcmp(name, equals) == 0;
    if (ends != NULL)
        return n >= strlen(ends) && strcmp(name + n - strlen(ends), ends) == 0;
    for (size_t i = 0; i < COUNT_OF(lists) && depth < 4; i++) {
        const cJSON *list = json_member(match, lists[i]), *one;
        bool all = true, any = false;
        cJSON_ArrayForEach(one, list)
        {
            bool holds = genai_clause(one, name, depth + 1);
            all = all && holds;
            any = any || holds;
        }
        if (list != NULL)
            return i == 0 ? any : all;
    }
    return false;
}

/* The prices that hold on the date: an object, or a list of which the last one that has begun wins. */
static const cJSON *genai_prices(const cJSON *model, const char *date)
{
    const cJSON *prices = json_member(model, "prices_usd_per_million"), *one, *found = NULL;
    if (!cJSON_IsArray(prices))
        return prices;
    cJSON_ArrayForEach(one, prices)
    {
        const char *start = json_str(json_member(one, "constraint"), "start_date");
        if (start == NULL || strcmp(date, start) >= 0)
            found = json_member(one, "prices");
    }
    return found;
}

static enum err quote_genai(struct quotes *q, const cJSON *models, const char *name)
{
    const cJSON *model;
    cJSON_ArrayForEach(model, models)
    {
        if (!genai_clause(json_member(model, "match"), name, 0))
            continue;
        const cJSON *prices = genai_prices(model, q->date);
        q->audit->names++;
        for (size_t i = 0; i < COUNT_OF(genai_keys); i++) {
            const cJSON *item = json_member(prices, genai_keys[i].key);
            price_int each;
            if (item != NULL && read_decimal(item, MONEY_DECIMALS - 6, &each)) {
                enum err e = quotes_add(q, name, genai_keys[i].d, NULL, NULL, each);
                if (e != OK)
                    return e;
            }
        }
        return OK;
    }
    return OK;
}

/* Their table has patterns, no names: each of our names is put to it, bare and with each geography that is in use. */
static enum err read_genai(struct quotes *q, const cJSON *doc, struct note *note)
{
    static const char *const geographies[] = {"", "us.", "eu.", "apac.", "jp.", "au.", "global."};
    const cJSON *models = json_member(doc, "models");
    if (!cJSON_IsArray(models))
        return note_set(note, ERR_INVALID, "genai-prices figures are an object with a list of models");
    for (size_t m = 0; m < price_book_models(q->book); m++)
        for (size_t s = 0; price_book_id(q->book, m, s) != NULL; s++)
            for (size_t g = 0; g < COUNT_OF(geographies); g++) {
                char name[TEXT_MAX];
                (void)snprintf(name, sizeof name, "%s%s", geographies[g], price_book_id(q->book, m, s));
                if (quote_genai(q, models, name) != OK)
                    return note_set(note, ERR_NOMEM, "out of memory");
            }
    return OK;
}

/* ---- csv: model,dimension,usd ---- */

static enum err read_csv_line(struct quotes *q, char *line, size_t number, struct note *note)
{
    char *dimension = strchr(line, ','), *usd = dimension == NULL ? NULL : strchr(dimension + 1, ',');
    enum price_dimension d;
    price_int each;
    if (usd == NULL || strchr(usd + 1, ',') != NULL)
        return note_set(note, ERR_INVALID, "line %zu: three fields are wanted: model,dimension,usd", number);
    *dimension++ = '\0';
    *usd++ = '\0';
    char *colon = strchr(dimension, ':');
    size_t n = colon == NULL ? strlen(dimension) : (size_t)(colon - dimension);
    if (!price_dimension_named(dimension, n, &d))
        return note_set(note, ERR_UNKNOWN, "line %zu: %s is not a dimension", number, dimension);
    if (decimal_parse(usd, d < PRICE_TOKENS ? MONEY_DECIMALS - 6 : MONEY_DECIMALS, &each) != OK)
        return note_set(note, ERR_INVALID, "line %zu: %s is not a decimal", number, usd);
    return quotes_add(q, line, d, colon == NULL ? NULL : colon + 1, NULL, each);
}

static enum err read_csv(struct quotes *q, struct span text, struct note *note)
{
    struct span line;
    bool more = true;
    for (size_t number = 1; more; number++) {
        more = span_split(text, '\n', &line, &text);
        while (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (number == 1 && !span_is(line, "model,dimension,usd"))
            return note_set(note, ERR_INVALID, "the first line must be model,dimension,usd");
        if (number == 1 || line.n == 0)
            continue;
        CLEANUP(free_ptr) char *copied = span_dup(line);
        enum err e = copied == NULL ? ERR_NOMEM : read_csv_line(q, copied, number, note);
        if (e != OK)
            return e;
        q->audit->names++;
    }
    return OK;
}

/* ---- from their figures to ours ---- */

/* The name without its geography; the same when it has none. */
static const char *base_of(const struct price_book *book, const char *name)
{
    const cJSON *g;
    cJSON_ArrayForEach(g, price_book_geographies(book))
    {
        size_t n = strlen(g->valuestring);
        if (strncmp(name, g->valuestring, n) == 0 && name[n] == '.')
            return name + n + 1;
    }
    return name;
}

static bool powers_apart(price_int a, price_int b)
{
    for (int i = 0; i < SCALE_MAX; i++) {
        if (__builtin_mul_overflow(a, 10, &a))
            return false;
        if (a == b)
            return true;
    }
    return false;
}

static enum err rate_on(const struct quotes *q, const char *date, const char *name, const struct quote *like,
                        struct price_rate *out)
{
    const struct price_query query = {name, NULL, date, like->tier, NULL, true};
    struct price_place place;
    enum err e = price_find(q->book, &query, &place, NULL);
    return e == OK ? price_rate_at(q->book, &place, like->d, like->variant, out, NULL) : e;
}

static enum err rate_of(const struct quotes *q, const char *name, enum price_dimension d, struct price_rate *out)
{
    const struct quote like = {.d = d};
    return rate_on(q, q->date, name, &like, out);
}

static enum audit_kind judge(const struct quotes *q, const struct quote *quote, const struct price_rate *ours)
{
    struct price_rate other;
    char global[TEXT_MAX];
    price_int theirs = quote->atto_each;
    if (!ours->verified)
        return AUDIT_UNVERIFIED;
    if (theirs == 0)
        return AUDIT_FREE;
    if (powers_apart(theirs, ours->each.atto_usd) || powers_apart(ours->each.atto_usd, theirs))
        return AUDIT_SCALE;
    if (rate_on(q, "2000-01-01", quote->name, quote, &other) == OK && other.each.atto_usd == theirs)
        return AUDIT_EXPIRED;
    (void)snprintf(global, sizeof global, "global.%s", base_of(q->book, quote->name));
    if (rate_on(q, q->date, global, quote, &other) == OK && other.each.atto_usd == theirs)
        return AUDIT_GLOBAL;
    return rate_on(q, "2000-01-01", global, quote, &other) == OK && other.each.atto_usd == theirs ? AUDIT_EXPIRED
                                                                                                  : AUDIT_FIGURE;
}

static void compare(struct quotes *q, const struct quote *quote)
{
    struct price_rate ours;
    struct audit_finding f = {.kind = AUDIT_UNKNOWN, .name = quote->name};
    if (rate_on(q, q->date, quote->name, quote, &ours) == OK) {
        q->audit->figures++;
        if (ours.each.atto_usd == quote->atto_each) {
            q->audit->equal++;
            return;
        }
        f.kind = judge(q, quote, &ours);
        f.ours = figure_text(quote->d, ours.each.atto_usd);
        f.source = ours.source;
    } else if (quote->atto_each == 0)
        return; /* "output 0" of an embedding model: no price on either side */
    char name[TEXT_MAX];
    (void)snprintf(name, sizeof name, "%s%s%s", price_dimension_name(quote->d), quote->tier != NULL ? " at " : "",
                   quote->tier != NULL ? quote->tier : "");
    f.name = copy(quote->name);
    f.dimension = copy(name);
    f.theirs = figure_text(quote->d, quote->atto_each);
    add_finding(q->audit, f);
}

/* ---- from our figures to theirs ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct quote *)a)->name, ((const struct quote *)b)->name);
}

static bool quoted(const struct quotes *q, const char *name, enum price_dimension d, bool any)
{
    size_t low = 0, high = q->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(q->items[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < q->count && strcmp(q->items[low].name, name) == 0; low++)
        if (any || (q->items[low].d == d && q->items[low].tier == NULL))
            return true;
    return false;
}

static bool is_cache(enum price_dimension d)
{
    return d == PRICE_CACHE_READ || d == PRICE_CACHE_WRITE_5M || d == PRICE_CACHE_WRITE_1H;
}

/* Kinds of tokens that we price under `name`, and they do not. What the name without geography lacks as well is told
 * there, once. */
static void find_holes(struct quotes *q, const char *name)
{
    const char *base = base_of(q->book, name);
    for (size_t i = 0; i < PRICE_TOKENS; i++) {
        enum price_dimension d = (enum price_dimension)i;
        struct price_rate ours;
        if (quoted(q, name, d, false) || rate_of(q, name, d, &ours) != OK || !ours.verified)
            continue;
        if (base != name && quoted(q, base, PRICE_INPUT, true) && !quoted(q, base, d, false))
            continue;
        add_finding(q->audit, (struct audit_finding){.kind = is_cache(d) ? AUDIT_CACHE : AUDIT_MISSING,
                                                     .name = copy(name),
                                                     .dimension = copy(price_dimension_name(d)),
                                                     .ours = figure_text(d, ours.each.atto_usd),
                                                     .source = ours.source});
    }
}

static bool priced_by_us(const struct quotes *q, const char *name, struct price_rate *rate)
{
    return rate_of(q, name, PRICE_INPUT, rate) == OK && rate->verified;
}

/* A gap: the bare or the global name is there, that of a geography, which costs something else, is not. */
static void find_gaps(struct quotes *q, const char *id)
{
    const cJSON *g;
    struct price_rate base, here;
    char name[TEXT_MAX];
    (void)snprintf(name, sizeof name, "global.%s", id);
    bool split = priced_by_us(q, name, &base) && priced_by_us(q, id, &here) && base.each.atto_usd != here.each.atto_usd;
    if (!split) /* one price everywhere: any of the names will do */
        return;
    cJSON_ArrayForEach(g, price_book_geographies(q->book))
    {
        static const char *const used[] = {"us", "eu", "jp", "au", "global"};
        bool in_use = false;
        for (size_t i = 0; i < COUNT_OF(used); i++)
            in_use = in_use || strcmp(g->valuestring, used[i]) == 0;
        (void)snprintf(name, sizeof name, "%s.%s", g->valuestring, id);
        if (in_use && !quoted(q, name, PRICE_INPUT, true) && priced_by_us(q, name, &here))
            add_finding(q->audit, (struct audit_finding){.kind = AUDIT_GEOGRAPHY,
                                                         .name = copy(name),
                                                         .ours = figure_text(PRICE_INPUT, here.each.atto_usd),
                                                         .source = here.source});
    }
}

/* How a table may spell an id; the spellings of one model count as one. */
static bool spelled(const struct quotes *q, size_t model, const char *pattern)
{
    char name[TEXT_MAX];
    for (size_t s = 0; price_book_id(q->book, model, s) != NULL; s++) {
        (void)snprintf(name, sizeof name, pattern[0] == '\0' ? "%s%s" : "%s.%s", pattern,
                       price_book_id(q->book, model, s));
        if (quoted(q, name, PRICE_INPUT, true))
            return true;
    }
    return false;
}

static void find_absent(struct quotes *q, size_t model)
{
    const cJSON *g;
    struct price_rate ours;
    const char *id = price_book_id(q->book, model, 0);
    bool there = spelled(q, model, "");
    cJSON_ArrayForEach(g, price_book_geographies(q->book))
    {
        there = there || spelled(q, model, g->valuestring);
    }
    if (!there && priced_by_us(q, id, &ours))
        add_finding(q->audit, (struct audit_finding){.kind = AUDIT_ABSENT,
                                                     .name = copy(id),
                                                     .ours = figure_text(PRICE_INPUT, ours.each.atto_usd),
                                                     .source = ours.source});
    if (!there)
        return;
    for (size_t s = 0; price_book_id(q->book, model, s) != NULL; s++) {
        const char *spelling = price_book_id(q->book, model, s);
        char global[TEXT_MAX];
        (void)snprintf(global, sizeof global, "global.%s", spelling);
        if (quoted(q, spelling, PRICE_INPUT, true) || quoted(q, global, PRICE_INPUT, true))
            find_gaps(q, spelling);
    }
}

static void compare_all(struct quotes *q)
{
    if (q->count > 0)
        qsort(q->items, q->count, sizeof *q->items, by_name);
    for (size_t i = 0; i < q->count; i++) {
        compare(q, &q->items[i]);
        if (i + 1 == q->count || strcmp(q->items[i].name, q->items[i + 1].name) != 0)
            find_holes(q, q->items[i].name);
    }
    for (size_t m = 0; m < price_book_models(q->book); m++)
        find_absent(q, m);
}

static int by_weight(const void *a, const void *b)
{
    const struct audit_finding *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    int names = strcmp(x->name == NULL ? "" : x->name, y->name == NULL ? "" : y->name);
    return names != 0 ? names
                      : strcmp(x->dimension == NULL ? "" : x->dimension, y->dimension == NULL ? "" : y->dimension);
}

enum err audit_run(const struct price_book *book, const char *format, struct span text, const char *date,
                   struct audit *out, struct note *note)
{
    CLEANUP(json_free) cJSON *doc = NULL;
    struct price_place today;
    const struct price_query any = {.model = price_book_id(book, 0, 0), .date = date};
    *out = (struct audit){0};
    enum err e = price_find(book, &any, &today, note); /* checks the date, and makes one */
    if (e != OK)
        return e;
    struct quotes q = {.book = book, .date = today.date, .audit = out};
    bool csv = strcmp(format, "csv") == 0;
    e = csv ? read_csv(&q, text, note) : json_parse(text, JSON_COMPACT, &doc, note);
    if (e == OK && !csv)
        e = (strcmp(format, "litellm") == 0 ? read_litellm : read_genai)(&q, doc, note);
    if (e == OK && q.count == 0)
        e = note_set(note, ERR_INVALID, "the table has no price of Amazon Bedrock in the format %s", format);
    if (e == OK)
        compare_all(&q);
    quotes_release(&q);
    if (out->count > 1)
        qsort(out->findings, out->count, sizeof *out->findings, by_weight);
    return e == OK && out->starved ? note_set(note, ERR_NOMEM, "out of memory") : e;
}
