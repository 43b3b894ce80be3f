/* A chunk of an LSTM and a memory that feeds its read back to it, as one call: what `fused_loop.py` does in torch.
 *
 * The memory's step, for one row, is a pair of functions of another library (see `step.h`). All arrays are contiguous.
 * Nothing is copied between steps: a row's state before a step is where the step before has left it, or the initial
 * one where an episode starts.
 */
#include "lstm_cell.h"
#include "product.h"
#include "resets.h"

enum { MOST = 8 }; /* leaves of a state; memory.feedback.native_step._MOST_LEAVES */

typedef struct { /* the memory's step, and how many numbers of what there are in a row */
    int (*forward)(const REAL *, REAL *, int64_t *, REAL *const *, REAL *const *, int);
    void (*backward)(REAL *, const REAL *, const int64_t *, REAL *const *, REAL *const *, REAL *const *, REAL *const *);
    int64_t vector, kept, choice, leaves, sizes[MOST];
} Step;

typedef struct { /* where the numbers of one step of all rows lie */
    REAL *vector, *kept;
    int64_t *choice;
    REAL *before[MOST], *initial[MOST], *after[MOST];
    const uint8_t *starts; /* [B], or NULL where no episode starts */
} Rows;

typedef struct { /* and those of its gradients */
    REAL *of_vector, *of_after[MOST], *of_before[MOST], *of_initial[MOST];
} RowsBack;

static void pick(REAL **row, REAL *const *leaves, const Step *step, int64_t b) {
    for (int64_t l = 0; l < step->leaves; l++) row[l] = leaves[l] + b * step->sizes[l];
}

/* One step of the memory; `decided` is whether choices are replayed. Returns 0, and stops, where one cannot be. */
int rows_forward(int64_t batch, int decided, const Step *step, const Rows *at) {
    for (int64_t b = 0; b < batch; b++) {
        REAL *before[MOST], *after[MOST];
        pick(before, at->starts && at->starts[b] ? at->initial : at->before, step, b);
        pick(after, at->after, step, b);
        if (!step->forward(at->vector + b * step->vector, at->kept + b * step->kept, at->choice + b * step->choice,
                           before, after, decided))
            return 0;
    }
    return 1;
}

/* Its backward pass; that of the read before is left to the caller. */
void rows_backward(int64_t batch, const Step *step, const Rows *at, const RowsBack *back) {
    for (int64_t b = 0; b < batch; b++) {
        REAL *before[MOST], *after[MOST], *of_after[MOST], *of_before[MOST];
        pick(before, at->starts && at->starts[b] ? at->initial : at->before, step, b);
        pick(after, at->after, step, b);
        pick(of_after, back->of_after, step, b);
        pick(of_before, back->of_before, step, b);
        step->backward(back->of_vector + b * step->vector, at->kept + b * step->kept, at->choice + b * step->choice,
                       before, after, of_after, of_before);
    }
    for (int64_t l = 0; at->starts && l < step->leaves - 1; l++)
        move_rows(back->of_initial[l], back->of_before[l], at->starts, batch, step->sizes[l]);
}

typedef struct { /* where the numbers of a chunk lie */
    const REAL *to_gates, *to_memory, *bias; /* packed [H + F, 4H] and [H, S]; [S] */
    const REAL *projected;                   /* [T, B, 4H] */
    const REAL *hidden, *cell, *initial_hidden, *initial_cell; /* [B, H] */
    REAL *inputs;                 /* [T, B, H + F] hidden vector and read before every step, after its reset */
    REAL *cell_before, *squashed; /* [T, B, H], the former also after its reset */
    REAL *gates, *outputs, *last; /* [T, B, 4H], [T, B, H]; [B, H] the last cell */
    Rows memory;                  /* before the first step; after each, [T, B, ...] */
} Loop;

/* What the memory has at step t. */
static Rows at_step(const Rows *all, const Step *step, int64_t t, int64_t batch) {
    const int64_t rows = t * batch;
    Rows now = *all;
    now.vector += rows * step->vector, now.kept += rows * step->kept, now.choice += rows * step->choice;
    if (now.starts) now.starts += rows;
    for (int64_t l = 0; l < step->leaves; l++) {
        now.after[l] += rows * step->sizes[l];
        if (t) now.before[l] = now.after[l] - batch * step->sizes[l];
    }
    return now;
}

/* fused_loop._FusedLoop.forward */
int loop_forward(int64_t time, int64_t batch, int64_t size, int decided, const Step *step, const Loop *all) {
    const int64_t rows = batch * size, last = step->leaves - 1, read = step->sizes[last], wide = size + read;
    memcpy(all->cell_before, all->cell, rows * sizeof(REAL));
    for (int64_t t = 0; t < time; t++) {
        const Rows now = at_step(&all->memory, step, t, batch);
        const REAL *hidden = t ? all->outputs + (t - 1) * rows : all->hidden;
        REAL *inputs = all->inputs + t * batch * wide, *cell = all->cell_before + t * rows;
        REAL *gates = all->gates + t * 4 * rows, *output = all->outputs + t * rows;
        for (int64_t b = 0; b < batch; b++) {
            const int begins = now.starts && now.starts[b];
            memcpy(inputs + b * wide, (begins ? all->initial_hidden : hidden) + b * size, size * sizeof(REAL));
            memcpy(inputs + b * wide + size, (begins ? now.initial : now.before)[last] + b * read, read * sizeof(REAL));
            if (begins) memcpy(cell + b * size, all->initial_cell + b * size, size * sizeof(REAL));
        }
        multiply(gates, all->projected + t * 4 * rows, 4 * size, inputs, all->to_gates, batch, wide, 4 * size);
        REAL *after = t == time - 1 ? all->last : cell + rows;
        cell_forward(batch, size, &(Cell){gates, cell, output, after, all->squashed + t * rows});
        multiply(now.vector, all->bias, 0, output, all->to_memory, batch, size, step->vector);
        if (!rows_forward(batch, decided, step, &now)) return 0;
    }
    return 1;
}

typedef struct { /* and those of its gradients */
    const REAL *of_gates_back, *of_memory_back; /* packed [4H, H + F] and [S, H] */
    const REAL *of_outputs, *of_reads;          /* [T, B, H], [T, B, F] */
    REAL *of_gates;                             /* [T, B, 4H] */
    REAL *of_hidden, *of_cell;                  /* [B, H]: those of the last state go in, those of the first come out */
    REAL *of_initial_hidden, *of_initial_cell;  /* [B, H], to be added to */
    REAL *of_inputs;                            /* [B, H + F], for use in between */
    RowsBack memory; /* `of_after` goes in; after an odd number of steps `of_before` comes out, else again `of_after` */
} LoopBack;

/* fused_loop._FusedLoop.backward, but for the gradients of the weights */
void loop_backward(int64_t time, int64_t batch, int64_t size, const Step *step, const Loop *all, const LoopBack *back) {
    const int64_t rows = batch * size, last = step->leaves - 1, read = step->sizes[last], wide = size + read;
    REAL *of_hidden = back->of_hidden, *of_cell = back->of_cell;
    RowsBack now_back = back->memory, *const memory = &now_back;
    for (int64_t t = time - 1; t >= 0; t--) {
        const Rows now = at_step(&all->memory, step, t, batch);
        REAL *of_gates = back->of_gates + t * 4 * rows, *of_read = memory->of_after[last];
        for (int64_t n = 0; n < rows; n++) of_hidden[n] += back->of_outputs[t * rows + n];
        for (int64_t n = 0; n < batch * read; n++) of_read[n] += back->of_reads[t * batch * read + n];
        memory->of_vector = back->memory.of_vector + t * batch * step->vector;
        rows_backward(batch, step, &now, memory);
        multiply(of_hidden, of_hidden, size, memory->of_vector, back->of_memory_back, batch, step->vector, size);
        const REAL *cell = all->cell_before + t * rows, *squashed = all->squashed + t * rows;
        cell_backward(batch, size, &(CellBack){all->gates + t * 4 * rows, cell, squashed, of_hidden, of_cell, of_gates,
                                               of_cell});
        memset(back->of_inputs, 0, batch * wide * sizeof(REAL));
        multiply(back->of_inputs, back->of_inputs, wide, of_gates, back->of_gates_back, batch, 4 * size, wide);
        REAL *of_read_before = memory->of_before[last];
        for (int64_t b = 0; b < batch; b++) {
            memcpy(of_hidden + b * size, back->of_inputs + b * wide, size * sizeof(REAL));
            memcpy(of_read_before + b * read, back->of_inputs + b * wide + size, read * sizeof(REAL));
        }
        if (now.starts) {
            move_rows(back->of_initial_hidden, of_hidden, now.starts, batch, size);
            move_rows(back->of_initial_cell, of_cell, now.starts, batch, size);
            move_rows(memory->of_initial[last], of_read_before, now.starts, batch, read);
        }
        for (int64_t l = 0; l < step->leaves; l++) {
            REAL *before = memory->of_before[l];
            memory->of_before[l] = memory->of_after[l], memory->of_after[l] = before;
        }
    }
}
