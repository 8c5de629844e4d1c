// Carries out one launch: a block's threads are fibers that run one after another from barrier to barrier.
//
// The kernel, but not this file, is compiled with AddressSanitizer, which knows every byte of the arguments and of
// shared memory. Whatever goes wrong ends the process with one line that names kernel, block and thread.
#include "cuda_emulation.h"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace emulation {

constexpr size_t STACK = 1 << 17, GUARD = 1 << 20;
constexpr size_t SHARED_LIMIT = 64 << 10;            // a block's shared memory on compute capability 7.5

// --- what is running -------------------------------------------------------------------------------------------------

enum class State { ready, at_block_barrier, at_warp_barrier, done };

struct Thread {
    dim3 index;
    ucontext_t context;
    State state;
    int line;                                        // of the barrier it waits at
    uint64_t posted;                                 // to its warp, in a shuffle
};

dim3 grid, block, block_index;
static const char* kernel_name = "";
static std::vector<Thread> threads;
static Thread* current;
static ucontext_t scheduler;

[[noreturn]] static void fail(const std::string& what) {
    std::fprintf(stderr, "%s\n", what.c_str());
    std::_Exit(1);
}

static std::string triple(dim3 v) {
    return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
}

static std::string kernel() { return std::string("kernel ") + kernel_name; }

static std::string place() {
    return kernel() + ", block " + triple(block_index) + (current ? ", thread " + triple(current->index) : "");
}

dim3 thread_index() { return current->index; }

int lane() { return (current - threads.data()) % WARP; }

// --- memory ----------------------------------------------------------------------------------------------------------

struct Region { std::string name; char* begin; size_t bytes; };
static std::vector<Region> regions, shared_variables;
static size_t dynamic_bytes;

// `bytes` that can be touched, between guards that can't.
static char* allocate(const std::string& name, size_t bytes) {
    size_t room = (bytes + 15) / 16 * 16 + 2 * GUARD;
    char* all = (char*)mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == (char*)MAP_FAILED) fail("no memory for " + name);
    __asan_poison_memory_region(all, room);
    __asan_unpoison_memory_region(all + GUARD, bytes);
    regions.push_back({name, all + GUARD, bytes});
    return all + GUARD;
}

static std::string whereabouts(const char* p) {
    for (const Region& r : regions) {
        long at = p - r.begin;
        if (at < -long(GUARD) || at >= long(r.bytes + GUARD)) continue;
        return "at byte " + std::to_string(at) + " of " + r.name + ", which has " + std::to_string(r.bytes);
    }
    return "in memory that is no argument and not shared";
}

// The sanitizers call this when they have found something and said it their way.
static void on_death() {
    std::string what = "undefined behaviour";
    if (__asan_report_present())
        what = std::string(__asan_get_report_access_type() ? "write of " : "read of ")
             + std::to_string(__asan_get_report_access_size()) + " bytes "
             + whereabouts((const char*)__asan_get_report_address());
    std::fprintf(stderr, "\n%s: %s\n", place().c_str(), what.c_str());
}

static int unwritten = 0xff;                         // what shared memory begins with: NaN, or 0 in another order

static void poison(const Region& r) { std::memset(r.begin, unwritten, r.bytes); }

char* shared_memory(const char* name, size_t bytes) {
    std::string full = name ? std::string("shared ") + name : "dynamic shared memory";
    if (!name) {                                     // one for all declarations
        bytes = dynamic_bytes;
        for (const Region& r : shared_variables) if (r.name == full) return r.begin;
    }
    shared_variables.push_back({full, allocate(full, bytes), bytes});
    poison(shared_variables.back());
    size_t total = 0;
    for (const Region& r : shared_variables) total += r.bytes;
    if (total > SHARED_LIMIT) fail(place() + ": " + std::to_string(total) + " bytes of shared memory");
    return shared_variables.back().begin;
}

// --- barriers --------------------------------------------------------------------------------------------------------

static void wait(State state, int line) {
    current->state = state;
    current->line = line;
    swapcontext(&current->context, &scheduler);
}

void wait(Barrier barrier, int line) {
    wait(barrier == Barrier::block ? State::at_block_barrier : State::at_warp_barrier, line);
}

static int warp_size(const Thread* warp) { return std::min<long>(WARP, threads.data() + threads.size() - warp); }

uint64_t exchange(unsigned mask, uint64_t value, int source, int line) {
    Thread* warp = current - lane();
    unsigned all = ~0u >> (WARP - warp_size(warp));
    if ((mask & all) != all) fail(place() + ": a shuffle of part of a warp, line " + std::to_string(line));
    current->posted = value;
    wait(State::at_warp_barrier, line);
    if (source >= 0 && source < warp_size(warp)) value = warp[source].posted;
    wait(State::at_warp_barrier, line);
    return value;
}

// A group of threads goes on when all of it waits at the same line.
static bool release(Thread* first, int count, State state) {
    for (int i = 0; i < count; i++)
        if (first[i].state != state || first[i].line != first->line) return false;
    for (int i = 0; i < count; i++) first[i].state = State::ready;
    return true;
}

[[noreturn]] static void fail_diverged() {
    auto is_waiting = [](const Thread& t) { return t.state != State::done; };
    current = &*std::find_if(threads.begin(), threads.end(), is_waiting);
    std::string text = place() + " waits at the barrier of line " + std::to_string(current->line) + ", thread ";
    for (Thread& t : threads) {
        if (t.state == State::done) fail(text + triple(t.index) + " has ended");
        if (t.line != current->line) fail(text + triple(t.index) + " at that of line " + std::to_string(t.line));
    }
    fail(text + "s of its block at another of this line");
}

// --- a block, a grid -------------------------------------------------------------------------------------------------

enum class Order { forward, reverse, random };

static void (*body)(void**);
static void** arguments;

static void enter() {
    body(arguments);
    current->state = State::done;
}

static std::vector<int> ordered(int count, Order order, unsigned seed) {
    std::vector<int> v(count);
    for (int i = 0; i < count; i++) v[i] = order == Order::reverse ? count - 1 - i : i;
    if (order == Order::random) std::shuffle(v.begin(), v.end(), std::minstd_rand(seed));
    return v;
}

static void start_threads(char* stacks) {
    for (size_t i = 0; i < threads.size(); i++) {
        Thread& t = threads[i];
        t.index = {unsigned(i % block.x), unsigned(i / block.x % block.y), unsigned(i / block.x / block.y)};
        t.state = State::ready;
        t.line = 0;
        getcontext(&t.context);
        t.context.uc_stack.ss_sp = stacks + i * STACK;
        t.context.uc_stack.ss_size = STACK;
        t.context.uc_link = &scheduler;
        makecontext(&t.context, enter, 0);
    }
}

static void run_block(Order order, char* stacks) {
    for (const Region& r : shared_variables) poison(r);
    start_threads(stacks);
    const int count = threads.size();
    for (unsigned turn = 0;; turn++) {
        for (int i : ordered(count, order, turn)) {
            if (threads[i].state != State::ready) continue;
            current = &threads[i];
            swapcontext(&scheduler, &current->context);
        }
        current = nullptr;
        if (std::all_of(threads.begin(), threads.end(), [](Thread& t) { return t.state == State::done; })) return;
        bool goes_on = release(threads.data(), count, State::at_block_barrier);
        for (int i = 0; i < count; i += WARP)
            goes_on |= release(&threads[i], warp_size(&threads[i]), State::at_warp_barrier);
        if (!goes_on) fail_diverged();
    }
}

static void run_grid(Order order) {
    static char* stacks = (char*)mmap(nullptr, 1024 * STACK, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    threads.resize(block.x * block.y * block.z);
    for (int i : ordered(grid.x * grid.y * grid.z, order, 1)) {
        block_index = {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y};
        run_block(order, stacks);
    }
}

// --- a launch --------------------------------------------------------------------------------------------------------

using Bytes = std::vector<char>;

struct Argument {
    char kind;
    char* memory = nullptr;
    Bytes original;
    union { int i; float f; void* p; } value;
};

static std::vector<Argument> read_arguments(int count, char** words, const char* path) {
    std::vector<Argument> all(count);
    FILE* file = std::fopen(path, "rb");
    for (int i = 0; i < count; i++) {
        Argument& a = all[i];
        a.kind = words[i][0];
        a.value.p = nullptr;
        if (a.kind == 'i') a.value.i = std::atoi(words[i] + 1);
        if (a.kind == 'f') a.value.f = std::strtof(words[i] + 1, nullptr);
        if (a.kind != 'p') continue;
        a.original.resize(std::atoll(words[i] + 1));
        if (std::fread(a.original.data(), 1, a.original.size(), file) != a.original.size()) fail("input cut short");
        a.value.p = a.memory = allocate("argument " + std::to_string(i), a.original.size());
    }
    std::fclose(file);
    return all;
}

static void check(const Kernel& k, const std::vector<Argument>& all) {
    std::string signature = k.signature;
    if (all.size() != signature.size())
        fail(kernel() + " takes " + std::to_string(signature.size()) + " arguments, not " + std::to_string(all.size()));
    for (size_t i = 0; i < all.size(); i++) {
        char wanted = signature[i], kind = all[i].kind;
        if (kind == 'p' || kind == 'n' ? wanted != 'r' && wanted != 'w' : wanted != kind)
            fail(kernel() + ": argument " + std::to_string(i) + " does not fit: " + kind + " for " + wanted);
    }
    if (block.x * block.y * block.z > 1024 || block.z > 64 || grid.y > 65535 || grid.z > 65535)
        fail(kernel() + ": no card takes a grid of " + triple(grid) + " blocks of " + triple(block));
}

static std::vector<Bytes> run(Order order, const std::vector<Argument>& all) {
    for (const Argument& a : all) if (a.memory) std::copy(a.original.begin(), a.original.end(), a.memory);
    unwritten = order == Order::reverse ? 0 : 0xff;
    run_grid(order);
    std::vector<Bytes> results;
    for (const Argument& a : all) results.emplace_back(a.memory, a.memory + a.original.size());
    return results;
}

static void write_results(const char* path, const Kernel& k, const std::vector<Bytes>& results) {
    FILE* file = std::fopen(path, "wb");
    std::fprintf(file, "%s\n", k.signature);
    for (size_t i = 0; i < results.size(); i++)
        if (k.signature[i] == 'w') std::fwrite(results[i].data(), 1, results[i].size(), file);
    std::fclose(file);
}

// Words: kernel's number, grid, block, bytes of dynamic shared memory, file of the tensors, file for the results, then
// the arguments: p<bytes> (their content follows each other in the file), n (null), i<number>, f<number>.
int main(int count, char** words, const Kernel* kernels) {
    const Kernel& k = kernels[std::atoi(words[1])];
    unsigned sizes[6];
    for (int i = 0; i < 6; i++) sizes[i] = std::atoi(words[2 + i]);
    kernel_name = k.name;
    grid = {sizes[0], sizes[1], sizes[2]};
    block = {sizes[3], sizes[4], sizes[5]};
    dynamic_bytes = std::atoll(words[8]);
    std::vector<Argument> all = read_arguments(count - 11, words + 11, words[9]);
    check(k, all);
    std::vector<void*> values;
    for (Argument& a : all) values.push_back(&a.value);
    body = k.call;
    arguments = values.data();
    __sanitizer_set_death_callback(on_death);
    std::vector<Bytes> forward = run(Order::forward, all);
    for (Order order : {Order::reverse, Order::random}) {
        std::vector<Bytes> other = run(order, all);
        for (size_t i = 0; i < all.size(); i++)
            if (other[i] != forward[i])
                fail(kernel() + ": argument " + std::to_string(i)
                     + " depends on the order in which threads run, or on shared memory that was not written");
    }
    write_results(words[10], k, forward);
    return 0;
}

}  // namespace emulation
