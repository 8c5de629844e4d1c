// Small kernels, one right and the others each with one mistake, that the emulation is tested on.

__device__ float tripled(float v) { return 3 * v; }

template <class T, int N> __global__ void __launch_bounds__(N) reverse_each(const T* __restrict__ x, T* __restrict__ y,
                                                                            int count, float scale) {
    __shared__ T tile[N];
    int i = blockIdx.x * N + threadIdx.x;
    if (i < count) tile[threadIdx.x] = x[i];
    __syncthreads();
    int last = min(N, count - (int)blockIdx.x * N) - 1;
    if (i < count) y[i] = tile[last - threadIdx.x] * scale;
}

__global__ void no_barrier(const float* x, float* y) {
    __shared__ float tile[64];
    tile[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = tile[63 - threadIdx.x];
}

__global__ void no_second_barrier(const float* x, float* y) {
    __shared__ float tile[64];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = tile[63 - threadIdx.x];
    tile[threadIdx.x] = 0;
}

__global__ void never_written(float* y) {
    __shared__ float tile[64];
    if (threadIdx.x != 5) tile[threadIdx.x] = 1;
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x];
}

__global__ void leaves_early(float* y, int count) {
    if (threadIdx.x >= count) return;
    __syncthreads();
    y[threadIdx.x] = 1;
}

__global__ void two_barriers(float* y) {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
    y[threadIdx.x] = 1;
}

__global__ void part_of_a_warp(float* y) {
    if (threadIdx.x < 7) __syncwarp();
    __syncthreads();
    y[threadIdx.x] = 1;
}

__global__ void reads(const float* x, float* y, int offset) { y[threadIdx.x] = x[(int)threadIdx.x + offset]; }

__global__ void writes(float* y, int offset) { y[(int)threadIdx.x + offset] = 1; }

__global__ void reads_shared(float* y, int offset) {
    __shared__ float tile[2][32];
    tile[0][threadIdx.x] = tile[1][threadIdx.x] = 1;
    __syncthreads();
    const float* p = tile[0];
    y[threadIdx.x] = p[(int)threadIdx.x + offset];
}

__global__ void writes_dynamic(float* y, int offset) {
    extern __shared__ float room[];
    room[(int)threadIdx.x + offset] = 1;
    __syncthreads();
    y[threadIdx.x] = 1;
}

__global__ void adds_across_blocks(float* y) { y[0] = 2 * y[0] + blockIdx.x; }

__global__ void misaligned(const float* x, float* y) { y[0] = ((const float4*)(x + 1))->w; }

__global__ void sums_a_warp(const float* x, float* y) {
    float v = tripled(x[threadIdx.x]);
    for (int bits = 16; bits > 0; bits /= 2) v += __shfl_xor_sync(0xffffffff, v, bits);
    y[threadIdx.x] = v;
}

__global__ void shifts_a_warp(const float* x, float* y) {
    y[threadIdx.x] = __shfl_down_sync(0xffffffff, x[threadIdx.x], 3) + __shfl_up_sync(0xffffffff, x[threadIdx.x], 1)
                   + __shfl_sync(0xffffffff, x[threadIdx.x], 7);
}
