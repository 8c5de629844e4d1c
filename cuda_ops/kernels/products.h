// Products of channels-last samples with weights packed in panels of output channels: what convolutions multiply by.
//
// Bound by arithmetic: a block of accumulators fills the registers, and weights are read in the order they lie in.
// Sums over the input channels run in the same order whatever the block or the thread.
#pragma once
#include <algorithm>
#include <cstdlib>
#include "vector.h"

#if defined(__AVX512F__)
constexpr int ROWS = 14, WIDE = 2;       // samples x vectors of accumulators: 28 of 32 registers
#else
constexpr int ROWS = 6, WIDE = 1;        // 12 of AVX2's 16, 24 of NEON's 32
#endif
constexpr int64_t DEPTH = 64;            // input channels added up on their own: a shorter sum rounds less
constexpr int64_t PANEL = 32;            // output channels whose weights lie together, as scaled_conv2d.py packs them

inline int64_t whole_vectors(int64_t channels) { return (channels + LANES - 1) / LANES * LANES; }
template <class T> vec load_up_to(const T* p, int64_t n) { return n == LANES ? load(p) : load_some(p, n); }
inline vec factors(const float* p, int64_t at, int64_t n) { return p ? load_up_to(p + at, n) : splat(1); }
inline bool inside(int64_t i, int64_t size) { return i >= 0 && i < size; }

// Samples at v, v + stride, .. Each meets one or more taps: the samples `offset` floats further on.
struct Samples { const float* v; int64_t stride; const int64_t* offset; int64_t taps; };

// m [R, C vectors] = the sum over taps of v [R, channels] u [channels, C vectors], or added to it
template <int R, int C>
void block(const Samples& s, const float* v, const float* u, int64_t u_stride, int64_t channels, float* m,
           int64_t m_stride, bool is_first) {
    vec sum[R][C] = {};
    for (int64_t t = 0; t < s.taps; t++) {
        const float* at = v + s.offset[t];
        for (int64_t k = 0; k < channels; k++, u += u_stride) {
            vec weights[C];
            for (int c = 0; c < C; c++) weights[c] = load(u + c * LANES);
            for (int r = 0; r < R; r++)
                for (int c = 0; c < C; c++) sum[r][c] += at[r * s.stride + k] * weights[c];
        }
    }
    for (int r = 0; r < R; r++)
        for (int c = 0; c < C; c++) {
            float* p = m + r * m_stride + c * LANES;
            store(p, is_first ? sum[r][c] : load(p) + sum[r][c]);
        }
}

template <int C>
void multiply(const Samples& s, const float* v, const float* u, int64_t u_stride, int64_t channels, float* m,
              int64_t m_stride, bool is_first, int64_t rows) {
    auto go = [&](auto run, int64_t r) {
        for (; rows >= r; rows -= r, v += r * s.stride, m += r * m_stride)
            run(s, v, u, u_stride, channels, m, m_stride, is_first);
    };
    go(block<ROWS, C>, ROWS);
    go(block<4, C>, 4);
    go(block<1, C>, 1);
}

// m [rows, width] = `rows` samples times one panel's weights u [channels / DEPTH][tap][DEPTH, width of the panel].
inline void multiply_panel(const Samples& s, const float* u, int64_t channels, float* m, int64_t m_stride,
                           int64_t width, int64_t rows) {
    for (int64_t k = 0; k < channels; k += DEPTH) {
        int64_t depth = std::min(DEPTH, channels - k), at = 0;
        auto run = [&](auto part) { part(s, s.v + k, u + at, width, depth, m + at, m_stride, k == 0, rows); };
        for (; at + WIDE * LANES <= width; at += WIDE * LANES) run(multiply<WIDE>);
        for (; at < width; at += LANES) run(multiply<1>);
        u += s.taps * depth * width;
    }
}

// This thread's memory for what lies between two steps, kept from call to call: fresh memory costs time.
inline float* scratch(int64_t size) {
    static thread_local struct Kept {
        float* data = nullptr; int64_t size = 0;
        ~Kept() { std::free(data); }
    } kept;
    if (kept.size < size) {
        std::free(kept.data);
        kept.data = static_cast<float*>(std::aligned_alloc(64, whole_vectors(size) * sizeof(float)));
        kept.size = size;
    }
    return kept.data;
}
