/* The methods of SlotBook. */
#include "book.h"

typedef struct {
    Book book;
    const uint8_t *filled; /* [B, N] */
} Enter;

/* SlotBook.of, of a book without marks */
void enter(const BookSizes *of, const Enter *at) {
    const BookSizes sizes = *of;
    for (int64_t b = 0; b < sizes.batch; b++) {
        const Book row = row_of(&at->book, sizes, b);
        empty(&row, sizes);
        enter_row(&row, sizes, at->filled + b * sizes.slots);
    }
}

typedef struct {
    Book book;
    const uint8_t *starts; /* [B] */
} Start;

/* SlotBook.start_episodes */
void start(const BookSizes *of, const Start *at) {
    const BookSizes sizes = *of;
    for (int64_t b = 0; b < sizes.batch; b++) {
        const Book row = row_of(&at->book, sizes, b);
        if (at->starts[b]) empty(&row, sizes);
    }
}

typedef struct {
    Book book;
    const REAL *log_gate; /* [B], of the new events */
    const int64_t *hash, *birth;
    int64_t *slot; /* [B] that is taken, or -1 */
} Take;

/* SlotBook.take */
void take(const BookSizes *of, const Take *at) {
    const BookSizes sizes = *of;
    for (int64_t b = 0; b < sizes.batch; b++) {
        const Book row = row_of(&at->book, sizes, b);
        at->slot[b] = take_slot(&row, sizes, at->log_gate[b], at->hash[b], at->birth[b]);
    }
}

typedef struct {
    Book book;
    const int64_t *rows, *slots; /* [K] */
    REAL *crowds;
} Ask;

/* SlotBook.crowds */
void crowds(const BookSizes *of, int64_t asked, const Ask *at) {
    const BookSizes sizes = *of;
    for (int64_t i = 0; i < asked; i++) {
        const Book row = row_of(&at->book, sizes, at->rows[i]);
        at->crowds[i] = row.rank[at->slots[i]] == FREE ? 1 : crowd_of(&row, sizes, at->slots[i]);
    }
}

typedef struct {
    Book book;
    const int64_t *slots, *step; /* [B, K], [B] */
    const int64_t *entries;      /* [B, N] of the log */
    Known known;
} LookUp;

/* SlotBook.look_up */
void look_up(const BookSizes *of, int64_t asked, const LookUp *at) {
    const BookSizes sizes = *of;
    for (int64_t i = 0; i < sizes.batch * asked; i++) {
        const int64_t b = i / asked;
        const Book row = row_of(&at->book, sizes, b);
        tell(&at->known, i, &row, sizes, at->slots[i], at->step[b], at->entries + b * sizes.slots);
    }
}

typedef struct {
    Book book;
    const int64_t *slots, *step; /* [B, K], or negative, and [B] */
    Bias bias;
    Keys keys; /* of which the biases are set */
} Renew;

/* SlotBook.renew */
void renew(const BookSizes *of, int64_t count, int64_t starts, const KeySizes *of_keys, const Renew *at) {
    const BookSizes sizes = *of;
    const Buckets buckets = buckets_of(at->bias.starts, starts);
    for (int64_t b = 0; b < sizes.batch; b++) {
        const Book row = row_of(&at->book, sizes, b);
        renew_row(&row, sizes, at->slots + b * count, count, at->step[b], &at->bias, &buckets, &at->keys, *of_keys, b);
    }
}
