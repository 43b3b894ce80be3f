/* An LSTM in C, and its gradients: the functions of `fused.py`, a cell in one pass over its numbers, a sequence in one
 * call.
 *
 * Gates are in the order input, forget, output, candidate. All arrays are contiguous, of the type REAL, and none
 * overlaps another unless that is said.
 */
#include "lstm_cell.h"
#include "product.h"
#include "resets.h"

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
        cell_forward(batch, size, &(Cell){gates, cell, output, after, all->squashed + t * rows});
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
        const CellBack at = {gates, all->cell_before + t * rows, squashed, of_hidden, of_cell, of_gates, of_cell};
        cell_backward(batch, size, &at);
        memset(of_hidden, 0, bytes);
        multiply(of_hidden, of_hidden, size, of_gates, all->packed, batch, 4 * size, size);
        move_rows(all->of_initial_hidden, of_hidden, all->starts + t * batch, batch, size);
        move_rows(all->of_initial_cell, of_cell, all->starts + t * batch, batch, size);
    }
}
