/* features.features_of, outside the graph */
#include <stdlib.h>

#include "product.h"

typedef struct { /* rows, numbers of a hidden vector, an encoded event and a read */
    int64_t B, H, D, S;
} Counts;

typedef struct {
    const REAL *of_seen, *of_read;         /* packed [H + D, H] and [S, H] */
    const REAL *seen_bias, *read_bias;     /* [H] */
    const REAL *hidden, *encoded, *read;   /* [B, H], [B, D], [B, S] */
    REAL *features;                        /* [B, H + S + H] */
} Features;

int features(const Counts *n, const Features *at) {
    const int64_t H = n->H, D = n->D, S = n->S, B = n->B;
    REAL *seen = malloc(B * (3 * H + D) * sizeof(REAL)), *left = seen + B * (H + D), *right = left + B * H;
    if (!seen) return -1;
    for (int64_t b = 0; b < B; b++) {
        memcpy(seen + b * (H + D), at->hidden + b * H, H * sizeof(REAL));
        memcpy(seen + b * (H + D) + H, at->encoded + b * D, D * sizeof(REAL));
    }
    multiply(left, at->seen_bias, 0, seen, at->of_seen, B, H + D, H);
    multiply(right, at->read_bias, 0, at->read, at->of_read, B, S, H);
    for (int64_t b = 0; b < B; b++) {
        REAL *to = at->features + b * (2 * H + S);
        memcpy(to, at->hidden + b * H, H * sizeof(REAL));
        memcpy(to + H, at->read + b * S, S * sizeof(REAL));
        for (int64_t i = 0; i < H; i++) to[H + S + i] = left[b * H + i] * right[b * H + i];
    }
    free(seen);
    return 1;
}
