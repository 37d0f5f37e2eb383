#include "check.hpp"

#include "parallel/parallel.hpp"

#include <atomic>
#include <cfenv>
#include <chrono>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

using annlib::Cancellation;
using annlib::parallel_for;

} // namespace

TEST(every_task_runs_once) {
    for (const std::size_t threads : {std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
        for (const std::size_t tasks : {std::size_t{0}, std::size_t{1}, std::size_t{5}, std::size_t{1000}}) {
            std::vector<std::atomic<int>> runs(tasks);
            std::atomic<bool> worker_in_range{true};
            Cancellation cancellation;
            parallel_for(tasks, threads, cancellation, [&](std::size_t task, std::size_t worker) {
                ++runs[task];
                worker_in_range = worker_in_range && worker < threads;
            });
            for (const std::atomic<int>& count : runs) {
                CHECK_EQUAL(count.load(), 1);
            }
            CHECK(worker_in_range);
        }
    }
}

TEST(the_first_exception_reaches_the_caller) {
    Cancellation cancellation;
    const std::string message =
        THROWN(std::runtime_error, parallel_for(100, 4, cancellation, [](std::size_t task, std::size_t) {
                   if (task == 50) {
                       throw std::runtime_error("task 50");
                   }
               }));
    CHECK_EQUAL(message, std::string("task 50"));
}

TEST(a_request_stops_the_work) {
    std::atomic<int> polls{0};
    std::atomic<bool> polled_elsewhere{false};
    const std::thread::id caller = std::this_thread::get_id();
    Cancellation cancellation([&] {
        polled_elsewhere = polled_elsewhere || std::this_thread::get_id() != caller;
        return ++polls >= 2;
    });
    std::atomic<std::size_t> runs{0};
    parallel_for(std::size_t{1} << 40, 3, cancellation, [&](std::size_t, std::size_t) {
        ++runs;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    CHECK(runs > 0);
    CHECK(cancellation.requested(false));
    CHECK(!polled_elsewhere);
}

TEST(the_float_environment_is_the_default_one_and_is_put_back) {
    std::fesetround(FE_UPWARD);
    std::atomic<bool> nearest{true};
    Cancellation cancellation;
    parallel_for(8, 2, cancellation,
                 [&](std::size_t, std::size_t) { nearest = nearest && std::fegetround() == FE_TONEAREST; });
    CHECK(nearest);
    CHECK_EQUAL(std::fegetround(), FE_UPWARD);
    std::fesetround(FE_TONEAREST);
}

#if !defined(__SANITIZE_THREAD__) // which does not follow threads into a forked process
TEST(a_forked_process_has_threads_of_its_own) {
    const auto sum_of_tasks = [] {
        std::atomic<std::size_t> sum{0};
        Cancellation cancellation;
        parallel_for(100, 3, cancellation, [&](std::size_t task, std::size_t) { sum += task; });
        return sum.load();
    };
    CHECK_EQUAL(sum_of_tasks(), 4950U);
    const pid_t child = fork();
    if (child == 0) {
        _exit(sum_of_tasks() == 4950 ? 0 : 1);
    }
    int status = 0;
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

TEST(zero_threads_means_all_cores) {
    CHECK(annlib::resolve_threads(0) >= 1);
    CHECK_EQUAL(annlib::resolve_threads(3), 3U);
}
