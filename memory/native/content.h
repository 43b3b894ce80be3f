/* Content addressing, and its gradients: memory.addressing.content, for N slots of width W. */
#ifndef CONTENT_H
#define CONTENT_H

#include <string.h>

#include "native_math.h"

static const REAL NORM_EPSILON = (REAL)1e-6; /* memory.addressing.content.EPSILON */

static inline void softmax(REAL *x, int n) {
    const REAL most = greatest(x, n);
    REAL sum = 0;
    for (int i = 0; i < n; i++) x[i] = decay(x[i] - most);
    for (int i = 0; i < n; i++) sum += x[i];
    for (int i = 0; i < n; i++) x[i] /= sum;
}

/* y += a X, for X with rows of length n; four rows at a time, so that y is seldom loaded and stored */
static inline void add_rows(REAL *restrict y, const REAL *a, const REAL *restrict x, const int rows, const int n) {
    int i = 0;
    for (; i + 4 <= rows; i += 4, x += 4 * n)
        for (int j = 0; j < n; j++)
            y[j] += a[i] * x[j] + a[i + 1] * x[n + j] + a[i + 2] * x[2 * n + j] + a[i + 3] * x[3 * n + j];
    for (; i < rows; i++, x += n) add(y, a[i], x, n);
}

/* memory.addressing.content.content_forward, for H keys */
static inline void look_up(const REAL *memory, const REAL *keys, const REAL *strengths, REAL *weights, REAL *likeness,
                           REAL *of_slot, REAL *of_key, const int H) {
    for (int n = 0; n < N; n++) {
        const REAL *word = memory + n * W;
        of_slot[n] = dot(word, word, W) + NORM_EPSILON;
        for (int h = 0; h < H; h++) likeness[h * N + n] = dot(word, keys + h * W, W);
    }
    for (int n = 0; n < N; n++) of_slot[n] = 1 / sqrt(of_slot[n]);
    for (int h = 0; h < H; h++) {
        of_key[h] = 1 / sqrt(dot(keys + h * W, keys + h * W, W) + NORM_EPSILON);
        for (int n = 0; n < N; n++) likeness[h * N + n] *= of_key[h] * of_slot[n];
        for (int n = 0; n < N; n++) weights[h * N + n] = strengths[h] * likeness[h * N + n];
        softmax(weights + h * N, N);
    }
}

/* memory.addressing.content.content_backward: adds to the gradient of the memory; overwrites `of_weights`. */
static inline void look_up_backward(REAL *of_weights, const REAL *memory, const REAL *keys, const REAL *strengths,
                                    const REAL *weights, const REAL *likeness, const REAL *of_slot, const REAL *of_key,
                                    REAL *of_memory, REAL *of_keys, REAL *of_strengths, const int H) {
    REAL along_slot[N] = {0};
    memset(of_keys, 0, H * W * sizeof(REAL));
    for (int h = 0; h < H; h++) {
        const REAL *weight = weights + h * N, *like = likeness + h * N;
        REAL *of = of_weights + h * N, of_strength = 0, mean = dot(of, weight, N);
        for (int n = 0; n < N; n++) {
            REAL of_logit = weight[n] * (of[n] - mean), by_strength = of_logit * like[n];
            of_strength += by_strength;
            along_slot[n] -= by_strength * strengths[h] * of_slot[n] * of_slot[n];
            of[n] = of_logit * strengths[h] * of_key[h] * of_slot[n]; /* from here on, of the dot product */
        }
        of_strengths[h] = of_strength;
        add(of_keys + h * W, -of_strength * strengths[h] * of_key[h] * of_key[h], keys + h * W, W);
    }
    for (int n = 0; n < N; n++) {
        const REAL *restrict word = memory + n * W;
        REAL *restrict of_word = of_memory + n * W;
        for (int i = 0; i < W; i++) {
            REAL sum = of_word[i] + along_slot[n] * word[i];
            for (int h = 0; h < H; h++) sum += of_weights[h * N + n] * keys[h * W + i];
            of_word[i] = sum;
        }
    }
    for (int h = 0; h < H; h++) add_rows(of_keys + h * W, of_weights + h * N, memory, N, W);
}

#endif
