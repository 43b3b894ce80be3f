/* The products of a step of acting: what is asked, and what of the step's event is kept. */
#ifndef ACTING_PRODUCTS_H
#define ACTING_PRODUCTS_H

#include <math.h>

#include "product.h"

/* rows; numbers of a hidden vector, an encoded event and an embedded step; embeddings at hand; numbers of a query, and
 * of a query with what is kept of the event behind it */
typedef struct {
    int64_t B, H, D, E, embeddings, queries, asked;
} ProductSizes;

typedef struct {
    const REAL *of_hidden, *of_event, *constant; /* packed [H, queries] and [D + E, asked]; [asked] */
    const REAL *embeddings;                      /* [embeddings, E] of the first steps */
    const double *frequencies, *phases;          /* [E] */
} Products;

typedef struct { /* room */
    REAL *events, *asked, *queries; /* [B, D + E], [B, asked], [B, queries] */
} Asked;

/* StepEmbedding */
static inline void embed(const ProductSizes *n, const Products *kept, int64_t step, REAL *embedded) {
    if (step < n->embeddings)
        memcpy(embedded, kept->embeddings + step * n->E, n->E * sizeof(REAL));
    else
        for (int64_t i = 0; i < n->E; i++) embedded[i] = sin(kept->phases[i] + step * kept->frequencies[i]);
}

/* Encoded events and embedded steps side by side, times their weights; and hidden vectors times theirs */
static inline void multiply_all(const ProductSizes *n, const Products *kept, const int64_t *step, const REAL *hidden,
                                const REAL *encoded, const Asked *to) {
    const int64_t wide = n->D + n->E;
    for (int64_t b = 0; b < n->B; b++) {
        memcpy(to->events + b * wide, encoded + b * n->D, n->D * sizeof(REAL));
        embed(n, kept, step[b], to->events + b * wide + n->D);
    }
    multiply(to->asked, kept->constant, 0, to->events, kept->of_event, n->B, wide, n->asked);
    multiply(to->queries, to->asked, n->asked, hidden, kept->of_hidden, n->B, n->H, n->queries);
}

#endif
