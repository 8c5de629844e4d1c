// 3x3 convolutions of many channels with fewer multiplications than their definition has: Winograd's minimal filtering
// (Lavin & Gray 2016), at stride 1 (36 products for 4x4 results, a quarter of 144) and transposed at stride 2 (49 for
// 6x6 results, 3/5 of 81).
//
// Bound by the arithmetic of products.h: a tile's products are as many independent matrix products over the channels,
// and its transforms are small beside them from 32 channels on. What makes it fast: weights transformed and packed
// beforehand; chunks of tiles that stay in the cache between the steps; style and demodulation multiplied within the
// transforms, so that weights never depend on the style.
// Sums over the input channels run in the same order whatever the chunk or the thread: same bits for any number of them.
#include "products.h"

// A one-dimensional scheme, applied along y and then x: IN samples, STEP apart from tile to tile and starting START
// before the image's padding, become PRODUCTS numbers; multiplied by the weights of their kind, they make OUT results.

// Four results of three taps, through the points 0, +-3/4, +-3/2 and infinity. Of points whose coefficients are exact
// in binary these lose least: twice the rounding error of the plain sum, where 0, +-1, +-2 lose 4.5 times.
struct Same {
    static constexpr int IN = 6, STEP = 4, START = 0, PRODUCTS = 6, KINDS = 6, OUT = 4;
    static constexpr float A = 0.75f, B = 1.5f, AA = A * A, BB = B * B;
    static void input(const vec* d, vec* v) {
        vec even_a = d[4] - BB * d[2], odd_a = A * (d[3] - BB * d[1]);
        vec even_b = d[4] - AA * d[2], odd_b = B * (d[3] - AA * d[1]);
        v[0] = d[4] - (AA + BB) * d[2] + (AA * BB) * d[0];
        v[1] = even_a + odd_a; v[2] = even_a - odd_a;
        v[3] = even_b + odd_b; v[4] = even_b - odd_b;
        v[5] = d[5] - (AA + BB) * d[3] + (AA * BB) * d[1];
    }
    static void output(const vec* m, vec* y) {
        vec even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
        y[0] = m[0] + (even_a + even_b);
        y[1] = A * odd_a + B * odd_b;
        y[2] = AA * even_a + BB * even_b;
        y[3] = (A * AA) * odd_a + (B * BB) * odd_b + m[5];
    }
};

// Transposed, stride 2: even results have two taps (three of them through 0, +-1 and infinity), odd ones the middle tap.
struct Up {
    static constexpr int IN = 4, STEP = 3, START = 1, PRODUCTS = 7, KINDS = 5, OUT = 6;
    static void input(const vec* d, vec* v) {
        v[0] = d[0] - d[2]; v[1] = d[1] + d[2]; v[2] = d[2] - d[1]; v[3] = d[3] - d[1];
        v[4] = d[1]; v[5] = d[2]; v[6] = d[3];
    }
    static void output(const vec* m, vec* y) {
        vec even = m[1] + m[2];
        y[0] = m[0] + even; y[2] = m[1] - m[2]; y[4] = even + m[3];
        y[1] = m[4]; y[3] = m[5]; y[5] = m[6];
    }
};

struct Shape {
    int64_t n, h, w, channels_in, channels_out, out_h, out_w, pad_y, pad_x;
    int64_t rows, columns, chunk;                        // tiles; those computed at a time
    int64_t in_stride() const { return whole_vectors(channels_in); }
    int64_t out_stride() const { return whole_vectors(channels_out); }
};

struct Tile { int64_t n, y, x; };
static Tile tile_at(const Shape& s, int64_t index) {
    return {index / (s.rows * s.columns), index / s.columns % s.rows, index % s.columns};
}

// Floats from one product of all tiles of a chunk to the next. A line of cache apart from what may be a multiple of 4096
// bytes, lest the products of a tile meet in one set of the cache.
static int64_t plane(const Shape& s, int64_t stride) { return s.chunk * stride + LANES; }

// v[product][tile][channel] = the tile's samples times the style, transformed.
template <class S, class T>
static void transform_input(const T* x, const float* style, const Shape& s, Tile tile, float* v) {
    static const T zeros[LANES] = {};
    int64_t next = plane(s, s.in_stride());
    int64_t top = tile.y * S::STEP - s.pad_y - S::START, left = tile.x * S::STEP - s.pad_x - S::START;
    const T* corner = x + ((tile.n * s.h + top) * s.w + left) * s.channels_in;
    for (int64_t c = 0; c < s.channels_in; c += LANES) {
        int64_t some = std::min(LANES, s.channels_in - c);
        vec factor = factors(style, tile.n * s.channels_in + c, some);
        vec half[S::IN][S::PRODUCTS];
        for (int b = 0; b < S::IN; b++) {
            vec d[S::IN];
            for (int a = 0; a < S::IN; a++) {
                bool is_inside = inside(top + a, s.h) & inside(left + b, s.w);
                const T* p = is_inside ? corner + (a * s.w + b) * s.channels_in + c : zeros;
                __builtin_prefetch(p + S::STEP * s.channels_in);               // the next tile's
                d[a] = factor * load_up_to(p, some);
            }
            S::input(d, half[b]);
        }
        for (int p = 0; p < S::PRODUCTS; p++) {
            vec d[S::IN], out[S::PRODUCTS];
            for (int b = 0; b < S::IN; b++) d[b] = half[b][p];
            S::input(d, out);
            for (int q = 0; q < S::PRODUCTS; q++) store(v + (p * S::PRODUCTS + q) * next + c, out[q]);
        }
    }
}

template <class S, class T>
static void transform_output(const float* m, const float* scale, const Shape& s, Tile tile, T* y) {
    int64_t next = plane(s, s.out_stride()), top = tile.y * S::OUT, left = tile.x * S::OUT;
    int64_t height = std::min<int64_t>(S::OUT, s.out_h - top), width = std::min<int64_t>(S::OUT, s.out_w - left);
    for (int64_t c = 0; c < s.channels_out; c += LANES) {
        int64_t some = std::min(LANES, s.channels_out - c);
        vec factor = factors(scale, tile.n * s.channels_out + c, some);
        vec half[S::PRODUCTS][S::OUT];
        for (int p = 0; p < S::PRODUCTS; p++) {
            vec d[S::PRODUCTS];
            for (int q = 0; q < S::PRODUCTS; q++) d[q] = load(m + (p * S::PRODUCTS + q) * next + c);
            S::output(d, half[p]);
        }
        for (int64_t b = 0; b < width; b++) {
            vec d[S::PRODUCTS], out[S::OUT];
            for (int p = 0; p < S::PRODUCTS; p++) d[p] = half[p][b];
            S::output(d, out);
            for (int64_t a = 0; a < height; a++) {
                T* p = y + ((tile.n * s.out_h + top + a) * s.out_w + left + b) * s.channels_out + c;
                if (some == LANES) store(p, out[a] * factor); else store_some(p, out[a] * factor, some);
            }
        }
    }
}

// u [kind along y, kind along x][panel][channels_in, width of the panel]: of PANEL outputs, the last perhaps fewer
template <class S, class T>
static void convolve_chunk(const T* x, const float* u, const float* style, const float* scale, T* y, const Shape& s,
                           int64_t first, int64_t tiles, int64_t threads) {
    constexpr int64_t P = S::PRODUCTS, K = S::KINDS;
    int64_t in = s.in_stride(), out = s.out_stride(), panels = (out + PANEL - 1) / PANEL;
    float* v = scratch(P * P * (plane(s, in) + plane(s, out)));
    float* m = v + P * P * plane(s, in);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < tiles; t++) transform_input<S>(x, style, s, tile_at(s, first + t), v + t * in);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t job = 0; job < P * P * panels; job++) {
        int64_t p = job / panels, from = job % panels * PANEL;
        int64_t kind = std::min(p / P, K - 1) * K + std::min(p % P, K - 1);
        static const int64_t here = 0;
        multiply_panel({v + p * plane(s, in), in, &here, 1}, u + (kind * out + from) * s.channels_in, s.channels_in,
                       m + p * plane(s, out) + from, out, std::min(PANEL, out - from), tiles);
    }
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < tiles; t++) transform_output<S>(m + t * out, scale, s, tile_at(s, first + t), y);
}

// So many tiles that their products stay in the L2 cache; where those of one block do not fit, so many that reading the
// weights from memory is little beside multiplying them.
template <class S>
static int64_t chunk_size(const Shape& s) {
    int64_t bytes = S::PRODUCTS * S::PRODUCTS * (s.in_stride() + s.out_stride()) * sizeof(float);
    for (int64_t blocks : {2, 1})
        if (blocks * ROWS * bytes <= 768 * 1024) return blocks * ROWS;
    return 8 * ROWS;
}

// Many chunks: one a thread. Few: all threads on each, so that weights are read from memory once.
template <class S, class T>
static void convolve(const T* x, const float* u, const float* style, const float* scale, T* y, Shape s,
                     int64_t threads) {
    s.rows = (s.out_h + S::OUT - 1) / S::OUT, s.columns = (s.out_w + S::OUT - 1) / S::OUT, s.chunk = chunk_size<S>(s);
    int64_t tiles = s.n * s.rows * s.columns, chunks = (tiles + s.chunk - 1) / s.chunk;
    bool many = chunks >= 4 * threads;
    #pragma omp parallel for num_threads(many ? threads : 1) schedule(dynamic)
    for (int64_t i = 0; i < chunks; i++)
        convolve_chunk<S>(x, u, style, scale, y, s, i * s.chunk, std::min(s.chunk, tiles - i * s.chunk),
                          many ? 1 : threads);
}

template <class T>
static void run(const void* x, const void* u, const void* style, const void* scale, void* y, int64_t n, int64_t h,
                int64_t w, int64_t channels_in, int64_t channels_out, int64_t out_h, int64_t out_w, int64_t pad_y,
                int64_t pad_x, int64_t up, int64_t threads) {
    Shape s{n, h, w, channels_in, channels_out, out_h, out_w, pad_y, pad_x, 0, 0, 0};
    auto go = up == 2 ? convolve<Up, T> : convolve<Same, T>;
    go(static_cast<const T*>(x), static_cast<const float*>(u), static_cast<const float*>(style),
       static_cast<const float*>(scale), static_cast<T*>(y), s, threads);
}

#define WINOGRAD(name, T) \
EXPORT void name(const void* x, const void* u, const void* style, const void* scale, void* y, int64_t n, int64_t h, \
                 int64_t w, int64_t channels_in, int64_t channels_out, int64_t out_h, int64_t out_w, int64_t pad_y, \
                 int64_t pad_x, int64_t up, int64_t threads) { \
    run<T>(x, u, style, scale, y, n, h, w, channels_in, channels_out, out_h, out_w, pad_y, pad_x, up, threads); \
}
WINOGRAD(winograd_f32, float)
WINOGRAD(winograd_bf16, bf16)
