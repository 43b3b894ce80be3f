/* What a memory's step in C has to define, for one row of a batch; `memory/feedback/native.c` takes it over rows and time.
 *
 * `before`, `after` and their gradients are structs of pointers to the leaves of the state, in order; there is no
 * gradient of the read before, which is the last leaf.
 */
#ifndef STEP_H
#define STEP_H

#include <stdint.h>

/* How many numbers the step leaves behind for its backward pass. */
int step_kept(void);

/* Take a step; the choice is made, or with `decided` replayed. Returns 0 if it cannot be. */
int step_forward(const REAL *vector, void *kept, int64_t *choice, const void *before, const void *after, int decided);

/* Its backward pass: writes the gradients of the vector and of `before`. */
void step_backward(REAL *of_vector, const void *kept, const int64_t *choice, const void *before, const void *after,
                   const void *of_after, const void *of_before);

#endif
