// filtered_lrelu: bias, upsampling FIR, gain, leaky ReLU, clamp, downsampling FIR; nothing upsampled goes to memory.
//
// Bound by arithmetic: some 20 fused multiply-adds per upsampled sample (separable) or 50 (radial). Fast because
// - one value is 16 channels of a pixel, so both axes are filtered alike and nothing is shuffled;
// - only taps that meet samples are multiplied (polyphase), and only kept outputs are computed;
// - the long inner loops run along x out of L1, with 16 (up) or 8 and more (down) results in registers;
// - the column filters run where rows are narrow: before upsampling and after downsampling along x;
// - pixels, which lie far apart, are asked for ahead, and large results are written past the caches;
// - rows stream through rings that stay in L2; columns are cut into strips of that width;
// - the mirrored rows of a symmetric non-separable filter are added first, which halves its multiplications.
#include "vector.h"
#include <algorithm>
#include <cmath>
#include <vector>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

typedef uint32_t uvec __attribute__((vector_size(64)));

#ifdef __AVX512F__
constexpr int UP_BLOCK = 16, DOWN_BLOCK = 8, FOLD_BLOCK = 16;      // results held in registers
#else
constexpr int UP_BLOCK = 4, DOWN_BLOCK = 4, FOLD_BLOCK = 4;
#endif
constexpr int64_t COLUMNS = 16;                  // of the upsampled signal handled at once: one word of states
constexpr int64_t RING_BYTES = 400 << 10;        // of one block: those of SIDE fit an L2 of 1 MB
constexpr int64_t SIDE = 2, TURN = 4;            // neighbouring channel blocks, which share pages, take turns of rows
constexpr int64_t AHEAD = 16;                    // pixels asked for before they are needed: they lie pages apart
constexpr int64_t STREAMED = 16 << 20;           // bytes of a result that no cache keeps until it is read
constexpr int64_t ROWS_AT_ONCE = 2;              // of the output: they share the rows they are computed from
enum Mode { PLAIN, RECORD, REPLAY };             // how the activation gets its states

// As Python fills it. A filter is separable (one row of w = h taps for both axes) or of h rows of w taps.
struct Geometry {
    int64_t n, c, h, w, out_h, out_w, up_x, up_y, down_x, down_y, pad_x, pad_y;
    int64_t fu_w, fu_h, fu_separable, fd_w, fd_h, fd_separable;
    int64_t mode, state_h, state_words, origin_x, origin_y;
};

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// One axis. Upsampled sample m is counted as q = m + shift, so that q in [g up, (g + 1) up) meet the same input
// samples: `taps` of them from base + g on, sample q with the taps up-1 - q mod up, and every up-th from there.
struct Axis {
    int64_t in, out, up, down, fd, taps, shift, base;
    Axis(int64_t in, int64_t out, int64_t up, int64_t down, int64_t pad, int64_t fu, int64_t fd)
        : in(in), out(out), up(up), down(down), fd(fd), taps(ceil_div(fu, up)),
          shift(((-pad - 1) % up + up) % up), base((-shift - pad - 1) / up + 1) {}
};

// --- rows ------------------------------------------------------------------------------------------------------------

// NaN stays NaN.
inline vec clamp(vec v, vec limit) {
#ifdef __AVX512F__                               // one instruction each, where GCC makes two of a selection
    return (vec)_mm512_maskz_max_ps(-1, (__m512)-limit, _mm512_maskz_min_ps(-1, (__m512)limit, (__m512)v));
#else
    v = v > limit ? limit : v;
    return v < -limit ? -limit : v;
#endif
}

// Past the caches, which saves reading what is overwritten; for whole aligned lines.
template <class T> inline void stream(T* p, vec v) { store(p, v); }
#ifdef __AVX512F__
inline void stream(float* p, vec v) { _mm512_stream_ps(p, (__m512)v); }
inline void finish_streams() { _mm_sfence(); }
#else
inline void finish_streams() {}
#endif

inline __attribute__((always_inline)) vec activate(vec v, vec slope, vec limit) {
    return clamp(v > 0 ? v : v * slope, limit);
}

// R rows of n: row r is the sum of rows r*step .. of `in`, weighted with the K taps at r*tap_step.
template <int R>
void combine(vec* const* out, const vec* const* in, int64_t n, int64_t step, const float* taps, int64_t K,
             int64_t tap_step) {
    constexpr int WIDE = 16 / R > 8 ? 8 : UP_BLOCK < 16 ? 8 / R : 16 / R;
    for (int64_t x = 0; x < n; x += WIDE) {      // rows are padded to whole blocks
        vec sum[R][WIDE] = {};
        for (int64_t k = 0; k < K + (R - 1) * step; ++k)
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) {
                int64_t tap = k - r * step;
                if (tap < 0 || tap >= K) continue;
                vec t = splat(taps[r * tap_step + tap]);
#pragma GCC unroll 8
                for (int i = 0; i < WIDE; ++i) sum[r][i] += t * in[k][x + i];
            }
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
            for (int i = 0; i < WIDE; ++i) out[r][x + i] = sum[r][i];
    }
}

// COLUMNS upsampled, activated samples from n rows at `at`, with taps [n][up][K].
template <int UP, int K>
void up_block(vec* out, const vec* const* rows, int64_t n, int64_t at, const float* taps, vec slope, vec limit) {
    constexpr int GROUPS = UP_BLOCK / UP;
    for (int64_t c = 0; c < COLUMNS; c += UP_BLOCK) {
        vec sum[UP_BLOCK] = {};
        for (int64_t r = 0; r < n; ++r) {
            const vec* x = rows[r] + at + c / UP;
            const float* t = taps + r * UP * K;
#pragma GCC unroll 32
            for (int j = 0; j < GROUPS + K - 1; ++j)
#pragma GCC unroll 16
                for (int i = 0; i < UP_BLOCK; ++i)
                    if (int k = j - i / UP; k >= 0 && k < K) sum[i] += t[i % UP * K + k] * x[j];
        }
#pragma GCC unroll 16
        for (int i = 0; i < UP_BLOCK; ++i) out[c + i] = activate(sum[i], slope, limit);
    }
}

// BLOCK outputs from n rows (FOLD: n pairs of rows, a row and its mirror image), with taps [n][K].
template <int DOWN, int K, bool FOLD>
void down_block(vec* out, const vec* const* rows, const vec* const* mirrors, int64_t n, int64_t at, const float* taps) {
    constexpr int BLOCK = FOLD ? FOLD_BLOCK : DOWN_BLOCK;
    vec sum[BLOCK] = {};
    for (int64_t r = 0; r < n; ++r) {
        const vec *x = rows[r] + at, *mirror = FOLD ? mirrors[r] + at : x;
        const float* t = taps + r * K;
#pragma GCC unroll 128
        for (int j = 0; j < (BLOCK - 1) * DOWN + K; ++j) {
            vec v = FOLD ? x[j] + mirror[j] : x[j];
#pragma GCC unroll 16
            for (int i = 0; i < BLOCK; ++i)
                if (j - i * DOWN >= 0 && j - i * DOWN < K) sum[i] += t[j - i * DOWN] * v;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < BLOCK; ++i) out[i] = sum[i];
}

// The same for every combination that has no function of its own above.
void up_block_any(vec* out, const vec* const* rows, int64_t n, int64_t at, int64_t phase, const float* taps, int64_t up,
                  int64_t K, vec slope, vec limit) {
    for (int64_t c = 0; c < COLUMNS; ++c) {
        vec sum = {};
        for (int64_t r = 0; r < n; ++r)
            for (int64_t k = 0; k < K; ++k) sum += taps[(r * up + phase) * K + k] * rows[r][at + k];
        out[c] = activate(sum, slope, limit);
        if (++phase == up) phase = 0, ++at;
    }
}

void down_block_any(vec* out, const vec* const* rows, const vec* const* mirrors, int64_t n, int64_t at,
                    const float* taps, int64_t down, int64_t K) {
    vec sum[DOWN_BLOCK] = {};
    for (int64_t r = 0; r < n; ++r)
        for (int64_t k = 0; k < K; ++k) {
            vec t = splat(taps[r * K + k]);
#pragma GCC unroll 8
            for (int i = 0; i < DOWN_BLOCK; ++i) {
                int64_t x = at + i * down + k;
                sum[i] += t * (mirrors ? rows[r][x] + mirrors[r][x] : rows[r][x]);
            }
        }
    for (int i = 0; i < DOWN_BLOCK; ++i) out[i] = sum[i];
}

// --- states: two bits a sample (negative, clamped), those of 16 columns in one word of each lane ---------------------

// Activates COLUMNS samples and keeps their states.
void record(vec* row, uvec* states, vec slope, vec limit) {
    uvec word = {};
    for (int64_t c = 0; c < COLUMNS; ++c) {
        uvec negative = (uvec)!(row[c] > 0);
        vec v = row[c] > 0 ? row[c] : row[c] * slope;
        row[c] = clamp(v, limit);
        word |= (negative & (1u << 2 * c)) | ((uvec)((v > limit) | (v < -limit)) & (2u << 2 * c));
    }
    *states = word;
}

// Scales COLUMNS samples as those were whose states start at column `first` of a row of `words`. Where none are stored
// the sample meets no result.
void replay(vec* row, const uvec* states, int64_t words, int64_t first, vec slope) {
    for (int64_t c = std::max<int64_t>(0, -first); c < COLUMNS && first + c < words * COLUMNS; ++c) {
        uvec word = states[(first + c) / COLUMNS];
        int64_t bit = (first + c) % COLUMNS * 2;
        row[c] = (word & (1u << bit)) != 0 ? row[c] * slope : row[c];
        row[c] = (word & (2u << bit)) != 0 ? vec{} : row[c];
    }
}

// --- what one call needs ---------------------------------------------------------------------------------------------

// The filters as the loops above want them.
struct Filters {
    std::vector<float> up_x, up_y, down_x, down_y;   // [rows][up][taps]; [up][taps]; [rows][taps]; [taps]
    int64_t up_rows, down_rows;                  // that up_x and down_x combine; 1: separable
    bool folded;                                 // down_x is for pairs of mirrored rows

    Filters(const Geometry& g, const Axis& x, const Axis& y, const float* fu, const float* fd, float gain) {
        up_rows = g.fu_separable ? 1 : y.taps;
        up_x.resize((g.fu_separable ? 1 : y.up * y.taps) * x.up * x.taps);
        if (g.fu_separable) {
            phases(up_x.data(), fu, g.fu_w, x);
            up_y.resize(y.up * y.taps);
            phases(up_y.data(), fu, g.fu_h, y);
        } else {
            for (int64_t q = 0; q < y.up; ++q)
                for (int64_t k = 0; k < y.taps; ++k)
                    if (int64_t row = y.up - 1 - q + k * y.up; row < g.fu_h)
                        phases(&up_x[(q * y.taps + k) * x.up * x.taps], fu + row * g.fu_w, g.fu_w, x);
        }
        folded = !g.fd_separable && symmetric(fd, g.fd_h, g.fd_w);
        down_rows = g.fd_separable ? 1 : folded ? ceil_div(g.fd_h, 2) : g.fd_h;
        down_x.assign(fd, fd + down_rows * g.fd_w);
        if (g.fd_separable) down_y.assign(fd, fd + g.fd_h);
        for (float& tap : g.fu_separable ? up_y : up_x) tap *= std::fabs(gain);     // before the clamp; its sign after
        for (float& tap : down_x) tap = std::copysign(1.f, gain) * tap;
        if (folded && g.fd_h % 2)                // the middle row is its own mirror image
            for (int64_t k = 0; k < g.fd_w; ++k) down_x[(down_rows - 1) * g.fd_w + k] /= 2;
    }

    // [up][taps] of one row: sample q meets the taps up-1-q, and every up-th from there.
    static void phases(float* out, const float* taps, int64_t n, const Axis& a) {
        for (int64_t q = 0; q < a.up; ++q)
            for (int64_t k = 0; k < a.taps; ++k) {
                int64_t tap = a.up - 1 - q + k * a.up;
                out[q * a.taps + k] = tap < n ? taps[tap] : 0;
            }
    }

    static bool symmetric(const float* f, int64_t h, int64_t w) {
        for (int64_t i = 0; i < h / 2; ++i)
            if (!std::equal(f + i * w, f + (i + 1) * w, f + (h - 1 - i) * w)) return false;
        return true;
    }
};

// How the output is cut into tiles, and the sizes of a tile's rows.
struct Tiling {
    int64_t blocks, groups, strips, bands, width, height;    // channel blocks, SIDE a group; a tile's outputs
    int64_t samples, columns;                        // of an upsampled row; of an input row; with what blocks run over

    Tiling(const Geometry& g, const Axis& x, const Axis& y, const Filters& f, int64_t threads) {
        blocks = ceil_div(g.c, LANES), groups = ceil_div(blocks, SIDE);
        // bytes held for each output column: rows before and after the activation
        int64_t before = (y.taps + y.up) * ceil_div(x.down, x.up), after = y.fd + ROWS_AT_ONCE * y.down + y.up;
        if (!g.fd_separable) after *= x.down;
        int64_t most = std::max<int64_t>(16, RING_BYTES / int64_t(sizeof(vec)) / (before + after) / 16 * 16);
        strips = ceil_div(x.out, most);
        width = round_up(ceil_div(x.out, strips), 16);
        strips = ceil_div(x.out, width);
        int64_t tasks = std::max<int64_t>(1, g.n * groups * strips);
        bands = std::max<int64_t>(1, std::min(ceil_div(4 * threads, tasks), y.out / 32));
        height = round_up(ceil_div(y.out, bands), ROWS_AT_ONCE);
        bands = ceil_div(y.out, height);
        int64_t wide = round_up(width, FOLD_BLOCK) * x.down + x.fd;
        samples = round_up(COLUMNS + wide, COLUMNS);
        columns = samples / x.up + x.taps + 16;
    }
    int64_t tasks(const Geometry& g) const { return g.n * groups * strips * bands; }
};

// --- a tile ----------------------------------------------------------------------------------------------------------

template <class T>
class Tile {
  public:
    Tile(const Geometry& g, const Axis& x, const Axis& y, const Filters& f, const Tiling& t, const T* in, T* out,
         const float* bias, uvec* states, float slope, float limit)
        : g(g), ax(x), ay(y), f(f), t(t), in(in), out(out), bias(bias), states(states),
          slope(splat(g.mode == PLAIN ? slope : 1)), limit(splat(g.mode == PLAIN ? limit : INFINITY)),
          state_slope(splat(slope)), state_limit(splat(limit)),
          input(y.taps, t.columns), narrow(y.up, t.columns), wide(1, t.samples),
          ring(y.fd + ROWS_AT_ONCE * y.down, g.fd_separable ? round_up(t.width, 16) : t.samples),
          results(ROWS_AT_ONCE, round_up(t.width, 16)), from(std::max(y.fd + ROWS_AT_ONCE * y.down, y.taps)),
          mirrors(y.fd), streams(sizeof(T) == sizeof(float) && g.c % LANES == 0 && uintptr_t(out) % sizeof(vec) == 0 &&
                                 g.n * g.out_h * g.out_w * g.c * int64_t(sizeof(T)) > STREAMED) {}

    // Goes to the first row of one of a task's tiles.
    void start(int64_t task, int64_t k) {
        block = task % t.groups * SIDE + k;
        strip = task / t.groups % t.strips;
        band = task / t.groups / t.strips % t.bands;
        sample = task / t.groups / t.strips / t.bands;
        lanes = std::min(LANES, g.c - block * LANES);
        out_x = strip * t.width, out_y = band * t.height;
        int64_t q = out_x * ax.down + ax.shift;  // the first upsampled column that is needed
        first_q = q / COLUMNS * COLUMNS, lead = q - first_q;
        width = std::min(t.width, ax.out - out_x);
        used = lead + (width - 1) * ax.down + ax.fd;
        made = out_y * ay.down;
        group = (made + ay.shift) / ay.up;
        loaded = group + ay.base;
        done_y = out_y;
    }

    // The next rows of the tile, TURN at most; whether there are any left.
    bool advance() {
        int64_t last = std::min(out_y + t.height, ay.out), end = std::min(done_y + TURN, last), y = done_y;
        for (; y < end; y += ROWS_AT_ONCE) {
            int64_t rows = std::min(ROWS_AT_ONCE, end - y);
            int64_t needed = (y + rows - 1) * ay.down + ay.fd;
            while (made < needed) make_rows(needed);
            finish_rows(y, rows);
            for (int64_t r = 0; r < rows; ++r) put_row(results.row(r), y + r);
        }
        return (done_y = y) < last;
    }

  private:
    // At least `count` rows of a fixed length, each found by its number modulo a power of two.
    struct Ring {
        int64_t count = 1, length;
        std::vector<vec> memory;
        Ring(int64_t least, int64_t length) : length(length) {
            while (count < least) count *= 2;
            memory.resize(count * length);
        }
        vec* row(int64_t i) { return &memory[(i & (count - 1)) * length]; }
    };

    // The upsampled rows `made` .. of one group, up to `end`, each straight on to where its results are kept.
    void make_rows(int64_t end) {
        int64_t first = group + ay.base;
        for (; loaded < first + ay.taps; ++loaded) load_row(input.row(loaded), loaded);
        for (int64_t k = 0; k < ay.taps; ++k) from[k] = input.row(first + k);
        if (g.fu_separable) filter_columns();
        int64_t next = (group + 1) * ay.up - ay.shift;
        for (end = std::min(end, next); made < end; ++made) {
            int64_t phase = made + ay.shift - group * ay.up;
            const vec* row = narrow.row(phase);
            const float* taps = f.up_x.data() + (g.fu_separable ? 0 : phase * f.up_rows * ax.up * ax.taps);
            make_row(g.fu_separable ? &row : from.data(), taps);
        }
        if (made == next) ++group;
    }

    void filter_columns() {
        int64_t n = round_up(t.columns - 16, 16), up = ay.up, K = ay.taps;
        vec* rows[4];
        for (int64_t phase = 0; phase < up;) {
            int64_t R = up - phase >= 4 ? 4 : up - phase >= 2 ? 2 : 1;
            for (int64_t r = 0; r < R; ++r) rows[r] = narrow.row(phase + r);
            (R == 4 ? combine<4> : R == 2 ? combine<2> : combine<1>)(rows, from.data(), n, 0, &f.up_y[phase * K], K, K);
            phase += R;
        }
    }

    // Upsamples, activates and, if the filter is separable, downsamples along x.
    void make_row(const vec* const* rows, const float* taps) {
        vec *result = ring.row(made), *row = g.fd_separable ? wide.row(0) : result;
        int64_t done = 0;
        for (int64_t c = 0; c < used; c += COLUMNS) {
            up_samples(row + c, rows, c, taps);
            if (g.mode != PLAIN) use_states(row + c, first_q + c);
            if (!g.fd_separable) continue;
            const vec* source = row;
            for (; done < width && lead + (done + DOWN_BLOCK - 1) * ax.down + ax.fd <= c + COLUMNS; done += DOWN_BLOCK)
                down_samples(result + done, &source, nullptr, done, f.down_x.data());
        }
        const vec* source = row;
        for (; g.fd_separable && done < width; done += DOWN_BLOCK)
            down_samples(result + done, &source, nullptr, done, f.down_x.data());
    }

    // Those from first_q + c on.
    void up_samples(vec* row, const vec* const* rows, int64_t c, const float* taps) {
        int64_t n = f.up_rows, q = first_q + c;
        if (ax.up == 2 && ax.taps == 6) up_block<2, 6>(row, rows, n, c / 2, taps, slope, limit);
        else if (ax.up == 4 && ax.taps == 6) up_block<4, 6>(row, rows, n, c / 4, taps, slope, limit);
        else up_block_any(row, rows, n, q / ax.up - first_q / ax.up, q % ax.up, taps, ax.up, ax.taps, slope, limit);
    }

    void down_samples(vec* row, const vec* const* rows, const vec* const* mirrors, int64_t done, const float* taps) {
        int64_t at = lead + done * ax.down, n = f.down_rows;
        if (ax.down == 2 && ax.fd == 12 && mirrors) down_block<2, 12, true>(row, rows, mirrors, n, at, taps);
        else if (ax.down == 2 && ax.fd == 12) down_block<2, 12, false>(row, rows, rows, n, at, taps);
        else if (ax.down == 4 && ax.fd == 24 && !mirrors) down_block<4, 24, false>(row, rows, rows, n, at, taps);
        else down_block_any(row, rows, mirrors, n, at, taps, ax.down, ax.fd);
    }

    // Tiles overlap: each writes the states of its own rows and columns only.
    void use_states(vec* row, int64_t q) {
        int64_t y = made + g.origin_y;
        if (y < 0 || y >= g.state_h) return;
        uvec* line = states + ((sample * t.blocks + block) * g.state_h + y) * g.state_words;
        if (g.mode == REPLAY) return replay(row, line, g.state_words, q - ax.shift + g.origin_x, state_slope);
        bool own_row = band == t.bands - 1 || made < (out_y + t.height) * ay.down;
        int64_t next_q = ((out_x + t.width) * ax.down + ax.shift) / COLUMNS * COLUMNS;
        bool own = own_row && (strip == t.strips - 1 || q < next_q);
        uvec unused;
        record(row, own ? line + q / COLUMNS : &unused, state_slope, state_limit);
    }

    // Output rows y .. from the ring into `results`.
    void finish_rows(int64_t y, int64_t rows) {
        for (int64_t k = 0; k < (rows - 1) * ay.down + ay.fd; ++k) from[k] = ring.row(y * ay.down + k);
        if (g.fd_separable) {
            vec* to[2] = {results.row(0), results.row(1)};
            auto finish = rows == 2 ? combine<2> : combine<1>;
            return finish(to, from.data(), round_up(width, 16), ay.down, f.down_y.data(), ay.fd, 0);
        }
        int64_t step = f.folded && ax.down == 2 && ax.fd == 12 ? FOLD_BLOCK : DOWN_BLOCK;
        for (int64_t done = 0; done < width; done += step)
            for (int64_t r = 0; r < rows; ++r) {
                const vec* const* top = from.data() + r * ay.down;
                for (int64_t k = 0; k < f.down_rows; ++k) mirrors[k] = top[ay.fd - 1 - k];
                down_samples(results.row(r) + done, top, f.folded ? mirrors.data() : nullptr, done, f.down_x.data());
            }
    }

    // Input row y with its bias; zeros outside the image.
    void load_row(vec* row, int64_t y) {
        int64_t x = first_q / ax.up + ax.base, n = t.columns;
        int64_t begin = y < 0 || y >= ay.in ? n : std::clamp<int64_t>(-x, 0, n), end = std::clamp(ax.in - x, begin, n);
        std::fill(row, row + begin, vec{});
        std::fill(row + end, row + n, vec{});
        if (begin == end) return;
        const T* from = in + ((sample * ay.in + y) * ax.in + x + begin) * g.c + block * LANES;
        const float* own = bias + block * LANES;
        vec b = !bias ? vec{} : lanes == LANES ? load(own) : load_some(own, lanes);
        for (int64_t i = begin, step = g.c, n = lanes; i < end; ++i, from += step) {
            row[i] = (n == LANES ? load(from) : load_some(from, n)) + b;
            __builtin_prefetch(from + AHEAD * step);
            __builtin_prefetch(from + AHEAD * step + LANES - 1);        // another line, where C isn't whole blocks
        }
    }

    void put_row(const vec* row, int64_t y) {
        T* to = out + ((sample * ay.out + y) * ax.out + out_x) * g.c + block * LANES;
        int64_t n = width, step = g.c;
        if (streams)
            for (int64_t i = 0; i < n; ++i, to += step) stream(to, row[i]);
        else if (lanes == LANES)
            for (int64_t i = 0; i < n; ++i, to += step) {
                store(to, row[i]);
                __builtin_prefetch(to + AHEAD * step, 1);
                __builtin_prefetch(to + AHEAD * step + LANES - 1, 1);
            }
        else
            for (int64_t i = 0; i < n; ++i, to += step) store_some(to, row[i], lanes);
    }

    const Geometry& g;
    const Axis &ax, &ay;
    const Filters& f;
    const Tiling& t;
    const T* in;
    T* out;
    const float* bias;
    uvec* states;
    vec slope, limit, state_slope, state_limit;
    Ring input, narrow, wide, ring, results;
    std::vector<const vec*> from, mirrors;
    bool streams;                                // results go past the caches
    int64_t block, strip, band, sample, lanes;   // which tile
    int64_t out_x, out_y, width, done_y;         // its first output; outputs along x; the next row
    int64_t first_q, lead, used;                 // upsampled columns: q of the first, the first needed, how many
    int64_t made, group, loaded;                 // upsampled rows made; their group; input rows loaded
};

template <class T>
void filtered_lrelu(const T* x, T* y, const float* b, const float* fu, const float* fd, uvec* states,
                    const Geometry& g, float gain, float slope, float limit, int64_t threads) {
    Axis ax(g.w, g.out_w, g.up_x, g.down_x, g.pad_x, g.fu_w, g.fd_w);
    Axis ay(g.h, g.out_h, g.up_y, g.down_y, g.pad_y, g.fu_h, g.fd_h);
    Filters f(g, ax, ay, fu, fd, gain);
    Tiling t(g, ax, ay, f, threads);
#pragma omp parallel num_threads(threads)
    {
        std::vector<Tile<T>> tiles(SIDE, Tile<T>(g, ax, ay, f, t, x, y, b, states, slope, limit));
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < t.tasks(g); ++i) {
            int64_t n = std::min(SIDE, t.blocks - i % t.groups * SIDE);
            for (int64_t k = 0; k < n; ++k) tiles[k].start(i, k);
            for (bool more = true; more;)
                for (int64_t k = 0; k < n; ++k) more = tiles[k].advance();
        }
        finish_streams();
    }
}

}  // namespace

#define FILTERED_LRELU(T, NAME)                                                                                       \
    EXPORT void filtered_lrelu_##NAME(const void* x, void* y, const void* b, const void* fu, const void* fd,          \
                                      void* states, const void* geometry, double gain, double slope, double limit,    \
                                      int64_t threads) {                                                              \
        filtered_lrelu((const T*)x, (T*)y, (const float*)b, (const float*)fu, (const float*)fd, (uvec*)states,        \
                       *(const Geometry*)geometry, gain, slope, limit, threads);                                      \
    }
FILTERED_LRELU(float, f32)
FILTERED_LRELU(bf16, bf16)
