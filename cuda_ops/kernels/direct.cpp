// 3x3 convolutions of few pixels by their definition, at stride 1 or transposed at stride 2, style and scale included.
//
// Bound by reading the weights, of which Winograd's filtering has 2.8 to 4 times as many. What makes it fast: they are
// read once, in the order they lie in. Samples are copied first, styled and with the zeros around them, row after row
// and image after image: a tap is an offset there, and the batch one matrix to multiply (products.h). It goes on across
// the ends of rows and images; what comes of those is left out.
// Each panel of output channels is one thread's: same bits for any number of them.
#include <vector>
#include "products.h"

// Cells are results at stride 1, and 2 x 2 results transposed. Cell y meets samples y - start_y .. y - start_y + reach.
struct Shape {
    int64_t n, h, w, channels_in, channels_out, out_h, out_w, start_y, start_x, up;
    int64_t rows() const { return (out_h + up - 1) / up; }                   // of cells
    int64_t columns() const { return (out_w + up - 1) / up; }
    int64_t reach() const { return up == 2 ? 1 : 2; }
    int64_t width() const { return columns() + reach(); }                    // of the copy
    int64_t height() const { return rows() + reach(); }
    int64_t stride() const { return whole_vectors(channels_in) + LANES; }    // not a power of 2: few sets of the cache
};

// Row `row` of all images' copies.
template <class T>
static void copy_row(const T* x, const float* style, const Shape& s, int64_t row, float* v) {
    int64_t n = row / s.height(), y = row % s.height() - s.start_y;
    for (int64_t i = 0; i < s.width(); i++) {
        int64_t at = i - s.start_x;
        for (int64_t c = 0; c < s.channels_in; c += LANES) {
            int64_t some = std::min(LANES, s.channels_in - c);
            vec sample = {};
            if (inside(y, s.h) && inside(at, s.w))
                sample = load_up_to(x + ((n * s.h + y) * s.w + at) * s.channels_in + c, some)
                         * factors(style, n * s.channels_in + c, some);
            store(v + (row * s.width() + i) * s.stride() + c, sample);
        }
    }
}

// Results py, px of all cells, of one panel's channels from `from` on.
template <class T>
static void finish(const float* m, const float* scale, const Shape& s, int64_t py, int64_t px, int64_t from, T* y) {
    for (int64_t row = 0; row < s.n * s.height(); row++)
        for (int64_t i = 0; i < s.columns(); i++) {
            int64_t n = row / s.height(), oy = row % s.height() * s.up + py, ox = i * s.up + px;
            if (oy >= s.out_h || ox >= s.out_w) break;
            for (int64_t c = from; c < std::min(from + PANEL, s.channels_out); c += LANES) {
                int64_t some = std::min(LANES, s.channels_out - c);
                vec factor = factors(scale, n * s.channels_out + c, some);
                vec v = load(m + (row * s.width() + i) * PANEL + c - from) * factor;
                T* p = y + ((n * s.out_h + oy) * s.out_w + ox) * s.channels_out + c;
                if (some == LANES) store(p, v); else store_some(p, v, some);
            }
        }
}

// One panel. Transposed, an even result meets both samples along an axis, an odd one the second.
template <class T>
static void convolve_panel(const float* v, const float* u, const float* scale, const Shape& s, int64_t from, T* y) {
    int64_t panel = std::min(PANEL, whole_vectors(s.channels_out) - from);
    int64_t samples = (s.n * s.height() - s.reach()) * s.width() - s.reach();
    float* m = scratch(samples * PANEL);
    for (int64_t py = 0; py < s.up; py++)
        for (int64_t px = 0; px < s.up; px++) {
            int64_t offset[9], taps = 0;
            for (int64_t a = py; a <= s.reach(); a++)
                for (int64_t b = px; b <= s.reach(); b++) offset[taps++] = (a * s.width() + b) * s.stride();
            multiply_panel({v, s.stride(), offset, taps}, u, s.channels_in, m, PANEL, panel, samples);
            u += taps * s.channels_in * panel;
            finish(m, scale, s, py, px, from, y);
        }
}

// u [panel][py, px]: each as multiply_panel reads it, the last panel perhaps narrower.
template <class T>
static void convolve(const T* x, const float* u, const float* style, const float* scale, T* y, const Shape& s,
                     int64_t threads) {
    if (s.n * s.channels_out == 0) return;
    std::vector<float> copy(s.n * s.height() * s.width() * s.stride());
    float* v = copy.data();
    #pragma omp parallel num_threads(threads)
    {
        #pragma omp for schedule(static)
        for (int64_t row = 0; row < s.n * s.height(); row++) copy_row(x, style, s, row, v);
        #pragma omp for schedule(static)
        for (int64_t from = 0; from < s.channels_out; from += PANEL)
            convolve_panel(v, u + from * 9 * s.channels_in, scale, s, from, y);
    }
}

#define DIRECT(name, T) \
EXPORT void name(const T* x, const float* u, const float* style, const float* scale, T* y, int64_t n, int64_t h, \
                 int64_t w, int64_t channels_in, int64_t channels_out, int64_t out_h, int64_t out_w, int64_t pad_y, \
                 int64_t pad_x, int64_t up, int64_t threads) { \
    convolve(x, u, style, scale, y, {n, h, w, channels_in, channels_out, out_h, out_w, pad_y + up - 1, pad_x + up - 1, \
                                     up}, threads); \
}
DIRECT(direct_f32, float)
DIRECT(direct_bf16, bf16)
