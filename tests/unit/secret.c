/* Which header fields are blanked. */
#include "protocol/secret.h"

#include "unit.h"

static void knows_the_fields_that_carry_credentials(void)
{
    static const char *const blanked[] = {"Authorization", "X-Amz-Security-Token", "x-api-key", "Cookie", "x-portkey-aws-secret-access-key", "X-My-SECRET", "Set-Cookie"};
    static const char *const shown[] = {"", "host", "x-amz-date", "x-amz-content-sha256", "secre", "x-request-id", "content-type"};
    for (size_t i = 0; i < COUNT_OF(blanked); i++)
        CLAIM(secret_header(span_of(blanked[i])), "%s would be shown", blanked[i]);
    for (size_t i = 0; i < COUNT_OF(shown); i++)
        CLAIM(!secret_header(span_of(shown[i])), "%s would be blanked", shown[i]);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"knows the fields that carry credentials", knows_the_fields_that_carry_credentials},
        CU_TEST_INFO_NULL,
    };
    return unit_main("secret", tests);
}
