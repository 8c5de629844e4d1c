// What this library was built for, and a first computation by which a build is tried before anyone relies on it.
#include "vector.h"

#if defined(__AVX512F__)
#define INSTRUCTIONS "AVX-512"
#elif defined(__AVX2__)
#define INSTRUCTIONS "AVX2"
#elif defined(__ARM_NEON)
#define INSTRUCTIONS "NEON"
#else
#define INSTRUCTIONS "no vector instructions"
#endif

#ifdef _OPENMP
#define THREADS "any number of threads"
#else
#define THREADS "one thread: this compiler can't use PyTorch's OpenMP, g++ can"
#endif

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "GCC " __VERSION__
#endif

// "GCC 12.2.0, AVX-512, any number of threads"
EXPORT const char* about() { return COMPILER ", " INSTRUCTIONS ", " THREADS; }

// Whether vectors, both types of memory and a parallel loop give 0 + 1 + .. + 127.
EXPORT int works() {
    float sums[8];
    #pragma omp parallel for num_threads(2)
    for (int i = 0; i < 8; i++) {
        bf16 numbers[LANES];
        vec v = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
        store(numbers, v + splat(16.0f * i));
        float read[LANES];
        store(read, load(numbers));
        sums[i] = 0;
        for (float number : read) sums[i] += number;
    }
    float sum = 0;
    for (float part : sums) sum += part;
    return sum == 127 * 128 / 2;
}
