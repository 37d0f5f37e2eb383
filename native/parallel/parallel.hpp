// Blocks of work on threads that live for one call: nothing to start at import, nothing for fork() to break.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>

namespace annlib {

// Lets a long call be stopped. Only the calling thread asks `poll`, and only now and then; every thread sees the
// answer.
class Cancellation {
  public:
    explicit Cancellation(std::function<bool()> poll = {}) : poll_(std::move(poll)) {}

    // True once the work should stop. `calling_thread`: whether this is the thread that may ask.
    bool requested(bool calling_thread);

  private:
    std::function<bool()> poll_;
    std::chrono::steady_clock::time_point last_poll_ = std::chrono::steady_clock::now();
    std::atomic<bool> requested_{false};
};

// Threads to use where `asked` is a caller's num_threads: 0 means all cores this process may run on.
std::size_t resolve_threads(std::size_t asked) noexcept;

// Runs work(task, worker) for every task in [0, tasks) on up to `threads` threads, worker 0 being the calling one.
// Tasks are handed out in order. Each thread runs in the default floating-point environment (no flushing of
// denormals), whatever the caller's is. Rethrows the first exception; stops early once `cancellation` is requested.
void parallel_for(std::size_t tasks, std::size_t threads, Cancellation& cancellation,
                  const std::function<void(std::size_t task, std::size_t worker)>& work);

} // namespace annlib
