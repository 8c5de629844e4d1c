// StyleGAN2's epilogue on channels-last images: FIR, demodulation, noise, bias, leaky ReLU, gain and clamp in one pass.
//
// Bound by memory, like the FIR alone (fir.h): what follows the FIR is done on a row that is in cache anyway.
#include "fir.h"

struct Epilogue {
    const float *scale, *noise, *bias;   // [n, c] or null; [1 or n, oh, ow] or null; [c] or null
    int64_t noise_step;                  // oh * ow with noise for each sample, else 0
    float strength, slope, gain, clamp;
};

// `from` [n, c] with its rows as long as whole vectors; `otherwise` where there is none.
static std::vector<float> whole_vectors(const float* from, int64_t n, int64_t c, float otherwise) {
    int64_t padded = (c + LANES - 1) / LANES * LANES;
    std::vector<float> to(n * padded, otherwise);
    for (int64_t i = 0; from && i < n; i++) std::copy_n(from + i * c, c, to.begin() + i * padded);
    return to;
}

template <class T>
static void noise_act(const T* image, const float* f, T* out, int64_t n, int64_t c, const Axis& y, const Axis& x,
                      const Epilogue& with, int64_t threads) {
    if (n * c == 0) return;
    std::vector<float> scales = whole_vectors(with.scale, n, c, 1), bias = whole_vectors(with.bias, 1, c, 0);
    auto finish = [&](const float* row, int64_t sample, int64_t oy, int64_t ox, int64_t count) {
        const float* scale = scales.data() + sample * (int64_t)bias.size();
        const float* noise = with.noise ? with.noise + sample * with.noise_step + oy * x.out + ox : nullptr;
        T* to = out + ((sample * y.out + oy) * x.out + ox) * c;
        vec low = splat(-with.clamp), high = splat(with.clamp), up = splat(with.gain), down = up * splat(with.slope);
        for (int64_t p = 0; p < count; p++) {
            vec shift = splat(noise ? noise[p] * with.strength : 0);
            for (int64_t i = 0; i < c; i += LANES) {
                int64_t at = p * c + i;
                vec v = load(row + at) * load(scale + i) + (shift + load(bias.data() + i));
                v *= select(v > 0, up, down);
                v = select(v < low, low, select(v > high, high, v));     // NaN stays NaN
                if (at + LANES <= count * c) store(to + at, v);          // the next pixel overwrites what is too much
                else store_some(to + at, v, std::min(LANES, c - i));
            }
        }
    };
    Resampler<T>(image, c, f, y, x).run(n, threads, finish);
}

// `out` may be x where the filter is a single tap and nothing is padded: a tile is in cache before it is written.
#define NOISE_ACT(name, T)                                                                                             \
    EXPORT void name(const T* x, const float* f, T* out, const float* scale, const float* noise, const float* strength,\
                     const float* bias, int64_t n, int64_t c, int64_t h, int64_t w, int64_t oh, int64_t ow, int64_t y0,\
                     int64_t x0, int64_t fh, int64_t fw, int64_t noise_step, double slope, double gain, double clamp,  \
                     int64_t threads) {                                                                                \
        noise_act(x, f, out, n, c, {h, oh, 1, 1, y0, fh}, {w, ow, 1, 1, x0, fw},                                       \
                  {scale, noise, bias, noise_step, strength ? *strength : 0, (float)slope, (float)gain, (float)clamp}, \
                  threads);                                                                                            \
    }
NOISE_ACT(noise_act_f32, float)
NOISE_ACT(noise_act_bf16, bf16)
