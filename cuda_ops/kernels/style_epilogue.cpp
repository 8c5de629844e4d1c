// StyleGAN1's epilogue on channels-last images: smoothing, noise, bias, leaky ReLU, instance norm, style.
//
// Bound by memory, as the norm needs statistics of whole channels before it can change a value: pass one reads x and
// writes the activated values, pass two reads and writes those. Everything else happens in registers, sixteen channels
// at a time; the filter goes down the columns into a short row in cache, then along that row. Statistics are sums about
// a value of the channel itself, in float over some pixels, in double over bands of rows and, in the bands' order, over
// the image: no bit depends on the number of threads.
#include <algorithm>
#include <cmath>
#include <vector>
#include "vector.h"

constexpr double EPSILON = 1e-8;         // of the variance
constexpr int64_t BANDS = 16, BAND = 32; // an image has about that many bands, of at most so many rows

// x [n, h, w, c] -> y [n, oh, ow, c]. noise [1 or n, oh, ow] or null; strength, b [c]; scale, shift [n, c] or null.
// Output (oy, ox) is the sum over i, j < taps of down[oy, i] * along[ox, j] * x[oy - before + i, ox - before + j];
// x itself if taps is 0, and then y may be x.
template <class T> struct Layer {
    const T* x; T* y;
    const float *noise, *strength, *b, *scale, *shift, *down, *along;
    int64_t taps, before, n, c, h, w, oh, ow, noise_step;    // noise_step: from one sample's noise to the next's
    float gain, slope;
    int64_t threads;
};

// Of one band, by channel: sums of v - origin and of its square.
struct Statistics { std::vector<double> sum, square; std::vector<float> origin; };

struct alignas(64) Line { float floats[LANES]; };

inline int64_t padded(int64_t c) { return (c + LANES - 1) / LANES * LANES; }

static std::vector<Line> lines(const float* v, int64_t c) {
    std::vector<Line> to(padded(c) / LANES);
    if (v) std::memcpy(to.data(), v, c * sizeof(float));
    return to;
}

template <class T> class Activation {
public:
    explicit Activation(const Layer<T>& layer)
        : l(layer), chunk(std::clamp<int64_t>(8192 / l.c, 8, 128)), band(std::clamp(l.oh / BANDS, (int64_t)4, BAND)),
          strength(lines(l.strength, l.c)), bias(lines(l.b, l.c)) {}

    int64_t bands() const { return (l.oh + band - 1) / band; }
    double pixels(int64_t index) const { return (double)(std::min(band, l.oh - index * band) * l.ow); }

    // Rows of band `index`, and their statistics. `row`: room for chunk + taps pixels.
    void run(int64_t sample, int64_t index, Statistics& statistics, float* row) const {
        int64_t whole = l.c / LANES * LANES;
        statistics = {std::vector<double>(padded(l.c)), std::vector<double>(padded(l.c)),
                      std::vector<float>(padded(l.c))};
        for (int64_t oy = index * band; oy < std::min((index + 1) * band, l.oh); oy++)
            for (int64_t ox = 0; ox < l.ow; ox += chunk) {
                Stretch s{sample, oy, ox, std::min(chunk, l.ow - ox), oy == index * band && ox == 0};
                if (l.taps) smooth_down(row, s);
                for (int64_t k = 0; k < whole; k += LANES) activate<true>(s, k, statistics, row);
                if (whole < l.c) activate<false>(s, whole, statistics, row);
            }
    }

    int64_t room() const { return (chunk + l.taps) * l.c / LANES + 2; }      // lines of a row

private:
    struct Stretch { int64_t sample, oy, ox, count; bool is_first; };        // `count` pixels of a row

    const Layer<T>& l;
    int64_t chunk, band;                 // pixels, rows
    std::vector<Line> strength, bias;

    // row[i] = sum over taps of down * x, from column ox - before on; zeros outside of the image.
    void smooth_down(float* row, const Stretch& s) const {
        int64_t first = s.ox - l.before, left = std::clamp<int64_t>(first, 0, l.w);
        int64_t right = std::clamp(first + s.count + l.taps - 1, left, l.w);
        int64_t top = std::max<int64_t>(l.before - s.oy, 0), bottom = std::min(l.taps, l.h - s.oy + l.before);
        int64_t length = (right - left) * l.c, rest = length % LANES, start = (left - first) * l.c;
        const T* from = l.x + ((s.sample * l.h + s.oy - l.before) * l.w + left) * l.c;
        const float* taps = l.down + s.oy * l.taps;
        std::fill(row, row + start, 0.0f);
        auto weighed = [&](int64_t i, auto&& sample) {
            vec sum = {};
            for (int64_t t = top; t < bottom; t++) sum += splat(taps[t]) * sample(from + t * l.w * l.c + i);
            store(row + start + i, sum);
        };
        int64_t i = 0;
        for (; i < length - rest; i += LANES) weighed(i, [](const T* p) { return load(p); });
        if (rest) weighed(i, [=](const T* p) { return load_some(p, rest); });
        std::fill(row + start + length, row + (s.count + l.taps - 1) * l.c, 0.0f);
    }

    // Channels k .. of a stretch: along the row, noise, bias, activation; into y and into the statistics.
    template <bool WHOLE> void activate(const Stretch& s, int64_t k, Statistics& statistics, const float* row) const {
        int64_t at = ((s.sample * l.oh + s.oy) * l.ow + s.ox) * l.c + k;
        const float* noise = l.noise ? l.noise + s.sample * l.noise_step + s.oy * l.ow + s.ox : nullptr;
        const float* along = l.along + s.ox * l.taps;
        vec by = load(strength[k / LANES].floats), plus = load(bias[k / LANES].floats);
        auto value = [&](int64_t i) {            // as y keeps it
            vec v = {};
            T* y = l.y + at + i * l.c;
            if (!l.taps) v = WHOLE ? load(l.x + at + i * l.c) : load_some(l.x + at + i * l.c, l.c - k);
            else if (l.taps == 4)
                for (int64_t t = 0; t < 4; t++) v += splat(along[i * 4 + t]) * load(row + (i + t) * l.c + k);
            else
                for (int64_t t = 0; t < l.taps; t++) v += splat(along[i * l.taps + t]) * load(row + (i + t) * l.c + k);
            v = v * l.gain + plus;
            if (noise) v += splat(noise[i]) * by;
            v = select(v > 0, v, v * l.slope);
            WHOLE ? store(y, v) : store_some(y, v, l.c - k);
            return WHOLE ? load(y) : load_some(y, l.c - k);
        };
        vec v = value(0), origin = s.is_first ? v : load(&statistics.origin[k]), sum = {}, square = {};
        for (int64_t i = 0;;) {                  // each value once, as y may be x
            vec d = v - origin;
            sum += d, square += d * d;
            if (++i == s.count) break;
            v = value(i);
        }
        store(&statistics.origin[k], origin);
        for (int64_t i = 0; i < LANES; i++) statistics.sum[k + i] += sum[i], statistics.square[k + i] += square[i];
    }
};

// (v - mean) * by + plus, by channel: norm and style.
struct Style { std::vector<Line> mean, by, plus; };

// Bands' moments as the image's, two at a time (Chan et al. 1979), then as factors.
template <class T>
static Style style_of(const Layer<T>& l, const Activation<T>& activation, const Statistics* bands, int64_t sample) {
    Style style{lines(nullptr, l.c), lines(nullptr, l.c), lines(nullptr, l.c)};
    for (int64_t k = 0; k < l.c; k++) {
        double count = 0, mean = 0, squares = 0;             // squares: of the distances from the mean
        for (int64_t i = 0; i < activation.bands(); i++) {
            double more = activation.pixels(i), off = bands[i].sum[k] / more;
            double away = bands[i].origin[k] + off - mean, all = count + more;
            squares += std::max(bands[i].square[k] - bands[i].sum[k] * off, 0.0) + away * away * count * more / all;
            mean += away * more / all, count = all;
        }
        double by = (l.scale ? l.scale[sample * l.c + k] + 1.0 : 1.0) / std::sqrt(squares / count + EPSILON);
        style.mean[k / LANES].floats[k % LANES] = (float)mean;
        style.by[k / LANES].floats[k % LANES] = (float)by;
        style.plus[k / LANES].floats[k % LANES] = l.shift ? l.shift[sample * l.c + k] : 0.0f;
    }
    return style;
}

template <class T> static void apply(T* y, int64_t pixels, int64_t c, const Style& style) {
    int64_t whole = c / LANES * LANES;
    for (int64_t i = 0; i < pixels; i++, y += c) {
        auto styled = [&](vec v, int64_t k) {
            return (v - load(style.mean[k / LANES].floats)) * load(style.by[k / LANES].floats)
                   + load(style.plus[k / LANES].floats);
        };
        for (int64_t k = 0; k < whole; k += LANES) store(y + k, styled(load(y + k), k));
        if (whole < c) store_some(y + whole, styled(load_some(y + whole, c - whole), whole), c - whole);
    }
}

template <class T> static void style_epilogue(const Layer<T>& l) {
    if (l.n * l.c * l.oh * l.ow == 0) return;
    Activation<T> activation(l);
    int64_t bands = activation.bands();
    std::vector<Statistics> statistics(l.n * bands);
    std::vector<Style> styles(l.n);
    #pragma omp parallel num_threads(l.threads)
    {
        std::vector<Line> row(activation.room());
        #pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < l.n * bands; i++) activation.run(i / bands, i % bands, statistics[i], row[0].floats);
        #pragma omp for schedule(static)
        for (int64_t i = 0; i < l.n; i++) styles[i] = style_of(l, activation, &statistics[i * bands], i);
        #pragma omp for schedule(static)
        for (int64_t i = 0; i < l.n * l.oh; i++) apply(l.y + i * l.ow * l.c, l.ow, l.c, styles[i / l.oh]);
    }
}

#define STYLE_EPILOGUE(name, T)                                                                                        \
    EXPORT void name(const T* x, T* y, const float* noise, const float* strength, const float* b, const float* scale,  \
                     const float* shift, const float* down, const float* along, int64_t taps, int64_t before,          \
                     int64_t n, int64_t c, int64_t h, int64_t w, int64_t oh, int64_t ow, int64_t noise_step,           \
                     double gain, double slope, int64_t threads) {                                                     \
        style_epilogue<T>({x, y, noise, strength, b, scale, shift, down, along, taps, before, n, c, h, w, oh, ow,      \
                           noise_step, (float)gain, (float)slope, threads});                                           \
    }
STYLE_EPILOGUE(style_epilogue_f32, float)
STYLE_EPILOGUE(style_epilogue_bf16, bf16)
