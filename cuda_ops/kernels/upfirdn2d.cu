// upfirdn2d: upsample by zero-insertion, pad or crop, correlate with f, keep every n-th sample. Spec "upfirdn2d".
//
// Bound by memory for the usual filters, and fast by the tiles of fir.cuh; any other is computed a thread an output.
// Layout: [n, h, w, channels] in memory. NCHW is the same with n * channels images of one channel.
#include "fir.cuh"

template <class T, int UX, int UY, int DX, int DY, int FX, int FY, int C>
__global__ void __launch_bounds__(THREADS, 3) upfirdn2d(const T* x, const float* f, T* y, int channels, int h, int w,
                                                     int oh, int ow, int pad_x, int pad_y, int tiles_x, int tiles_y) {
    const Images images = {channels, h, w, oh, ow, pad_x, pad_y, tiles_x, tiles_y};
    fir_tile<UX, UY, DX, DY, FX, FY, C>(x, f, y, images, [](int64_t) { return [](float v, int64_t) { return v; }; });
}

// First tap, at least 0, that meets an input sample for output `o`; that sample.
__device__ inline int2 first_tap(int o, int up, int down, int padding) {
    const int at = o * down - padding, tap = ((-at) % up + up) % up;
    return make_int2(tap, (at + tap) / up);
}

// Any factors and any filter [fh, fw]: a thread an output.
template <class T>
__global__ void __launch_bounds__(THREADS) upfirdn2d_any(const T* x, const float* f, T* y, int n, int channels,
                                                         int h, int w, int oh, int ow, int pad_x, int pad_y,
                                                         int up_x, int up_y, int down_x, int down_y, int fw, int fh) {
    const int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= (int64_t)n * oh * ow * channels) return;
    const int c = i % channels, ox = i / channels % ow, oy = i / channels / ow % oh, image = i / channels / ow / oh;
    const int2 start_x = first_tap(ox, up_x, down_x, pad_x), start_y = first_tap(oy, up_y, down_y, pad_y);
    float sum = 0;
    for (int ky = start_y.x, iy = start_y.y; ky < fh && iy < h; ky += up_y, iy++) {
        if (iy < 0) continue;
        for (int kx = start_x.x, ix = start_x.y; kx < fw && ix < w; kx += up_x, ix++)
            if (ix >= 0) sum += f[ky * fw + kx] * to_float(x[(((int64_t)image * h + iy) * w + ix) * channels + c]);
    }
    y[i] = from_float<T>(sum);
}
