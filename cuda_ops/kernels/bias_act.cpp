// bias_act: clamp(gain * act(x + b)), and its gradient. Bound by memory: plain torch reads and writes a tensor once for
// each of bias, activation, gain and clamp; here each number is read once and written once, sixteen at a time.
#include <algorithm>
#include <vector>
#include "vector.h"

// ---- where each number's bias is ------------------------------------------------------------------------------------

// Calls piece(first, length, bias, mask) for pieces that cover n numbers, on several threads; number first + i has the
// bias bias[i & mask]. x is [.., channels, inner] in memory, b [channels], or null for none.
template <class Piece>
void each_piece(int64_t n, int64_t channels, int64_t inner, const float* b, int64_t threads, Piece piece) {
    constexpr int64_t LONG = 1024, PLANE = 16384, ALONE = 32768;       // numbers; fewer than ALONE: one thread
    if (n == 0) return;
    if (!b || channels == 1) {
        inner = n;
        channels = 1;
    }
    if (n < ALONE) threads = 1;
    if (inner > 1 || channels == 1) {                                  // planes of one bias, cut where they are large
        const int64_t cuts = (inner + PLANE - 1) / PLANE;
        #pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t k = 0; k < n / inner * cuts; k++) {
            const int64_t plane = cuts == 1 ? k : k / cuts, start = (k - plane * cuts) * PLANE;
            float bias[LANES];
            store(bias, splat(b ? b[channels == 1 ? 0 : plane % channels] : 0.0f));
            piece(plane * inner + start, std::min(PLANE, inner - start), bias, int64_t(0));
        }
        return;
    }
    // Rows of channels; short ones are taken many at a time, so that few vectors are not full.
    const int64_t unit = channels % LANES ? LANES * channels : channels;
    const int64_t length = channels >= LONG ? channels : (LONG + unit - 1) / unit * unit;
    std::vector<float> repeated(length + LANES);                       // a last vector may read beyond its row
    for (int64_t i = 0; i < length; i += channels) std::copy(b, b + channels, &repeated[i]);
    const float* bias = repeated.data();
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t k = 0; k < (n + length - 1) / length; k++)
        piece(k * length, std::min(length, n - k * length), bias, ~int64_t(0));
}

// ---- activations ----------------------------------------------------------------------------------------------------

// exp(x) - 1 and exp(x): x = k ln 2 + r with |r| <= ln 2 / 2, Taylor's series of exp(r) - 1 to the term r^7 / 7!, whose
// remainder is below 2^-25 of it. Beyond 88.8 exp is infinite in float32, below -104 it is 0.
struct Exp { vec minus_one, whole; };

inline Exp expm1_exp(vec x) {
    const vec bounded = select(x > 88.8f, splat(88.8f), select(x < -104.0f, splat(-104), x));
    const vec shifted = bounded * 1.44269504f + 12582912.0f;           // 1.5 * 2^23: rounds to a whole number
    const vec k = shifted - 12582912.0f;
    const vec r = (bounded - k * 0.693359375f) + k * 2.12194440e-4f;   // ln 2 in two parts, the first one exact
    vec p = splat(1 / 5040.0f);
    for (float c : {1 / 720.0f, 1 / 120.0f, 1 / 24.0f, 1 / 6.0f, 0.5f}) p = p * r + c;
    p = p * r * r + r;
    // 2^k in two factors: neither 2^128 nor 2^-150 is a float.
    const ivec e = __builtin_convertvector(k, ivec), half = e >> 1, rest = e - half;
    const ivec low = (half + 127) << 23, high = (rest + 127) << 23;
    vec a, c;
    std::memcpy(&a, &low, sizeof a);
    std::memcpy(&c, &high, sizeof c);
    return {p * a * c + (a * c - 1.0f), (p * a + a) * c};
}

struct LeakyRelu { float alpha; vec operator()(vec x) const { return select(x > 0.0f, x, x * alpha); } };
struct Relu { vec operator()(vec x) const { return select(x <= 0.0f, splat(0), x); } };       // NaN stays NaN

struct Tanh {        // e / (e + 2) with e = exp(2|x|) - 1; 1 to float32 from 10 on
    vec operator()(vec x) const {
        const vec size = select(x < 0.0f, -x, x);
        const vec e = expm1_exp(2.0f * select(size > 10.0f, splat(10), size)).minus_one;
        const vec y = e / (e + 2.0f);
        return select(x < 0.0f, -y, y);
    }
};

struct Sigmoid { vec operator()(vec x) const { return 1.0f / (1.0f + expm1_exp(-x).whole); } };
struct Swish { vec operator()(vec x) const { return x * Sigmoid()(x); } };

struct Elu {
    float alpha, scale;
    vec operator()(vec x) const { return scale * select(x > 0.0f, x, alpha * expm1_exp(x).minus_one); }
};

struct Softplus {    // max(x, 0) + log(1 + u) with u = exp(-|x|), log(1 + u) = 2 artanh(s) with s = u / (2 + u) <= 1/3
    vec operator()(vec x) const {
        const vec u = expm1_exp(select(x > 0.0f, -x, x)).whole;
        const vec s = u / (2.0f + u), q = s * s;
        vec p = splat(1 / 15.0f);
        for (float c : {1 / 13.0f, 1 / 11.0f, 1 / 9.0f, 1 / 7.0f, 1 / 5.0f, 1 / 3.0f, 1.0f}) p = p * q + c;
        return select(x > 0.0f, x, splat(0)) + 2.0f * s * p;
    }
};

// ---- forward --------------------------------------------------------------------------------------------------------

template <class T, class Act>
void forward(const T* x, const float* b, T* y, int64_t n, int64_t channels, int64_t inner, float gain, float clamp,
             int64_t threads, Act act) {
    each_piece(n, channels, inner, b, threads, [=](int64_t first, int64_t length, const float* bias, int64_t mask) {
        auto value = [=](vec v, int64_t i) {
            v = gain * act(v + load(bias + (i & mask)));
            return select(v > clamp, splat(clamp), select(v < -clamp, splat(-clamp), v));
        };
        const T* from = x + first;
        T* to = y + first;
        int64_t i = 0;
        for (; i + LANES <= length; i += LANES) store(to + i, value(load(from + i), i));
        if (i < length) store_some(to + i, value(load_some(from + i, length - i), i), length - i);
    });
}

enum { LRELU, RELU, TANH, SIGMOID, ELU, SOFTPLUS, SWISH };

// y = clamp(gain * act(x + b), ±clamp); alpha and scale are those of lrelu (linear: alpha 1) and elu.
template <class T>
void bias_act(const T* x, const float* b, T* y, int64_t n, int64_t channels, int64_t inner, int64_t act, float alpha,
              float scale, float gain, float clamp, int64_t threads) {
    auto run = [=](auto function) { forward(x, b, y, n, channels, inner, gain, clamp, threads, function); };
    switch (act) {
        case LRELU: return run(LeakyRelu{alpha});
        case RELU: return run(Relu{});
        case TANH: return run(Tanh{});
        case SIGMOID: return run(Sigmoid{});
        case ELU: return run(Elu{alpha, scale});
        case SOFTPLUS: return run(Softplus{});
        case SWISH: return run(Swish{});
    }
}

// ---- gradient of those that are linear in pieces ----------------------------------------------------------------------

// dx = dy times the slope at x + b: gain where that is above 0, else gain * alpha; 0 where the clamp is active.
template <class T>
void bias_act_slope(const T* x, const float* b, const T* dy, T* dx, int64_t n, int64_t channels, int64_t inner,
                    float alpha, float gain, float clamp, int64_t threads) {
    each_piece(n, channels, inner, b, threads, [=](int64_t first, int64_t length, const float* bias, int64_t mask) {
        auto value = [=](vec v, vec d, int64_t i) {
            v = v + load(bias + (i & mask));
            const vec slope = select(v > 0.0f, splat(gain), splat(gain * alpha)), y = v * slope;
            return select((y > clamp) | (y < -clamp), splat(0), d * slope);
        };
        const T *at = x + first, *from = dy + first;
        T* to = dx + first;
        int64_t i = 0;
        for (; i + LANES <= length; i += LANES) store(to + i, value(load(at + i), load(from + i), i));
        if (int64_t rest = length - i; rest > 0)
            store_some(to + i, value(load_some(at + i, rest), load_some(from + i, rest), i), rest);
    });
}

#define FOR(T, NAME) \
    EXPORT void bias_act_##NAME(const T* x, const float* b, T* y, int64_t n, int64_t channels, int64_t inner, \
                                int64_t act, double alpha, double scale, double gain, double clamp, int64_t threads) { \
        bias_act(x, b, y, n, channels, inner, act, alpha, scale, gain, clamp, threads); \
    } \
    EXPORT void bias_act_slope_##NAME(const T* x, const float* b, const T* dy, T* dx, int64_t n, int64_t channels, \
                                      int64_t inner, double alpha, double gain, double clamp, int64_t threads) { \
        bias_act_slope(x, b, dy, dx, n, channels, inner, alpha, gain, clamp, threads); \
    }
FOR(float, f32)
FOR(bf16, bf16)
