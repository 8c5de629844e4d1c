// The CUDA language as C++ for one CPU core: what kernels see of the emulation, which works in cuda_emulation.cpp.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

struct dim3 { unsigned x = 1, y = 1, z = 1; };

namespace emulation {

constexpr int WARP = 32;

enum class Barrier { block, warp };

extern dim3 grid, block, block_index;

dim3 thread_index();
int lane();                                          // of the current thread in its warp
void wait(Barrier barrier, int line);                // until all of the block, or of the warp, wait at the same line

// 8 bytes for 8 bytes: those that lane `source` of the warp gave to the same call, one's own if there is no such lane.
uint64_t exchange(unsigned mask, uint64_t value, int source, int line);

// A shared variable of the kernel, made when a thread first comes to it and NaN at the start of each block. `name` is
// null for `extern __shared__`, whose bytes the launch tells.
char* shared_memory(const char* name, size_t bytes);

template <class T, class Declaration> T& shared(const char* name, Declaration) {
    static char* memory = shared_memory(name, sizeof(T));
    return *(T*)memory;
}

template <class T> T* dynamic_shared() { return (T*)shared_memory(nullptr, 0); }

template <class T> T shuffle(unsigned mask, T value, int source, int line) {
    static_assert(sizeof(T) <= 8, "shuffles move up to 8 bytes");
    uint64_t bytes = 0;
    std::memcpy(&bytes, &value, sizeof value);
    bytes = exchange(mask, bytes, source, line);
    std::memcpy(&value, &bytes, sizeof value);
    return value;
}

// --- kernels with their parameters -----------------------------------------------------------------------------------

struct Kernel {
    const char *name, *signature;                    // one letter a parameter: int, float, pointer to Write or Read
    void (*call)(void** arguments);
};

template <class T> constexpr char code = '?';
template <> inline constexpr char code<int> = 'i';
template <> inline constexpr char code<float> = 'f';
template <class T> inline constexpr char code<T*> = 'w';
template <class T> inline constexpr char code<const T*> = 'r';

template <class... P> inline constexpr char signature[] = {code<P>..., 0};

template <auto kernel, class... P, size_t... I>
void call(void (*)(P...), void** values, std::index_sequence<I...>) { kernel(*(P*)values[I]...); }

template <auto kernel, class... P> Kernel describe(const char* name, void (*)(P...)) {
    return {name, signature<P...>, [](void** values) {
        call<kernel>(kernel, values, std::index_sequence_for<P...>());
    }};
}

int main(int count, char** words, const Kernel* kernels);

}  // namespace emulation

// --- the language ----------------------------------------------------------------------------------------------------

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

#define threadIdx (emulation::thread_index())
#define blockIdx (emulation::block_index)
#define blockDim (emulation::block)
#define gridDim (emulation::grid)
constexpr int warpSize = emulation::WARP;

#define __syncthreads() emulation::wait(emulation::Barrier::block, __LINE__)
#define __syncwarp(...) emulation::wait(emulation::Barrier::warp, __LINE__)
#define __shfl_sync(mask, v, lane) emulation::shuffle(mask, v, lane, __LINE__)
#define __shfl_xor_sync(mask, v, bits) emulation::shuffle(mask, v, emulation::lane() ^ (bits), __LINE__)
#define __shfl_down_sync(mask, v, n) emulation::shuffle(mask, v, emulation::lane() + (n), __LINE__)
#define __shfl_up_sync(mask, v, n) emulation::shuffle(mask, v, emulation::lane() - (n), __LINE__)

template <class T> T __ldg(const T* p) { return *p; }
template <class T> T atomicAdd(T* p, T v) { T old = *p; *p += v; return old; }

template <class T> constexpr T min(T a, T b) { return b < a ? b : a; }
template <class T> constexpr T max(T a, T b) { return a < b ? b : a; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }

inline float rsqrtf(float v) { return 1 / std::sqrt(v); }
inline float __expf(float v) { return std::exp(v); }
inline float __logf(float v) { return std::log(v); }
inline float __fdividef(float a, float b) { return a / b; }

template <class To, class From> To emulated_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}
inline unsigned __float_as_uint(float v) { return emulated_bits<unsigned>(v); }
inline int __float_as_int(float v) { return emulated_bits<int>(v); }
inline float __uint_as_float(unsigned v) { return emulated_bits<float>(v); }
inline float __int_as_float(int v) { return emulated_bits<float>(v); }

struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
