/* event_hash.hash_of_bytes */
#ifndef EVENT_HASH_H
#define EVENT_HASH_H

#include <stdint.h>

/* Hash an event of some words, given a factor and an offset for each; the numbers wrap around. */
static inline int64_t hash_of(const int32_t *event, int64_t words, const int64_t *factors, const int64_t *offsets) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < words; i++) {
        const uint64_t x = (uint64_t)(int64_t)event[i] * (uint64_t)factors[i] + (uint64_t)offsets[i];
        sum += x ^ (uint64_t)((int64_t)x >> 32);
    }
    return (int64_t)sum;
}

#endif
