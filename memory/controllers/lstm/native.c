/* An LSTM's cell from its gates, and its gradients: the functions of `fused.py` in one pass over the numbers.
 *
 * Gates are in the order input, forget, output, candidate. All arrays are contiguous, of the type REAL, and none
 * overlaps another.
 */
#include "native_math.h"

typedef struct { /* where the numbers of a step lie */
    REAL *gates;                              /* [B, 4H] */
    REAL *before, *output, *after, *squashed; /* [B, H] */
} Step;

/* fused.cell_forward; the gates are squashed in place. */
void lstm_forward(int64_t batch, int64_t size, const Step *at) {
    for (int64_t b = 0; b < batch; b++) {
        REAL *i = at->gates + 4 * size * b, *f = i + size, *o = f + size, *g = o + size;
        REAL *before = at->before + size * b, *after = at->after + size * b;
        REAL *output = at->output + size * b, *squashed = at->squashed + size * b;
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
} Back;

/* fused.cell_backward */
void lstm_backward(int64_t batch, int64_t size, const Back *at) {
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
