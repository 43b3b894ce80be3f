/* An LSTM's cell and its gradients in one pass over its numbers: the functions of `controllers/lstm/fused.py`.
 *
 * Gates are in the order input, forget, output, candidate.
 */
#ifndef LSTM_CELL_H
#define LSTM_CELL_H

#include "native_math.h"

typedef struct { /* where the numbers of a step lie */
    REAL *gates;                      /* [B, 4H] */
    const REAL *before;               /* [B, H] */
    REAL *output, *after, *squashed;  /* [B, H] */
} Cell;

/* fused.cell_forward; the gates are squashed in place. */
void cell_forward(int64_t batch, int64_t size, const Cell *at) {
    for (int64_t b = 0; b < batch; b++) {
        REAL *i = at->gates + 4 * size * b, *f = i + size, *o = f + size, *g = o + size;
        const REAL *before = at->before + size * b;
        REAL *output = at->output + size * b, *after = at->after + size * b, *squashed = at->squashed + size * b;
        for (int64_t n = 0; n < 3 * size; n++) i[n] = sigmoid(i[n]);
#pragma GCC ivdep
        for (int64_t n = 0; n < size; n++) {
            g[n] = squash(g[n]);
            after[n] = f[n] * before[n] + i[n] * g[n];
            squashed[n] = squash(after[n]);
            output[n] = o[n] * squashed[n];
        }
    }
}

typedef struct { /* and those of its gradients */
    const REAL *gates, *before, *squashed, *of_output, *of_after;
    REAL *of_gates, *of_before;
} CellBack;

/* fused.cell_backward; `of_before` may be `of_after`. */
void cell_backward(int64_t batch, int64_t size, const CellBack *at) {
    for (int64_t b = 0; b < batch; b++) {
        const REAL *i = at->gates + 4 * size * b, *f = i + size, *o = f + size, *g = o + size;
        const REAL *before = at->before + size * b, *squashed = at->squashed + size * b;
        const REAL *of_output = at->of_output + size * b, *of_after = at->of_after + size * b;
        REAL *of_i = at->of_gates + 4 * size * b, *of_f = of_i + size, *of_o = of_f + size, *of_g = of_o + size;
        REAL *of_before = at->of_before + size * b;
#pragma GCC ivdep
        for (int64_t n = 0; n < size; n++) {
            const REAL of_cell = of_after[n] + of_output[n] * o[n] * (1 - squashed[n] * squashed[n]);
            of_i[n] = of_cell * g[n] * i[n] * (1 - i[n]);
            of_f[n] = of_cell * before[n] * f[n] * (1 - f[n]);
            of_o[n] = of_output[n] * squashed[n] * o[n] * (1 - o[n]);
            of_g[n] = of_cell * i[n] * (1 - g[n] * g[n]);
            of_before[n] = of_cell * f[n];
        }
    }
}

#endif
