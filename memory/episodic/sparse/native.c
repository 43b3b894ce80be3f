/* A step of acting with sparse reads, `definition.act`, in two calls: up to the events that are found, and, when these
 * have been encoded, from there on. Each head reads by itself, so that a single one is compiled in (R = 1). */
#include "../../distinct.h"
#include "../../event_hash.h"
#include "../acting/products.h"
#include "../attend/read.h"
#include "../event_log.h"
#include "book.h"
#include "search.h"

typedef struct {
    ProductSizes of; /* the products */
    int64_t k, starts, recent; /* starts of buckets; newest slots */
    int64_t words;             /* of an event, if equal hashes may be of different events; else zero */
    int64_t room, pieces;      /* to number hashes in; leaves of the log that are written */
    BookSizes book;
    KeySizes keys;
} Counts;

typedef struct { /* what stays where it is from step to step */
    Products products;
    const REAL *of_found, *of_found_constant; /* packed [D + E, EVENT], and [EVENT], of one head after another */
    Bias bias;
    const REAL *null_key, *null_value; /* Learned */
    const REAL *weight, *normal;       /* [R * V] of the normalization */
    int64_t *recent;                   /* [B, recent] */
    Book book;
    Keys keys;
    Asked asked; /* and room, in which the first call leaves what the second one needs */
    REAL *rows, *projected, *gates, *logits, *weights, *log_crowds; /* [k, D + E], [k, EVENT], and [k] each */
    uint8_t *alive, *used, *age;                                    /* [B, R, k], and [k] each */
    int64_t *hashes, *places, *first, *number;                      /* [B, R, k] */
    int32_t *table;                                                 /* [room] */
    Found *heap;                                                    /* [k] */
    int32_t *event;                                                 /* [words], zeros, and numbers to hash it by */
    const int64_t *factors, *offsets;                               /* [words] */
} Kept;

typedef struct {
    const REAL *hidden, *encoded;  /* [B, H], [B, D] */
    const int64_t *step, *entries; /* [B], and [B, N] of the log, which the slots hold */
    int32_t *decided;              /* [3, B, R, k] found, age, crowd */
} Look;

static Known known_of(const Kept *kept, int32_t *decided, int64_t count) {
    return (Known){kept->alive, kept->hashes, kept->places, decided, decided + count, decided + 2 * count};
}

/* Find the best slots of each head of a row, and tell what they hold */
static void find_in_row(const Counts *n, const Kept *kept, const Look *at, const Known *known, int64_t b,
                        int64_t used) {
    const int64_t *entries = at->entries + b * n->book.slots;
    const Book row = row_of(&kept->book, n->book, b);
    for (int64_t head = b * n->keys.heads; head < (b + 1) * n->keys.heads; head++) {
        REAL query[W];
        set(query, 1 / sqrt((REAL)W), kept->asked.queries + head * W, W);
        find_best(&kept->keys, n->keys, head, query, used, n->k, kept->heap);
        for (int64_t i = head * n->k; i < (head + 1) * n->k; i++)
            tell(known, i, &row, n->book, kept->heap[i - head * n->k].slot, at->step[b], entries);
    }
}

/* event_hash.hash_of_all */
static void hash_all(const Counts *n, const Kept *kept, const Piece *pieces, int64_t leaves, int64_t count,
                     int64_t of_row) {
    for (int64_t i = 0; i < count; i++) {
        char *to = (char *)kept->event;
        if (!kept->alive[i]) continue;
        for (const Piece *piece = pieces; piece < pieces + leaves; to += piece->size, piece++)
            memcpy(to, logged(piece, i / of_row, kept->places[i]), piece->size);
        kept->hashes[i] = hash_of(kept->event, n->words, kept->factors, kept->offsets);
    }
}

/* Copy the different ones of the events found out of the log; zeros where nothing was found */
static void gather(const Kept *kept, const Piece *pieces, int64_t count, int64_t different, int64_t of_row) {
    for (const Piece *piece = pieces; piece < pieces + count; piece++)
        for (int64_t x = 0; x < different; x++) {
            const int64_t i = kept->first[x];
            char *to = piece->events + x * piece->size;
            if (kept->alive[i])
                memcpy(to, logged(piece, i / of_row, kept->places[i]), piece->size);
            else
                memset(to, 0, piece->size);
        }
}

/* Returns how many different events were found, which lie in the pieces then */
int64_t find_events(const Counts *n, const Kept *kept, const Look *at, const Piece *pieces, int64_t leaves) {
    const int64_t B = n->of.B, of_row = n->keys.heads * n->k, count = B * of_row;
    const Buckets buckets = buckets_of(kept->bias.starts, n->starts);
    const Known known = known_of(kept, at->decided, count);
    int64_t used = n->k;
    multiply_all(&n->of, &kept->products, at->step, at->hidden, at->encoded, &kept->asked);
    for (int64_t b = 0; b < B; b++) {
        const Book row = row_of(&kept->book, n->book, b);
        renew_row(&row, n->book, kept->recent + b * n->recent, n->recent, at->step[b], &kept->bias, &buckets,
                  &kept->keys, n->keys, b);
        used = *row.ends > used ? *row.ends : used;
    }
    used = (used + PIECE - 1) / PIECE * PIECE;
    for (int64_t b = 0; b < B; b++) find_in_row(n, kept, at, &known, b, used);
    if (n->words) hash_all(n, kept, pieces, leaves, count, of_row);
    memset(kept->table, 0, n->room * sizeof *kept->table);
    const int64_t different =
        number_distinct(count, n->room, &(Hashes){kept->hashes, kept->first, kept->number, kept->table});
    gather(kept, pieces, leaves, different, of_row);
    return different;
}

typedef struct {
    const REAL *table;                    /* [X, D] the events found, encoded */
    const int64_t *hash, *step;           /* [B] */
    int64_t *entries, *replaced;          /* [B, N] of the log, which the slots hold; [B, C] see EpisodicState */
    int32_t *decided;                     /* as they were left */
    REAL *read;                           /* [B, R * V + R] */
    int64_t *slot, *next, *end;           /* [B] */
    REAL *trace;                          /* [4, B] TRACED */
} Rest;

/* The read of one head of a row: its contents, and the weight of the null slot */
static void read_head(const Counts *n, const Kept *kept, const Rest *at, int64_t head, int64_t step,
                      const Buckets *buckets, REAL *contents, REAL *null) {
    const int64_t k = n->k, D = n->of.D, wide = D + n->of.E, r = head % n->keys.heads, first = head * k;
    const Known known = known_of(kept, at->decided, n->of.B * n->keys.heads * k);
    for (int64_t i = 0; i < k; i++) {
        const int64_t age = known.age[first + i], crowd = known.crowd[first + i];
        memcpy(kept->rows + i * wide, at->table + kept->number[first + i] * D, D * sizeof(REAL));
        embed(&n->of, &kept->products, step - age, kept->rows + i * wide + D);
        kept->age[i] = bucket(buckets, age);
        kept->log_crowds[i] = logarithm(crowd);
    }
    multiply(kept->projected, kept->of_found_constant + r * EVENT, 0, kept->rows,
             kept->of_found + r * wide * padded(EVENT), k, wide, EVENT);
    const Sizes one = {1, 1, k, k, n->starts + 1};
    const Arrays events = {kept->asked.queries + head * W, kept->projected, NULL, NULL, kept->alive + first, kept->age,
                           kept->log_crowds, kept->bias.of_age + r * one.A, kept->bias.penalty + r,
                           kept->null_key + r * W, kept->null_value + r * V, contents, null, kept->weights};
    REAL open;
    Row row = {.used = kept->used, .gates = kept->gates, .open = &open, .logits = kept->logits};
    find_gates(&one, &events, 0, &row);
    read_once(&one, &events, 0, &row);
}

/* Let a row's event take a slot */
static void write_row(const Counts *n, const Kept *kept, const Rest *at, int64_t b, const REAL *own, REAL log_gate,
                      int64_t capacity, int64_t entry) {
    const Book row = row_of(&kept->book, n->book, b);
    const int64_t heads = n->keys.heads, slot = take_slot(&row, n->book, log_gate, at->hash[b], at->step[b]);
    int64_t *entries = at->entries + b * n->book.slots;
    at->replaced[b * capacity + entry] = entries[slot < 0 ? 0 : slot];
    kept->recent[b * n->recent + at->step[b] % n->recent] = slot;
    at->slot[b] = slot, at->next[b] = at->step[b] + 1, at->end[b] = entry + 1;
    if (slot < 0) return;
    entries[slot] = entry;
    for (int64_t r = 0; r < heads; r++) put_key(&kept->keys, n->keys, b * heads + r, slot, own + r * W);
}

/* Read, let the step's events take slots, and append them to the log */
void read_and_write(const Counts *n, const Kept *kept, const Rest *at, const Piece *pieces, int64_t capacity,
                    int64_t entry) {
    const int64_t B = n->of.B, heads = n->keys.heads;
    const Buckets buckets = buckets_of(kept->bias.starts, n->starts);
    for (int64_t b = 0; b < B; b++) {
        REAL *read = at->read + b * heads * (V + 1), contents[heads * V], null = 0;
        const REAL *own = kept->asked.asked + b * n->of.asked + n->of.queries, log_gate = log_sigmoid(own[heads * W]);
        const REAL occupancy = (REAL)kept->book.occupied[b] / n->book.slots;
        for (int64_t r = 0; r < heads; r++) {
            REAL *of_null = read + heads * V + r;
            read_head(n, kept, at, b * heads + r, at->step[b], &buckets, contents + r * V, of_null);
            null += *of_null / heads;
        }
        layer_norm(contents, kept->weight, kept->normal, read, heads * V);
        write_row(n, kept, at, b, own, log_gate, capacity, entry);
        const REAL traced[] = {decay(log_gate), at->slot[b] >= 0, occupancy, null};
        for (int i = 0; i < 4; i++) at->trace[i * B + b] = traced[i];
    }
    append(pieces, n->pieces, B, entry);
}
