/* The gated delta rule in C, and its gradients: `naive.py` is the definition, step by step, and this follows it.
 *
 * Compiled in are the sizes: R heads with keys of size K and values of size V. A head's matrix stays in the first cache
 * from step to step; it lies here as [K, V], so that what is done to its rows is vectorized.
 */
#include <string.h>

#include "native_math.h"

#define P (R * (2 * K + V + 2)) /* what is projected: queries, keys, values, strengths, decays */

typedef struct { /* where the numbers lie */
    const REAL *projected;  /* [T, B, P] */
    const REAL *before;     /* [B, R, V, K] */
    const uint8_t *starts;  /* [T, B] */
    REAL *reads;            /* [T, B, R, V] */
    REAL *after;            /* [B, R, V, K] */
    REAL *strengths, *decays; /* [T, B, R] */
} Sequence;

typedef struct { /* and those of its gradients */
    const REAL *of_reads, *of_after;
    REAL *of_projected, *of_before;
    REAL *matrices, *wrong; /* [T, K, V] and [T, V], for use in between */
} SequenceBack;

typedef struct { /* what a step of a head does */
    REAL query[K], key[K], of_query, of_key; /* of length 1, and by what they were multiplied for that */
    const REAL *value;
    REAL strength, decay;
} Step;

static inline REAL to_unit(const REAL *from, REAL *to) {
    REAL sum = (REAL)1e-6; /* memory.addressing.content.EPSILON */
    for (int k = 0; k < K; k++) sum += from[k] * from[k];
    const REAL scale = 1 / sqrt(sum);
    for (int k = 0; k < K; k++) to[k] = from[k] * scale;
    return scale;
}

static inline void to_unit_backward(const REAL *unit, REAL scale, const REAL *of_unit, REAL *into) {
    REAL along = 0;
    for (int k = 0; k < K; k++) along += unit[k] * of_unit[k];
    for (int k = 0; k < K; k++) into[k] = scale * (of_unit[k] - unit[k] * along);
}

static inline void parse(const REAL *projected, int64_t h, Step *step) {
    step->of_query = to_unit(projected + h * K, step->query);
    step->of_key = to_unit(projected + (R + h) * K, step->key);
    step->value = projected + 2 * R * K + h * V;
    step->strength = sigmoid(projected[R * (2 * K + V) + h]);
    step->decay = sigmoid(projected[R * (2 * K + V + 1) + h]); /* the exponential of its logarithm */
}

static inline void load(REAL *restrict matrix, const REAL *restrict rows) {
    for (int v = 0; v < V; v++)
        for (int k = 0; k < K; k++) matrix[k * V + v] = rows[v * K + k];
}

static inline void store(const REAL *restrict matrix, REAL *restrict rows) {
    for (int v = 0; v < V; v++)
        for (int k = 0; k < K; k++) rows[v * K + k] = matrix[k * V + v];
}

/* Read, and find what is wrong with what the key recalls. */
static inline void recall(const REAL *restrict matrix, const Step *step, REAL *restrict read, REAL *restrict wrong) {
    REAL found[V] = {0}, recalled[V] = {0};
    for (int k = 0; k < K; k++)
        for (int v = 0; v < V; v++) {
            found[v] += matrix[k * V + v] * step->query[k];
            recalled[v] += matrix[k * V + v] * step->key[k];
        }
    memcpy(read, found, sizeof found);
    for (int v = 0; v < V; v++) wrong[v] = step->value[v] - step->decay * recalled[v];
}

static inline void write(const REAL *matrix, const Step *step, const REAL *restrict wrong, REAL *now) {
    for (int k = 0; k < K; k++) {
        const REAL share = step->strength * step->key[k];
#pragma GCC ivdep
        for (int v = 0; v < V; v++) now[k * V + v] = step->decay * matrix[k * V + v] + share * wrong[v];
    }
}

void delta_forward(int64_t time, int64_t batch, const Sequence *at) {
    for (int64_t b = 0; b < batch; b++)
        for (int64_t h = 0; h < R; h++) {
            REAL matrix[K * V], wrong[V];
            load(matrix, at->before + (b * R + h) * V * K);
            for (int64_t t = 0; t < time; t++) {
                const int64_t row = t * batch + b;
                Step step;
                parse(at->projected + row * P, h, &step);
                if (at->starts[row]) memset(matrix, 0, sizeof matrix);
                recall(matrix, &step, at->reads + (row * R + h) * V, wrong);
                write(matrix, &step, wrong, matrix);
                at->strengths[row * R + h] = step.strength, at->decays[row * R + h] = step.decay;
            }
            store(matrix, at->after + (b * R + h) * V * K);
        }
}

/* One step back: `of_matrix` becomes the gradient of the matrix before. */
static inline void back(REAL *restrict of_matrix, const REAL *restrict matrix, const Step *step,
                        const REAL *restrict wrong, const REAL *restrict of_read, REAL *projected, int64_t h) {
    REAL by_key[V] = {0}, of_query[K], of_key[K], of_strength = 0, of_decay = 0;
    for (int k = 0; k < K; k++)
        for (int v = 0; v < V; v++) by_key[v] += of_matrix[k * V + v] * step->key[k];
    for (int v = 0; v < V; v++) of_strength += wrong[v] * by_key[v];
    for (int v = 0; v < V; v++) by_key[v] *= step->strength; /* from here on, of what was wrong */
    for (int k = 0; k < K; k++) {
        const REAL *restrict row = matrix + k * V;
        REAL *restrict of_row = of_matrix + k * V, to_query = 0, added = 0, recalled = 0, decayed = 0;
        for (int v = 0; v < V; v++) {
            const REAL of_kept = of_row[v] - by_key[v] * step->key[k];
            to_query += row[v] * of_read[v];
            added += of_row[v] * wrong[v];
            recalled += row[v] * by_key[v];
            decayed += of_kept * row[v];
            of_row[v] = step->decay * of_kept + of_read[v] * step->query[k];
        }
        of_query[k] = to_query;
        of_key[k] = step->strength * added - step->decay * recalled;
        of_decay += decayed;
    }
    to_unit_backward(step->query, step->of_query, of_query, projected + h * K);
    to_unit_backward(step->key, step->of_key, of_key, projected + (R + h) * K);
    memcpy(projected + 2 * R * K + h * V, by_key, sizeof by_key);
    projected[R * (2 * K + V) + h] = of_strength * step->strength * (1 - step->strength);
    projected[R * (2 * K + V + 1) + h] = of_decay * step->decay * (1 - step->decay);
}

/* The matrices before all steps are found once more, instead of being kept. */
void delta_backward(int64_t time, int64_t batch, const Sequence *at, const SequenceBack *to) {
    for (int64_t b = 0; b < batch; b++)
        for (int64_t h = 0; h < R; h++) {
            REAL of_matrix[K * V], read[V];
            load(to->matrices, at->before + (b * R + h) * V * K);
            for (int64_t t = 0; t < time; t++) {
                REAL *matrix = to->matrices + t * K * V;
                Step step;
                parse(at->projected + (t * batch + b) * P, h, &step);
                if (at->starts[t * batch + b]) memset(matrix, 0, K * V * sizeof(REAL));
                recall(matrix, &step, read, to->wrong + t * V);
                if (t < time - 1) write(matrix, &step, to->wrong + t * V, matrix + K * V);
            }
            load(of_matrix, to->of_after + (b * R + h) * V * K);
            for (int64_t t = time - 1; t >= 0; t--) {
                const int64_t row = t * batch + b;
                Step step;
                parse(at->projected + row * P, h, &step);
                back(of_matrix, to->matrices + t * K * V, &step, to->wrong + t * V, to->of_reads + (row * R + h) * V,
                     to->of_projected + row * P, h);
                if (at->starts[row]) memset(of_matrix, 0, sizeof of_matrix);
            }
            store(of_matrix, to->of_before + (b * R + h) * V * K);
        }
}
