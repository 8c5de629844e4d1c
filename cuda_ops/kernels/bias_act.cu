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

// b: [channels] or null. clamp: infinite for none.
template <class T, class Act>
__global__ void __launch_bounds__(256) bias_act(const T* x, const float* b, T* y, int outer, int channels, int inner,
                                                float alpha, float gain, float clamp) {
    constexpr int N = 16 / sizeof(T);
    const int64_t size = (int64_t)outer * channels * inner;
    const int64_t first = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * N;
    if (first >= size) return;
    const int64_t row = first / inner;
    int place = first - row * inner, channel = row % channels;
    const bool whole = size - first >= N;

    pack<T, N> v;
    if (whole && (unsigned long long)x % 16 == 0) v = *(const pack<T, N>*)(x + first);
    else
        #pragma unroll
        for (int i = 0; i < N; i++) if (first + i < size) v.at[i] = x[first + i];
    #pragma unroll
    for (int i = 0; i < N; i++) {
        float a = gain * Act::of(to_float(v.at[i]) + (b ? b[channel] : 0), alpha);
        v.at[i] = from_float<T>(a < -clamp ? -clamp : a > clamp ? clamp : a);            // NaN stays NaN
        if (++place == inner) {
            place = 0;
            channel = channel + 1 == channels ? 0 : channel + 1;
        }
    }
    if (whole) *(pack<T, N>*)(y + first) = v;
    else
        #pragma unroll
        for (int i = 0; i < N; i++) if (first + i < size) y[first + i] = v.at[i];
}
