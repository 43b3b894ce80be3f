/* The functions of `product.h`, for a caller in Python. */
#include "product.h"

typedef struct {
    REAL *sums;         /* [batch, columns] */
    const REAL *start;  /* [batch, columns] or one row for all, to which the product is added */
    const REAL *rows;   /* [batch, depth] */
    const REAL *packed; /* a matrix [depth, columns] */
} Product;

/* Row b of `start` lies at start + b * stride. */
void product(int64_t batch, int64_t depth, int64_t columns, int64_t stride, const Product *at) {
    multiply(at->sums, at->start, stride, at->rows, at->packed, batch, depth, columns);
}
