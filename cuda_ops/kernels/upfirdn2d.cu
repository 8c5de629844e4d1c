// upfirdn2d: upsample by zero-insertion, pad or crop, correlate with f, keep every n-th sample. Spec "upfirdn2d".
//
// Bound by memory for the usual filters: 4 x 4 taps are 4 (up 2) to 16 multiply-adds an output, against 4 to 8 bytes.
// Fast because a block reads its input once, into shared memory, and each thread keeps a column of outputs and all taps
// in registers, so that an input read from shared memory serves several outputs; which tap meets which input (the
// phases of upsampling) is known when the kernel is compiled, and inserted zeros are never multiplied.
// Layout: [n, h, w, channels] in memory. NCHW is the same with n * channels images of one channel.
#include "numbers.cuh"

constexpr int THREADS = 256;

// Along one axis: O outputs of each of T threads; I inputs serve one thread, S all of them.
template <int UP, int DOWN, int TAPS, int OUTPUTS, int AT_ONCE> struct Axis {
    static constexpr int O = OUTPUTS, T = AT_ONCE;
    static constexpr int I = ((O - 1) * DOWN + TAPS - 1) / UP + 1;
    static constexpr int S = ((O * T - 1) * DOWN + TAPS - 1) / UP + 1;
    static constexpr int STEP = O * DOWN / UP;                   // inputs from one thread to the next
    static_assert(UP == 1 || DOWN == 1, "every thread begins with the same phase");

    // First output of a tile, at or before tile * O * T, so that its first tap meets an input sample.
    static __device__ int first_output(int tile, int padding) { return tile * O * T - ((-padding) % UP + UP) % UP; }
    static __device__ int first_input(int output, int padding) { return (output * DOWN - padding) / UP; }
};

// C: channels of a tile. f: [FY, FX]. Blocks: all channels of all tiles of a row, rows of tiles, images.
template <class T, int UX, int UY, int DX, int DY, int FX, int FY, int C>
__global__ void __launch_bounds__(THREADS) upfirdn2d(const T* x, const float* f, T* y, int channels, int h, int w,
                                                     int oh, int ow, int pad_x, int pad_y, int tiles_x, int tiles_y) {
    constexpr int WIDE = C == 1 ? 32 : 8;
    typedef Axis<UX, DX, FX, UX, WIDE> X;
    typedef Axis<UY, DY, FY, 8 / DY, THREADS / WIDE / C> Y;
    __shared__ float tile[Y::S][X::S][C];

    const int groups = (channels + C - 1) / C;
    const int c0 = blockIdx.x % groups * C, column = blockIdx.x / groups % tiles_x;
    const int row = blockIdx.x / groups / tiles_x % tiles_y, n = blockIdx.x / groups / tiles_x / tiles_y;
    const int ox0 = X::first_output(column, pad_x), oy0 = Y::first_output(row, pad_y);
    const int ix0 = X::first_input(ox0, pad_x), iy0 = Y::first_input(oy0, pad_y);

    for (int i = threadIdx.x; i < Y::S * X::S * C; i += THREADS) {
        const int c = i % C, sx = i / C % X::S, sy = i / C / X::S, ix = ix0 + sx, iy = iy0 + sy;
        const bool inside = 0 <= ix && ix < w && 0 <= iy && iy < h && c0 + c < channels;
        tile[sy][sx][c] = inside ? to_float(x[(((int64_t)n * h + iy) * w + ix) * channels + c0 + c]) : 0;
    }
    __syncthreads();

    float taps[FY][FX], sum[Y::O][X::O] = {};
    #pragma unroll
    for (int k = 0; k < FY * FX; k++) taps[k / FX][k % FX] = f[k];
    const int c = threadIdx.x % C, tx = threadIdx.x / C % WIDE, ty = threadIdx.x / C / WIDE;
    #pragma unroll
    for (int iy = 0; iy < Y::I; iy++) {
        float in[X::I];
        #pragma unroll
        for (int ix = 0; ix < X::I; ix++) in[ix] = tile[ty * Y::STEP + iy][tx * X::STEP + ix][c];
        #pragma unroll
        for (int oy = 0; oy < Y::O; oy++) {
            const int ky = iy * UY - oy * DY;
            if (ky < 0 || ky >= FY) continue;
            #pragma unroll
            for (int ox = 0; ox < X::O; ox++)
                #pragma unroll
                for (int ix = 0; ix < X::I; ix++) {
                    const int kx = ix * UX - ox * DX;
                    if (0 <= kx && kx < FX) sum[oy][ox] += taps[ky][kx] * in[ix];
                }
        }
    }

    if (c0 + c >= channels) return;
    #pragma unroll
    for (int i = 0; i < Y::O * X::O; i++) {
        const int oy = oy0 + ty * Y::O + i / X::O, ox = ox0 + tx * X::O + i % X::O;
        if (0 <= oy && oy < oh && 0 <= ox && ox < ow)
            y[(((int64_t)n * oh + oy) * ow + ox) * channels + c0 + c] = from_float<T>(sum[i / X::O][i % X::O]);
    }
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
