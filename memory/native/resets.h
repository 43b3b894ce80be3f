/* Resets inside a sequence, in the rows in which an episode starts. */
#ifndef RESETS_H
#define RESETS_H

#include <stdint.h>
#include <string.h>

/* memory.state.reset, for a leaf [B, H] */
static inline void reset_rows(REAL *rows, const REAL *initial, const uint8_t *starts, int64_t batch, int64_t size) {
    for (int64_t b = 0; b < batch; b++)
        if (starts[b]) memcpy(rows + b * size, initial + b * size, size * sizeof(REAL));
}

/* Its backward pass: these rows are added to the gradient of the initial state, and zero in that of the state before. */
static inline void move_rows(REAL *of_initial, REAL *of_rows, const uint8_t *starts, int64_t batch, int64_t size) {
    for (int64_t b = 0; b < batch; b++)
        if (starts[b]) {
            for (int64_t n = b * size; n < (b + 1) * size; n++) of_initial[n] += of_rows[n];
            memset(of_rows + b * size, 0, size * sizeof(REAL));
        }
}

#endif
