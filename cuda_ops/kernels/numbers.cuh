// Numbers in memory: float, half16 (IEEE binary16), bfloat16. Arithmetic is float's; stores round to nearest, ties to
// even, and NaN stays NaN. Written out in bits, so that it needs no header of CUDA's and means the same in C++.
#pragma once

#ifdef __CUDACC_RTC__
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
#else
#include <cstdint>
#endif

struct half16 { uint16_t bits; };
struct bfloat16 { uint16_t bits; };

__device__ inline float to_float(float v) { return v; }

__device__ inline float to_float(bfloat16 v) { return __uint_as_float((uint32_t)v.bits << 16); }

__device__ inline float to_float(half16 v) {
#ifdef __CUDA_ARCH__
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(v.bits));
    return f;
#else
    uint32_t sign = (uint32_t)(v.bits & 0x8000) << 16, rest = v.bits & 0x7fff;
    if (rest >= 0x7c00) return __uint_as_float(sign | 0x7f800000 | (rest & 0x3ff) << 13);      // infinity, NaN
    return __uint_as_float(sign | __float_as_uint(__uint_as_float(rest << 13) * 0x1p112f));        // 2^(127-15)
#endif
}

template <class T> __device__ inline T from_float(float v);

template <> __device__ inline float from_float<float>(float v) { return v; }

template <> __device__ inline bfloat16 from_float<bfloat16>(float v) {
    uint32_t bits = __float_as_uint(v);
    if (v != v) return {0x7fc0};
    return {(uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

template <> __device__ inline half16 from_float<half16>(float v) {
#ifdef __CUDA_ARCH__
    half16 h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(v));
    return h;
#else
    uint32_t sign = __float_as_uint(v) >> 16 & 0x8000, rest = __float_as_uint(v) & 0x7fffffff;
    if (rest > 0x7f800000) return {0x7fff};                                                      // NaN
    if (rest >= 0x477ff000) return {(uint16_t)(sign | 0x7c00)};                                  // 65520 and more
    if (rest >= 0x38800000)                                                                      // 2^-14: normal
        return {(uint16_t)(sign | ((rest + 0xfff + (rest >> 13 & 1) - 0x38000000) >> 13))};
    float whole = __uint_as_float(rest) + 0.5f;  // steps of 2^-24, half16's smallest, from 0.5 on: it rounds
    return {(uint16_t)(sign | (__float_as_uint(whole) - 0x3f000000))};
#endif
}

// 16 bytes of numbers in memory, moved by one access where the address allows it.
template <class T> struct alignas(16) pack {
    static constexpr int N = 16 / sizeof(T);
    T at[N];
};

// x[first] .. of an array of `size`: the rest of the pack is not touched.
template <class T> __device__ inline pack<T> load_pack(const T* x, int64_t first, int64_t size) {
    if (size - first >= pack<T>::N && (unsigned long long)x % 16 == 0) return *(const pack<T>*)(x + first);
    pack<T> v;
    #pragma unroll
    for (int i = 0; i < pack<T>::N; i++) if (first + i < size) v.at[i] = x[first + i];
    return v;
}

template <class T> __device__ inline void store_pack(T* y, int64_t first, int64_t size, const pack<T>& v) {
    if (size - first >= pack<T>::N && (unsigned long long)y % 16 == 0) *(pack<T>*)(y + first) = v;
    else
        #pragma unroll
        for (int i = 0; i < pack<T>::N; i++) if (first + i < size) y[first + i] = v.at[i];
}
