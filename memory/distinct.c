/* distinct.distinct */
#include "distinct.h"

int64_t distinct(int64_t count, int64_t room, const Hashes *at) { return number_distinct(count, room, at); }
