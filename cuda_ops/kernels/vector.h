// Sixteen floats as one value: a register of AVX-512, two of AVX2, four of NEON. Compiles with GCC and Clang, and
// without omp.h, which Apple's Clang lacks: kernels use OpenMP through pragmas alone.
#pragma once
#include <cstdint>
#include <cstring>

#define EXPORT extern "C" __attribute__((visibility("default")))

constexpr int64_t LANES = 16;
typedef float vec __attribute__((vector_size(64)));
typedef int32_t ivec __attribute__((vector_size(64)));
typedef uint16_t hvec __attribute__((vector_size(32)));

struct bf16 { uint16_t bits; };

inline vec splat(float v) { return vec{} + v; }

inline vec load(const float* p) { vec v; std::memcpy(&v, p, sizeof v); return v; }
inline void store(float* p, vec v) { std::memcpy(p, &v, sizeof v); }

inline vec load(const bf16* p) {
    hvec h; std::memcpy(&h, p, sizeof h);
    typedef uint32_t uvec __attribute__((vector_size(64)));
    uvec u = __builtin_convertvector(h, uvec) << 16;
    vec v; std::memcpy(&v, &u, sizeof v); return v;
}

// Rounds to nearest, ties to even; NaN stays NaN.
inline void store(bf16* p, vec v) {
    typedef uint32_t uvec __attribute__((vector_size(64)));
    uvec u; std::memcpy(&u, &v, sizeof u);
    uvec rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    uvec nan = (uvec)(v != v);
    uvec r = (nan & 0x7fc0u) | (~nan & rounded);
    hvec h = __builtin_convertvector(r, hvec);
    std::memcpy(p, &h, sizeof h);
}

// The first n of sixteen channels, n < 16: the rest read as 0 and are not written.
template <class T> inline vec load_some(const T* p, int64_t n) {
    T t[LANES] = {}; std::memcpy(t, p, n * sizeof(T)); return load(t);
}
template <class T> inline void store_some(T* p, vec v, int64_t n) {
    T t[LANES]; store(t, v); std::memcpy(p, t, n * sizeof(T));
}

inline vec select(ivec mask, vec a, vec b) { return mask ? a : b; }
