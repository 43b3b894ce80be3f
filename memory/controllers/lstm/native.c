/* An LSTM in C, and its gradients: the functions of `fused.py`, a cell in one pass over its numbers, a sequence in one
 * call.
 *
 * Gates are in the order input, forget, output, candidate. All arrays are contiguous, of the type REAL, and none
 * overlaps another unless that is said.
 */
#include "native_math.h"
#include "product.h"
#include "resets.h"

typedef struct { /* where the numbers of a step lie */
    REAL *gates;                      /* [B, 4H] */
    const REAL *before;               /* [B, H] */
    REAL *output, *after, *squashed;  /* [B, H] */
} Step;

/* fused.cell_forward; the gates are squashed in place. */
void cell_forward(int64_t batch, int64_t size, const Step *at) {
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
} StepBack;

/* fused.cell_backward; `of_before` may be `of_after`. */
void cell_backward(int64_t batch, int64_t size, const StepBack *at) {
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

typedef struct { /* where the numbers of a sequence lie */
    const REAL *packed;                                                    /* from hidden vector to gates */
    const REAL *projected, *hidden, *cell, *initial_hidden, *initial_cell; /* see fused.fused_lstm */
    const uint8_t *starts;                                                 /* [T, B] */
    REAL *hidden_before, *cell_before; /* [T, B, H] before every step, after its reset */
    REAL *gates, *squashed;            /* [T, B, 4H], [T, B, H] */
    REAL *outputs, *last;              /* [T, B, H]; [B, H] the last cell */
} Sequence;

/* fused.fused_lstm */
void lstm_forward(int64_t time, int64_t batch, int64_t size, const Sequence *all) {
    const int64_t rows = batch * size, bytes = rows * sizeof(REAL);
    memcpy(all->hidden_before, all->hidden, bytes);
    memcpy(all->cell_before, all->cell, bytes);
    for (int64_t t = 0; t < time; t++) {
        REAL *hidden = all->hidden_before + t * rows, *cell = all->cell_before + t * rows;
        REAL *gates = all->gates + t * 4 * rows, *output = all->outputs + t * rows;
        const int is_last = t == time - 1;
        reset_rows(hidden, all->initial_hidden, all->starts + t * batch, batch, size);
        reset_rows(cell, all->initial_cell, all->starts + t * batch, batch, size);
        multiply(gates, all->projected + t * 4 * rows, 4 * size, hidden, all->packed, batch, size, 4 * size);
        REAL *after = is_last ? all->last : cell + rows;
        cell_forward(batch, size, &(Step){gates, cell, output, after, all->squashed + t * rows});
        if (!is_last) memcpy(hidden + rows, output, bytes);
    }
}

typedef struct { /* and those of its gradients */
    const REAL *packed; /* from the gradients of gates to that of the hidden vector */
    const REAL *gates, *cell_before, *squashed;
    const uint8_t *starts;
    const REAL *of_outputs;
    REAL *of_gates;            /* [T, B, 4H] */
    REAL *of_hidden, *of_cell; /* [B, H] before the first step; the latter goes in as that of the last cell */
    REAL *of_initial_hidden, *of_initial_cell; /* [B, H] */
} SequenceBack;

/* The backward pass of `lstm_forward`, but for the gradient of the weight. */
void lstm_backward(int64_t time, int64_t batch, int64_t size, const SequenceBack *all) {
    const int64_t rows = batch * size, bytes = rows * sizeof(REAL);
    REAL *of_hidden = all->of_hidden, *of_cell = all->of_cell;
    memset(of_hidden, 0, bytes);
    memset(all->of_initial_hidden, 0, bytes);
    memset(all->of_initial_cell, 0, bytes);
    for (int64_t t = time - 1; t >= 0; t--) {
        const REAL *gates = all->gates + t * 4 * rows, *squashed = all->squashed + t * rows;
        REAL *of_gates = all->of_gates + t * 4 * rows;
        for (int64_t n = 0; n < rows; n++) of_hidden[n] += all->of_outputs[t * rows + n];
        const StepBack at = {gates, all->cell_before + t * rows, squashed, of_hidden, of_cell, of_gates, of_cell};
        cell_backward(batch, size, &at);
        memset(of_hidden, 0, bytes);
        multiply(of_hidden, of_hidden, size, of_gates, all->packed, batch, 4 * size, size);
        move_rows(all->of_initial_hidden, of_hidden, all->starts + t * batch, batch, size);
        move_rows(all->of_initial_cell, of_cell, all->starts + t * batch, batch, size);
    }
}
