/* Number the different ones among hashes: distinct.distinct. */
#ifndef DISTINCT_H
#define DISTINCT_H

#include <stdint.h>

typedef struct {
    const int64_t *hashes; /* [X] */
    int64_t *first, *number; /* [X], of which as many are written as there are different ones, and [X] */
    int32_t *table; /* [room], zeros */
} Hashes;

/* Returns how many are different; the room is a power of two above X */
static inline int64_t number_distinct(int64_t count, int64_t room, const Hashes *at) {
    int64_t different = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t place = (uint64_t)at->hashes[i] * 0x9E3779B97F4A7C15u >> 32 & (room - 1);
        while (at->table[place] && at->hashes[at->first[at->table[place] - 1]] != at->hashes[i])
            place = (place + 1) & (room - 1);
        if (!at->table[place]) {
            at->first[different++] = i;
            at->table[place] = different;
        }
        at->number[i] = at->table[place] - 1;
    }
    return different;
}

#endif
