/* append.append */
#include <stdint.h>
#include <string.h>

typedef struct {
    char *log;       /* [B, C, size] */
    const char *row; /* [B, size] */
    int64_t size;
} Leaf;

typedef struct {
    const int64_t *place, *slot; /* [B, N], [B] */
    int64_t *after;              /* [B, N] */
} Places;

void append(int64_t batch, int64_t capacity, int64_t slots, int64_t entry, int64_t leaves, const Leaf *leaf,
            const Places *at) {
    for (int64_t i = 0; i < leaves; i++)
        for (int64_t b = 0; b < batch; b++)
            memcpy(leaf[i].log + (b * capacity + entry) * leaf[i].size, leaf[i].row + b * leaf[i].size, leaf[i].size);
    memcpy(at->after, at->place, batch * slots * sizeof(int64_t));
    for (int64_t b = 0; b < batch; b++)
        if (at->slot[b] >= 0) at->after[b * slots + at->slot[b]] = entry;
}
