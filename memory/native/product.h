/* The product in a step of a recurrent network: few rows, times a matrix that is packed once and used at every step.
 *
 * Of a matrix [K, N] a panel of COLUMNS columns is packed as [K, COLUMNS], so that it is read from its start to its end.
 * A block of ROWS x COLUMNS sums stays in registers, as many as the processor has. The vectors are an extension that GCC
 * and Clang share; where the processor has none so wide, the compiler takes several.
 */
#ifndef PRODUCT_H
#define PRODUCT_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define ROWS 8
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#define ROWS 6
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define ROWS 8
#else
#define VECTOR_BYTES 16
#define ROWS 4
#endif
typedef REAL Vector __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
enum { LANES = VECTOR_BYTES / sizeof(REAL), COLUMNS = 2 * LANES };

/* How many columns a panel has. */
int panel_columns(void) { return COLUMNS; }

/* Pack a matrix [depth, columns], whose rows lie `stride` apart: of a panel there are as many columns as fit, the rest is
 * zero. */
static inline void pack_rows(REAL *packed, const REAL *matrix, int64_t stride, int64_t depth, int64_t columns) {
    for (int64_t first = 0; first < columns; first += COLUMNS) {
        const int64_t wide = columns - first < COLUMNS ? columns - first : COLUMNS;
        for (int64_t k = 0; k < depth; k++, packed += COLUMNS) {
            if (wide < COLUMNS) memset(packed, 0, COLUMNS * sizeof(REAL));
            memcpy(packed, matrix + k * stride + first, wide * sizeof(REAL));
        }
    }
}

/* Pack the transpose [depth, columns] of a matrix [columns, depth], whose rows lie `stride` apart. */
static inline void pack_columns(REAL *packed, const REAL *matrix, int64_t stride, int64_t depth, int64_t columns) {
    for (int64_t first = 0; first < columns; first += COLUMNS, packed += depth * COLUMNS)
        for (int64_t n = 0; n < COLUMNS; n++) {
            const int64_t column = first + n;
            for (int64_t k = 0; k < depth; k++)
                packed[k * COLUMNS + n] = column < columns ? matrix[column * stride + k] : 0;
        }
}

typedef struct {
    REAL *packed;
    const REAL *matrix;
} Packing;

/* `pack_rows` and `pack_columns` of a contiguous matrix. */
void pack(int64_t depth, int64_t columns, const Packing *at) {
    pack_rows(at->packed, at->matrix, columns, depth, columns);
}

void pack_transposed(int64_t depth, int64_t columns, const Packing *at) {
    pack_columns(at->packed, at->matrix, depth, depth, columns);
}

/* sums [count, COLUMNS] = start + rows [count, depth] times a panel; the numbers of a row lie `step` apart */
static inline __attribute__((always_inline)) void block(REAL *const *sums, const REAL *const *start,
                                                        const REAL *const *rows, int64_t step, const REAL *panel,
                                                        int64_t depth, const int count) {
    Vector left[ROWS], right[ROWS];
#pragma GCC unroll 8
    for (int r = 0; r < count; r++) left[r] = *(Vector *)start[r], right[r] = *(Vector *)(start[r] + LANES);
    for (int64_t k = 0; k < depth; k++, panel += COLUMNS) {
        const Vector a = *(Vector *)panel, b = *(Vector *)(panel + LANES);
#pragma GCC unroll 8
        for (int r = 0; r < count; r++) left[r] += rows[r][k * step] * a, right[r] += rows[r][k * step] * b;
    }
#pragma GCC unroll 8
    for (int r = 0; r < count; r++) *(Vector *)sums[r] = left[r], *(Vector *)(sums[r] + LANES) = right[r];
}

/* sums [batch, columns] = start + rows [batch, depth] times a packed matrix [depth, columns]
 *
 * Row b of `start` lies at start + b * stride; `start` may be `sums`. */
static inline void multiply(REAL *sums, const REAL *start, int64_t stride, const REAL *rows, const REAL *packed,
                            int64_t batch, int64_t depth, int64_t columns) {
    REAL narrow[ROWS][COLUMNS] = {{0}}; /* instead of the sums where these are fewer than a panel has columns */
    for (int64_t first = 0; first < columns; first += COLUMNS, packed += depth * COLUMNS) {
        const int64_t wide = columns - first < COLUMNS ? columns - first : COLUMNS;
        for (int64_t b = 0; b < batch; b += ROWS) {
            const REAL *from[ROWS], *begin[ROWS];
            REAL *into[ROWS];
            for (int r = 0; r < ROWS; r++) { /* of too few rows the last is computed several times */
                const int64_t row = b + r < batch ? b + r : batch - 1;
                from[r] = rows + row * depth;
                begin[r] = start + row * stride + first;
                into[r] = sums + row * columns + first;
                if (wide < COLUMNS) begin[r] = into[r] = memcpy(narrow[r], begin[r], wide * sizeof(REAL));
            }
            if (b + 2 < batch)
                block(into, begin, from, 1, packed, depth, ROWS);
            else
                block(into, begin, from, 1, packed, depth, 2);
            if (wide < COLUMNS)
                for (int64_t r = 0; r < ROWS && b + r < batch; r++)
                    memcpy(sums + (b + r) * columns + first, narrow[r], wide * sizeof(REAL));
        }
    }
}

#endif
