/* sigv4_date.c: the one date form of Signature Version 4, YYYYMMDDTHHMMSSZ, and the form of the Date header.
 *
 * Written out instead of timegm and strftime: glibc's take a lock for the time zone, which the workers of a mock would
 * all queue at, and strptime accepts what a service refuses. Dates are proleptic Gregorian; the arithmetic counts days
 * from 1 March, so that the leap day comes last.
 */
#include "protocol/sigv4_internal.h"

#define DAYS_IN_400_YEARS 146097
#define LAST_SECOND       253402300799 /* 99991231T235959Z */
#define FIRST_SECOND      (-62167219200)

static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_IN_400_YEARS + day_of_era - 719468;
}

static void put_digits(char *out, int64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v /= 10)
        out[i] = (char)('0' + v % 10);
}

void sigv4_date_format(int64_t at_s, char out[SIGV4_DATE])
{
    at_s = at_s < FIRST_SECOND ? FIRST_SECOND : at_s > LAST_SECOND ? LAST_SECOND : at_s;
    int64_t since = at_s - FIRST_SECOND; /* from 0000-01-01, never negative */
    int64_t second = since % 86400;
    int64_t days = since / 86400 - 60 + DAYS_IN_400_YEARS; /* from 1 March of the year -400 */
    int64_t era = days / DAYS_IN_400_YEARS, day_of_era = days % DAYS_IN_400_YEARS;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * day_of_year + 2) / 153;
    int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
    put_digits(out, era * 400 - 400 + year_of_era + (month <= 2), 4);
    put_digits(out + 4, month, 2);
    put_digits(out + 6, day_of_year - (153 * from_march + 2) / 5 + 1, 2);
    out[8] = 'T';
    put_digits(out + 9, second / 3600, 2);
    put_digits(out + 11, second / 60 % 60, 2);
    put_digits(out + 13, second % 60, 2);
    out[15] = 'Z';
    out[16] = '\0';
}

static bool take_digits(struct span text, size_t at, size_t n, unsigned *out)
{
    unsigned v = 0;
    for (size_t i = at; i < at + n; i++) {
        if (i >= text.n || text.p[i] < '0' || text.p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(text.p[i] - '0');
    }
    *out = v;
    return true;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (leap && month == 2 ? 1U : 0U);
}

static enum err combine(unsigned year, unsigned month, unsigned day, const unsigned time[3], int64_t *at_s)
{
    if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || time[0] > 23 || time[1] > 59 ||
        time[2] > 59)
        return ERR_INVALID;
    *at_s = days_from_date(year, month, day) * 86400 + (int64_t)time[0] * 3600 + (int64_t)time[1] * 60 + time[2];
    return OK;
}

enum err sigv4_date_parse(struct span text, int64_t *at_s)
{
    unsigned year, month, day, time[3];
    bool form = text.n == SIGV4_DATE - 1 && take_digits(text, 0, 4, &year) && take_digits(text, 4, 2, &month) &&
                take_digits(text, 6, 2, &day) && text.p[8] == 'T' && take_digits(text, 9, 2, &time[0]) &&
                take_digits(text, 11, 2, &time[1]) && take_digits(text, 13, 2, &time[2]) && text.p[15] == 'Z';
    return form ? combine(year, month, day, time, at_s) : ERR_SYNTAX;
}

/* RFC 9110 5.6.7, IMF-fixdate: "Fri, 24 May 2013 00:00:00 GMT". The day of the week is not checked. */
enum err sigv4_http_date_parse(struct span text, int64_t *at_s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    unsigned year, month = 0, day, time[3];
    bool form = text.n == 29 && text.p[3] == ',' && take_digits(text, 5, 2, &day) && take_digits(text, 12, 4, &year) &&
                take_digits(text, 17, 2, &time[0]) && text.p[19] == ':' && take_digits(text, 20, 2, &time[1]) &&
                text.p[22] == ':' && take_digits(text, 23, 2, &time[2]) && span_is(span_from(text, 25), " GMT");
    for (unsigned i = 0; form && i < 12; i++)
        if (memcmp(months + (size_t)3 * i, text.p + 8, 3) == 0)
            month = i + 1;
    return form ? combine(year, month, day, time, at_s) : ERR_SYNTAX;
}
