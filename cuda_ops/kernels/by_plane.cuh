// Elementwise work that depends on the plane, a channel of a sample: 16 bytes a thread, in memory's order.
// Layout: [n, pixels, channels]. NCHW is the same with n * channels images of one channel.
#pragma once
#include "numbers.cuh"

// y[i] = step(plane)(x[i], pixel), with plane = image * channels + channel. y may be x.
template <class T, class Step>
__device__ inline void by_plane(const T* x, T* y, int n, int pixels, int channels, const Step& step) {
    const int64_t size = (int64_t)n * pixels * channels;
    const int64_t first = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * pack<T>::N;
    if (first >= size) return;
    const int64_t place = first / channels;
    int64_t image = place / pixels;
    int channel = first - place * channels, pixel = place - image * pixels;
    pack<T> v = load_pack(x, first, size);
    auto plane = step(image * channels + channel);
    #pragma unroll
    for (int i = 0; i < pack<T>::N; i++) {
        if (first + i >= size) break;
        v.at[i] = from_float<T>(plane(to_float(v.at[i]), pixel));
        if (++channel == channels) channel = 0, pixel++;
        if (pixel == pixels) pixel = 0, image++;
        if ((channels > 1 || pixel == 0) && first + i + 1 < size) plane = step(image * channels + channel);
    }
    store_pack(y, first, size, v);
}
