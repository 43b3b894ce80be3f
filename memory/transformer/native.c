/* Attention over a sliding window, a gate's numbers, and their gradients.
 *
 * `WindowAttention.forward` in `window_attention.py` and `Gate.forward` in `block.py` are the definitions; the products
 * with weights stay with torch. Compiled in are the sizes: R heads of width W over a window of N steps and the step
 * itself. Each step looks at its N + 1 tokens only, so there are no masks, and what it may not see is never touched.
 */
#include <string.h>

#include "native_math.h"

#define D (R * W)
#define REACH (N + 1)

typedef struct { /* where the numbers lie */
    const REAL *own;      /* [B, T, 3D] queries, keys and values of the steps */
    const REAL *carried;  /* [B, N, 2D] keys and values of the window before the first step, most recent last */
    const REAL *position; /* [N + 1, D] of the distances from N down to 0 */
    const REAL *content_bias, *position_bias; /* [D] */
    const uint8_t *filled, *starts;           /* [B, N], [T, B] */
    REAL *weights;                            /* [R, B, T, N + 1] by distance, from N down to 0 */
    REAL *attended;                           /* [B, T, D] */
} Attention;

typedef struct { /* and those of its gradients */
    const REAL *of_attended;
    REAL *of_own, *of_carried;                                /* to be written */
    REAL *of_position, *of_content_bias, *of_position_bias;   /* to be added to */
} AttentionBack;

/* Gather what one head has of all tokens of a row, [N + T, W]; zero where there is no token. */
static void gather(const Attention *at, int64_t b, int64_t time, int64_t h, int64_t part, REAL *tokens) {
    const uint8_t *filled = at->filled + b * N;
    for (int64_t n = 0; n < N; n++, tokens += W) {
        if (filled[n])
            memcpy(tokens, at->carried + (b * N + n) * 2 * D + part * D + h * W, W * sizeof(REAL));
        else
            memset(tokens, 0, W * sizeof(REAL));
    }
    for (int64_t t = 0; t < time; t++, tokens += W)
        memcpy(tokens, at->own + (b * time + t) * 3 * D + (1 + part) * D + h * W, W * sizeof(REAL));
}

static void transpose(const REAL *rows, int64_t count, REAL *columns) {
    for (int64_t n = 0; n < count; n++)
        for (int w = 0; w < W; w++) columns[w * count + n] = rows[n * W + w];
}

/* sums [N + 1] += a X over columns [W, count] of X */
static inline void add_columns(REAL *restrict sums, const REAL *restrict a, const REAL *restrict columns, int64_t count) {
    for (int w = 0; w < W; w++, columns += count)
        for (int j = 0; j < REACH; j++) sums[j] += a[w] * columns[j];
}

/* A step's query with both biases, scaled. */
static inline void query(const Attention *at, const REAL *own, int64_t h, REAL *by_content, REAL *by_position) {
    const REAL scale = 1 / sqrt((REAL)W);
    for (int w = 0; w < W; w++) {
        by_content[w] = (own[h * W + w] + at->content_bias[h * W + w]) * scale;
        by_position[w] = (own[h * W + w] + at->position_bias[h * W + w]) * scale;
    }
}

void attend_forward(int64_t batch, int64_t time, const Attention *at) {
    const int64_t count = N + time;
    REAL tokens[count * W], keys[count * W], positions[REACH * W], unseen[count];
    for (int64_t h = 0; h < R; h++) {
        for (int j = 0; j < REACH; j++)
            for (int w = 0; w < W; w++) positions[w * REACH + j] = at->position[j * D + h * W + w];
        for (int64_t b = 0; b < batch; b++) {
            for (int64_t n = 0; n < count; n++) unseen[n] = n < N && !at->filled[b * N + n] ? -INFINITY : 0;
            gather(at, b, time, h, 0, tokens);
            transpose(tokens, count, keys);
            gather(at, b, time, h, 1, tokens);
            int64_t first = 0; /* token of the episode */
            for (int64_t t = 0; t < time; t++) {
                REAL *restrict weight = at->weights + ((h * batch + b) * time + t) * REACH;
                REAL by_content[W], by_position[W], sum = 0, out[W] = {0};
                if (at->starts[t * batch + b]) first = N + t;
                const int64_t from = first > t ? first - t : 0;
                query(at, at->own + (b * time + t) * 3 * D, h, by_content, by_position);
                memset(weight, 0, REACH * sizeof(REAL));
                add_columns(weight, by_position, positions, REACH);
                add_columns(weight, by_content, keys + t, count);
                for (int j = 0; j < REACH; j++) weight[j] += unseen[t + j];
                for (int j = 0; j < from; j++) weight[j] = -INFINITY;
                const REAL most = greatest(weight, REACH); /* a step sees itself */
                for (int j = 0; j < REACH; j++) {
                    const REAL share = decay(weight[j] - most);
                    weight[j] = weight[j] == -INFINITY ? 0 : share;
                }
                for (int j = 0; j < REACH; j++) sum += weight[j];
                const REAL share = 1 / sum;
                for (int j = 0; j < REACH; j++) weight[j] *= share;
                for (int j = from; j < REACH; j++)
                    for (int w = 0; w < W; w++) out[w] += weight[j] * tokens[(t + j) * W + w];
                memcpy(at->attended + (b * time + t) * D + h * W, out, sizeof out);
            }
        }
    }
}

void attend_backward(int64_t batch, int64_t time, const Attention *at, const AttentionBack *back) {
    const int64_t count = N + time;
    const REAL scale = 1 / sqrt((REAL)W);
    REAL keys[count * W], tokens[count * W], values[count * W], of_keys[count * W], of_values[count * W];
    REAL position[REACH * W];
    for (int64_t h = 0; h < R; h++) {
        REAL of_position[REACH * W], of_content_bias[W] = {0}, of_position_bias[W] = {0};
        memset(of_position, 0, sizeof of_position);
        for (int j = 0; j < REACH; j++)
            for (int w = 0; w < W; w++) position[j * W + w] = at->position[j * D + h * W + w];
        for (int64_t b = 0; b < batch; b++) {
            gather(at, b, time, h, 0, keys);
            gather(at, b, time, h, 1, tokens);
            transpose(tokens, count, values);
            memset(of_keys, 0, sizeof of_keys);
            memset(of_values, 0, sizeof of_values);
            int64_t first = 0;
            for (int64_t t = 0; t < time; t++) {
                const REAL *weight = at->weights + ((h * batch + b) * time + t) * REACH;
                REAL of_out[W], by_content[W], by_position[W], of_by_content[W] = {0}, of_by_position[W] = {0};
                REAL of_logit[REACH] = {0}, mean = 0;
                if (at->starts[t * batch + b]) first = N + t;
                const int64_t from = first > t ? first - t : 0;
                memcpy(of_out, back->of_attended + (b * time + t) * D + h * W, sizeof of_out);
                query(at, at->own + (b * time + t) * 3 * D, h, by_content, by_position);
                add_columns(of_logit, of_out, values + t, count);
                for (int j = from; j < REACH; j++) mean += weight[j] * of_logit[j];
                for (int j = from; j < REACH; j++) of_logit[j] = weight[j] * (of_logit[j] - mean);
                for (int j = from; j < REACH; j++) {
                    const REAL of = of_logit[j], share = weight[j];
                    const REAL *restrict key = keys + (t + j) * W, *restrict place = position + j * W;
                    REAL *restrict of_key = of_keys + (t + j) * W, *restrict of_value = of_values + (t + j) * W;
                    REAL *restrict of_place = of_position + j * W;
                    for (int w = 0; w < W; w++) {
                        of_value[w] += share * of_out[w];
                        of_by_content[w] += of * key[w], of_key[w] += of * by_content[w];
                        of_by_position[w] += of * place[w], of_place[w] += of * by_position[w];
                    }
                }
                REAL *of_query = back->of_own + (b * time + t) * 3 * D + h * W;
                for (int w = 0; w < W; w++) {
                    of_query[w] = (of_by_content[w] + of_by_position[w]) * scale;
                    of_content_bias[w] += of_by_content[w] * scale, of_position_bias[w] += of_by_position[w] * scale;
                }
            }
            for (int64_t n = 0; n < count; n++) {
                REAL *into = n < N ? back->of_carried + (b * N + n) * 2 * D : back->of_own + (b * time + n - N) * 3 * D + D;
                memcpy(into + h * W, of_keys + n * W, W * sizeof(REAL));
                memcpy(into + D + h * W, of_values + n * W, W * sizeof(REAL));
            }
        }
        for (int w = 0; w < W; w++) {
            back->of_content_bias[h * W + w] += of_content_bias[w];
            back->of_position_bias[h * W + w] += of_position_bias[w];
            for (int j = 0; j < REACH; j++) back->of_position[j * D + h * W + w] += of_position[j * W + w];
        }
    }
}

typedef struct { /* the numbers of a gate, [X, D] each, but for a bias [D] and the sums [X, 3D] */
    const REAL *bias, *stream;
    REAL *sums;   /* what enters reset, openness and candidate; on the way back its gradient */
    REAL *reset, *openness, *kept, *candidate, *out; /* kept is what the reset leaves of the stream */
    const REAL *of_out, *of_kept;
    REAL *of_stream;
} Gate;

/* Up to the product with what the reset leaves. */
void gate_open(int64_t count, const Gate *at) {
    for (int64_t i = 0; i < count; i++) {
        const REAL *sums = at->sums + i * 3 * D, *x = at->stream + i * D;
        REAL *reset = at->reset + i * D, *openness = at->openness + i * D, *kept = at->kept + i * D;
#pragma GCC ivdep
        for (int n = 0; n < D; n++) {
            reset[n] = sigmoid(sums[n]);
            openness[n] = sigmoid(sums[D + n] - at->bias[n]);
            kept[n] = reset[n] * x[n];
        }
    }
}

/* The rest; that product is in `candidate`. */
void gate_close(int64_t count, const Gate *at) {
    for (int64_t i = 0; i < count; i++) {
        const REAL *sums = at->sums + i * 3 * D + 2 * D, *x = at->stream + i * D, *openness = at->openness + i * D;
        REAL *candidate = at->candidate + i * D, *out = at->out + i * D;
#pragma GCC ivdep
        for (int n = 0; n < D; n++) {
            candidate[n] = squash(sums[n] + candidate[n]);
            out[n] = x[n] + openness[n] * (candidate[n] - x[n]);
        }
    }
}

void gate_close_backward(int64_t count, const Gate *at) {
    for (int64_t i = 0; i < count; i++) {
        const REAL *x = at->stream + i * D, *openness = at->openness + i * D, *candidate = at->candidate + i * D;
        const REAL *of_out = at->of_out + i * D;
        REAL *of_sums = at->sums + i * 3 * D, *of_stream = at->of_stream + i * D;
#pragma GCC ivdep
        for (int n = 0; n < D; n++) {
            of_sums[D + n] = of_out[n] * (candidate[n] - x[n]) * openness[n] * (1 - openness[n]);
            of_sums[2 * D + n] = of_out[n] * openness[n] * (1 - candidate[n] * candidate[n]);
            of_stream[n] = of_out[n] * (1 - openness[n]);
        }
    }
}

void gate_open_backward(int64_t count, const Gate *at) {
    for (int64_t i = 0; i < count; i++) {
        const REAL *x = at->stream + i * D, *reset = at->reset + i * D, *of_kept = at->of_kept + i * D;
        REAL *of_sums = at->sums + i * 3 * D, *of_stream = at->of_stream + i * D;
#pragma GCC ivdep
        for (int n = 0; n < D; n++) {
            of_sums[n] = of_kept[n] * x[n] * reset[n] * (1 - reset[n]);
            of_stream[n] += of_kept[n] * reset[n];
        }
    }
}
