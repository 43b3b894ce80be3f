/* The k best slots of each head, see SearchKeys: all keys are looked at coarsely, exactly only those that may be among
 * the best.
 *
 * Of each key the four upper bits of every number, a sixteenth of its value, are kept a second time, packed: half of
 * the bytes. What the lower bits add to the product with a query is at most 15 times the sum of its positive numbers. */
#ifndef SEARCH_H
#define SEARCH_H

#include "keys.h"
#include <tgmath.h>
#if defined(__AVX512VNNI__) && !defined(PLAIN)
#define IN_FOURS /* products of four pairs of bytes each are added to 16 sums at once */
#include <immintrin.h>
typedef int8_t Lane;
#else
typedef int16_t Lane;
#endif

#define PIECE 64   /* keys that are compared at once */
#define WAITING 32 /* keys that are fetched before they are looked at */
#define GROUP 8   /* numbers of a key in a byte of each of 4 lanes: the first four in the lower half */

#define SAME_SIZE(real) _Generic((real)0, float: (uint32_t)0, double: (uint64_t)0)
typedef __typeof__(SAME_SIZE(REAL)) Bits;

typedef struct {
    float logit;
    int64_t slot;
} Found;

/* search._quantize */
static inline float quantize(const REAL *vector, int64_t width, int8_t *integers) {
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
static inline void pack_key(const int8_t *key, int64_t width, uint8_t *block, int64_t lane) {
    for (int64_t first = 0; first < width; first += GROUP, block += LINE) {
        uint32_t four[2] = {0, 0};
        memcpy(four, key + first, width - first < GROUP ? width - first : GROUP);
        for (int64_t half = 0; half < 2; half++) four[half] = (four[half] ^ 0x80808080) >> 4 & 0x0F0F0F0F;
        four[0] |= four[1] << 4;
        memcpy(block + 4 * lane, four, 4);
    }
}

/* Write the key of an event in a slot of one of the heads of all rows */
static inline void put_key(const Keys *kept, KeySizes sizes, int64_t head, int64_t slot, const REAL *vector) {
    int8_t *key = kept->keys + (head * sizes.slots + slot) * sizes.width;
    set_scale(kept, sizes, head, slot, quantize(vector, sizes.width, key));
    pack_key(key, sizes.width, block_of(kept, sizes, head, slot), slot % BLOCK);
}

/* Spread a query over lanes [groups, 2, 4 * BLOCK] as packed keys are */
static inline void spread(const int8_t *query, int64_t groups, Lane *lanes) {
    for (int64_t i = 0; i < groups * GROUP * BLOCK; i++)
        lanes[i] = query[i / (4 * BLOCK) * 4 + i % 4];
}

/* Products of a query that is spread with a block of packed keys, whose numbers are 8 too high */
static inline void products(const uint8_t *block, const Lane *query, int64_t groups, int32_t *sums) {
#ifdef IN_FOURS
    const __m512i half = _mm512_set1_epi8(15);
    __m512i low = _mm512_setzero_si512(), high = low;
    for (int64_t g = 0; g < groups; g++, query += GROUP * BLOCK) {
        const __m512i packed = _mm512_loadu_si512(block + g * LINE);
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
            const uint8_t *packed = block + g * LINE;
            const Lane *low = query + g * GROUP * BLOCK, *high = low + 4 * BLOCK;
            for (int64_t i = 0; i < 4 * BLOCK; i++) lanes[i] += (packed[i] & 15) * low[i] + (packed[i] >> 4) * high[i];
        }
        for (int64_t i = 0; i < BLOCK; i++)
            for (int64_t j = 0; j < 4; j++) sums[i] += lanes[4 * i + j];
    }
#endif
}

static inline int32_t product_of(const int8_t *key, const int8_t *query, int64_t width) {
    int32_t sum = 0;
    for (int64_t w = 0; w < width; w++) sum += (int32_t)key[w] * query[w];
    return sum;
}

/* Each operation is rounded as in torch, whatever the compiler may fuse or reorder elsewhere */
static inline float logit_of(int32_t product, float scale, float of_key, float bias) {
    volatile float logit = (float)product;
    logit = logit * scale;
    logit = logit * of_key;
    logit = logit + bias;
    return logit;
}

/* What a logit is at most, given a scale and a bias that are rounded up. Such a scale is too high by 1/128 at most,
 * which matters below zero; the roundings of this and of a logit differ by far less. */
static inline float most_of(int32_t product, float scale, uint16_t of_key, uint16_t bias) {
    const float logit = (float)product * (scale * widened(of_key));
    return logit + (logit < 0 ? -(1 / 127.f) : 1e-6f) * logit + widened(bias);
}

/* Whether one is found before another: by its logit, and of equal ones by its slot */
static inline int better(Found one, Found other) {
    return one.logit > other.logit || (one.logit == other.logit && one.slot < other.slot);
}

/* Put what was found into a heap of the k best, of which the worst is the first, in the place of that one */
static inline void sink(Found *heap, int64_t k, Found found) {
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
    int32_t beyond; /* what the lower bits of a key may add to a product, less what its upper ones are too high */
    Lane *spread; /* [groups, 2, 4 * BLOCK] */
} Query;

/* Look at some slots exactly, and put those that are better than the k best so far into their heap */
static inline void look(const Keys *head, KeySizes sizes, const Query *query, const int64_t *slots, int64_t count,
                        int64_t k, Found *heap) {
    for (int64_t i = 0; i < count; i++) {
        const int64_t slot = slots[i], lane = slot % BLOCK;
        const int32_t product = product_of(head->keys + slot * sizes.width, query->integers, sizes.width);
        const uint16_t *numbers = beside(block_of(head, sizes, 0, slot), sizes);
        if (!(most_of(product, query->scale, numbers[lane], numbers[BLOCK + lane]) >= heap[0].logit)) continue;
        const Found found = {logit_of(product, query->scale, head->scales[slot], head->bias[slot]), slot};
        if (better(found, heap[0])) sink(heap, k, found);
    }
}

/* What the logits [BLOCK] of the keys of a block are at most */
static inline void bounds(const uint8_t *block, KeySizes sizes, const Query *query, float *most) {
    int32_t sums[BLOCK];
    const uint16_t *numbers = beside(block, sizes);
    products(block, query->spread, sizes.lines - 1, sums);
    for (int64_t i = 0; i < BLOCK; i++)
        most[i] = most_of(16 * sums[i] + query->beyond, query->scale, numbers[i], numbers[BLOCK + i]);
}

/* A bit for each of some numbers [PIECE] that is not below another one */
static inline uint64_t at_least(float least, const float *numbers) {
    uint64_t bits = 0;
#ifdef IN_FOURS
    for (int64_t i = 0; i < PIECE; i += 16)
        bits |= (uint64_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(numbers + i), _mm512_set1_ps(least), _CMP_GE_OQ) << i;
#else
    int32_t any = 0;
    for (int64_t i = 0; i < PIECE; i++) any += numbers[i] >= least ? 1 : 0;
    for (int64_t i = 0; any && i < PIECE; i++) bits |= (uint64_t)(numbers[i] >= least) << i;
#endif
    return bits;
}

/* The k best of the first `used` slots of one head, the best one first */
static inline void scan(const Keys *head, KeySizes sizes, const Query *query, int64_t used, int64_t k, Found *heap) {
    int64_t waiting[WAITING + PIECE], count = 0;
    for (int64_t i = 0; i < k; i++) heap[i] = (Found){-INFINITY, INT64_MAX};
    for (int64_t first = 0; first < used; first += PIECE) {
        float most[PIECE];
        const uint8_t *block = block_of(head, sizes, 0, first), *end = block + PIECE / BLOCK * sizes.lines * LINE;
        /* What comes next is fetched meanwhile: left alone the processor waits at the end of each page. */
        for (const uint8_t *line = block; line < end; line += LINE) __builtin_prefetch(line + (end - block));
        for (int64_t i = 0; i < PIECE; i += BLOCK, block += sizes.lines * LINE) bounds(block, sizes, query, most + i);
        for (uint64_t some = at_least(heap[0].logit, most); some; some &= some - 1) {
            const int64_t slot = waiting[count++] = first + __builtin_ctzll(some);
            __builtin_prefetch(head->keys + slot * sizes.width);
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

/* The k best of the first `used` slots of one of the heads of all rows, given a query divided by the root of W */
static inline void find_best(const Keys *kept, KeySizes sizes, int64_t head, const REAL *vector, int64_t used,
                             int64_t k, Found *heap) {
    const int64_t groups = sizes.lines - 1, first = head * sizes.slots;
    int8_t integers[GROUP * groups];
    Lane lanes[GROUP * BLOCK * groups];
    const Keys own = {kept->keys + first * sizes.width, kept->scales + first, kept->bias + first,
                      block_of(kept, sizes, head, 0)};
    const float scale = quantize(vector, sizes.width, integers);
    int32_t sum = 0, positive = 0;
    for (int64_t w = 0; w < sizes.width; w++) {
        sum += integers[w];
        positive += integers[w] > 0 ? integers[w] : 0;
    }
    const Query query = {integers, scale, 15 * positive - 16 * 8 * sum, lanes};
    memset(integers + sizes.width, 0, GROUP * groups - sizes.width);
    spread(integers, groups, lanes);
    scan(&own, sizes, &query, used, k, heap);
}

#endif
