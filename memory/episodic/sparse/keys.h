/* What is searched, see SearchKeys, and how the numbers beside a key are written.
 *
 * Keys are packed in blocks of 16. A block is some lines of 64 bytes with the upper bits of the keys, and a last one with
 * their scales and biases, rounded up to 16 bits: all that a coarse look reads lies together. */
#ifndef KEYS_H
#define KEYS_H

#include <stdint.h>
#include <string.h>

#define BLOCK 16
#define LINE 64

typedef struct {
    int64_t rows, heads, slots, width, lines; /* lines of a block; none if nothing is packed */
} KeySizes;

typedef struct {
    int8_t *keys;
    float *scales, *bias;
    uint8_t *coarse; /* [B, R, N / BLOCK, lines, LINE] */
} Keys;

/* The upper half of the bits of the lowest such number that is not below this one */
static inline uint16_t rounded_up(float number) {
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return (bits >> 31 ? bits : bits + 0xFFFF) >> 16;
}

static inline float widened(uint16_t half) {
    const uint32_t bits = (uint32_t)half << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* The block of a slot of one of the heads of all rows */
static inline uint8_t *block_of(const Keys *kept, KeySizes sizes, int64_t head, int64_t slot) {
    return kept->coarse + (head * sizes.slots + slot) / BLOCK * sizes.lines * LINE;
}

/* Where a block has its scales [BLOCK], and behind them its biases [BLOCK] */
static inline uint16_t *beside(uint8_t *block, KeySizes sizes) {
    return (uint16_t *)(block + (sizes.lines - 1) * LINE);
}

static inline void set_scale(const Keys *kept, KeySizes sizes, int64_t head, int64_t slot, float scale) {
    kept->scales[head * sizes.slots + slot] = scale;
    if (sizes.lines) beside(block_of(kept, sizes, head, slot), sizes)[slot % BLOCK] = rounded_up(scale);
}

static inline void set_bias(const Keys *kept, KeySizes sizes, int64_t head, int64_t slot, float bias) {
    kept->bias[head * sizes.slots + slot] = bias;
    if (sizes.lines) beside(block_of(kept, sizes, head, slot), sizes)[BLOCK + slot % BLOCK] = rounded_up(bias);
}

#endif
