/* exit.h lives with the result document it is part of; kept here until every include says so. */
#include "reports/exit.h"
