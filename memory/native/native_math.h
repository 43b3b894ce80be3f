/* Sums of products; exponentials and logarithms to the last digit or two, without a call, so that a loop of them is
 * vectorized. NaN stays NaN. */
#ifndef NATIVE_MATH_H
#define NATIVE_MATH_H

#include <stdint.h>
#include <tgmath.h>

static inline REAL dot(const REAL *a, const REAL *b, int n) {
    REAL sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* y += a x */
static inline void add(REAL *restrict y, REAL a, const REAL *restrict x, int n) {
    for (int i = 0; i < n; i++) y[i] += a * x[i];
}

/* LayerNorm of n numbers */
static inline void layer_norm(const REAL *restrict x, const REAL *restrict weight, const REAL *restrict bias,
                              REAL *restrict y, int n) {
    REAL mean = 0, square = 0;
    for (int i = 0; i < n; i++) mean += x[i];
    mean /= n;
    for (int i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
    const REAL scale = 1 / sqrt(square / n + (REAL)1e-5);
    for (int i = 0; i < n; i++) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

typedef struct {
    REAL power, beyond; /* 2^k and e^r - 1, where k ln 2 + r is the exponent and r is small */
} Exponential;

/* e^x for x <= 0 in two parts, of which e^x and, without loss for a small x, e^x - 1 can be made. */
static inline Exponential exponential(REAL x) {
    x = x < -80 ? -80 : x;
    const REAL k = x > -81 ? rint(x * (REAL)1.4426950408889634) : 0; /* NaN stays one by the series */
    const REAL r = (x - k * (REAL)0.693145751953125) - k * (REAL)1.42860682030941723212e-6; /* ln 2 in two parts */
    const int terms = sizeof(REAL) == 4 ? 7 : 13;
    REAL series = 1;
    for (int i = terms; i > 1; i--) series = 1 + series * r * (1 / (REAL)i);
    if (sizeof(REAL) == 4) {
        const union { uint32_t bits; float value; } power = {(uint32_t)((int32_t)k + 127) << 23};
        return (Exponential){power.value, series * r};
    }
    const union { uint64_t bits; double value; } power = {(uint64_t)((int32_t)k + 1023) << 52};
    return (Exponential){power.value, series * r};
}

/* e^x for x <= 0 */
static inline REAL decay(REAL x) {
    const Exponential e = exponential(x);
    return e.power + e.power * e.beyond;
}

/* The greatest of n > 0 numbers, sixteen at a time, for the compiler does not vectorize it; NaN may be passed over. */
static inline REAL greatest(const REAL *x, int n) {
    REAL most[16];
    int i = 0;
    for (int lane = 0; lane < 16; lane++) most[lane] = x[lane < n ? lane : 0];
    for (; i + 16 <= n; i += 16)
        for (int lane = 0; lane < 16; lane++) most[lane] = x[i + lane] > most[lane] ? x[i + lane] : most[lane];
    for (int lane = 0; i + lane < n; lane++) most[lane] = x[i + lane] > most[lane] ? x[i + lane] : most[lane];
    for (int half = 8; half > 0; half /= 2)
        for (int lane = 0; lane < half; lane++)
            most[lane] = most[lane + half] > most[lane] ? most[lane + half] : most[lane];
    return most[0];
}

static inline REAL sigmoid(REAL x) {
    const REAL small = decay(-fabs(x));
    return (x < 0 ? small : 1) / (1 + small);
}

/* tanh by e^-2|x| - 1, of which a small x keeps all digits */
static inline REAL squash(REAL x) {
    const Exponential e = exponential(-2 * fabs(x));
    const REAL less = e.power == 1 ? e.beyond : e.power + e.power * e.beyond - 1;
    return copysign(less / (2 + less), x);
}

/* ln(1 + x) for 0 <= x <= 1 as twice the artanh of x / (2 + x), of which a small x keeps all digits */
static inline REAL log_of_one_and(REAL x) {
    const REAL ratio = x / (2 + x), square = ratio * ratio;
    const int last = sizeof(REAL) == 4 ? 15 : 33;
    REAL series = 0;
    for (int i = last; i >= 1; i -= 2) series = series * square + 1 / (REAL)i;
    return 2 * ratio * series;
}

static inline REAL log_sigmoid(REAL x) { return (x < 0 ? x : 0) - log_of_one_and(decay(-fabs(x))); }

/* log x for a normal x > 0: of x = 2^k m with m between the roots of 1/2 and 2, k ln 2 + 2 artanh((m - 1) / (m + 1)). */
static inline REAL logarithm(REAL x) {
    REAL k, m;
    if (sizeof(REAL) == 4) {
        union { float value; int32_t bits; } parts = {x};
        const int32_t power = (parts.bits - 0x3f3504f3) >> 23;
        parts.bits -= power * (1 << 23);
        k = power, m = parts.value;
    } else {
        union { double value; int64_t bits; } parts = {x};
        const int64_t power = (parts.bits - 0x3fe6a09e667f3bcd) >> 52;
        parts.bits -= power * ((int64_t)1 << 52);
        k = (int32_t)power, m = parts.value;
    }
    const REAL s = (m - 1) / (m + 1), square = s * s;
    const int terms = sizeof(REAL) == 4 ? 5 : 11;
    REAL series = 0;
    for (int i = terms; i > 0; i--) series = (series * square + 1 / (REAL)(2 * i + 1));
    const REAL result = k * (REAL)1.42860682030941723212e-6 + 2 * s * square * series + 2 * s;
    return x > 0 ? result + k * (REAL)0.693145751953125 : x; /* NaN stays one */
}

#endif
