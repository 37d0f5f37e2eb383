#include "parallel/parallel.hpp"

#include "parallel/float_environment.hpp"

#include <algorithm>
#include <exception>
#include <mutex>
#include <sched.h>
#include <system_error>
#include <thread>
#include <vector>

namespace annlib {
namespace {

class FirstException {
  public:
    void capture() noexcept {
        const std::scoped_lock lock(mutex_);
        if (!exception_) {
            exception_ = std::current_exception();
        }
        raised_.store(true, std::memory_order_relaxed);
    }
    bool raised() const noexcept { return raised_.load(std::memory_order_relaxed); }
    void rethrow() const {
        if (exception_) {
            std::rethrow_exception(exception_);
        }
    }

  private:
    std::mutex mutex_;
    std::exception_ptr exception_;
    std::atomic<bool> raised_{false};
};

} // namespace

bool Cancellation::requested(bool calling_thread) {
    if (requested_.load(std::memory_order_relaxed)) {
        return true;
    }
    if (!calling_thread || !poll_) {
        return false;
    }
    constexpr auto interval = std::chrono::milliseconds(50);
    const auto now = std::chrono::steady_clock::now();
    if (now - last_poll_ < interval) {
        return false;
    }
    last_poll_ = now;
    if (poll_()) {
        requested_.store(true, std::memory_order_relaxed);
        return true;
    }
    return false;
}

std::size_t resolve_threads(std::size_t asked) noexcept {
    if (asked > 0) {
        return asked;
    }
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        return static_cast<std::size_t>(std::max(1, CPU_COUNT(&allowed)));
    }
    return std::max(1U, std::thread::hardware_concurrency());
}

void parallel_for(std::size_t tasks, std::size_t threads, Cancellation& cancellation,
                  const std::function<void(std::size_t, std::size_t)>& work) {
    std::atomic<std::size_t> next{0};
    FirstException failure;
    const auto run = [&](std::size_t worker) {
        const DefaultFloatEnvironment environment;
        try {
            while (!failure.raised() && !cancellation.requested(worker == 0)) {
                const std::size_t task = next.fetch_add(1, std::memory_order_relaxed);
                if (task >= tasks) {
                    return;
                }
                work(task, worker);
            }
        } catch (...) {
            failure.capture();
        }
    };
    {
        std::vector<std::jthread> others;
        const std::size_t wanted = std::min(threads, tasks);
        others.reserve(wanted);
        try {
            for (std::size_t worker = 1; worker < wanted; ++worker) {
                others.emplace_back(run, worker);
            }
        } catch (const std::system_error&) {
            // The system has no more threads to give: those that started do the work.
        }
        run(0);
    }
    failure.rethrow();
}

} // namespace annlib
