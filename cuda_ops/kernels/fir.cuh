// FIR filters in tiles: correlation with f after upsampling by zero-insertion, at every n-th sample; what is done to
// each result before it is stored is the caller's.
//
// Bound by memory for the usual filters: 4 x 4 taps are 4 (up 2) to 16 multiply-adds an output, against 4 to 8 bytes.
// Fast because a block reads its input once, into shared memory, and each thread keeps a column of outputs and all taps
// in registers, so that an input read from shared memory serves several outputs; which tap meets which input (the
// phases of upsampling) is known when the kernel is compiled, and inserted zeros are never multiplied.
// Layout: [n, h, w, channels] in memory. NCHW is the same with n * channels images of one channel.
#pragma once
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

// Images: sizes in and out, padding before the first sample, and how many tiles cover an image.
struct Images { int channels, h, w, oh, ow, pad_x, pad_y, tiles_x, tiles_y; };

// C: channels of a tile. f: [FY, FX]. Blocks: all channels of all tiles of a row, rows of tiles, images.
// `epilogue(plane)`, with plane = image * channels + channel, gives a function of result and pixel to what is stored.
template <int UX, int UY, int DX, int DY, int FX, int FY, int C, class T, class Epilogue>
__device__ inline void fir_tile(const T* x, const float* f, T* y, Images im, Epilogue epilogue) {
    constexpr int WIDE = C == 1 ? 32 : 8;
    typedef Axis<UX, DX, FX, UX, WIDE> X;
    typedef Axis<UY, DY, FY, 8 / DY, THREADS / WIDE / C> Y;
    __shared__ float tile[Y::S][X::S][C];

    const int groups = (im.channels + C - 1) / C;
    const int c0 = blockIdx.x % groups * C, column = blockIdx.x / groups % im.tiles_x;
    const int row = blockIdx.x / groups / im.tiles_x % im.tiles_y, n = blockIdx.x / groups / im.tiles_x / im.tiles_y;
    const int ox0 = X::first_output(column, im.pad_x), oy0 = Y::first_output(row, im.pad_y);
    const int ix0 = X::first_input(ox0, im.pad_x), iy0 = Y::first_input(oy0, im.pad_y);

    for (int i = threadIdx.x; i < Y::S * X::S * C; i += THREADS) {
        const int c = i % C, sx = i / C % X::S, sy = i / C / X::S, ix = ix0 + sx, iy = iy0 + sy;
        const bool inside = 0 <= ix && ix < im.w && 0 <= iy && iy < im.h && c0 + c < im.channels;
        tile[sy][sx][c] = inside ? to_float(x[(((int64_t)n * im.h + iy) * im.w + ix) * im.channels + c0 + c]) : 0;
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

    if (c0 + c >= im.channels) return;
    const auto finished = epilogue((int64_t)n * im.channels + c0 + c);
    #pragma unroll
    for (int i = 0; i < Y::O * X::O; i++) {
        const int oy = oy0 + ty * Y::O + i / X::O, ox = ox0 + tx * X::O + i % X::O;
        if (oy < 0 || oy >= im.oh || ox < 0 || ox >= im.ow) continue;
        const int64_t pixel = (int64_t)oy * im.ow + ox;
        y[((int64_t)n * im.oh * im.ow + pixel) * im.channels + c0 + c] =
            from_float<T>(finished(sum[i / X::O][i % X::O], pixel));
    }
}
