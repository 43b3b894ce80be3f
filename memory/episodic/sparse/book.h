/* Which slot of very many an event takes, without a look at all of them, and what is known of some; see SlotBook. */
#ifndef BOOK_H
#define BOOK_H

#include "../age.h"
#include "keys.h"
#include <tgmath.h>

#define FREE INT64_MIN
#define OUTDATED (INT64_MIN + 1)
#define PART 1024 /* slots of which the lowest rank is kept */

typedef struct {
    REAL *log_gates; /* as in SlotBook, of all rows or of one */
    int64_t *hashes, *births, *rank, *least;
    int32_t *newest, *counts;
    int64_t *ends, *occupied;
} Book;

typedef struct {
    int64_t batch, slots, blocks, room;
} BookSizes;

static inline Book row_of(const Book *book, BookSizes sizes, int64_t row) {
    const int64_t first = row * sizes.slots;
    return (Book){book->log_gates + first, book->hashes + first, book->births + first, book->rank + first,
                  book->least + row * sizes.blocks, book->newest + row * sizes.room, book->counts + first,
                  book->ends + row, book->occupied + row};
}

/* slot_facts._rank of slot_facts._ordered */
static inline int64_t rank_of(REAL log_gate, int64_t birth) {
    const union { float gate; int32_t bits; } number = {(float)log_gate};
    const int64_t ordered = number.bits ^ ((number.bits >> 31) & 0x7FFFFFFF);
    return ordered * ((int64_t)1 << 31) + (birth < INT32_MAX ? birth : INT32_MAX);
}

/* Where the search for a hash begins; there is room for a power of two */
static inline int64_t home_of(BookSizes sizes, int64_t hash) {
    return ((uint64_t)hash * 0x9E3779B97F4A7C15u >> 32) & (sizes.room - 1);
}

/* The place in `newest` of a hash, or the empty one in which it would be put */
static inline int64_t place_of(const Book *row, BookSizes sizes, int64_t hash) {
    int64_t place = home_of(sizes, hash);
    while (row->newest[place] && row->hashes[row->newest[place] - 1] != hash) place = (place + 1) & (sizes.room - 1);
    return place;
}

/* Empty a place; what was put behind it for want of room moves up */
static inline void vacate(const Book *row, BookSizes sizes, int64_t place) {
    const int64_t mask = sizes.room - 1;
    for (int64_t next = (place + 1) & mask; row->newest[next]; next = (next + 1) & mask) {
        const int64_t home = home_of(sizes, row->hashes[row->newest[next] - 1]);
        if (((next - home) & mask) >= ((next - place) & mask)) {
            row->newest[place] = row->newest[next];
            place = next;
        }
    }
    row->newest[place] = 0;
}

static inline int64_t lowest(const int64_t *numbers, int64_t count) {
    int64_t least = INT64_MAX;
    for (int64_t i = 0; i < count; i++) least = numbers[i] < least ? numbers[i] : least;
    return least;
}

static inline int64_t first_of(const int64_t *numbers, int64_t wanted) {
    int64_t at = 0;
    while (numbers[at] != wanted) at++;
    return at;
}

static inline void find_least(const Book *row, BookSizes sizes, int64_t block) {
    const int64_t first = block * PART, left = sizes.slots - first;
    row->least[block] = lowest(row->rank + first, left < PART ? left : PART);
}

static inline void set_rank(const Book *row, BookSizes sizes, int64_t slot, int64_t rank) {
    row->rank[slot] = rank;
    find_least(row, sizes, slot / PART);
}

static inline void empty(const Book *row, BookSizes sizes) {
    *row->ends = *row->occupied = 0;
    memset(row->newest, 0, sizes.room * sizeof *row->newest);
    for (int64_t slot = 0; slot < sizes.slots; slot++) row->rank[slot] = FREE;
    for (int64_t block = 0; block < sizes.blocks; block++) row->least[block] = FREE;
}

/* Make a slot's event the newest of its like, or count it among the like of a newer one; return the older one, or -1 */
static inline int64_t count(const Book *row, BookSizes sizes, int64_t slot) {
    const int64_t place = place_of(row, sizes, row->hashes[slot]), other = row->newest[place] - 1;
    const int64_t newest = other >= 0 && row->births[other] > row->births[slot] ? other : slot;
    row->counts[newest] = other < 0 ? 1 : row->counts[other] + 1;
    row->newest[place] = newest + 1;
    return newest == slot ? other : slot;
}

/* One less is like the event of a slot */
static inline void discount(const Book *row, BookSizes sizes, int64_t slot) {
    const int64_t place = place_of(row, sizes, row->hashes[slot]);
    if (!--row->counts[row->newest[place] - 1]) vacate(row, sizes, place);
}

static inline void enter_row(const Book *row, BookSizes sizes, const uint8_t *filled) {
    for (int64_t slot = 0; slot < sizes.slots; slot++) {
        if (!filled[slot]) continue;
        row->rank[slot] = rank_of(row->log_gates[slot], row->births[slot]);
        const int64_t older = count(row, sizes, slot);
        if (older >= 0) row->rank[older] = OUTDATED + row->births[older];
        *row->ends = slot + 1;
        ++*row->occupied;
    }
    for (int64_t block = 0; block < sizes.blocks; block++) find_least(row, sizes, block);
}

static inline int64_t take_slot(const Book *row, BookSizes sizes, REAL log_gate, int64_t hash, int64_t birth) {
    const int64_t rank = rank_of(log_gate, birth), older = row->newest[place_of(row, sizes, hash)] - 1;
    if (older >= 0) set_rank(row, sizes, older, OUTDATED + row->births[older]);
    const int64_t least = lowest(row->least, sizes.blocks), first = first_of(row->least, least) * PART;
    const int64_t slot = first + first_of(row->rank + first, least);
    if (rank >> 31 <= least >> 31) return -1;
    if (least > FREE) {
        discount(row, sizes, slot);
    } else {
        ++*row->occupied;
        if (slot >= *row->ends) *row->ends = slot + 1;
    }
    row->log_gates[slot] = log_gate;
    row->hashes[slot] = hash;
    row->births[slot] = birth;
    count(row, sizes, slot);
    set_rank(row, sizes, slot, rank);
    return slot;
}

/* How many slots hold the event of a slot */
static inline int64_t crowd_of(const Book *row, BookSizes sizes, int64_t slot) {
    return row->counts[row->newest[place_of(row, sizes, row->hashes[slot])] - 1];
}

typedef struct { /* see Known */
    uint8_t *alive;
    int64_t *hashes, *places;
    int32_t *found, *age, *crowd;
} Known;

/* Tell what is known of the i-th slot found, now */
static inline void tell(const Known *known, int64_t i, const Book *row, BookSizes sizes, int64_t slot, int64_t now,
                        const int64_t *entries) {
    const int alive = slot < sizes.slots && row->rank[slot] != FREE;
    known->alive[i] = alive;
    known->hashes[i] = alive ? row->hashes[slot] : 0;
    known->places[i] = alive ? entries[slot] : 0;
    known->found[i] = alive ? slot : -1;
    known->age[i] = alive ? now - row->births[slot] : 0;
    known->crowd[i] = alive ? crowd_of(row, sizes, slot) : 1;
}

typedef struct {
    const REAL *of_age;    /* [R, buckets] */
    const REAL *penalty;   /* [R] */
    const int64_t *starts; /* of all buckets but the first */
} Bias;

/* Set the biases of the events in some slots of a row of the batch, now; of none where a slot is negative */
static inline void renew_row(const Book *row, BookSizes sizes, const int64_t *slots, int64_t count, int64_t now,
                             const Bias *bias, const Buckets *buckets, const Keys *keys, KeySizes of_keys, int64_t b) {
    for (int64_t i = 0; i < count; i++) {
        const int64_t slot = slots[i];
        if (slot < 0) continue;
        const uint8_t age = bucket(buckets, now - row->births[slot]);
        const int64_t crowd = crowd_of(row, sizes, slot);
        const REAL log_crowd = crowd > 1 ? log((REAL)crowd) : 0;
        for (int64_t r = 0; r < of_keys.heads; r++) {
            const REAL of_age = bias->of_age[r * (buckets->count + 1) + age];
            set_bias(keys, of_keys, b * of_keys.heads + r, slot,
                     of_age + row->log_gates[slot] - bias->penalty[r] * log_crowd);
        }
    }
}

#endif
