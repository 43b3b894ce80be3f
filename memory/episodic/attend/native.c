/* Attention to events and its gradients: `definition.attend`, one row of the batch and one head after another.
 *
 * The events are read where they lie; only what a row needs at one time is copied, to where it stays in the cache.
 */
#include "read.h"

typedef struct { /* and the gradients */
    const REAL *of_contents, *of_null;
    REAL *of_queries, *of_projected, *of_step, *of_age_bias, *of_penalty, *of_null_key, *of_null_value;
} Gradients;

/* sums [count, width] += rows [count, depth] times a packed matrix; see `product.h` */
static void add_product(REAL *sums, int64_t width, const REAL *rows, int64_t stride, int64_t step, const REAL *packed,
                        int64_t count, int64_t depth) {
    for (int64_t first = 0; first < width; first += COLUMNS, packed += depth * COLUMNS)
        for (int64_t i = 0; i < count; i += ROWS) {
            const REAL *from[ROWS];
            REAL *into[ROWS];
            for (int r = 0; r < ROWS; r++) { /* of too few rows the last is computed several times */
                const int64_t at = i + r < count ? i + r : count - 1;
                from[r] = rows + at * stride;
                into[r] = sums + at * width + first;
            }
            block(into, (const REAL *const *)into, from, step, packed, depth, ROWS);
        }
}

static void copy_vectors(const Sizes *n, const Arrays *at, int64_t b, Row *row) {
    for (int64_t m = 0; m < n->M; m++) {
        REAL *restrict copy = row->vectors + m * VECTORS;
        if (row->used[m])
            memcpy(copy, at->projected + place(n, at, b, m) * EVENT, VECTORS * sizeof(REAL));
        else
            memset(copy, 0, VECTORS * sizeof(REAL));
        if (at->of_step && row->used[m]) add(copy, 1, at->of_step + (b * n->M + m) * KEYS, KEYS);
    }
}

static void read_all(const Sizes *n, const Arrays *at, int64_t b, Row *row) {
    const int64_t wide = padded(n->M);
    copy_vectors(n, at, b, row);
    for (int r = 0; r < R; r++) {
        const REAL *queries = at->queries + b * KEYS + r * W;
        REAL *weights = at->weights + (b * R + r) * n->T * n->M;
        pack_columns(row->keys, row->vectors + r * W, VECTORS, W, n->M);
        pack_rows(row->values, row->vectors + KEYS + r * V, VECTORS, n->M, V);
        memset(row->logits, 0, n->T * wide * sizeof(REAL));
        add_product(row->logits, wide, queries, n->B * KEYS, 1, row->keys, n->T, W);
        memset(row->by_time, 0, n->T * padded(V) * sizeof(REAL));
        for (int64_t t = 0; t < n->T; t++) {
            const REAL logit = dot(queries + t * n->B * KEYS, at->null_key + r * W, W) / sqrt((REAL)W);
            REAL *null = at->null + (t * n->B + b) * R + r;
            *null = weigh(n, at, row, b, r, t, logit, row->logits + t * wide, weights + t * n->M);
            set(row->by_time + t * padded(V), *null, at->null_value + r * V, V);
        }
        add_product(row->by_time, padded(V), weights, n->M, 1, row->values, n->T, n->M);
        for (int64_t t = 0; t < n->T; t++)
            memcpy(at->contents + (t * n->B + b) * VALUES + r * V, row->by_time + t * padded(V), V * sizeof(REAL));
    }
}

/* definition.attend; returns 0, and stops, if a place names no event. */
int attend_forward(const Sizes *n, const Arrays *at) {
    Row row;
    if (at->place)
        for (int64_t i = 0; i < n->B * n->M; i++)
            if (at->place[i] < 0 || at->place[i] >= n->E) return 0;
    if (!room(&row, n)) return -1;
    for (int64_t b = 0; b < n->B; b++) {
        find_gates(n, at, b, &row);
        (n->T == 1 && !at->of_step ? read_once : read_all)(n, at, b, &row);
    }
    free(row.used);
    return 1;
}

/* Turn the gradients of weights into those of logits; add to those of what is in the logits; return the null slot's. */
static REAL weigh_backward(const Sizes *n, const Arrays *at, const Gradients *to, const Row *row, int64_t b, int r,
                           int64_t t, REAL null, REAL of_null, const REAL *restrict weights, REAL *restrict of) {
    const int64_t M = n->M, first = (b * n->T + t) * M;
    const uint8_t *restrict alive = at->alive + first, *restrict age = at->age + first;
    const REAL *restrict duplicates = at->log_duplicates + first;
    REAL *restrict of_gates = row->of_gates, *restrict of_bias = to->of_age_bias + r;
    REAL mean = null * of_null, of_penalty = 0;
    for (int64_t m = 0; m < M; m++) mean += weights[m] * of[m];
    for (int64_t m = 0; m < M; m++) {
        of[m] = weights[m] * (of[m] - mean);
        of_gates[m] += of[m];
        const REAL known = alive[m] ? duplicates[m] : 0;
        of_penalty += of[m] * known;
    }
    for (int64_t m = 0; m < M; m++) of_bias[age[m] * R] += of[m];
    to->of_penalty[r] -= of_penalty;
    return null * (of_null - mean);
}

/* From the gradients of the log gates to those of the gates before the sigmoid. */
static void gates_backward(const Sizes *n, const Arrays *at, const Gradients *to, int64_t b, Row *row) {
    const int64_t M = n->M;
    const uint8_t *restrict alive = at->alive + b * n->T * M;
    const REAL *restrict gates = row->gates;
    REAL *restrict of_gates = row->of_gates;
    for (int64_t t = 0; t < n->T; t++, alive += M) { /* equal ones share the gradient of the most open one */
        const REAL open = row->open[t];
        REAL number = 0;
        for (int64_t m = 0; m < M; m++) number += alive[m] & (gates[m] == open) ? (REAL)1 : 0;
        const REAL share = number > 0 ? row->of_open[t] / number : 0;
        for (int64_t m = 0; m < M; m++) of_gates[m] += alive[m] & (gates[m] == open) ? share : 0;
    }
    for (int64_t m = 0; m < M; m++) {
        const int64_t gate = place(n, at, b, m) * EVENT + VECTORS;
        if (row->used[m]) to->of_projected[gate] += of_gates[m] * sigmoid(-at->projected[gate]);
    }
}

/* The gradients of what went into attend_forward; those of the projected events are added to, the others are set. */
int attend_backward(const Sizes *n, const Arrays *at, const Gradients *to) {
    const REAL scale = 1 / sqrt((REAL)W);
    const int64_t wide = padded(n->M);
    Row row;
    if (!room(&row, n)) return -1;
    memset(to->of_age_bias, 0, n->A * R * sizeof(REAL));
    memset(to->of_penalty, 0, R * sizeof(REAL));
    memset(to->of_null_key, 0, KEYS * sizeof(REAL));
    memset(to->of_null_value, 0, VALUES * sizeof(REAL));
    for (int64_t b = 0; b < n->B; b++) {
        find_gates(n, at, b, &row);
        copy_vectors(n, at, b, &row);
        memset(row.of_gates, 0, n->M * sizeof(REAL));
        memset(row.of_open, 0, n->T * sizeof(REAL));
        for (int r = 0; r < R; r++) {
            const REAL *queries = at->queries + b * KEYS + r * W, *null_value = at->null_value + r * V;
            const REAL *of_contents = to->of_contents + b * VALUES + r * V;
            const REAL *weights = at->weights + (b * R + r) * n->T * n->M;
            REAL *of_logits = row.logits;
            pack_columns(row.values, row.vectors + KEYS + r * V, VECTORS, V, n->M);
            memset(of_logits, 0, n->T * wide * sizeof(REAL));
            add_product(of_logits, wide, of_contents, n->B * VALUES, 1, row.values, n->T, V);
            memset(row.by_time, 0, n->T * padded(W) * sizeof(REAL));
            for (int64_t t = 0; t < n->T; t++) {
                const REAL *of_content = of_contents + t * n->B * VALUES;
                const int64_t slot = (t * n->B + b) * R + r;
                const REAL null = at->null[slot], of_null = to->of_null[slot] + dot(of_content, null_value, V);
                const REAL of_logit = weigh_backward(n, at, to, &row, b, r, t, null, of_null, weights + t * n->M,
                                                     of_logits + t * wide);
                row.of_open[t] += of_logit;
                add(to->of_null_value + r * V, null, of_content, V);
                add(to->of_null_key + r * W, scale * of_logit, queries + t * n->B * KEYS, W);
                add(row.by_time + t * padded(W), of_logit, at->null_key + r * W, W);
            }
            pack_rows(row.keys, row.vectors + r * W, VECTORS, n->M, W);
            add_product(row.by_time, padded(W), of_logits, wide, 1, row.keys, n->T, n->M);
            for (int64_t t = 0; t < n->T; t++)
                set(to->of_queries + (t * n->B + b) * KEYS + r * W, scale, row.by_time + t * padded(W), W);

            pack_rows(row.keys, queries, n->B * KEYS, n->T, W);
            memset(row.by_event, 0, n->M * padded(W) * sizeof(REAL));
            add_product(row.by_event, padded(W), of_logits, 1, wide, row.keys, n->M, n->T);
            for (int64_t m = 0; m < n->M; m++) {
                const REAL *of_key = row.by_event + m * padded(W);
                if (row.used[m]) add(to->of_projected + place(n, at, b, m) * EVENT + r * W, scale, of_key, W);
                if (at->of_step) set(to->of_step + (b * n->M + m) * KEYS + r * W, scale, of_key, W);
            }
            pack_rows(row.values, of_contents, n->B * VALUES, n->T, V);
            memset(row.by_event, 0, n->M * padded(V) * sizeof(REAL));
            add_product(row.by_event, padded(V), weights, 1, n->M, row.values, n->M, n->T);
            for (int64_t m = 0; m < n->M; m++)
                if (row.used[m])
                    add(to->of_projected + place(n, at, b, m) * EVENT + KEYS + r * V, 1, row.by_event + m * padded(V), V);
        }
        gates_backward(n, at, to, b, &row);
    }
    free(row.used);
    return 1;
}
