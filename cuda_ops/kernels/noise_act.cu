// noise_act: what follows StyleGAN2's convolutions: FIR, demodulation, noise, bias, leaky ReLU, gain, clamp.
//
// Bound by memory: one read and one write an element, whether or not a filter comes first. Fast because without a
// filter each thread moves 16 bytes at once (by_plane.cuh), and with one the rest happens to the filtered values in
// registers (fir.cuh).
// Layout: [n, pixels, channels] in memory. NCHW is the same with n * channels images of one channel.
#include "by_plane.cuh"
#include "fir.cuh"

// scale: [planes] (sample, channel); noise: [samples or 1, pixels]; strength: [1]; b: [features]; null where left out.
// clamp: infinite for none.
struct Step {
    const float *scale, *noise, *strength, *b;
    int features;
    int64_t noise_step;                          // from one sample's noise to the next's: 0 for the same
    float slope, gain, clamp;

    // Of one plane.
    struct Plane {
        float by, plus, strength, slope, gain, clamp;
        const float* noise;

        __device__ float operator()(float v, int64_t pixel) const {
            v = v * by + (noise ? noise[pixel] * strength : 0) + plus;
            v = gain * (v > 0 ? v : v * slope);
            return v < -clamp ? -clamp : v > clamp ? clamp : v;                              // NaN stays NaN
        }
    };

    __device__ Plane operator()(int64_t plane) const {
        const int64_t sample = plane / features;
        return {scale ? scale[plane] : 1, b ? b[plane - sample * features] : 0, noise ? *strength : 0, slope, gain,
                clamp, noise ? noise + sample * noise_step : noise};
    }
};

template <class T>
__global__ void __launch_bounds__(THREADS) noise_act(const T* x, T* y, const float* scale, const float* noise,
                                                     const float* strength, const float* b, int features,
                                                     int noise_step, float slope, float gain, float clamp, int n,
                                                     int pixels, int channels) {
    const Step step = {scale, noise, strength, b, features, noise_step, slope, gain, clamp};
    by_plane(x, y, n, pixels, channels, step);
}

// After the correlation with f, [FY, FX].
template <class T, int FX, int FY, int C>
__global__ void __launch_bounds__(THREADS, 4) noise_act_fir(const T* x, T* y, const float* scale, const float* noise,
                                                         const float* strength, const float* b, int features,
                                                         int noise_step, float slope, float gain, float clamp,
                                                         const float* f, int channels, int h, int w, int oh, int ow,
                                                         int pad_x, int pad_y, int tiles_x, int tiles_y) {
    const Step step = {scale, noise, strength, b, features, noise_step, slope, gain, clamp};
    fir_tile<1, 1, 1, 1, FX, FY, C>(x, f, y, Images{channels, h, w, oh, ow, pad_x, pad_y, tiles_x, tiles_y}, step);
}
