/* look_ups.look_up and its gradients: one grid after another. A row of a table has D numbers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { /* grids, places, kinds, numbers of a row */
    int64_t X, P, U, D;
} Sizes;

typedef struct {
    const REAL *where, *what, *bias; /* [P, U, D], [U, D], [D] */
    const int64_t *cells;            /* [X, P] */
    REAL *found;                     /* [X, 2 D] sums and largest */
    int32_t *largest;                /* [X, D] whose they are */
} Arrays;

typedef struct {
    const REAL *of_found;
    REAL *of_where, *of_what, *of_bias; /* zero at first */
} Gradients;

static inline void add(REAL *restrict y, const REAL *restrict x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

/* Returns 0, and stops, if a cell is of no kind. */
int look_up(const Sizes *n, const Arrays *at) {
    const int64_t D = n->D;
    int64_t *seen = calloc(n->U, sizeof(int64_t)); /* in which grid, from 1 on, a kind was seen last */
    if (!seen) return -1;
    for (int64_t x = 0; x < n->X; x++) {
        const int64_t *cells = at->cells + x * n->P;
        REAL *restrict sums = at->found + x * 2 * D, *restrict most = sums + D;
        int32_t *restrict largest = at->largest + x * D;
        memcpy(sums, at->bias, D * sizeof(REAL));
        for (int64_t p = 0; p < n->P; p++) {
            const int64_t kind = cells[p];
            if (kind < 0 || kind >= n->U) return free(seen), 0;
            add(sums, at->where + (p * n->U + kind) * D, D);
            const REAL *restrict row = at->what + kind * D;
            if (p == 0) {
                memcpy(most, row, D * sizeof(REAL));
                for (int64_t d = 0; d < D; d++) largest[d] = kind;
            } else if (seen[kind] != x + 1) {
                for (int64_t d = 0; d < D; d++) {
                    const int more = row[d] > most[d];
                    most[d] = more ? row[d] : most[d];
                    largest[d] = more ? (int32_t)kind : largest[d];
                }
            }
            seen[kind] = x + 1;
        }
    }
    free(seen);
    return 1;
}

void look_up_backward(const Sizes *n, const Arrays *at, const Gradients *to) {
    const int64_t D = n->D;
    for (int64_t x = 0; x < n->X; x++) {
        const REAL *of_sums = to->of_found + x * 2 * D, *of_most = of_sums + D;
        add(to->of_bias, of_sums, D);
        for (int64_t p = 0; p < n->P; p++) add(to->of_where + (p * n->U + at->cells[x * n->P + p]) * D, of_sums, D);
        for (int64_t d = 0; d < D; d++) to->of_what[at->largest[x * D + d] * D + d] += of_most[d];
    }
}
