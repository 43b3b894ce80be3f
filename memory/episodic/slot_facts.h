/* What is kept of one row's slots from step to step; see the methods of SlotFacts. */
#ifndef SLOT_FACTS_H
#define SLOT_FACTS_H

#include <stdint.h>

#define FREE INT64_MIN
#define OUTDATED (INT64_MIN + 1)

typedef struct { /* as in SlotFacts, [N] of a row, or [B, N] of all */
    REAL *log_gates;
    int64_t *event_hash, *birth;
    REAL *duplicates;
    int64_t *rank;
} Facts;

static inline Facts facts_of_row(const Facts *all, int64_t b, int64_t slots) {
    const int64_t at = b * slots;
    return (Facts){all->log_gates + at, all->event_hash + at, all->birth + at, all->duplicates + at, all->rank + at};
}

/* _ordered */
static inline int64_t ordered(REAL log_gate) {
    const union { float gate; int32_t bits; } number = {(float)log_gate};
    return number.bits ^ ((number.bits >> 31) & 0x7FFFFFFF);
}

/* SlotFacts.take: the slot that a new event takes, or -1 */
static inline int64_t take_slot(const Facts *row, int64_t slots, REAL log_gate, int64_t hash, int64_t birth) {
    REAL *restrict duplicates = row->duplicates;
    int64_t *restrict hashes = row->event_hash, *restrict rank = row->rank, *restrict births = row->birth;
    const int64_t gate = ordered(log_gate);
    int64_t least = INT64_MAX, slot = 0;
    for (int64_t n = 0; n < slots; n++) {
        rank[n] = hashes[n] == hash ? births[n] + OUTDATED : rank[n];
        least = rank[n] < least ? rank[n] : least;
    }
    while (rank[slot] != least) slot++;
    const int64_t replaced = hashes[slot], written = gate > least >> 31;
    for (int64_t n = 0; n < slots; n++) duplicates[n] -= hashes[n] == replaced ? 1 : 0;
    if (written) {
        row->log_gates[slot] = log_gate;
        hashes[slot] = hash;
        births[slot] = birth;
        rank[slot] = gate * ((int64_t)1 << 31) + (birth < INT32_MAX ? birth : INT32_MAX);
    }
    /* Where nothing was written the replaced event is the new one: its number is counted again. */
    const int64_t kept = hashes[slot];
    REAL number = 0;
    for (int64_t n = 0; n < slots; n++) number += hashes[n] == kept ? (REAL)1 : 0;
    for (int64_t n = 0; n < slots; n++) duplicates[n] = hashes[n] == kept ? number : duplicates[n];
    return written ? slot : -1;
}

#endif
