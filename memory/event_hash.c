/* event_hash.hash_of_bytes: events, each of several pieces, whose bytes follow one another; the last word may be cut off. */
#include "event_hash.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *bytes; /* [events, size] */
    int64_t size;
} Piece;

typedef struct {
    const int64_t *factors, *offsets;
    int64_t *hashes; /* [events] */
} Hash;

int hash(int64_t events, int64_t pieces, const Piece *piece, const Hash *at) {
    int64_t size = 0;
    for (int64_t i = 0; i < pieces; i++) size += piece[i].size;
    const int64_t words = (size + 3) / 4;
    int32_t *event = calloc(words + 1, sizeof(int32_t)); /* what is missing to the last word stays zero */
    if (!event) return -1;
    for (int64_t e = 0; e < events; e++) {
        char *end = (char *)event;
        for (int64_t i = 0; i < pieces; i++, end += piece[i - 1].size)
            memcpy(end, piece[i].bytes + e * piece[i].size, piece[i].size);
        at->hashes[e] = hash_of(event, words, at->factors, at->offsets);
    }
    free(event);
    return 1;
}
