/* A GRU in C, and its gradients: the functions of `fused.py`, a whole sequence in one call.
 *
 * Gates are in the order reset, update, candidate. All arrays are contiguous, of the type REAL, and none overlaps
 * another.
 */
#include "native_math.h"
#include "product.h"
#include "resets.h"

typedef struct { /* where the numbers of a step lie */
    const REAL *projected; /* [B, 3H] */
    const REAL *before;    /* [B, H] */
    REAL *gates;           /* [B, 3H] what the hidden vector adds to them, then the gates */
    REAL *from_hidden;     /* [B, H] of that, what is within the reach of the reset gate */
    REAL *output;          /* [B, H] */
} Step;

/* The step after its product. */
void gru_step(int64_t batch, int64_t size, const Step *at) {
    for (int64_t b = 0; b < batch; b++) {
        REAL *r = at->gates + 3 * size * b, *z = r + size, *candidate = z + size;
        const REAL *projected = at->projected + 3 * size * b, *to_candidate = projected + 2 * size;
        const REAL *before = at->before + size * b;
        REAL *from_hidden = at->from_hidden + size * b, *output = at->output + size * b;
#pragma GCC ivdep
        for (int64_t n = 0; n < 2 * size; n++) r[n] = sigmoid(projected[n] + r[n]);
#pragma GCC ivdep
        for (int64_t n = 0; n < size; n++) {
            from_hidden[n] = candidate[n];
            candidate[n] = squash(to_candidate[n] + r[n] * candidate[n]);
            output[n] = candidate[n] + z[n] * (before[n] - candidate[n]);
        }
    }
}

typedef struct { /* and those of its gradients */
    const REAL *gates, *before, *from_hidden;
    REAL *of_output;     /* goes out as that part of the gradient of `before` that goes around the product */
    REAL *of_projected;  /* [B, 3H] */
    REAL *of_recurrent;  /* [B, 3H] of the product */
} StepBack;

static void gru_step_backward(int64_t batch, int64_t size, const StepBack *at) {
    for (int64_t b = 0; b < batch; b++) {
        const REAL *r = at->gates + 3 * size * b, *z = r + size, *candidate = z + size;
        const REAL *before = at->before + size * b, *from_hidden = at->from_hidden + size * b;
        REAL *of_r = at->of_projected + 3 * size * b, *of_z = of_r + size, *of_candidate = of_z + size;
        REAL *of_recurrent = at->of_recurrent + 3 * size * b, *of_output = at->of_output + size * b;
#pragma GCC ivdep
        for (int64_t n = 0; n < size; n++) {
            const REAL of = of_output[n];
            of_candidate[n] = of * (1 - z[n]) * (1 - candidate[n] * candidate[n]);
            of_r[n] = of_candidate[n] * from_hidden[n] * r[n] * (1 - r[n]);
            of_z[n] = of * (before[n] - candidate[n]) * z[n] * (1 - z[n]);
            of_recurrent[n] = of_r[n];
            of_recurrent[size + n] = of_z[n];
            of_recurrent[2 * size + n] = of_candidate[n] * r[n];
            of_output[n] = of * z[n];
        }
    }
}

typedef struct { /* where the numbers of a sequence lie */
    const REAL *packed;                       /* from hidden vector to gates */
    const REAL *bias;                         /* [3H] of that product */
    const REAL *projected, *hidden, *initial; /* see fused.fused_gru */
    const uint8_t *starts;                    /* [T, B] */
    REAL *hidden_before;                      /* [T, B, H] before every step, after its reset */
    REAL *gates, *from_hidden, *outputs;      /* [T, B, 3H], [T, B, H], [T, B, H] */
} Sequence;

/* fused.fused_gru */
void gru_forward(int64_t time, int64_t batch, int64_t size, const Sequence *all) {
    const int64_t rows = batch * size, bytes = rows * sizeof(REAL);
    memcpy(all->hidden_before, all->hidden, bytes);
    for (int64_t t = 0; t < time; t++) {
        REAL *before = all->hidden_before + t * rows, *gates = all->gates + t * 3 * rows;
        const Step at = {all->projected + t * 3 * rows, before, gates, all->from_hidden + t * rows,
                         all->outputs + t * rows};
        reset_rows(before, all->initial, all->starts + t * batch, batch, size);
        multiply(gates, all->bias, 0, before, all->packed, batch, size, 3 * size);
        gru_step(batch, size, &at);
        if (t + 1 < time) memcpy(before + rows, at.output, bytes);
    }
}

typedef struct { /* and those of its gradients */
    const REAL *packed; /* from the gradients of the product to that of the hidden vector */
    const REAL *hidden_before, *gates, *from_hidden;
    const uint8_t *starts;
    const REAL *of_outputs;
    REAL *of_projected, *of_recurrent; /* [T, B, 3H] */
    REAL *of_hidden, *of_initial;      /* [B, H] */
} SequenceBack;

/* The backward pass of `gru_forward`, but for the gradients of weight and bias. */
void gru_backward(int64_t time, int64_t batch, int64_t size, const SequenceBack *all) {
    const int64_t rows = batch * size, bytes = rows * sizeof(REAL);
    REAL *of_hidden = all->of_hidden;
    memset(of_hidden, 0, bytes);
    memset(all->of_initial, 0, bytes);
    for (int64_t t = time - 1; t >= 0; t--) {
        REAL *of_projected = all->of_projected + t * 3 * rows, *of_recurrent = all->of_recurrent + t * 3 * rows;
        const StepBack at = {all->gates + t * 3 * rows, all->hidden_before + t * rows, all->from_hidden + t * rows,
                             of_hidden, of_projected, of_recurrent};
        for (int64_t n = 0; n < rows; n++) of_hidden[n] += all->of_outputs[t * rows + n];
        gru_step_backward(batch, size, &at);
        multiply(of_hidden, of_hidden, size, of_recurrent, all->packed, batch, 3 * size, size);
        move_rows(all->of_initial, of_hidden, all->starts + t * batch, batch, size);
    }
}
