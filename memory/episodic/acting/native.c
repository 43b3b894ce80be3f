/* One step of acting: `definition.act`, one row of the batch after another. */
#include "../attend/read.h"
#include "../slot_facts.h"

typedef struct { /* rows, slots, rows of the table of age biases, starts of buckets */
    int64_t B, N, A, starts;
} Counts;

typedef struct {
    const REAL *queries, *own; /* [B, KEYS] and [B, EVENT], the step's event as the slots' events are kept */
    const REAL *log_gate;      /* [B] */
    const int64_t *hash, *step;
    REAL *projected; /* [B, N, EVENT] */
    Facts facts;
    const REAL *age_bias, *penalty, *null_key, *null_value; /* Learned */
    const int64_t *starts; /* the smallest age of each bucket but the first */
    const REAL *weight, *bias; /* [VALUES] of the normalization */
    REAL *read;                /* [B, VALUES + R] */
    int64_t *slot;             /* [B] that is taken, or -1 */
    REAL *gate, *written, *occupancy, *null; /* [B] what is traced */
} Step;

/* The number of starts that are not above an age */
static inline uint8_t bucket(const int64_t *starts, int64_t count, int64_t age) {
    int64_t first = 0;
    if (age <= 0) return 0;
    if (age < count && starts[age] == age + 1) return age; /* they begin with 1, 2, 3 ... */
    while (first < count) {
        const int64_t middle = (first + count) / 2;
        if (starts[middle] <= age)
            first = middle + 1;
        else
            count = middle;
    }
    return first;
}

typedef struct { /* room for a row */
    uint8_t *alive, *age;                    /* [N] */
    REAL *log_duplicates, *weights, *contents; /* [N], [R, N], [VALUES] */
} Room;

/* SlotFacts.reach; returns how many are alive */
static int64_t reach(const Counts *n, const Facts *facts, int64_t step, const int64_t *starts, Room *to) {
    int64_t alive = 0;
    for (int64_t i = 0; i < n->N; i++) {
        to->alive[i] = facts->rank[i] > FREE;
        alive += to->alive[i];
    }
    for (int64_t i = 0; i < n->N; i++)
        to->age[i] = to->alive[i] ? bucket(starts, n->starts, step - facts->birth[i]) : 0;
    for (int64_t i = 0; i < n->N; i++)
        to->log_duplicates[i] = logarithm(facts->duplicates[i] > 1 ? facts->duplicates[i] : 1);
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

int act(const Counts *n, const Step *at) {
    const int64_t N = n->N;
    const Sizes one = {1, 1, N, N, n->A};
    Row row;
    if (!room(&row, &one)) return -1;
    REAL *numbers = malloc((N + R * N + VALUES) * sizeof(REAL) + 2 * N);
    if (!numbers) return free(row.used), -1;
    Room to = {(uint8_t *)(numbers + N + R * N + VALUES), NULL, numbers, numbers + N, numbers + N + R * N};
    to.age = to.alive + N;
    for (int64_t b = 0; b < n->B; b++) {
        const Facts facts = facts_of_row(&at->facts, b, N);
        REAL *table = at->projected + b * N * EVENT, *read = at->read + b * (VALUES + R), null = 0;
        at->occupancy[b] = (REAL)reach(n, &facts, at->step[b], at->starts, &to) / N;
        const Arrays events = {at->queries + b * KEYS, table, NULL, NULL, to.alive, to.age, to.log_duplicates,
                               at->age_bias, at->penalty, at->null_key, at->null_value, to.contents, read + VALUES,
                               to.weights};
        find_gates(&one, &events, 0, &row);
        read_once(&one, &events, 0, &row);
        normalize(to.contents, at->weight, at->bias, read);
        for (int r = 0; r < R; r++) null += read[VALUES + r];
        const int64_t slot = take_slot(&facts, N, at->log_gate[b], at->hash[b], at->step[b]);
        if (slot >= 0) memcpy(table + slot * EVENT, at->own + b * EVENT, EVENT * sizeof(REAL));
        at->slot[b] = slot;
        at->gate[b] = decay(at->log_gate[b]);
        at->written[b] = slot >= 0;
        at->null[b] = null / R;
    }
    free(numbers);
    free(row.used);
    return 1;
}
