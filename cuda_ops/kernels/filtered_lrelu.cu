// filtered_lrelu: bias, upsample, leaky ReLU, downsample, of planes [n * channels, h, w]. Spec "filtered_lrelu".
//
// Bound by the FIR arithmetic: 72 multiply-adds a pixel for up 2, down 2, 12 taps, where memory would allow some 30 on
// a current card. Fast because the upsampled signal is never in main memory, and with a separable down filter not in
// shared memory either: a thread walks down one column of a tile with a window of inputs and the sums of the outputs it
// is amidst in registers, so 24 multiply-adds cost one shared read and one write. Along x each thread makes a run of
// neighbours from registers. Which tap meets which input (the phase) is known when the kernel is compiled, so inserted
// zeros are never multiplied. Row strides are odd: lanes on different rows meet different banks.
// A radial down filter takes 144 multiply-adds an output, on a tile of activated samples in shared memory.
#include "numbers.cuh"

constexpr int THREADS = 128, RUN = 16;               // RUN: upsampled samples that a thread makes at once along an axis
constexpr int SHARED_BYTES = 48 << 10;
constexpr int BLOCKS = 5;                            // on a multiprocessor: leaves 102 registers, spills none

enum States { NONE, WRITE, READ };                   // of the activation, for the backward pass

__host__ __device__ constexpr int round_up(int v, int to) { return (v + to - 1) / to * to; }
__host__ __device__ constexpr int larger(int a, int b) { return a > b ? a : b; }

// Of a plane. States: 2 bits a sample of the upsampled signal (1: negative, 2: clamped), 16 samples along y in a word,
// words [n * channels, state_words, state_w]; sample (0, 0) has the state at (state_x, state_y).
struct Sizes { int h, w, oh, ow, state_words, state_w; };
struct Activation { float gain, slope, clamp; };

__device__ __forceinline__ float activate(float v, Activation a, unsigned& state) {
    state = v > 0 ? 0 : 1;
    v *= state ? a.slope * a.gain : a.gain;
    if (v > a.clamp) { state |= 2; return a.clamp; }
    if (v < -a.clamp) { state |= 2; return -a.clamp; }
    return v;                                        // NaN stays NaN
}

__device__ __forceinline__ float replay(float v, Activation a, unsigned state) {
    return state & 2 ? 0 : v * (state & 1 ? a.slope * a.gain : a.gain);
}

// Along one axis: samples j = 0, 1, .. of a tile; PHASE is the padding modulo UP and tiles start at multiples of UP.
template <int UP, int TAPS, int PHASE> struct Upsampling {
    static constexpr int W = TAPS / UP;              // taps that meet an input, a sample
    static __host__ __device__ constexpr int first_tap(int j) { return (PHASE + UP - j % UP) % UP; }
    // The first of the inputs it meets, counted from the first that sample 0 meets.
    static __host__ __device__ constexpr int first_input(int j) { return (j - PHASE + UP - 1) / UP; }
    static __host__ __device__ constexpr int inputs(int samples) { return (samples + UP - 2 - PHASE) / UP + W; }
    static_assert(TAPS % UP == 0, "every phase has as many taps");
};

template <int UP, int DOWN, int TU, int TD, int PX, int PY, bool UP_2D, bool DOWN_2D, int ROWS> struct Tile {
    typedef Upsampling<UP, TU, PX> X;
    typedef Upsampling<UP, TU, PY> Y;
    static constexpr int STEP = larger(UP, DOWN);    // samples after which both phases are the same again
    static constexpr int SUMS = TD / DOWN;           // outputs that a sample is part of
    static constexpr int OX = (THREADS - TD + DOWN) / DOWN / 8 * 8, OY = ROWS / DOWN;              // outputs
    static constexpr int UX = OX * DOWN + TD - DOWN, UY = round_up(ROWS + TD - DOWN, STEP);        // samples
    static constexpr int IX = X::inputs(round_up(UX, RUN)), IY = Y::inputs(UP_2D ? round_up(UY, RUN) : UY);
    static constexpr int XS = IX | 1, US = round_up(UX, DOWN) | 1, OS = OX | 1;    // strides of rows
    static constexpr int INPUT = IY * XS, HIGH = IY * US, SAMPLES = UY * US, LOW = OY * US, OUTPUT = OY * OS;
    // `first` holds the inputs, then what the columns become; `second` what they are made of, then the outputs.
    static constexpr int FIRST = larger(INPUT, !DOWN_2D ? LOW : UP_2D ? 0 : SAMPLES);
    static constexpr int SECOND = larger(UP_2D ? SAMPLES : HIGH, DOWN_2D ? 0 : OUTPUT);
    static_assert(UP == 1 || UP == 2 || UP == 4, "divides every tile");
    static_assert(DOWN == 1 || DOWN == 2 || DOWN == 4, "divides every tile");
    static_assert(TD % DOWN == 0 && ROWS % 16 == 0 && OX > 0, "whole words of states, whole outputs");
    static_assert((FIRST + SECOND) * 4 + (UP_2D * TU * TU + DOWN_2D * TD * TD) * 4 <= SHARED_BYTES, "fits");

    // Columns of samples: every DOWN-th next to one another, where the 2-D down filter reads them so.
    static __device__ int column(int j) { return DOWN_2D ? j % DOWN * (round_up(UX, DOWN) / DOWN) + j / DOWN : j; }
};

// --- passes over a tile ----------------------------------------------------------------------------------------------

// input[y][x] = x + bias; outside the image 0: the bias comes before the padding.
template <class G, class T>
__device__ void load(float* input, const T* plane, float bias, int ix0, int iy0, const Sizes& size) {
    for (int i = threadIdx.x; i < G::IY * G::IX; i += THREADS) {
        const int sx = i % G::IX, sy = i / G::IX, ix = ix0 + sx, iy = iy0 + sy;
        const bool inside = 0 <= ix && ix < size.w && 0 <= iy && iy < size.h;
        input[sy * G::XS + sx] = inside ? to_float(plane[(int64_t)iy * size.w + ix]) + bias : 0;
    }
}

// high[input row][sample column]: a thread makes a run of a row, lanes are on different rows.
template <class G, int UP, int TU> __device__ void up_x(float* high, const float* input, const float* fu) {
    typedef typename G::X A;
    float tap[TU];
    #pragma unroll
    for (int k = 0; k < TU; k++) tap[k] = fu[k];
    for (int i = threadIdx.x; i < G::IY * (round_up(G::UX, RUN) / RUN); i += THREADS) {
        const int row = i % G::IY, j0 = i / G::IY * RUN;
        float in[A::inputs(RUN)];
        #pragma unroll
        for (int k = 0; k < A::inputs(RUN); k++) in[k] = input[row * G::XS + j0 / UP + k];
        #pragma unroll
        for (int j = 0; j < RUN; j++) {
            float sum = 0;
            #pragma unroll
            for (int t = 0; t < A::W; t++) sum += tap[A::first_tap(j) + t * UP] * in[A::first_input(j) + t];
            if (j0 + j < G::UX) high[row * G::US + j0 + j] = sum;
        }
    }
}

// samples[y][x] by a filter [TU, TU]: a thread makes RUN rows of UP columns.
template <class G, int UP, int TU> __device__ void up_2d(float* samples, const float* input, const float* f) {
    typedef typename G::X A;
    typedef typename G::Y B;
    constexpr int WIDE = round_up(G::UX, UP) / UP;
    for (int i = threadIdx.x; i < WIDE * (round_up(G::UY, RUN) / RUN); i += THREADS) {
        const int column = i % WIDE, row0 = i / WIDE * RUN;
        float sum[RUN][UP] = {};
        #pragma unroll 1
        for (int t = 0; t < A::W; t++) {
            #pragma unroll
            for (int jx = 0; jx < UP; jx++) {
                float tap[TU];
                #pragma unroll
                for (int k = 0; k < TU; k++) tap[k] = f[k * TU + A::first_tap(jx) + t * UP];
                #pragma unroll
                for (int iy = 0; iy < B::inputs(RUN); iy++) {
                    const float in = input[(row0 / UP + iy) * G::XS + column + A::first_input(jx) + t];
                    #pragma unroll
                    for (int jy = 0; jy < RUN; jy++) {
                        const int k = iy - B::first_input(jy);
                        if (0 <= k && k < B::W) sum[jy][jx] += tap[B::first_tap(jy) + k * UP] * in;
                    }
                }
            }
        }
        #pragma unroll
        for (int j = 0; j < RUN * UP; j++) {
            const int row = row0 + j / UP, x = column * UP + j % UP;
            if (row < G::UY && x < G::UX) samples[row * G::US + G::column(x)] = sum[j / UP][j % UP];
        }
    }
}

// The states of one column of the upsampled signal, sample by sample downwards.
template <int STATES> struct Column {
    unsigned* words;                                 // of this column; null: none to read or write
    int stride, count, y;                            // of words; the next sample's place
    unsigned word;

    __device__ Column(const Sizes& size, unsigned* states, int plane, int x, int y)
        : words(nullptr), stride(size.state_w), count(size.state_words), y(y), word(0) {
        if (STATES == NONE || x < 0 || x >= size.state_w) return;
        words = states + (int64_t)plane * count * stride + x;
        if (STATES == READ) fetch();
    }
    __device__ bool stored() const { return words && 0 <= y && y / 16 < count; }
    __device__ void fetch() { word = stored() ? words[(int64_t)(y / 16) * stride] : 0; }
    __device__ void flush() { if (stored()) words[(int64_t)(y / 16) * stride] = word; }

    // The activated v. Words are written up to where the next tile begins: `owned`.
    __device__ __forceinline__ float next(float v, Activation a, bool owned) {
        unsigned state = 0;
        if (STATES == READ) {
            if ((y & 15) == 0) fetch();
            v = replay(v, a, word >> (y & 15) * 2 & 3);
        } else {
            v = activate(v, a, state);
        }
        if (STATES == WRITE) {
            word |= state << (y & 15) * 2;
            if ((y & 15) == 15) {
                if (owned) flush();
                word = 0;
            }
        }
        y++;
        return v;
    }
    __device__ void end() {                          // the last word, where it is not full; there is no tile below
        if (STATES == WRITE && (y & 15)) flush();
    }
};

// Down the columns: upsample along y (or take the samples as they are), activate, downsample along y (or keep them).
template <class G, int UP, int DOWN, int TU, int TD, bool UP_2D, bool DOWN_2D, int STATES>
__device__ void columns(float* to, const float* from, const float* fu, const float* fd, Activation a,
                        Column<STATES> states, int owned) {
    typedef typename G::Y A;
    constexpr bool PUSHED = A::first_tap(0) == UP - 1;           // the first sample begins by taking in an input
    const int x = threadIdx.x;
    if (x >= G::UX) return;
    float up_tap[TU], down_tap[TD], window[A::W], sum[G::SUMS] = {};
    #pragma unroll
    for (int k = 0; k < TU; k++) up_tap[k] = UP_2D ? 0 : fu[k];
    #pragma unroll
    for (int k = 0; k < TD; k++) down_tap[k] = DOWN_2D ? 0 : fd[k];
    #pragma unroll
    for (int k = 0; k < A::W; k++) window[k] = UP_2D || k < PUSHED ? 0 : from[(k - PUSHED) * G::US + x];
    int next = A::W - PUSHED;

    #pragma unroll 6
    for (int step = 0; step < G::UY / G::STEP; step++) {
        #pragma unroll
        for (int j = 0; j < G::STEP; j++) {
            const int row = step * G::STEP + j;
            float v = 0;
            if (UP_2D) {
                v = from[row * G::US + G::column(x)];
            } else {
                if (A::first_tap(j) == UP - 1) {
                    #pragma unroll
                    for (int k = 1; k < A::W; k++) window[k - 1] = window[k];
                    window[A::W - 1] = from[next++ * G::US + x];
                }
                #pragma unroll
                for (int k = 0; k < A::W; k++) v += up_tap[A::first_tap(j) + k * UP] * window[k];
            }
            v = states.next(v, a, row < owned);
            if (DOWN_2D) {
                to[row * G::US + G::column(x)] = v;
                continue;
            }
            if (j % DOWN == 0) {
                #pragma unroll
                for (int k = 1; k < G::SUMS; k++) sum[k - 1] = sum[k];
                sum[G::SUMS - 1] = 0;
            }
            #pragma unroll
            for (int k = 0; k < G::SUMS; k++) sum[k] += down_tap[(G::SUMS - 1 - k) * DOWN + j % DOWN] * v;
            const int output = row / DOWN - (G::SUMS - 1);
            if (j % DOWN == DOWN - 1 && 0 <= output && output < G::OY) to[output * G::US + x] = sum[0];
        }
    }
    if (owned == G::UY) states.end();
}

// output[y][x]: a thread makes 8 neighbours of a row, lanes are on different rows.
template <class G, int DOWN, int TD> __device__ void down_x(float* output, const float* low, const float* fd) {
    float tap[TD];
    #pragma unroll
    for (int k = 0; k < TD; k++) tap[k] = fd[k];
    for (int i = threadIdx.x; i < G::OY * (G::OX / 8); i += THREADS) {
        const int row = i % G::OY, x0 = i / G::OY * 8;
        float sum[8] = {};
        #pragma unroll
        for (int k = 0; k < 7 * DOWN + TD; k++) {
            const float v = low[row * G::US + x0 * DOWN + k];
            #pragma unroll
            for (int o = 0; o < 8; o++)
                if (0 <= k - o * DOWN && k - o * DOWN < TD) sum[o] += tap[k - o * DOWN] * v;
        }
        #pragma unroll
        for (int o = 0; o < 8; o++) output[row * G::OS + x0 + o] = sum[o];
    }
}

template <class G, class T>
__device__ void store(T* plane, const float* output, int ox0, int oy0, const Sizes& size) {
    for (int i = threadIdx.x; i < G::OY * G::OX; i += THREADS) {
        const int ox = ox0 + i % G::OX, oy = oy0 + i / G::OX;
        if (ox < size.ow && oy < size.oh)
            plane[(int64_t)oy * size.ow + ox] = from_float<T>(output[i / G::OX * G::OS + i % G::OX]);
    }
}

// The result by a filter [TD, TD]: a thread makes 8 outputs of a column, lanes are on neighbouring columns.
template <class G, int DOWN, int TD, class T>
__device__ void down_2d(T* plane, const float* samples, const float* f, int ox0, int oy0, const Sizes& size) {
    constexpr int HIGH = G::OY < 8 ? G::OY : 8;
    for (int i = threadIdx.x; i < G::OX * (G::OY / HIGH); i += THREADS) {
        const int x = i % G::OX, y0 = i / G::OX * HIGH;
        float sum[HIGH] = {};
        #pragma unroll 1
        for (int kx = 0; kx < TD; kx++) {
            float tap[TD];
            #pragma unroll
            for (int k = 0; k < TD; k++) tap[k] = f[k * TD + kx];
            const float* column = samples + y0 * DOWN * G::US + G::column(x * DOWN + kx);
            #pragma unroll
            for (int k = 0; k < (HIGH - 1) * DOWN + TD; k++) {
                const float v = column[k * G::US];
                #pragma unroll
                for (int o = 0; o < HIGH; o++)
                    if (0 <= k - o * DOWN && k - o * DOWN < TD) sum[o] += tap[k - o * DOWN] * v;
            }
        }
        #pragma unroll
        for (int o = 0; o < HIGH; o++)
            if (ox0 + x < size.ow && oy0 + y0 + o < size.oh)
                plane[(int64_t)(oy0 + y0 + o) * size.ow + ox0 + x] = from_float<T>(sum[o]);
    }
}

// --- kernels ---------------------------------------------------------------------------------------------------------

// fu, fd: taps in the order of correlation, gain of upsampling included, [TU] or [TU, TU], [TD] or [TD, TD]. b:
// [channels] or null. Blocks: all tiles of a plane, along x first; planes.
template <class T, int UP, int DOWN, int TU, int TD, int PX, int PY, bool UP_2D, bool DOWN_2D, int ROWS, int STATES>
__global__ void __launch_bounds__(THREADS, BLOCKS)
filtered_lrelu(const T* x, const float* fu, const float* fd, const float* b, T* y, unsigned* states, int channels,
               int h, int w, int oh, int ow, int pad_x, int pad_y, int tiles_x, int tiles_y, int state_words,
               int state_w, int state_x, int state_y, float gain, float slope, float clamp) {
    typedef Tile<UP, DOWN, TU, TD, PX, PY, UP_2D, DOWN_2D, ROWS> G;
    __shared__ float first[G::FIRST];
    __shared__ float second[G::SECOND];
    __shared__ float taps[1 + UP_2D * TU * TU + DOWN_2D * TD * TD];
    const float *taps_up = taps, *taps_down = taps + UP_2D * TU * TU;

    const Sizes size = {h, w, oh, ow, state_words, state_w};
    const int column = blockIdx.x % tiles_x, row = blockIdx.x / tiles_x % tiles_y;
    const int plane = blockIdx.x / tiles_x / tiles_y;
    const int ox0 = column * G::OX, oy0 = row * G::OY, ux0 = ox0 * DOWN, uy0 = oy0 * DOWN;
    const T* in = x + (int64_t)plane * h * w;
    T* out = y + (int64_t)plane * oh * ow;

    for (int i = threadIdx.x; i < UP_2D * TU * TU; i += THREADS) taps[i] = fu[i];
    for (int i = threadIdx.x; i < DOWN_2D * TD * TD; i += THREADS) taps[UP_2D * TU * TU + i] = fd[i];
    load<G>(first, in, b ? b[plane % channels] : 0, (ux0 + PX - pad_x) / UP, (uy0 + PY - pad_y) / UP, size);
    __syncthreads();
    if constexpr (UP_2D) up_2d<G, UP, TU>(second, first, taps_up);
    else up_x<G, UP, TU>(second, first, fu);
    __syncthreads();

    const bool own = STATES == READ || threadIdx.x < G::OX * DOWN || column == tiles_x - 1;
    const Column<STATES> column_states(size, states, plane, own ? ux0 + (int)threadIdx.x + state_x : -1, uy0 + state_y);
    float* sink = UP_2D && DOWN_2D ? second : first;
    columns<G, UP, DOWN, TU, TD, UP_2D, DOWN_2D>(sink, second, fu, fd, {gain, slope, clamp}, column_states,
                                                         row == tiles_y - 1 ? G::UY : G::OY * DOWN);
    __syncthreads();

    if constexpr (DOWN_2D) {
        down_2d<G, DOWN, TD>(out, sink, taps_down, ox0, oy0, size);
    } else {
        down_x<G, DOWN, TD>(second, first, fd);
        __syncthreads();
        store<G>(out, second, ox0, oy0, size);
    }
}

// First tap that meets an input sample for sample j, and that input.
__device__ inline int2 first_met(int j, int up, int padding) {
    const int tap = ((padding - j) % up + up) % up;
    return make_int2(tap, (j + tap - padding) / up);
}

// Any factors and any filters, fu [fuh, fuw] and fd [fdh, fdw]; blocks of tile_w x tile_h outputs, tile_h * down_y a
// multiple of 16. The upsampled signal of a tile is in dynamic shared memory.
template <class T, int STATES>
__global__ void __launch_bounds__(THREADS)
filtered_lrelu_any(const T* x, const float* fu, const float* fd, const float* b, T* y, unsigned* states, int channels,
                   int h, int w, int oh, int ow, int pad_x, int pad_y, int tiles_x, int tiles_y, int state_words,
                   int state_w, int state_x, int state_y, float gain, float slope, float clamp, int up_x, int up_y,
                   int down_x, int down_y, int fuw, int fuh, int fdw, int fdh, int tile_w, int tile_h) {
    extern __shared__ float samples[];
    const Sizes size = {h, w, oh, ow, state_words, state_w};
    const int column = blockIdx.x % tiles_x, row = blockIdx.x / tiles_x % tiles_y;
    const int plane = blockIdx.x / tiles_x / tiles_y;
    const int ux0 = column * tile_w * down_x, uy0 = row * tile_h * down_y;
    const int uw = (tile_w - 1) * down_x + fdw, uh = (tile_h - 1) * down_y + fdh;
    const T* in = x + (int64_t)plane * h * w;
    const float bias = b ? b[plane % channels] : 0;

    for (int i = threadIdx.x; i < uw * ((uh + 15) / 16); i += THREADS) {         // 16 samples of a column
        const int ux = i % uw, first = i / uw * 16;
        const bool own = STATES == READ || ((ux < tile_w * down_x || column == tiles_x - 1)
                                            && (first < tile_h * down_y || row == tiles_y - 1));
        Column<STATES> column_states(size, states, plane, own ? ux0 + ux + state_x : -1, uy0 + first + state_y);
        const int2 met_x = first_met(ux0 + ux, up_x, pad_x);
        for (int uy = first; uy < first + 16 && uy < uh; uy++) {
            const int2 met_y = first_met(uy0 + uy, up_y, pad_y);
            float sum = 0;
            for (int ky = met_y.x, iy = met_y.y; ky < fuh && iy < h; ky += up_y, iy++)
                for (int kx = met_x.x, ix = met_x.y; kx < fuw && ix < w; kx += up_x, ix++)
                    if (iy >= 0 && ix >= 0) sum += fu[ky * fuw + kx] * (to_float(in[(int64_t)iy * w + ix]) + bias);
            samples[uy * uw + ux] = column_states.next(sum, {gain, slope, clamp}, true);
        }
        column_states.end();
    }
    __syncthreads();

    for (int i = threadIdx.x; i < tile_w * tile_h; i += THREADS) {
        const int sx = i % tile_w, sy = i / tile_w, ox = column * tile_w + sx, oy = row * tile_h + sy;
        if (ox >= ow || oy >= oh) continue;
        float sum = 0;
        for (int ky = 0; ky < fdh; ky++)
            for (int kx = 0; kx < fdw; kx++)
                sum += fd[ky * fdw + kx] * samples[(sy * down_y + ky) * uw + sx * down_x + kx];
        y[((int64_t)plane * oh + oy) * ow + ox] = from_float<T>(sum);
    }
}
