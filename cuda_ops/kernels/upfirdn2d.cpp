// upfirdn2d on channels-last images: any factors, filter and padding (fir.h says what it is bound by and how it runs).
#include "fir.h"

// x [n, h, w, c], f [fh, fw] of float32, correlated -> out [n, oh, ow, c].
template <class T>
static void upfirdn2d(const T* x, const float* f, T* out, int64_t n, int64_t c, const Axis& y, const Axis& x_axis,
                      int64_t threads) {
    if (n * c == 0) return;
    Resampler<T>(x, c, f, y, x_axis).run(n, threads, [=](const float* row, int64_t sample, int64_t oy, int64_t ox,
                                                         int64_t count) {
        T* to = out + ((sample * y.out + oy) * x_axis.out + ox) * c;
        int64_t i = 0, rest = count * c % LANES;
        for (; i < count * c - rest; i += LANES) store(to + i, load(row + i));
        if (rest) store_some(to + i, load(row + i), rest);
    });
}

#define UPFIRDN2D(name, T)                                                                                             \
    EXPORT void name(const T* x, const float* f, T* out, int64_t n, int64_t c, int64_t h, int64_t w, int64_t oh,       \
                     int64_t ow, int64_t up_y, int64_t up_x, int64_t down_y, int64_t down_x, int64_t y0, int64_t x0,   \
                     int64_t fh, int64_t fw, int64_t threads) {                                                        \
        upfirdn2d(x, f, out, n, c, {h, oh, up_y, down_y, y0, fh}, {w, ow, up_x, down_x, x0, fw}, threads);             \
    }
UPFIRDN2D(upfirdn2d_f32, float)
UPFIRDN2D(upfirdn2d_bf16, bf16)
