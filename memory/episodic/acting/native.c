/* One step of acting: `definition.act`, two products for all rows of the batch, and then one row after another. */
#include "../age.h"
#include "../attend/read.h"
#include "../event_log.h"
#include "../slot_facts.h"
#include "products.h"

typedef struct {
    ProductSizes of; /* the products */
    int64_t N, A, starts, pieces; /* slots; age biases, starts of buckets; pieces of an event */
} Counts;

enum { ASKED = KEYS + EVENT }; /* a query and, behind it, the step's event as the slots' events are kept */

typedef struct { /* what stays where it is from step to step */
    Products products;
    const REAL *age_bias, *penalty, *null_key, *null_value; /* Learned */
    const int64_t *starts; /* the smallest age of each bucket but the first */
    const REAL *weight, *bias; /* [VALUES] of the normalization */
    REAL *projected; /* [B, N, EVENT] */
    Facts facts;
} Kept;

typedef struct {
    const REAL *hidden, *encoded; /* [B, H], [B, D] */
    const int64_t *hash, *step, *before; /* before: [B, N] entries of the log that the slots hold */
    REAL *read;                    /* [B, VALUES + R] */
    int64_t *slot, *after, *next;  /* [B] that is taken, or -1; as before; [B] the number of the next step */
    REAL *trace;                   /* [4, B] TRACED */
} Step;

typedef struct { /* room for all rows; and for one */
    Asked asked;
    REAL *log_duplicates, *logits, *weights, *contents;
    uint8_t *alive, *age;
} Room;

/* SlotFacts.reach, and the log gates relative to the most open one; returns how many are alive */
static int64_t reach(const Counts *n, const Facts *facts, int64_t step, const Buckets *buckets, Room *to, REAL *open) {
    int64_t alive = 0;
    for (int64_t i = 0; i < n->N; i++) {
        to->alive[i] = facts->rank[i] > FREE;
        alive += to->alive[i];
    }
    for (int64_t i = 0; i < n->N; i++)
        to->age[i] = to->alive[i] ? bucket(buckets, step - facts->birth[i]) : 0;
    for (int64_t i = 0; i < n->N; i++)
        to->log_duplicates[i] = logarithm(facts->duplicates[i] > 1 ? facts->duplicates[i] : 1);
    for (int64_t i = 0; i < n->N; i++) to->logits[i] = to->alive[i] ? facts->log_gates[i] : LOWEST;
    *open = largest(to->logits, n->N, LOWEST);
    return alive;
}

int act(const Counts *n, const Kept *kept, const Step *at, const Piece *pieces, int64_t entry) {
    const int64_t B = n->of.B, N = n->N;
    const Sizes one = {1, 1, N, N, n->A};
    const int64_t sizes[] = {B * (n->of.D + n->of.E), B * ASKED, B * KEYS, N, R * N, R * N, VALUES};
    Room to;
    REAL **parts[] = {&to.asked.events, &to.asked.asked, &to.asked.queries, &to.log_duplicates, &to.logits, &to.weights,
                      &to.contents};
    int64_t all = 0;
    for (int i = 0; i < 7; i++) all += sizes[i];
    REAL *numbers = malloc(all * sizeof(REAL) + 2 * N);
    if (!numbers) return -1;
    to.alive = (uint8_t *)(numbers + all), to.age = to.alive + N;
    for (int64_t i = 0, first = 0; i < 7; first += sizes[i], i++) *parts[i] = numbers + first;
    const Buckets buckets = buckets_of(kept->starts, n->starts);
    multiply_all(&n->of, &kept->products, at->step, at->hidden, at->encoded, &to.asked);
    for (int64_t b = 0; b < B; b++) {
        const Facts facts = facts_of_row(&kept->facts, b, N);
        const REAL *own = to.asked.asked + b * ASKED + KEYS;
        REAL *table = kept->projected + b * N * EVENT, *read = at->read + b * (VALUES + R), null = 0, open;
        const REAL log_gate = log_sigmoid(own[VECTORS]);
        const int64_t alive = reach(n, &facts, at->step[b], &buckets, &to, &open);
        Row row = {.used = to.alive, .gates = facts.log_gates, .open = &open, .logits = to.logits};
        const Arrays events = {to.asked.queries + b * KEYS, table, NULL, NULL, to.alive, to.age, to.log_duplicates,
                               kept->age_bias, kept->penalty, kept->null_key, kept->null_value, to.contents,
                               read + VALUES, to.weights};
        read_once(&one, &events, 0, &row);
        layer_norm(to.contents, kept->weight, kept->bias, read, VALUES);
        for (int r = 0; r < R; r++) null += read[VALUES + r];
        const int64_t slot = take_slot(&facts, N, log_gate, at->hash[b], at->step[b]);
        if (slot >= 0) memcpy(table + slot * EVENT, own, EVENT * sizeof(REAL));
        at->slot[b] = slot;
        const REAL traced[] = {decay(log_gate), slot >= 0, (REAL)alive / N, null / R};
        for (int i = 0; i < 4; i++) at->trace[i * B + b] = traced[i];
    }
    append(pieces, n->pieces, B, entry);
    memcpy(at->after, at->before, B * N * sizeof(int64_t));
    for (int64_t b = 0; b < B; b++) {
        if (at->slot[b] >= 0) at->after[b * N + at->slot[b]] = entry;
        at->next[b] = at->step[b] + 1;
    }
    free(numbers);
    return 1;
}
