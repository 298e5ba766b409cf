/* verbs.h: the rows of main.c's table, one per harness/cmd_NAME.c. */
#ifndef MOHS_VERBS_H
#define MOHS_VERBS_H

#include "harness/option.h"

extern const struct verb verb_bench;
extern const struct verb verb_check;
extern const struct verb verb_cost;
extern const struct verb verb_demo;
extern const struct verb verb_frames;
extern const struct verb verb_gateway;
extern const struct verb verb_help;
extern const struct verb verb_import;
extern const struct verb verb_list;
extern const struct verb verb_mock;
extern const struct verb verb_report;
extern const struct verb verb_selftest;
extern const struct verb verb_show;
extern const struct verb verb_sign;
extern const struct verb verb_verify;

#endif
