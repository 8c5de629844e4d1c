// bias_act: clamp(gain * act(x + b)), elementwise. Spec "bias_act".
//
// Bound by memory: one read and one write an element. Fast because each thread moves 16 bytes at once, the activation
// is a template argument and arithmetic is float's, rounded once.
// Layout: any dense one, as [outer, channels, inner]: inner is 1 for channels-last, H * W for NCHW.
#include "numbers.cuh"

namespace act {

struct linear { static __device__ float of(float x, float) { return x; } };
struct relu { static __device__ float of(float x, float) { return x < 0 ? 0 : x; } };
struct lrelu { static __device__ float of(float x, float alpha) { return x > 0 ? x : alpha * x; } };
struct tanh { static __device__ float of(float x, float) { return tanhf(x); } };
struct sigmoid { static __device__ float of(float x, float) { return 1 / (1 + expf(-x)); } };
struct elu { static __device__ float of(float x, float) { return x > 0 ? x : expm1f(x); } };
struct selu {                            // Klambauer et al. 2017, sec. 2: lambda and alpha
    static __device__ float of(float x, float) { return 1.0507010f * (x > 0 ? x : 1.6732632f * expm1f(x)); }
};
struct softplus {                        // log(1 + e^x) without overflow
    static __device__ float of(float x, float) { return (x > 0 ? x : 0) + log1pf(expf(-fabsf(x))); }
};
struct swish { static __device__ float of(float x, float) { return x / (1 + expf(-x)); } };

}  // namespace act

// y[i] = of(x[i] + b, i). b: [channels] or null.
template <class T, class F>
__device__ inline void elementwise(const T* x, const float* b, T* y, int outer, int channels, int inner, F of) {
    constexpr int N = pack<T>::N;
    const int64_t size = (int64_t)outer * channels * inner;
    const int64_t first = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * N;
    if (first >= size) return;
    const int64_t row = first / inner;
    int place = first - row * inner, channel = row % channels;
    pack<T> v = load_pack(x, first, size);
    #pragma unroll
    for (int i = 0; i < N; i++) {
        if (first + i < size) v.at[i] = from_float<T>(of(to_float(v.at[i]) + (b ? b[channel] : 0), first + i));
        if (++place == inner) {
            place = 0;
            channel = channel + 1 == channels ? 0 : channel + 1;
        }
    }
    store_pack(y, first, size, v);
}

// clamp: infinite for none.
template <class T, class Act>
__global__ void __launch_bounds__(256) bias_act(const T* x, const float* b, T* y, int outer, int channels, int inner,
                                                float alpha, float gain, float clamp) {
    elementwise(x, b, y, outer, channels, inner, [=](float v, int64_t) {
        v = gain * Act::of(v, alpha);
        return v < -clamp ? -clamp : v > clamp ? clamp : v;                              // NaN stays NaN
    });
}

// dx = dy * slope of bias_act at x + b, for activations with slope alpha below 0 and 1 above; 0 where the clamp acts.
template <class T>
__global__ void __launch_bounds__(256) bias_act_slope(const T* x, const float* b, const T* dy, T* dx, int outer,
                                                      int channels, int inner, float alpha, float gain, float clamp) {
    elementwise(x, b, dx, outer, channels, inner, [=](float v, int64_t i) {
        const float slope = v > 0 ? gain : gain * alpha;
        return fabsf(v * slope) > clamp ? 0 : slope * to_float(dy[i]);
    });
}
