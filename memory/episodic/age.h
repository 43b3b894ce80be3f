/* The bucket of an age: AgeBias.bucket */
#ifndef AGE_H
#define AGE_H

#include <stdint.h>

typedef struct {
    const int64_t *starts; /* the smallest age of each bucket but the first; they begin with 1, 2, 3 ... */
    int64_t count;         /* of these */
    uint8_t at_power[63];  /* how many of them are not above a power of two */
} Buckets;

static inline Buckets buckets_of(const int64_t *starts, int64_t count) {
    Buckets buckets = {starts, count, {0}};
    uint8_t passed = 0;
    for (int power = 0; power < 63; power++) {
        while (passed < count && starts[passed] <= (int64_t)1 << power) passed++;
        buckets.at_power[power] = passed;
    }
    return buckets;
}

/* The number of starts that are not above an age */
static inline uint8_t bucket(const Buckets *buckets, int64_t age) {
    const int64_t *starts = buckets->starts, count = buckets->count;
    if (age <= 0) return 0;
    if (age < count && starts[age] == age + 1) return age;
    uint8_t found = buckets->at_power[63 - __builtin_clzll(age)];
    while (found < count && starts[found] <= age) found++;
    return found;
}

#endif
