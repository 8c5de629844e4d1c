// StyleGAN1's epilogue: smoothing of enlarged images, noise, bias, leaky ReLU, instance norm, style.
//
// Bound by memory, as the norm needs statistics of whole planes before it can change a value: `style_act` reads x and
// writes activated values, `style_apply` reads and writes those. Fast because all else happens in registers: a thread
// goes down a column, where the smoothing of a row serves four outputs, and takes statistics of values that it holds.
// These are mean and squares about it, by tile, merged in the tiles' order (Chan et al. 1979).
// Layout: [n, h, w, channels] in memory. NCHW is the same with n * channels images of one channel.
#include "by_plane.cuh"

constexpr int THREADS = 256, ROWS = 16;                          // ROWS: outputs of a thread, below each other
constexpr float EPSILON = 1e-8f;                                 // of the variance

// The sum over each lane's values of one channel; threads are [lanes, C].
template <int C> __device__ inline float sum_of_lanes(float v) {
    __shared__ float sums[THREADS];
    const int t = threadIdx.x;
    __syncthreads();
    sums[t] = v;
    __syncthreads();
    for (int half = THREADS / 2; half >= C; half /= 2) {
        if (t < half) sums[t] += sums[t + half];
        __syncthreads();
    }
    return sums[t % C];
}

// Taps of output `o` of `size`: a pair of samples beside each other, then `blur`, which meets zeros outside.
__device__ inline void smoothing_taps(const float* blur, int o, int size, float taps[4]) {
    #pragma unroll
    for (int s = 0; s < 4; s++) taps[s] = 0;
    #pragma unroll
    for (int s = 0; s < 3; s++)
        if (0 <= o + s - 1 && o + s - 1 < size) taps[s] += blur[s], taps[s + 1] += blur[s];
}

// A column of x, smoothed along its rows: sums of four neighbours from ox - 1 on.
template <class T> struct Column {
    const T* x;                                                  // of the plane
    int h, w, channels, ox;
    float taps[4];

    __device__ float at(int iy) const {
        float sum = 0;
        if (iy < 0 || iy >= h) return sum;
        #pragma unroll
        for (int s = 0; s < 4; s++) {
            const int ix = ox - 1 + s;
            if (0 <= ix && ix < w) sum += taps[s] * to_float(x[((int64_t)iy * w + ix) * channels]);
        }
        return sum;
    }
};

// y = lrelu(x * gain + noise * strength + b); moments [planes, tiles, 2]: mean and squares about it of each tile.
// noise: [samples or 1, oh, ow] or null; strength, b: [features]; blur: [3], for correlation, or null.
// C: channels of a tile; IS_ENLARGED: x [n, oh + 1, ow + 1, channels] is smoothed first. tile_w: columns of a tile.
template <class T, int C, bool IS_ENLARGED>
__global__ void __launch_bounds__(THREADS, IS_ENLARGED ? 2 : 4)
style_act(const T* x, T* y, float* moments, const float* noise, const float* strength, const float* b,
          const float* blur, int features, int channels, int oh, int ow, int noise_step, int tile_w, int tiles_x,
          int tiles_y, float gain, float slope) {
    const int groups = (channels + C - 1) / C, tiles = tiles_x * tiles_y;
    const int tile = blockIdx.x / groups % tiles, n = blockIdx.x / groups / tiles;
    const int c = blockIdx.x % groups * C + threadIdx.x % C, lane = threadIdx.x / C;
    const int tile_h = THREADS / C / tile_w * ROWS, left = tile % tiles_x * tile_w, top = tile / tiles_x * tile_h;
    const int ox = left + lane % tile_w, oy0 = top + lane / tile_w * ROWS;
    const int rows = c < channels && ox < ow ? min(max(oh - oy0, 0), ROWS) : 0;
    const int64_t plane = (int64_t)n * channels + c, image = (int64_t)n * oh * ow;

    float v[ROWS], sum = 0;
    if (rows) {
        const int64_t sample = plane / features, feature = plane - sample * features;
        const float by = noise ? strength[feature] : 0, plus = b[feature];
        const float* grain = noise ? noise + sample * noise_step : noise;
        const int h = oh + IS_ENLARGED, w = ow + IS_ENLARGED;
        Column<T> column = {x + (int64_t)n * h * w * channels + c, h, w, channels, ox};
        float window[4] = {};                                    // smoothed rows oy - 2 .. oy + 1, then one on
        if (IS_ENLARGED) {
            smoothing_taps(blur, ox, ow, column.taps);
            #pragma unroll
            for (int i = 1; i < 4; i++) window[i] = column.at(oy0 - 2 + i);
        }
        #pragma unroll
        for (int r = 0; r < ROWS; r++) {
            if (r >= rows) break;
            const int oy = oy0 + r;
            const int64_t pixel = (int64_t)oy * ow + ox;
            float a = 0;
            if (IS_ENLARGED) {
                float taps[4];
                smoothing_taps(blur, oy, oh, taps);
                #pragma unroll
                for (int i = 0; i < 3; i++) window[i] = window[i + 1];
                window[3] = column.at(oy + 2);
                #pragma unroll
                for (int i = 0; i < 4; i++) a += taps[i] * window[i];
            } else {
                a = to_float(column.x[pixel * channels]);
            }
            a = a * gain + (grain ? grain[pixel] * by : 0) + plus;
            v[r] = a > 0 ? a : a * slope;
            sum += v[r];
            y[(image + pixel) * channels + c] = from_float<T>(v[r]);
        }
    }

    const float count = (float)min(tile_w, ow - left) * min(tile_h, oh - top);
    const float mean = sum_of_lanes<C>(sum) / count;
    float square = 0;
    #pragma unroll
    for (int r = 0; r < ROWS; r++) if (r < rows) square += (v[r] - mean) * (v[r] - mean);
    square = sum_of_lanes<C>(square);
    if (lane > 0 || c >= channels) return;
    moments[(plane * tiles + tile) * 2] = mean;
    moments[(plane * tiles + tile) * 2 + 1] = square;
}

struct Moments { float count, mean, square; };

__device__ inline Moments merged(Moments a, Moments b) {
    const float count = a.count + b.count, away = b.mean - a.mean;
    if (count == 0) return a;
    return {count, a.mean + away * (b.count / count), a.square + b.square + away * away * a.count * (b.count / count)};
}

// factors [planes, 2]: mean, and (scale + 1) / deviation. A block a plane. scale: [planes] or null.
template <int C>
__global__ void __launch_bounds__(THREADS) style_factors(const float* moments, const float* scale, float* factors,
                                                         int oh, int ow, int tile_w, int tiles_x, int tiles_y) {
    __shared__ Moments all[THREADS];
    const int tiles = tiles_x * tiles_y, tile_h = THREADS / C / tile_w * ROWS;
    const int64_t plane = blockIdx.x;
    Moments mine = {0, 0, 0};
    for (int tile = threadIdx.x; tile < tiles; tile += THREADS) {
        const float* m = moments + (plane * tiles + tile) * 2;
        const int wide = min(tile_w, ow - tile % tiles_x * tile_w), high = min(tile_h, oh - tile / tiles_x * tile_h);
        mine = merged(mine, {(float)wide * high, m[0], m[1]});
    }
    all[threadIdx.x] = mine;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) all[threadIdx.x] = merged(all[threadIdx.x], all[threadIdx.x + half]);
        __syncthreads();
    }
    if (threadIdx.x > 0) return;
    factors[plane * 2] = all[0].mean;
    factors[plane * 2 + 1] = (scale ? scale[plane] + 1 : 1) / sqrtf(all[0].square / all[0].count + EPSILON);
}

// (v - mean) * by + plus.
struct Style {
    const float *factors, *shift;

    struct Plane {
        float mean, by, plus;
        __device__ float operator()(float v, int) const { return (v - mean) * by + plus; }
    };

    __device__ Plane operator()(int64_t plane) const {
        return {factors[plane * 2], factors[plane * 2 + 1], shift ? shift[plane] : 0};
    }
};

template <class T>
__global__ void __launch_bounds__(THREADS) style_apply(T* y, const float* factors, const float* shift, int n,
                                                       int pixels, int channels) {
    by_plane(y, y, n, pixels, channels, Style{factors, shift});
}
