/* What is kept of slots from step to step, each row in a few passes over its slots; see the methods of SlotFacts. */
#include <stdint.h>
#include <string.h>
#include <tgmath.h>

#define OUTDATED (INT64_MIN + 1)

typedef struct {
    const int64_t *birth; /* as in SlotFacts, [B, N] */
    const REAL *duplicates;
    const int64_t *rank, *step, *starts; /* [B] and [buckets - 1], the smallest age of each bucket but the first */
    uint8_t *alive, *age;                /* [B, N] */
    REAL *log_duplicates;
} Look;

/* The number of starts that are not above an age */
static uint8_t bucket(const int64_t *starts, int64_t count, int64_t age) {
    int64_t first = 0;
    if (age <= 0) return 0;
    if (age < count && starts[age] == age + 1) return age; /* they begin with 1, 2, 3 ... */
    while (first < count) {
        const int64_t middle = (first + count) / 2;
        if (starts[middle] <= age)
            first = middle + 1;
        else
            count = middle;
    }
    return first;
}

/* SlotFacts.reach */
void reach(int64_t batch, int64_t slots, int64_t starts, const Look *at) {
    for (int64_t i = 0; i < batch * slots; i++) {
        at->alive[i] = at->rank[i] > INT64_MIN;
        at->age[i] = bucket(at->starts, starts, at->step[i / slots] - at->birth[i]);
        at->log_duplicates[i] = at->duplicates[i] > 1 ? log(at->duplicates[i]) : 0;
    }
}

typedef struct {
    REAL *log_gates; /* as in SlotFacts, [B, N] */
    int64_t *event_hash, *birth;
    REAL *duplicates;
    int64_t *rank;
    const REAL *log_gate; /* [B], of the new events */
    const int64_t *new_hash, *new_birth;
    int64_t *slot; /* [B] that is taken, or -1 */
} Take;

/* _ordered */
static int64_t ordered(REAL log_gate) {
    const union { float gate; int32_t bits; } number = {(float)log_gate};
    return number.bits ^ ((number.bits >> 31) & 0x7FFFFFFF);
}

/* SlotFacts.take */
void take(int64_t batch, int64_t slots, const Take *at) {
    for (int64_t b = 0; b < batch; b++) {
        REAL *restrict duplicates = at->duplicates + b * slots;
        int64_t *restrict hashes = at->event_hash + b * slots, *restrict rank = at->rank + b * slots;
        int64_t *restrict births = at->birth + b * slots;
        const int64_t hash = at->new_hash[b], birth = at->new_birth[b], gate = ordered(at->log_gate[b]);
        int64_t least = INT64_MAX, slot = 0;
        for (int64_t n = 0; n < slots; n++) {
            rank[n] = hashes[n] == hash ? births[n] + OUTDATED : rank[n];
            least = rank[n] < least ? rank[n] : least;
        }
        while (rank[slot] != least) slot++;
        const int64_t replaced = hashes[slot];
        for (int64_t n = 0; n < slots; n++) duplicates[n] -= hashes[n] == replaced ? 1 : 0;
        at->slot[b] = -1;
        if (gate > least >> 31) {
            at->slot[b] = slot;
            at->log_gates[b * slots + slot] = at->log_gate[b];
            hashes[slot] = hash;
            births[slot] = birth;
            rank[slot] = gate * ((int64_t)1 << 31) + (birth < INT32_MAX ? birth : INT32_MAX);
        }
        /* Where nothing was written the replaced event is the new one: its number is counted again. */
        const int64_t kept = hashes[slot];
        REAL number = 0;
        for (int64_t n = 0; n < slots; n++) number += hashes[n] == kept ? (REAL)1 : 0;
        for (int64_t n = 0; n < slots; n++) duplicates[n] = hashes[n] == kept ? number : duplicates[n];
    }
}

typedef struct {
    const int64_t *slot; /* [B], or negative */
    char *table;         /* [B, N, size in bytes] */
    const char *rows;    /* [B, size in bytes] */
} Put;

/* slot_facts.put */
void put(int64_t batch, int64_t slots, int64_t size, const Put *at) {
    for (int64_t b = 0; b < batch; b++)
        if (at->slot[b] >= 0) memcpy(at->table + (b * slots + at->slot[b]) * size, at->rows + b * size, size);
}
