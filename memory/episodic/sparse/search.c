/* The k best slots of each head, see SearchKeys: all keys are looked at coarsely, exactly only those that may be among
 * the best.
 *
 * Of each key the four upper bits of every number, a sixteenth of its value, are kept a second time, packed: half of
 * the bytes. What the lower bits add to the product with a query is at most 15 times the sum of its positive numbers. */
#define _DEFAULT_SOURCE
#include <stdint.h>
#include <string.h>
#include <tgmath.h>
#ifdef __linux__
#include <sys/mman.h>
#endif
#if defined(__AVX512VNNI__) && !defined(PLAIN)
#define IN_FOURS /* products of four pairs of bytes each are added to 16 sums at once */
#include <immintrin.h>
typedef int8_t Lane;
#else
typedef int16_t Lane;
#endif

#ifdef __GNUC__
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address)
#endif

#define BLOCK 16 /* keys whose coarse products are taken at once */
#define PIECE 64 /* keys that are compared at once */
#define WAITING 64 /* keys that are fetched before they are looked at */
#define GROUP 8   /* numbers of a key in a byte of each of 4 lanes: the first four in the lower half */

#define SAME_SIZE(real) _Generic((real)0, float: (uint32_t)0, double: (uint64_t)0)
typedef __typeof__(SAME_SIZE(REAL)) Bits;

typedef struct {
    int64_t rows, heads, slots, width; /* slots: a multiple of PIECE */
} Sizes;

typedef struct {
    int8_t *keys; /* as in SearchKeys */
    float *scales, *bias;
    uint8_t *coarse; /* [B, R, N / BLOCK, groups, 4 * BLOCK] */
} Keys;

typedef struct {
    float logit;
    int64_t slot;
} Found;

static int64_t groups_of(Sizes sizes) { return (sizes.width + GROUP - 1) / GROUP; }

/* Ask for large pages, where there are such: they are read faster */
static void in_large_pages(void *start, int64_t size) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 1 << 21, first = ((uintptr_t)start + page - 1) & -page;
    if (first + page <= (uintptr_t)start + size) madvise((void *)first, (uintptr_t)start + size - first, MADV_HUGEPAGE);
#else
    (void)start, (void)size;
#endif
}

/* SearchKeys.empty */
void clear(const Sizes *of, const Keys *kept) {
    const int64_t keys = of->rows * of->heads * of->slots, packed = keys * 4 * groups_of(*of);
    in_large_pages(kept->keys, keys * of->width);
    in_large_pages(kept->scales, keys * sizeof *kept->scales);
    in_large_pages(kept->bias, keys * sizeof *kept->bias);
    in_large_pages(kept->coarse, packed);
    memset(kept->keys, 0, keys * of->width);
    memset(kept->scales, 0, keys * sizeof *kept->scales);
    for (int64_t i = 0; i < keys; i++) kept->bias[i] = -INFINITY;
    memset(kept->coarse, 0, packed);
}

/* search._quantize */
static float quantize(const REAL *vector, int64_t width, int8_t *integers) {
    Bits bits, largest = 0; /* positive floats are in the order of their bits */
    REAL most;
    for (int64_t w = 0; w < width; w++) {
        memcpy(&bits, vector + w, sizeof bits);
        bits &= ~((Bits)1 << (8 * sizeof bits - 1));
        largest = bits > largest ? bits : largest;
    }
    memcpy(&most, &largest, sizeof most);
    const REAL scale = (most > (REAL)1e-30 ? most : (REAL)1e-30) / 127;
    for (int64_t w = 0; w < width; w++) integers[w] = (int8_t)(int32_t)rint(vector[w] / scale);
    return (float)scale;
}

/* Pack the upper bits of a key into its lane of a block, as numbers from 0 to 15 */
static void pack(const int8_t *key, int64_t width, uint8_t *block, int64_t lane) {
    for (int64_t first = 0; first < width; first += GROUP, block += 4 * BLOCK) {
        uint32_t four[2] = {0, 0};
        memcpy(four, key + first, width - first < GROUP ? width - first : GROUP);
        for (int64_t half = 0; half < 2; half++) four[half] = (four[half] ^ 0x80808080) >> 4 & 0x0F0F0F0F;
        four[0] |= four[1] << 4;
        memcpy(block + 4 * lane, four, 4);
    }
}

typedef struct {
    Keys kept;
    const int64_t *row, *slot; /* [K]; nothing is written where a slot is negative */
    const REAL *keys;          /* [K, R, W] */
} Put;

/* SearchKeys.put */
void put(const Sizes *of, int64_t count, const Put *at) {
    const Sizes sizes = *of;
    const int64_t groups = groups_of(sizes);
    for (int64_t k = 0; k < count; k++)
        for (int64_t r = 0; r < sizes.heads && at->slot[k] >= 0; r++) {
            const int64_t slot = at->slot[k], first = (at->row[k] * sizes.heads + r) * sizes.slots;
            int8_t *key = at->kept.keys + (first + slot) * sizes.width;
            at->kept.scales[first + slot] = quantize(at->keys + (k * sizes.heads + r) * sizes.width, sizes.width, key);
            pack(key, sizes.width, at->kept.coarse + (first + slot / BLOCK * BLOCK) * 4 * groups, slot % BLOCK);
        }
}

/* Spread a query over lanes [groups, 2, 4 * BLOCK] as packed keys are */
static void spread(const int8_t *query, int64_t groups, Lane *lanes) {
    for (int64_t i = 0; i < groups * GROUP * BLOCK; i++)
        lanes[i] = query[i / (4 * BLOCK) * 4 + i % 4];
}

/* Products of a query that is spread with a block of packed keys, whose numbers are 8 too high */
static void products(const uint8_t *block, const Lane *query, int64_t groups, int32_t *sums) {
#ifdef IN_FOURS
    const __m512i half = _mm512_set1_epi8(15);
    __m512i low = _mm512_setzero_si512(), high = low;
    for (int64_t g = 0; g < groups; g++, query += GROUP * BLOCK) {
        const __m512i packed = _mm512_loadu_si512(block + g * 4 * BLOCK);
        const __m512i upper = _mm512_and_si512(_mm512_srli_epi16(packed, 4), half);
        low = _mm512_dpbusd_epi32(low, _mm512_and_si512(packed, half), _mm512_loadu_si512(query));
        high = _mm512_dpbusd_epi32(high, upper, _mm512_loadu_si512(query + 4 * BLOCK));
    }
    _mm512_storeu_si512(sums, _mm512_add_epi32(low, high));
#else
    for (int64_t i = 0; i < BLOCK; i++) sums[i] = 0;
    for (int64_t first = 0; first < groups; first += 8) { /* so many sums have room in 16 bits */
        int16_t lanes[4 * BLOCK] = {0};
        for (int64_t g = first; g < groups && g < first + 8; g++) {
            const uint8_t *packed = block + g * 4 * BLOCK;
            const Lane *low = query + g * GROUP * BLOCK, *high = low + 4 * BLOCK;
            for (int64_t i = 0; i < 4 * BLOCK; i++) lanes[i] += (packed[i] & 15) * low[i] + (packed[i] >> 4) * high[i];
        }
        for (int64_t i = 0; i < BLOCK; i++)
            for (int64_t j = 0; j < 4; j++) sums[i] += lanes[4 * i + j];
    }
#endif
}

/* Each operation is rounded as in torch, whatever the compiler may fuse or reorder elsewhere */
static float logit_of(const int8_t *key, const int8_t *query, int64_t width, float scale, float of_key, float bias) {
    int32_t sum = 0;
    for (int64_t w = 0; w < width; w++) sum += (int32_t)key[w] * query[w];
    volatile float logit = (float)sum;
    logit = logit * scale;
    logit = logit * of_key;
    logit = logit + bias;
    return logit;
}

/* Whether one is found before another: by its logit, and of equal ones by its slot */
static int better(Found one, Found other) {
    return one.logit > other.logit || (one.logit == other.logit && one.slot < other.slot);
}

/* Put what was found into a heap of the k best, of which the worst is the first, in the place of that one */
static void sink(Found *heap, int64_t k, Found found) {
    int64_t at = 0;
    for (int64_t next = 1; next < k; next = 2 * at + 1) {
        if (next + 1 < k && better(heap[next], heap[next + 1])) next++;
        if (better(heap[next], found)) break;
        heap[at] = heap[next];
        at = next;
    }
    heap[at] = found;
}

typedef struct {
    int8_t *integers; /* [groups * GROUP] */
    float scale;
    Lane *spread; /* [groups, 2, 4 * BLOCK] */
} Query;

/* Look at some slots exactly, and put those that are better than the k best so far into their heap */
static void look(const Keys *head, Sizes sizes, const Query *query, const int64_t *slots, int64_t count, int64_t k,
                 Found *heap) {
    for (int64_t i = 0; i < count; i++) {
        const int64_t slot = slots[i];
        const int8_t *key = head->keys + slot * sizes.width;
        const Found found = {
            logit_of(key, query->integers, sizes.width, query->scale, head->scales[slot], head->bias[slot]), slot};
        if (better(found, heap[0])) sink(heap, k, found);
    }
}

/* The k best of the first `used` slots of one head, the best one first */
static void find_best(const Keys *head, Sizes sizes, const Query *query, int64_t used, int64_t k, Found *heap) {
    const int64_t groups = groups_of(sizes);
    int64_t waiting[WAITING + PIECE], count = 0;
    int32_t sum = 0, positive = 0;
    for (int64_t w = 0; w < sizes.width; w++) {
        sum += query->integers[w];
        positive += query->integers[w] > 0 ? query->integers[w] : 0;
    }
    const int32_t most = 15 * positive - 16 * 8 * sum;
    for (int64_t i = 0; i < k; i++) heap[i] = (Found){-INFINITY, INT64_MAX};
    for (int64_t first = 0; first < used; first += PIECE) {
        int32_t sums[PIECE], any = 0;
        float highest[PIECE];
        const float least = heap[0].logit;
        for (int64_t i = 0; i < PIECE; i += BLOCK)
            products(head->coarse + (first + i) * 4 * groups, query->spread, groups, sums + i);
        for (int64_t i = 0; i < PIECE; i++) {
            const float product = (float)(16 * sums[i] + most) * (query->scale * head->scales[first + i]);
            /* higher by a little more than the roundings of this and of a logit may differ */
            highest[i] = product + 1e-6f * fabsf(product) + head->bias[first + i];
            any += highest[i] >= least ? 1 : 0;
        }
        for (int64_t i = 0; any && i < PIECE; i++) {
            if (!(highest[i] >= least)) continue;
            waiting[count++] = first + i;
            PREFETCH(head->keys + (first + i) * sizes.width);
        }
        if (count < WAITING && first + PIECE < used) continue;
        look(head, sizes, query, waiting, count, k, heap);
        count = 0;
    }
    for (int64_t left = k - 1; left > 0; left--) { /* the worst of what is left goes behind it */
        const Found last = heap[left], worst = heap[0];
        sink(heap, left, last);
        heap[left] = worst;
    }
}

typedef struct {
    Keys kept;
    const REAL *queries; /* [B, R, W] */
    Found *heap;         /* room for k */
    int64_t *found;      /* [B, R, k] */
} Find;

/* SearchKeys.find */
void find(const Sizes *of, int64_t used, int64_t k, const Find *at) {
    const Sizes sizes = *of;
    const int64_t groups = groups_of(sizes);
    int8_t integers[GROUP * groups];
    Lane lanes[GROUP * BLOCK * groups];
    for (int64_t b = 0; b < sizes.rows * sizes.heads; b++) {
        const int64_t first = b * sizes.slots;
        const Keys head = {at->kept.keys + first * sizes.width, at->kept.scales + first, at->kept.bias + first,
                           at->kept.coarse + first * 4 * groups};
        const float scale = quantize(at->queries + b * sizes.width, sizes.width, integers);
        const Query query = {integers, scale, lanes};
        memset(integers + sizes.width, 0, GROUP * groups - sizes.width);
        spread(integers, groups, lanes);
        find_best(&head, sizes, &query, used, k, at->heap);
        for (int64_t i = 0; i < k; i++) at->found[b * k + i] = at->heap[i].slot;
    }
}
