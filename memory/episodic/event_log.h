/* The log of events, in parts: one for each leaf. */
#ifndef EVENT_LOG_H
#define EVENT_LOG_H

#include <stdint.h>
#include <string.h>

typedef struct {
    char *log;             /* [B, entries, size] */
    char *events;          /* [.., size] some events outside the log */
    int64_t size, entries; /* a single entry of what is constant over an episode */
} Piece;

/* The part of an event that lies in the log */
static inline char *logged(const Piece *piece, int64_t b, int64_t entry) {
    return piece->log + (b * piece->entries + (piece->entries > 1 ? entry : 0)) * piece->size;
}

/* Write an event of each row to an entry: event_log.appended */
static inline void append(const Piece *pieces, int64_t count, int64_t rows, int64_t entry) {
    for (const Piece *piece = pieces; piece < pieces + count; piece++)
        for (int64_t b = 0; b < rows; b++)
            memcpy(logged(piece, b, entry), piece->events + b * piece->size, piece->size);
}

#endif
