/* Attention of one row of the batch to its events: what learning along chunks and acting step by step have in common.
 *
 * The numbers of the keys and values of an event are compiled in: R heads, keys of W and values of V numbers. All arrays
 * are contiguous.
 */
#ifndef READ_H
#define READ_H

#include <stdlib.h>

#include "native_math.h"
#include "product.h"

enum { KEYS = R * W, VALUES = R * V, VECTORS = KEYS + VALUES, EVENT = VECTORS + 1 };
static const REAL LOWEST = (REAL)-1e30;

typedef struct { /* batch, time, candidates, projected events, ages */
    int64_t B, T, M, E, A;
} Sizes;

typedef struct { /* where the arguments and the results of definition.attend lie */
    const REAL *queries, *projected;
    const int64_t *place; /* or NULL */
    const REAL *of_step;  /* or NULL */
    const uint8_t *alive, *age;
    const REAL *log_duplicates, *age_bias, *penalty, *null_key, *null_value;
    REAL *contents, *null, *weights;
} Arrays;

typedef struct { /* what is found out about a row of the batch, and room to compute in */
    uint8_t *used;      /* [M] alive at any step */
    REAL *gates, *open; /* [M] log gates; [T] the most open one alive */
    REAL *vectors;      /* [M, VECTORS] keys and values of the events in use, the others are zero */
    REAL *keys, *values, *logits, *by_time, *by_event, *of_gates, *of_open;
} Row;

/* y = a x */
static inline void set(REAL *restrict y, REAL a, const REAL *restrict x, int n) {
    for (int i = 0; i < n; i++) y[i] = a * x[i];
}

static int64_t padded(int64_t columns) { return (columns + COLUMNS - 1) / COLUMNS * COLUMNS; }

/* Find room for a row in one piece of memory, which begins with `used`. */
static int room(Row *row, const Sizes *n) {
    const int64_t wide = padded(W > V ? W : V), M = padded(n->M), longer = n->T > M ? n->T : M;
    const int64_t parts[] = {M, M, n->T, n->M * VECTORS, wide * longer, wide * longer, (n->T > R ? n->T : R) * M,
                             n->T * wide, n->M * wide, M, n->T};
    REAL **fields[] = {(REAL **)&row->used, &row->gates, &row->open, &row->vectors, &row->keys, &row->values,
                       &row->logits, &row->by_time, &row->by_event, &row->of_gates, &row->of_open};
    int64_t all = 0;
    for (int i = 0; i < 11; i++) all += padded(parts[i]);
    REAL *memory = aligned_alloc(64, all * sizeof(REAL));
    for (int i = 0; i < 11; i++) *fields[i] = memory, memory += padded(parts[i]);
    return row->used != NULL;
}

static int64_t place(const Sizes *n, const Arrays *at, int64_t b, int64_t m) {
    return at->place ? at->place[b * n->M + m] : b * n->M + m;
}

/* The largest of some numbers and `most`, in lanes, for a maximum of one number after another is not vectorized */
static REAL largest(const REAL *x, int64_t n, REAL most) {
    REAL lane[LANES];
    int64_t i = 0;
    for (int j = 0; j < LANES; j++) lane[j] = most;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    for (; i < n; i++) most = x[i] > most ? x[i] : most;
    for (int j = 0; j < LANES; j++) most = lane[j] > most ? lane[j] : most;
    return most;
}

static void find_gates(const Sizes *n, const Arrays *at, int64_t b, Row *row) {
    const int64_t M = n->M;
    const uint8_t *restrict alive = at->alive + b * n->T * M;
    uint8_t *restrict used = row->used;
    REAL *restrict gates = row->gates, *restrict reached = row->logits;
    memset(used, 0, M);
    for (int64_t t = 0; t < n->T; t++)
        for (int64_t m = 0; m < M; m++) used[m] |= alive[t * M + m];
    for (int64_t m = 0; m < M; m++) gates[m] = at->projected[place(n, at, b, m) * EVENT + VECTORS];
    for (int64_t m = 0; m < M; m++) gates[m] = used[m] ? log_sigmoid(gates[m]) : 0;
    for (int64_t t = 0; t < n->T; t++, alive += M) {
        for (int64_t m = 0; m < M; m++) reached[m] = alive[m] ? gates[m] : LOWEST;
        const REAL open = largest(reached, M, LOWEST);
        row->open[t] = open == LOWEST ? 0 : open;
    }
}

/* Turn products of a query and keys, without those of steps apart, into weights; return that of the null slot. */
static REAL weigh(const Sizes *n, const Arrays *at, const Row *row, int64_t b, int r, int64_t t, REAL null,
                  REAL *restrict x, REAL *restrict weights) {
    const int64_t M = n->M, first = (b * n->T + t) * M;
    const uint8_t *restrict alive = at->alive + first, *restrict age = at->age + first;
    const REAL *restrict duplicates = at->log_duplicates + first, *restrict bias = at->age_bias + r;
    const REAL *restrict gates = row->gates;
    const REAL scale = 1 / sqrt((REAL)W), penalty = at->penalty[r], open = row->open[t];
    for (int64_t m = 0; m < M; m++) {
        const REAL logit = scale * x[m] + (gates[m] - open) + bias[age[m] * R] - penalty * duplicates[m];
        x[m] = alive[m] ? logit : LOWEST;
    }
    const REAL most = largest(x, M, null);
    REAL sum = 0;
    for (int64_t m = 0; m < M; m++) x[m] = alive[m] ? decay(x[m] - most) : 0;
    for (int64_t m = 0; m < M; m++) sum += x[m];
    null = decay(null - most);
    sum = 1 / (sum + null);
    for (int64_t m = 0; m < M; m++) weights[m] = x[m] * sum;
    return null * sum;
}

/* A single step, for which it does not pay to pack the events. */
static void read_once(const Sizes *n, const Arrays *at, int64_t b, Row *row) {
    const REAL *queries = at->queries + b * KEYS;
    REAL *contents = at->contents + b * VALUES, *weights = at->weights + b * R * n->M;
    for (int64_t m = 0; m < n->M; m++) {
        const REAL *keys = at->projected + place(n, at, b, m) * EVENT;
        if (row->used[m])
            for (int r = 0; r < R; r++) row->logits[r * n->M + m] = dot(queries + r * W, keys + r * W, W);
    }
    for (int r = 0; r < R; r++) {
        const REAL logit = dot(queries + r * W, at->null_key + r * W, W) / sqrt((REAL)W);
        REAL *null = at->null + b * R + r;
        *null = weigh(n, at, row, b, r, 0, logit, row->logits + r * n->M, weights + r * n->M);
        set(contents + r * V, *null, at->null_value + r * V, V);
    }
    for (int64_t m = 0; m < n->M; m++) {
        const REAL *values = at->projected + place(n, at, b, m) * EVENT + KEYS;
        if (row->used[m])
            for (int r = 0; r < R; r++) add(contents + r * V, weights[r * n->M + m], values + r * V, V);
    }
}

#endif
