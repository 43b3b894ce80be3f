/* A step of the NTM and its backward pass, for one row of the batch: see `step.h`.
 *
 * `memory.ntm.memory.NTM.step` is the definition, `memory.ntm.fused.FusedNTM` has the same formulas as operations on
 * tensors, and each function here names the one there that it follows. Compiled in are the sizes: N slots of width W,
 * R read heads beside the one that writes, which is the last; rotations by SHIFT to either side; and BOUND.
 */
#include "content.h"
#include "step.h"

#define H (R + 1)
#define SHIFTS (2 * SHIFT + 1)
#define PER_HEAD (W + 3 + SHIFTS)
#define S (H * PER_HEAD + 2 * W) /* size of the interface vector */

static const REAL TINY = sizeof(REAL) == 4 ? (REAL)0x1p-23 : (REAL)0x1p-52; /* torch.finfo(...).eps */

typedef struct { /* leaves of an NTMState, or their gradients */
    REAL *memory, *reads, *write, *read;
} State;

typedef struct { /* the interface vector by its parts, bounded; or their gradients */
    REAL keys[H * W], strengths[H], sharpness[H], gates[H], shifts[H * SHIFTS], erase[W], add[W];
} Parsed;

typedef struct { /* what the backward pass needs */
    REAL squashed[S]; /* the vector itself over its bound */
    Parsed parsed;
    REAL slopes[2 * H];                                     /* of the bounds of strength and sharpness */
    REAL found[H * N], likeness[H * N], of_keys[H];         /* content.Found */
    REAL of_slot_before[N], of_slot[N];                     /* the same, before writing and after */
    REAL shifted[H * N], logs[H * N];                       /* fused._Addressed */
} Kept;

int step_kept(void) { return sizeof(Kept) / sizeof(REAL); }

static inline REAL softplus(REAL x) { return (x > 0 ? x : 0) + log_of_one_and(decay(-fabs(x))); }

/* The first lines of FusedNTM.forward */
static void parse(const REAL *vector, Kept *kept) {
    Parsed *p = &kept->parsed;
    REAL bounded[S];
    for (int i = 0; i < S; i++) kept->squashed[i] = squash(vector[i] / BOUND), bounded[i] = kept->squashed[i] * BOUND;
    for (int h = 0; h < H; h++) {
        const REAL *x = bounded + h * PER_HEAD;
        for (int i = 0; i < W; i++) p->keys[h * W + i] = squash(x[i]);
        p->strengths[h] = softplus(x[W]), kept->slopes[h] = sigmoid(x[W]);
        p->sharpness[h] = 1 + softplus(x[W + 1]), kept->slopes[H + h] = sigmoid(x[W + 1]);
        p->gates[h] = sigmoid(x[W + 2]);
        memcpy(p->shifts + h * SHIFTS, x + W + 3, SHIFTS * sizeof(REAL));
        softmax(p->shifts + h * SHIFTS, SHIFTS);
    }
    const REAL *x = bounded + H * PER_HEAD;
    for (int i = 0; i < W; i++) p->erase[i] = sigmoid(x[i]), p->add[i] = squash(x[W + i]);
}

/* fused._continued: fill both ends of [N + 2 SHIFT], as the slots are a ring. */
static inline void close_ring(REAL *around) {
    memcpy(around, around + N, SHIFT * sizeof(REAL));
    memcpy(around + SHIFT + N, around + SHIFT, SHIFT * sizeof(REAL));
}

/* Where a head is before it is rotated. */
static inline void interpolate(const REAL *before, const REAL *found, REAL gate, REAL *around) {
    for (int n = 0; n < N; n++) around[SHIFT + n] = before[n] + gate * (found[n] - before[n]);
    close_ring(around);
}

/* The rest of fused._address, for head h */
static void move(const REAL *before, Kept *kept, int h, REAL *restrict weights) {
    const REAL *shifts = kept->parsed.shifts + h * SHIFTS, sharpness = kept->parsed.sharpness[h];
    REAL *restrict shifted = kept->shifted + h * N, *restrict logs = kept->logs + h * N, around[N + 2 * SHIFT];
    interpolate(before, kept->found + h * N, kept->parsed.gates[h], around);
    for (int n = 0; n < N; n++) {
        REAL sum = TINY;
        for (int j = 0; j < SHIFTS; j++) sum += around[n + 2 * SHIFT - j] * shifts[j];
        shifted[n] = sum;
    }
    for (int n = 0; n < N; n++) logs[n] = logarithm(shifted[n]), weights[n] = logs[n] * sharpness;
    softmax(weights, N);
}

/* FusedNTM.forward */
int step_forward(const REAL *vector, void *kept_here, int64_t *choice, const void *before, const void *after,
                 int decided) {
    Kept *kept = kept_here;
    const State old = *(const State *)before, now = *(const State *)after;
    const Parsed *p = &kept->parsed;
    parse(vector, kept);
    look_up(old.memory, p->keys + R * W, p->strengths + R, kept->found + R * N, kept->likeness + R * N,
            kept->of_slot_before, kept->of_keys + R, 1);
    move(old.write, kept, R, now.write);
    for (int n = 0; n < N; n++) {
        const REAL *restrict word = old.memory + n * W, w = now.write[n];
        REAL *restrict written = now.memory + n * W;
        for (int i = 0; i < W; i++) written[i] = word[i] + w * (p->add[i] - word[i] * p->erase[i]);
    }
    look_up(now.memory, p->keys, p->strengths, kept->found, kept->likeness, kept->of_slot, kept->of_keys, R);
    memset(now.read, 0, R * W * sizeof(REAL));
    for (int h = 0; h < R; h++) {
        move(old.reads + h * N, kept, h, now.reads + h * N);
        add_rows(now.read + h * W, now.reads + h * N, now.memory, N, W);
    }
    return 1;
}

/* The first lines of fused._address_backward, for head h: that of what was found replaces `of_weights`. */
static void move_backward(REAL *restrict of_weights, const REAL *weights, const REAL *before, const Kept *kept, int h,
                          REAL *restrict of_before, Parsed *o) {
    const REAL *shifts = kept->parsed.shifts + h * SHIFTS, *found = kept->found + h * N;
    const REAL *shifted = kept->shifted + h * N, *logs = kept->logs + h * N;
    const REAL sharpness = kept->parsed.sharpness[h], gate = kept->parsed.gates[h], mean = dot(of_weights, weights, N);
    REAL of_shifted[N + 2 * SHIFT], around[N + 2 * SHIFT], of_sharpness = 0, of_gate = 0;
    for (int n = 0; n < N; n++) {
        const REAL of_logit = weights[n] * (of_weights[n] - mean);
        of_sharpness += of_logit * logs[n];
        of_shifted[SHIFT + n] = of_logit * sharpness / shifted[n];
    }
    interpolate(before, found, gate, around);
    for (int j = 0; j < SHIFTS; j++) o->shifts[h * SHIFTS + j] = dot(around + 2 * SHIFT - j, of_shifted + SHIFT, N);
    close_ring(of_shifted);
    for (int n = 0; n < N; n++) {
        REAL of_gated = 0;
        for (int j = 0; j < SHIFTS; j++) of_gated += of_shifted[n + j] * shifts[j];
        of_gate += of_gated * (found[n] - before[n]);
        of_weights[n] = of_gated * gate;
        of_before[n] = of_gated - of_weights[n];
    }
    o->sharpness[h] = of_sharpness, o->gates[h] = of_gate;
}

/* The last lines of FusedNTM.backward: the gradients of the parts become those of the vector. */
static void parse_backward(Parsed *o, const Kept *kept, REAL *of_vector) {
    const Parsed *p = &kept->parsed;
    for (int h = 0; h < H; h++) {
        const REAL *shifts = p->shifts + h * SHIFTS, *of_shifts = o->shifts + h * SHIFTS;
        const REAL mean = dot(shifts, of_shifts, SHIFTS);
        REAL *x = of_vector + h * PER_HEAD;
        for (int i = 0; i < W; i++) x[i] = o->keys[h * W + i] * (1 - p->keys[h * W + i] * p->keys[h * W + i]);
        x[W] = o->strengths[h] * kept->slopes[h];
        x[W + 1] = o->sharpness[h] * kept->slopes[H + h];
        x[W + 2] = o->gates[h] * p->gates[h] * (1 - p->gates[h]);
        for (int j = 0; j < SHIFTS; j++) x[W + 3 + j] = shifts[j] * (of_shifts[j] - mean);
    }
    REAL *x = of_vector + H * PER_HEAD;
    for (int i = 0; i < W; i++) x[i] = o->erase[i] * p->erase[i] * (1 - p->erase[i]);
    for (int i = 0; i < W; i++) x[W + i] = o->add[i] * (1 - p->add[i] * p->add[i]);
    for (int i = 0; i < S; i++) of_vector[i] *= 1 - kept->squashed[i] * kept->squashed[i];
}

/* FusedNTM.backward */
void step_backward(REAL *of_vector, const void *kept_here, const int64_t *choice, const void *before,
                   const void *after, const void *of_after, const void *of_before) {
    const Kept *kept = kept_here;
    const State old = *(const State *)before, now = *(const State *)after;
    const State of = *(const State *)of_after, to = *(const State *)of_before;
    const Parsed *p = &kept->parsed;
    Parsed o;
    REAL of_weights[H * N], of_erase[W] = {0}, of_add[W] = {0};

    /* Reading. */
    for (int n = 0; n < N; n++) {
        const REAL *restrict word = now.memory + n * W;
        REAL *restrict of_word = to.memory + n * W;
        for (int i = 0; i < W; i++) {
            REAL sum = of.memory[n * W + i];
            for (int h = 0; h < R; h++) sum += now.reads[h * N + n] * of.read[h * W + i];
            of_word[i] = sum;
        }
        for (int h = 0; h < R; h++) of_weights[h * N + n] = of.reads[h * N + n] + dot(of.read + h * W, word, W);
    }
    for (int h = 0; h < R; h++)
        move_backward(of_weights + h * N, now.reads + h * N, old.reads + h * N, kept, h, to.reads + h * N, &o);
    look_up_backward(of_weights, now.memory, p->keys, p->strengths, kept->found, kept->likeness, kept->of_slot,
                     kept->of_keys, to.memory, o.keys, o.strengths, R);

    /* Writing: memory.addressing.erase_add.write_backward, then where the head was. */
    for (int n = 0; n < N; n++) {
        const REAL *restrict word = old.memory + n * W, w = now.write[n];
        REAL *restrict of_word = to.memory + n * W, by_word = 0;
        for (int i = 0; i < W; i++) {
            const REAL of_change = w * of_word[i];
            by_word += of_word[i] * (p->add[i] - word[i] * p->erase[i]);
            of_add[i] += of_change;
            of_erase[i] -= of_change * word[i];
            of_word[i] -= of_change * p->erase[i];
        }
        of_weights[R * N + n] = of.write[n] + by_word;
    }
    memcpy(o.erase, of_erase, sizeof of_erase);
    memcpy(o.add, of_add, sizeof of_add);
    move_backward(of_weights + R * N, now.write, old.write, kept, R, to.write, &o);
    look_up_backward(of_weights + R * N, old.memory, p->keys + R * W, p->strengths + R, kept->found + R * N,
                     kept->likeness + R * N, kept->of_slot_before, kept->of_keys + R, to.memory, o.keys + R * W,
                     o.strengths + R, 1);
    parse_backward(&o, kept, of_vector);
}
