// Polyphase FIR resampling of channels-last images, one row at a time in cache: what upfirdn2d and noise_act share.
//
// Bound by memory: the input is read and the result written once. A filter that is an outer product takes two passes:
// down the columns, straight from the rows of the image into a row in cache, then along that row; any other filter
// takes its rows one by one in the second pass. A row is a plain run of floats, so that any number of channels fills
// the vectors: what a vector computes beyond its run is overwritten by the next one.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>
#include "vector.h"

// Output sample o of an axis meets input samples start, start + 1, .. (`count` of them) at taps tap, tap + up, ..
struct Reach { int64_t tap, start, count; };

struct Axis {
    int64_t in, out, up, down, before, taps;     // samples in and out, factors, zeros put before the first sample

    Reach at(int64_t o) const {
        int64_t first = o * down - before, tap = ((-first) % up + up) % up;
        return {tap, (first + tap) / up, tap < taps ? (taps - 1 - tap) / up + 1 : 0};
    }
    int64_t most() const { return (taps - 1) / up + 1; }                 // taps that any one output sample meets
    bool is_even() const { return taps % up == 0; }                      // all meet equally many
    bool is_identity() const { return up == 1 && down == 1 && taps == 1; }
};

// f [h, w] as taps of the two passes, in the order in which they meet the samples.
struct Filter {
    bool separable;
    std::vector<float> column;           // [y.up, y.most()], of a separable filter
    std::vector<float> rows;             // [y.up or 1, x.up, y.most() or 1, x.most()]

    Filter(const float* f, const Axis& y, const Axis& x) {
        const float* peak = std::max_element(f, f + y.taps * x.taps,
                                             [](float a, float b) { return std::fabs(a) < std::fabs(b); });
        const float* across = f + (peak - f) / x.taps * x.taps;
        const float* down = f + (peak - f) % x.taps;
        separable = *peak != 0;
        for (int64_t i = 0; i < y.taps; i++)
            for (int64_t j = 0; j < x.taps; j++) {       // to within the rounding of the taps themselves
                double tap = f[i * x.taps + j], product = (double)down[i * x.taps] * across[j] / *peak;
                separable &= std::fabs(product - tap) <= 0x1p-22 * std::fabs(tap);
            }
        if (separable) {
            column.resize(y.up * y.most());
            for (int64_t i = 0; i < y.taps; i++) column[i % y.up * y.most() + i / y.up] = down[i * x.taps];
        }
        int64_t phases = separable ? 1 : y.up, terms = separable ? 1 : y.most();
        rows.resize(phases * x.up * terms * x.most());
        for (int64_t i = 0; i < phases * terms && i < y.taps; i++)
            for (int64_t j = 0; j < x.taps; j++) {
                int64_t at = ((i % phases * x.up + j % x.up) * terms + i / phases) * x.most() + j / x.up;
                rows[at] = separable ? across[j] / *peak : f[i * x.taps + j];
            }
    }
};

// dst[i] = sum over k < count of taps[k] * src[i + k * stride], count = N where N is not 0; reads and writes exactly
// `length` samples of src, and zeros up to the next multiple of 16 into dst.
template <int N, class T>
void weigh(float* dst, const T* src, int64_t stride, const float* taps, int64_t count, int64_t length) {
    float held[N + 1];                   // in registers: a store into dst can't change them
    std::copy_n(taps, N, held);
    const float* by = N ? held : taps;
    auto at = [&](int64_t i, auto&& sample) {
        vec sum = {};
        for (int64_t k = 0; k < (N ? N : count); k++) sum += splat(by[k]) * sample(src + i + k * stride);
        store(dst + i, sum);
    };
    int64_t i = 0, rest = length % LANES;
    for (; i < length - rest; i += LANES) at(i, [](const T* p) { return load(p); });
    if (rest) at(i, [=](const T* p) { return load_some(p, rest); });
}

// A stretch of outputs of one row that meet the same taps one after the other: `length` floats from src + start on.
struct Run { int64_t start, phase, count, length; };

// dst[i] = sum over terms t and taps k of taps[phase][t][k] * src[t][start + i + k * c], run after run; each may
// read and write up to 15 floats too many.
template <int N>
void along(float* dst, const float* src, int64_t span, const std::vector<Run>& runs, const float* taps, int64_t all,
           int64_t terms, int64_t most, int64_t c) {
    for (const Run& run : runs) {
        const float* phase = taps + run.phase * all * most;
        int64_t count = N ? N : run.count;
        for (int64_t i = 0; i < run.length; i += LANES) {
            vec sum = {};
            for (int64_t t = 0; t < (N ? 1 : terms); t++)
                for (int64_t k = 0; k < count; k++)
                    sum += splat(phase[t * most + k]) * load(src + t * span + run.start + i + k * c);
            store(dst + i, sum);
        }
        dst += run.length;
    }
}

// A tile's columns: what part of the input they reach, and the runs along it.
struct Columns {
    int64_t first, last;                 // input columns [first, last), beyond the image too
    std::vector<Run> runs;

    Columns(const Axis& x, int64_t from, int64_t to, int64_t c) {
        first = x.at(from).start, last = x.at(to - 1).start + x.most();
        if (x.up == 1 && x.down == 1) {
            runs.push_back({0, 0, x.taps, (to - from) * c});
            return;
        }
        for (int64_t o = from; o < to; o++) {
            Reach reach = x.at(o);
            runs.push_back({(reach.start - first) * c, reach.tap % x.up, reach.count, c});
        }
    }
};

struct alignas(64) Line { float floats[LANES]; };

// Resamples x [n, y.in, x.in, c]: each row of the result goes, in cache and as floats, to finish(row, sample, oy, ox,
// count) for `count` pixels from ox on; up to 15 floats beyond them may be read.
template <class T> class Resampler {
public:
    Resampler(const T* image, int64_t c, const float* f, const Axis& y, const Axis& x)
        : image(image), c(c), y(y), x(x), filter(f, y, x), all(filter.separable ? 1 : y.most()),
          tile(std::min(x.out, std::max<int64_t>(8, TILE / c * x.down / x.up / (1 + all / 4)))),
          span(((tile * x.down + x.taps) / x.up + 2) * c) {}

    template <class Finish> void run(int64_t n, int64_t threads, const Finish& finish) const {
        int64_t bands = (y.out + BAND - 1) / BAND, tiles = (x.out + tile - 1) / tile;
        #pragma omp parallel num_threads(threads)
        {
            std::vector<Line> met_lines(all * span / LANES + 3), row_lines(tile * c / LANES + 2);
            float *met = met_lines[0].floats, *row = row_lines[0].floats;
            #pragma omp for schedule(dynamic)
            for (int64_t task = 0; task < n * bands * tiles; task++) {
                int64_t sample = task / tiles / bands, band = task / tiles % bands * BAND, ox = task % tiles * tile;
                int64_t count = std::min(tile, x.out - ox);
                Columns columns(x, ox, ox + count, c);
                std::fill(met_lines.begin(), met_lines.end(), Line{});
                for (int64_t oy = band; oy < std::min(band + BAND, y.out); oy++) {
                    const float* result = filtered(met, row, columns, sample, oy);
                    finish(result, sample, oy, ox, count);
                }
            }
        }
    }

private:
    static constexpr int64_t TILE = 1024, BAND = 32;     // floats, so that a tile's few rows stay in cache; rows
    const T* image;
    int64_t c;
    Axis y, x;
    Filter filter;
    int64_t all, tile, span;             // terms of the filter, output pixels of a tile, floats of a term's row

    // Row oy of the tile: `row`, or `met` itself where nothing is to do along it.
    const float* filtered(float* met, float* row, const Columns& columns, int64_t sample, int64_t oy) const {
        Reach rows = y.at(oy);
        int64_t top = std::clamp<int64_t>(-rows.start, 0, rows.count);
        int64_t count = std::max<int64_t>(std::min(rows.count, y.in - rows.start) - top, 0);
        int64_t left = std::clamp<int64_t>(columns.first, 0, x.in);
        int64_t right = std::clamp<int64_t>(columns.last, left, x.in);
        const T* src = image + ((sample * y.in + rows.start + top) * x.in + left) * c;
        if (right > left)
            down(met + (left - columns.first) * c, src, rows.tap * y.most() + top, count, (right - left) * c);
        if (filter.separable && x.is_identity()) return met;
        const float* taps = filter.rows.data();
        if (!filter.separable) taps += (rows.tap * x.up * all + top) * x.most();
        switch (filter.separable && x.is_even() ? x.most() : 0) {
            case 2: along<2>(row, met, span, columns.runs, taps, all, count, x.most(), c); break;
            case 4: along<4>(row, met, span, columns.runs, taps, all, count, x.most(), c); break;
            case 6: along<6>(row, met, span, columns.runs, taps, all, count, x.most(), c); break;
            case 12: along<12>(row, met, span, columns.runs, taps, all, count, x.most(), c); break;
            default: along<0>(row, met, span, columns.runs, taps, all, filter.separable ? 1 : count, x.most(), c);
        }
        return row;
    }

    // Weighs `count` rows of the image by the column's taps from `tap` on; or copies them, one beside the other.
    void down(float* met, const T* src, int64_t tap, int64_t count, int64_t length) const {
        static const float one = 1;
        int64_t stride = x.in * c;
        if (!filter.separable) {
            for (int64_t t = 0; t < count; t++) weigh<1>(met + t * span, src + t * stride, 0, &one, 1, length);
            return;
        }
        const float* taps = filter.column.data() + tap;
        switch (count) {
            case 1: return weigh<1>(met, src, stride, taps, count, length);
            case 2: return weigh<2>(met, src, stride, taps, count, length);
            case 4: return weigh<4>(met, src, stride, taps, count, length);
            case 6: return weigh<6>(met, src, stride, taps, count, length);
            case 12: return weigh<12>(met, src, stride, taps, count, length);
            default: return weigh<0>(met, src, stride, taps, count, length);
        }
    }
};
