/* Any request to the Bedrock port, in process: the first bytes choose operation, model and caller (rig/request.h), the
 * rest is its body. Every answer has a status, is what its Content-Type says, keeps to the API model when it is a good
 * one, and is never an internal error of ours; and its exchange is let go. Four mocks, from the strictest to the one
 * that refuses nothing; what they keep is forgotten now and then.
 */
#include "rig/fuzz.h"
#include "rig/request.h"

#define RUNS_KEPT 64 /* what an input leaves behind, the next ones see */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return fuzz_mutate(data, size, max, seed, "");
}

bool fuzz_seed(size_t i, struct buf *out)
{
    return request_seed(i, out);
}

static struct mock *mock_at(size_t i)
{
    static struct mock *mocks[4];
    static const struct mock_config configs[COUNT_OF(mocks)] = {
        {.auth = MOCK_AUTH_NONE, .load_factor = "2", .seed = 1},
        {.auth = MOCK_AUTH_LENIENT,
         .models = MOCK_MODELS_KNOWN,
         .fault_headers = true,
         .latency = "lognormal:3,0.5",
         .quotas = "{\"quotas\":[{\"model\":\"*\",\"rpm\":40,\"tpm\":100000,\"tpd\":1000000}]}",
         .cache_by_id = true},
        {.auth = MOCK_AUTH_STRICT, .validation = MOCK_VALIDATION_LENIENT, .journal_bytes = 16384, .long_mismatch = true},
        {.auth = MOCK_AUTH_LENIENT, .validation = MOCK_VALIDATION_RECORD, .journal_bytes = MOCK_JOURNAL_OFF, .no_cache = true}};
    if (mocks[i] == NULL)
        mocks[i] = rig_mock(&configs[i]);
    return mocks[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned runs;
    struct span bytes = {data, size};
    if (size < REQUEST_HEAD)
        return 0;
    struct mock *m = mock_at(data[0] / REQUEST_MOCK);
    CLEANUP(request_release) struct request r;
    if (runs++ % RUNS_KEPT == 0)
        for (size_t i = 0; i < 4; i++)
            rig_reset(mock_at(i));
    if (!request_make(&r, m, bytes))
        return 0;
    if (r.operation != NULL && r.operation->streaming == API_STREAMING_BOTH)
        r.ask.body_follows = true;
    struct exchange *x = rig_send(m->server, &r.ask);
    (void)rig_drain(x);
    must(rig_replied(x));
    if (!r.faulted) {
        rig_check(x);
        rig_check_api(m, &r.ask, x);
    }
    rig_free(x, (data[0] & REQUEST_CANCELLED) ? DELIVERY_PEER_CLOSED : DELIVERY_COMPLETE);
    must(atomic_load(&m->open) == 0);
    return 0;
}
