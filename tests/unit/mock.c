/* The mock over the wire: shapes of answers, default answers, scripts. */
#include "mock_rig.h"

static void answers_converse_in_the_shape_of_bedrock(void)
{
    struct mock_config config = {.auth = MOCK_AUTH_STRICT};
    CLEANUP(rig_stop) struct mock *m = rig_start(&config);
    CLEANUP(reply_release) struct reply r = ask(m, CONVERSE, HELLO);
    CLAIM(r.status == 200, "status %d: %s", r.status, buf_text(&r.body));
    CLEANUP(reply_release) struct reply s = ask(m, STREAM, HELLO);
    enum es_error end;
    CLEANUP(json_free) cJSON *events = events_of(&s.body, &end);
    CLEANUP(buf_release) struct buf o = BUF_INIT(BUF_ANY);
    outline(events, &o);
    CLAIM(end == ES_OK && strcmp(buf_text(&o), "messageStart contentBlockDelta*69 contentBlockStop messageStop metadata") == 0, "%s", buf_text(&o));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"answers Converse in the shape of Bedrock", answers_converse_in_the_shape_of_bedrock},
        CU_TEST_INFO_NULL,
    };
    return unit_main("mock", tests);
}
