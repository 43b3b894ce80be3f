/* A step of the DNC and its backward pass, for one row of the batch: see `step.h`.
 *
 * `memory.dnc.memory.DNC.step` is the definition, `memory.dnc.fused.FusedDNC` has the same formulas as operations on
 * tensors, and each function here names the one there that it follows. What is gained: a row's links stay in the
 * first cache while they are changed, followed and differentiated; no operation costs a call; and every loop has a
 * length that the compiler knows, for the sizes are compiled in: N slots of width W, R read heads, numbers of the type
 * REAL. All arrays are contiguous.
 */
#include "content.h"
#include "step.h"

#define S ((R + 1) * W + W + (R + 1) + (W + 2 + R) + 3 * R) /* size of the interface vector */

static const REAL EPSILON = (REAL)1e-6; /* memory.dnc.allocation.EPSILON */
static const REAL RESOLUTION = 4096;    /* memory.dnc.allocation._RESOLUTION */

typedef struct { /* leaves of a DNCState, or their gradients */
    REAL *memory, *usage, *precedence, *links, *write, *reads, *read;
} State;

typedef struct { /* the parsed interface vector, bounded; in the order of DNC.parse */
    REAL keys[R * W], write_key[W], vector[W];
    REAL strengths[R + 1]; /* the write head's is the last */
    union {
        REAL gates[W + 2 + R];
        struct {
            REAL erase[W], allocate, gate, free[R];
        };
    };
    REAL modes[R][3]; /* backward, content, forward */
} Parsed;

typedef struct { /* what the backward pass needs of a row */
    Parsed parsed;
    REAL slopes[R + 1];                                                  /* of the strengths' bound */
    REAL sought[N], sought_likeness[N], of_slot_before[N], of_write_key; /* content.Found of the write head */
    REAL found[R * N], likeness[R * N], of_slot[N], of_keys[R];          /* and of the read heads */
    REAL allocated[N], backward[R * N], forward[R * N];
} Kept;

int step_kept(void) { return sizeof(Kept) / sizeof(REAL); }

/* DNC.parse */
static void parse(const REAL *interface, Parsed *h, REAL *slopes) {
    memcpy(h, interface, S * sizeof(REAL));
    for (int i = 0; i <= R; i++) {
        REAL x = h->strengths[i];
        h->strengths[i] = 1 + (x > 20 ? x : log1p(exp(x)));
        slopes[i] = sigmoid(x);
    }
    for (int i = 0; i < W + 2 + R; i++) h->gates[i] = sigmoid(h->gates[i]);
    for (int r = 0; r < R; r++) softmax(h->modes[r], 3);
}

/* memory.dnc.allocation.usage_forward */
static void use(const State *before, const REAL *free, REAL *usage) {
    for (int n = 0; n < N; n++) usage[n] = before->usage[n] + (1 - before->usage[n]) * before->write[n];
    for (int r = 0; r < R; r++)
        for (int n = 0; n < N; n++) usage[n] *= 1 - (1 - EPSILON) * free[r] * before->reads[r * N + n];
}

/* memory.dnc.allocation.free_list: a stable radix sort by the 13 bits of the rounded usage, the lower 7 first. */
static void sort_by_usage(const REAL *usage, int64_t *order) {
    int level[N], first[N], ends[2][129] = {{0}};
    for (int n = 0; n < N; n++) {
        REAL rounded = rint(usage[n] * RESOLUTION);
        level[n] = rounded < RESOLUTION ? (rounded > 0 ? (int)rounded : 0) : (int)RESOLUTION + (rounded != rounded);
    }
    for (int n = 0; n < N; n++) ends[0][(level[n] & 127) + 1]++, ends[1][(level[n] >> 7) + 1]++;
    for (int i = 1; i <= 128; i++) ends[0][i] += ends[0][i - 1], ends[1][i] += ends[1][i - 1];
    for (int n = 0; n < N; n++) first[ends[0][level[n] & 127]++] = n;
    for (int i = 0; i < N; i++) order[ends[1][level[first[i]] >> 7]++] = first[i];
}

/* memory.dnc.allocation.allocation_forward */
static void allocate(const REAL *usage, const int64_t *order, REAL *weights) {
    REAL before = 1;
    for (int j = 0; j < N; j++) {
        REAL ascending = usage[order[j]] * (1 - EPSILON) + EPSILON;
        weights[order[j]] = (1 - ascending) * before;
        before *= ascending;
    }
}

/* memory.dnc.links.links_forward and DNC's precedence */
static void link(const State *before, const State *after, REAL *restrict forward, REAL *restrict backward) {
    const REAL *restrict w = after->write, *restrict p = before->precedence, *restrict reads = before->reads;
    for (int i = 0; i < N; i++) {
        const REAL *restrict old = before->links + i * N, kept = 1 - w[i], written = w[i];
        REAL *restrict now = after->links + i * N;
        for (int j = 0; j < N; j++) now[j] = j == i ? 0 : (kept - w[j]) * old[j] + written * p[j];
        for (int r = 0; r < R; r++) forward[r * N + i] = dot(now, reads + r * N, N);
    }
    memset(backward, 0, R * N * sizeof(REAL));
    for (int r = 0; r < R; r++) add_rows(backward + r * N, reads + r * N, after->links, N, N);
    REAL blank = 1;
    for (int n = 0; n < N; n++) blank -= w[n];
    for (int n = 0; n < N; n++) after->precedence[n] = w[n] + blank * p[n];
}

/* FusedDNC.forward: `order` is found, or with `decided` replayed. Returns 0, and stops, if it names no slot. */
int step_forward(const REAL *interface, void *kept_here, int64_t *order, const void *before, const void *after,
                 int decided) {
    Kept *kept = kept_here;
    const State old = *(const State *)before, now = *(const State *)after;
    const Parsed *h = &kept->parsed;
    if (decided)
        for (int n = 0; n < N; n++)
            if (order[n] < 0 || order[n] >= N) return 0;
    parse(interface, &kept->parsed, kept->slopes);
    use(&old, h->free, now.usage);
    if (!decided) sort_by_usage(now.usage, order);
    allocate(now.usage, order, kept->allocated);
    look_up(old.memory, h->write_key, h->strengths + R, kept->sought, kept->sought_likeness, kept->of_slot_before,
            &kept->of_write_key, 1);
    for (int n = 0; n < N; n++) {
        const REAL *restrict word = old.memory + n * W, sought = kept->sought[n];
        REAL *restrict written = now.memory + n * W;
        const REAL w = h->gate * (sought + h->allocate * (kept->allocated[n] - sought));
        now.write[n] = w;
        for (int i = 0; i < W; i++) written[i] = word[i] + w * (h->vector[i] - word[i] * h->erase[i]);
    }
    look_up(now.memory, h->keys, h->strengths, kept->found, kept->likeness, kept->of_slot, kept->of_keys, R);
    link(&old, &now, kept->forward, kept->backward);
    memset(now.read, 0, R * W * sizeof(REAL));
    for (int r = 0; r < R; r++) {
        const REAL *mode = h->modes[r];
        for (int at = r * N; at < (r + 1) * N; at++)
            now.reads[at] = mode[0] * kept->backward[at] + mode[1] * kept->found[at] + mode[2] * kept->forward[at];
        add_rows(now.read + r * W, now.reads + r * N, now.memory, N, W);
    }
    return 1;
}

/* memory.dnc.links.links_backward: adds to `of_write`; `of_before` gets the links', the precedence's and the reads'. */
static void link_backward(const State *of_after, const REAL *restrict of_forward, const REAL *restrict of_backward,
                          const State *before, const State *after, const State *of_before, REAL *restrict of_write) {
    const REAL *restrict w = after->write, *restrict p = before->precedence, *restrict reads = before->reads;
    REAL of_reads[R * N] = {0}, of_precedence[N] = {0};
    for (int r = 0; r < R; r++) add_rows(of_reads + r * N, of_forward + r * N, after->links, N, N);
    for (int i = 0; i < N; i++) {
        const REAL *old = before->links + i * N, *now = after->links + i * N, *of = of_after->links + i * N;
        REAL *restrict of_old = of_before->links + i * N;
        REAL kept = 1 - w[i], written = w[i], of_row = 0, of_now[N];
        for (int j = 0; j < N; j++) {
            REAL sum = of[j];
            for (int r = 0; r < R; r++) sum += of_forward[r * N + i] * reads[r * N + j];
            for (int r = 0; r < R; r++) sum += reads[r * N + i] * of_backward[r * N + j];
            of_now[j] = j == i ? 0 : sum;
        }
        for (int r = 0; r < R; r++) of_reads[r * N + i] += dot(of_backward + r * N, now, N);
        for (int j = 0; j < N; j++) {
            REAL of_kept = of_now[j] * old[j];
            of_row += of_now[j] * p[j] - of_kept;
            of_write[j] -= of_kept;
            of_precedence[j] += written * of_now[j];
            of_old[j] = of_now[j] * (kept - w[j]);
        }
        of_write[i] += of_row;
    }
    memcpy(of_before->reads, of_reads, sizeof of_reads);
    memcpy(of_before->precedence, of_precedence, sizeof of_precedence);
}

/* memory.dnc.allocation.allocation_backward: adds to the gradient of the usage. */
static void allocate_backward(const REAL *of_weights, const REAL *usage, const int64_t *order, const REAL *weights,
                              REAL *of_usage) {
    REAL before[N], behind = 0;
    before[0] = 1;
    for (int j = 1; j < N; j++) before[j] = before[j - 1] * (usage[order[j - 1]] * (1 - EPSILON) + EPSILON);
    for (int j = N - 1; j >= 0; j--) {
        const int64_t n = order[j];
        of_usage[n] += (behind / (usage[n] * (1 - EPSILON) + EPSILON) - of_weights[n] * before[j]) * (1 - EPSILON);
        behind += of_weights[n] * weights[n];
    }
}

/* memory.dnc.allocation.usage_backward: adds to the gradient of the read weights. */
static void use_backward(const REAL *of_usage, const State *before, const REAL *free, const State *of_before,
                         REAL *of_free) {
    REAL of_retained[N], retained[N];
    for (int n = 0; n < N; n++) retained[n] = 1;
    for (int r = 0; r < R; r++)
        for (int n = 0; n < N; n++) retained[n] *= 1 - (1 - EPSILON) * free[r] * before->reads[r * N + n];
    for (int n = 0; n < N; n++) {
        REAL unused = 1 - before->usage[n], unwritten = 1 - before->write[n];
        of_before->usage[n] = of_usage[n] * retained[n] * unwritten;
        of_retained[n] = of_usage[n] * (1 - unused * unwritten) * retained[n] * (EPSILON - 1);
    }
    for (int r = 0; r < R; r++) {
        const REAL *reads = before->reads + r * N;
        REAL *of_reads = of_before->reads + r * N, sum = 0;
        for (int n = 0; n < N; n++) {
            REAL of_freed = of_retained[n] / (1 - (1 - EPSILON) * free[r] * reads[n]);
            sum += of_freed * reads[n];
            of_reads[n] += of_freed * free[r];
        }
        of_free[r] = sum;
    }
}

/* FusedDNC.backward */
void step_backward(REAL *of_interface, const void *kept_here, const int64_t *order, const void *before,
                   const void *after, const void *of_after, const void *of_before) {
    const Kept *kept = kept_here;
    const State old = *(const State *)before, now = *(const State *)after;
    const State of = *(const State *)of_after, to = *(const State *)of_before;
    const Parsed *h = &kept->parsed;
    Parsed *o = (Parsed *)of_interface;
    REAL of_write[N], of_usage[N], of_allocated[N], of_sought[N];
    REAL of_found[R * N], of_forward[R * N], of_backward[R * N];

    /* Reading. */
    for (int n = 0; n < N; n++) {
        const REAL *restrict word = now.memory + n * W;
        REAL *restrict of_word = to.memory + n * W;
        for (int i = 0; i < W; i++) {
            REAL sum = of.memory[n * W + i];
            for (int r = 0; r < R; r++) sum += now.reads[r * N + n] * of.read[r * W + i];
            of_word[i] = sum;
        }
        for (int r = 0; r < R; r++) of_found[r * N + n] = of.reads[r * N + n] + dot(of.read + r * W, word, W);
    }
    for (int r = 0; r < R; r++) {
        const REAL *mode = h->modes[r];
        REAL of_mode[3] = {0, 0, 0};
        for (int at = r * N; at < (r + 1) * N; at++) {
            REAL of_weight = of_found[at];
            of_mode[0] += kept->backward[at] * of_weight, of_backward[at] = mode[0] * of_weight;
            of_mode[1] += kept->found[at] * of_weight, of_found[at] = mode[1] * of_weight;
            of_mode[2] += kept->forward[at] * of_weight, of_forward[at] = mode[2] * of_weight;
        }
        REAL mean = dot(mode, of_mode, 3);
        for (int i = 0; i < 3; i++) o->modes[r][i] = mode[i] * (of_mode[i] - mean);
    }
    look_up_backward(of_found, now.memory, h->keys, h->strengths, kept->found, kept->likeness, kept->of_slot,
                     kept->of_keys, to.memory, o->keys, o->strengths, R);
    memcpy(of_write, of.write, sizeof of_write);
    link_backward(&of, of_forward, of_backward, &old, &now, &to, of_write);
    REAL blank = 1, of_blank = dot(of.precedence, old.precedence, N);
    for (int n = 0; n < N; n++) blank -= now.write[n];
    for (int n = 0; n < N; n++) of_write[n] += of.precedence[n] - of_blank;
    add(to.precedence, blank, of.precedence, N);

    /* Writing: memory.addressing.erase_add.write_backward, then the gates. */
    REAL of_gate = 0, of_allocate = 0, of_vector[W] = {0}, of_erase[W] = {0};
    for (int n = 0; n < N; n++) {
        const REAL *restrict word = old.memory + n * W, w = now.write[n];
        REAL *restrict of_word = to.memory + n * W, by_word = 0;
        for (int i = 0; i < W; i++) {
            REAL of_change = w * of_word[i];
            by_word += of_word[i] * (h->vector[i] - word[i] * h->erase[i]);
            of_vector[i] += of_change;
            of_erase[i] -= of_change * word[i];
            of_word[i] -= of_change * h->erase[i];
        }
        REAL apart = kept->allocated[n] - kept->sought[n], of_w = of_write[n] + by_word, of_mixed = of_w * h->gate;
        of_gate += of_w * (kept->sought[n] + h->allocate * apart);
        of_allocate += of_mixed * apart;
        of_allocated[n] = of_mixed * h->allocate;
        of_sought[n] = of_mixed - of_allocated[n];
    }
    memcpy(o->vector, of_vector, sizeof of_vector);
    memcpy(o->erase, of_erase, sizeof of_erase);
    o->gate = of_gate, o->allocate = of_allocate;
    look_up_backward(of_sought, old.memory, h->write_key, h->strengths + R, kept->sought, kept->sought_likeness,
                     kept->of_slot_before, &kept->of_write_key, to.memory, o->write_key, o->strengths + R, 1);
    memcpy(of_usage, of.usage, sizeof of_usage);
    allocate_backward(of_allocated, now.usage, order, kept->allocated, of_usage);
    use_backward(of_usage, &old, h->free, &to, o->free);
    memset(to.write, 0, N * sizeof(REAL)); /* no gradient passes through the write weights into the usage */

    /* Bounds. */
    for (int i = 0; i <= R; i++) o->strengths[i] *= kept->slopes[i];
    for (int i = 0; i < W + 2 + R; i++) o->gates[i] *= h->gates[i] * (1 - h->gates[i]);
}
