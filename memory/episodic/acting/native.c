/* One step of acting: `definition.act`, two products for all rows of the batch, and then one row after another. */
#include "../age.h"
#include "../attend/read.h"
#include "../slot_facts.h"

/* rows, slots, numbers of a hidden vector, an encoded event and an embedded step; of age biases, starts of buckets,
 * embeddings at hand, entries of the log and pieces of an event */
typedef struct {
    int64_t B, N, H, D, E, A, starts, embeddings, C, pieces;
} Counts;

enum { ASKED = KEYS + EVENT }; /* a query and, behind it, the step's event as the slots' events are kept */

typedef struct { /* what stays where it is from step to step */
    const REAL *of_hidden, *of_event, *constant; /* packed [H, KEYS] and [D + E, ASKED]; [ASKED] */
    const REAL *embeddings;                      /* [embeddings, E] of the first steps */
    const double *frequencies, *phases;          /* [E] */
    const REAL *age_bias, *penalty, *null_key, *null_value; /* Learned */
    const int64_t *starts; /* the smallest age of each bucket but the first */
    const REAL *weight, *bias; /* [VALUES] of the normalization */
    REAL *projected; /* [B, N, EVENT] */
    Facts facts;
} Kept;

typedef struct {
    const REAL *hidden, *encoded; /* [B, H], [B, D] */
    const int64_t *hash, *step, *before; /* before: [B, N] entries of the log that the slots hold */
    REAL *read;                    /* [B, VALUES + R] */
    int64_t *slot, *after, *next;  /* [B] that is taken, or -1; as before; [B] the number of the next step */
    REAL *trace;                   /* [4, B] TRACED */
} Step;

typedef struct { /* a part of the log and of the step's events */
    char *log;       /* [B, C, size] */
    const char *row; /* [B, size] */
    int64_t size;
} Piece;

typedef struct { /* room for all rows: [B, D + E], [B, ASKED], [B, KEYS]; and for one */
    REAL *events, *asked, *queries, *log_duplicates, *logits, *weights, *contents;
    uint8_t *alive, *age;
} Room;

/* Encoded events and embedded steps side by side, times their weights; and hidden vectors times theirs */
static void multiply_all(const Counts *n, const Kept *kept, const Step *at, Room *to) {
    const int64_t wide = n->D + n->E;
    for (int64_t b = 0; b < n->B; b++) {
        const int64_t step = at->step[b];
        REAL *event = to->events + b * wide, *embedded = event + n->D;
        memcpy(event, at->encoded + b * n->D, n->D * sizeof(REAL));
        if (step < n->embeddings)
            memcpy(embedded, kept->embeddings + step * n->E, n->E * sizeof(REAL));
        else /* StepEmbedding */
            for (int64_t i = 0; i < n->E; i++) embedded[i] = sin(kept->phases[i] + step * kept->frequencies[i]);
    }
    multiply(to->asked, kept->constant, 0, to->events, kept->of_event, n->B, wide, ASKED);
    multiply(to->queries, to->asked, ASKED, at->hidden, kept->of_hidden, n->B, n->H, KEYS);
}

/* SlotFacts.reach, and the log gates relative to the most open one; returns how many are alive */
static int64_t reach(const Counts *n, const Facts *facts, int64_t step, const Buckets *buckets, Room *to, REAL *open) {
    int64_t alive = 0;
    for (int64_t i = 0; i < n->N; i++) {
        to->alive[i] = facts->rank[i] > FREE;
        alive += to->alive[i];
    }
    for (int64_t i = 0; i < n->N; i++)
        to->age[i] = to->alive[i] ? bucket(buckets, step - facts->birth[i]) : 0;
    for (int64_t i = 0; i < n->N; i++)
        to->log_duplicates[i] = logarithm(facts->duplicates[i] > 1 ? facts->duplicates[i] : 1);
    for (int64_t i = 0; i < n->N; i++) to->logits[i] = to->alive[i] ? facts->log_gates[i] : LOWEST;
    *open = largest(to->logits, n->N, LOWEST);
    return alive;
}

/* LayerNorm */
static void normalize(const REAL *restrict x, const REAL *restrict weight, const REAL *restrict bias, REAL *restrict y) {
    REAL mean = 0, square = 0;
    for (int i = 0; i < VALUES; i++) mean += x[i];
    mean /= VALUES;
    for (int i = 0; i < VALUES; i++) square += (x[i] - mean) * (x[i] - mean);
    const REAL scale = 1 / sqrt(square / VALUES + (REAL)1e-5);
    for (int i = 0; i < VALUES; i++) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

/* event_log.appended */
static void append(const Counts *n, const Step *at, const Piece *pieces, int64_t entry) {
    for (const Piece *piece = pieces; piece < pieces + n->pieces; piece++)
        for (int64_t b = 0; b < n->B; b++)
            memcpy(piece->log + (b * n->C + entry) * piece->size, piece->row + b * piece->size, piece->size);
    memcpy(at->after, at->before, n->B * n->N * sizeof(int64_t));
    for (int64_t b = 0; b < n->B; b++) {
        if (at->slot[b] >= 0) at->after[b * n->N + at->slot[b]] = entry;
        at->next[b] = at->step[b] + 1;
    }
}

int act(const Counts *n, const Kept *kept, const Step *at, const Piece *pieces, int64_t entry) {
    const int64_t B = n->B, N = n->N;
    const Sizes one = {1, 1, N, N, n->A};
    const int64_t sizes[] = {B * (n->D + n->E), B * ASKED, B * KEYS, N, R * N, R * N, VALUES};
    Room to;
    REAL **parts[] = {&to.events, &to.asked, &to.queries, &to.log_duplicates, &to.logits, &to.weights, &to.contents};
    int64_t all = 0;
    for (int i = 0; i < 7; i++) all += sizes[i];
    REAL *numbers = malloc(all * sizeof(REAL) + 2 * N);
    if (!numbers) return -1;
    to.alive = (uint8_t *)(numbers + all), to.age = to.alive + N;
    for (int64_t i = 0, first = 0; i < 7; first += sizes[i], i++) *parts[i] = numbers + first;
    const Buckets buckets = buckets_of(kept->starts, n->starts);
    multiply_all(n, kept, at, &to);
    for (int64_t b = 0; b < B; b++) {
        const Facts facts = facts_of_row(&kept->facts, b, N);
        const REAL *own = to.asked + b * ASKED + KEYS;
        REAL *table = kept->projected + b * N * EVENT, *read = at->read + b * (VALUES + R), null = 0, open;
        const REAL log_gate = log_sigmoid(own[VECTORS]);
        const int64_t alive = reach(n, &facts, at->step[b], &buckets, &to, &open);
        Row row = {.used = to.alive, .gates = facts.log_gates, .open = &open, .logits = to.logits};
        const Arrays events = {to.queries + b * KEYS, table, NULL, NULL, to.alive, to.age, to.log_duplicates,
                               kept->age_bias, kept->penalty, kept->null_key, kept->null_value, to.contents,
                               read + VALUES, to.weights};
        read_once(&one, &events, 0, &row);
        normalize(to.contents, kept->weight, kept->bias, read);
        for (int r = 0; r < R; r++) null += read[VALUES + r];
        const int64_t slot = take_slot(&facts, N, log_gate, at->hash[b], at->step[b]);
        if (slot >= 0) memcpy(table + slot * EVENT, own, EVENT * sizeof(REAL));
        at->slot[b] = slot;
        const REAL traced[] = {decay(log_gate), slot >= 0, (REAL)alive / N, null / R};
        for (int i = 0; i < 4; i++) at->trace[i * B + b] = traced[i];
    }
    append(n, at, pieces, entry);
    free(numbers);
    return 1;
}
