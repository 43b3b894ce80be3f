/* event_hash.hash_of_bytes: events of `size` bytes, the last word of which may be cut off. */
#include <stdint.h>
#include <string.h>

typedef struct {
    const char *bytes; /* [events, size] */
    const int64_t *factors, *offsets;
    int64_t *hashes; /* [events] */
} Hash;

/* The numbers wrap around. */
static inline uint64_t mixed(int32_t word, int64_t factor, int64_t offset) {
    const uint64_t x = (uint64_t)(int64_t)word * (uint64_t)factor + (uint64_t)offset;
    return x ^ (uint64_t)((int64_t)x >> 32);
}

void hash(int64_t events, int64_t size, const Hash *at) {
    const int64_t words = size / 4, rest = size % 4;
    for (int64_t e = 0; e < events; e++) {
        const char *bytes = at->bytes + e * size;
        uint64_t sum = 0;
        for (int64_t i = 0; i < words; i++) {
            int32_t word;
            memcpy(&word, bytes + 4 * i, 4);
            sum += mixed(word, at->factors[i], at->offsets[i]);
        }
        if (rest) {
            int32_t word = 0;
            memcpy(&word, bytes + 4 * words, rest);
            sum += mixed(word, at->factors[words], at->offsets[words]);
        }
        at->hashes[e] = (int64_t)sum;
    }
}
