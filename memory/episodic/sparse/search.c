/* The methods of SearchKeys. */
#define _DEFAULT_SOURCE
#include "search.h"
#ifdef __linux__
#include <sys/mman.h>
#endif

/* Ask for large pages, where there are such: they are read faster */
static void in_large_pages(void *start, int64_t size) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 1 << 21, first = ((uintptr_t)start + page - 1) & -page;
    if (first + page <= (uintptr_t)start + size) madvise((void *)first, (uintptr_t)start + size - first, MADV_HUGEPAGE);
#else
    (void)start, (void)size;
#endif
}

/* Forget all keys of one head of a row */
static void clear_head(const Keys *kept, KeySizes sizes, int64_t head) {
    const int64_t first = head * sizes.slots;
    memset(kept->keys + first * sizes.width, 0, sizes.slots * sizes.width);
    memset(block_of(kept, sizes, head, 0), 0, sizes.slots / BLOCK * sizes.lines * LINE);
    for (int64_t slot = 0; slot < sizes.slots; slot++) {
        set_scale(kept, sizes, head, slot, 0);
        set_bias(kept, sizes, head, slot, -INFINITY);
    }
}

/* SearchKeys.empty */
void clear(const KeySizes *of, const Keys *kept) {
    const int64_t keys = of->rows * of->heads * of->slots;
    in_large_pages(kept->keys, keys * of->width);
    in_large_pages(kept->scales, keys * sizeof *kept->scales);
    in_large_pages(kept->bias, keys * sizeof *kept->bias);
    in_large_pages(kept->coarse, keys / BLOCK * of->lines * LINE);
    for (int64_t head = 0; head < of->rows * of->heads; head++) clear_head(kept, *of, head);
}

typedef struct {
    Keys kept;
    const uint8_t *starts; /* [B] */
} Clear;

/* SearchKeys.start_episodes */
void start(const KeySizes *of, const Clear *at) {
    for (int64_t head = 0; head < of->rows * of->heads; head++)
        if (at->starts[head / of->heads]) clear_head(&at->kept, *of, head);
}

typedef struct {
    Keys kept;
    const int64_t *row, *slot; /* [K]; nothing is written where a slot is negative */
    const REAL *keys;          /* [K, R, W] */
} Put;

/* SearchKeys.put */
void put(const KeySizes *of, int64_t count, const Put *at) {
    const KeySizes sizes = *of;
    for (int64_t k = 0; k < count; k++)
        for (int64_t r = 0; r < sizes.heads && at->slot[k] >= 0; r++)
            put_key(&at->kept, sizes, at->row[k] * sizes.heads + r, at->slot[k],
                    at->keys + (k * sizes.heads + r) * sizes.width);
}

typedef struct {
    Keys kept;
    const int64_t *row, *slot; /* [K] */
    const float *bias;         /* [K, R] */
} Set;

/* SearchKeys.set_bias */
void set(const KeySizes *of, int64_t count, const Set *at) {
    for (int64_t k = 0; k < count; k++)
        for (int64_t r = 0; r < of->heads; r++)
            set_bias(&at->kept, *of, at->row[k] * of->heads + r, at->slot[k], at->bias[k * of->heads + r]);
}

typedef struct {
    Keys kept;
    const REAL *queries; /* [B, R, W] */
    Found *heap;         /* room for k */
    int64_t *found;      /* [B, R, k] */
} Find;

/* SearchKeys.find */
void find(const KeySizes *of, int64_t used, int64_t k, const Find *at) {
    for (int64_t head = 0; head < of->rows * of->heads; head++) {
        find_best(&at->kept, *of, head, at->queries + head * of->width, used, k, at->heap);
        for (int64_t i = 0; i < k; i++) at->found[head * k + i] = at->heap[i].slot;
    }
}
