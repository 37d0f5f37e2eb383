// A test is a function; a failed check prints where and what, and the executable returns 1.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <random>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

namespace check {

struct Test {
    const char* name;
    void (*body)();
};

inline std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

inline int& failures() {
    static int count = 0;
    return count;
}

struct Registration {
    Registration(const char* name, void (*body)()) { tests().push_back({name, body}); }
};

template <class T>
std::string shown(const T& value) {
    if constexpr (std::is_enum_v<T>) {
        return std::to_string(static_cast<long long>(value));
    } else {
        std::ostringstream out;
        out.precision(17);
        out << value;
        return out.str();
    }
}

inline void fail(const char* file, int line, const std::string& what) {
    std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
    ++failures();
}

template <class A, class B>
void equal(const A& a, const B& b, const char* text, const char* file, int line) {
    if (!(a == b)) {
        fail(file, line, std::string(text) + ": " + shown(a) + " != " + shown(b));
    }
}

// The message of the exception of this type that `body` throws; fails if it throws none.
template <class Exception>
std::string thrown(const std::function<void()>& body, const char* file, int line) {
    try {
        body();
    } catch (const Exception& error) {
        return error.what();
    }
    fail(file, line, "expected an exception");
    return {};
}

inline std::vector<float> random_floats(std::size_t count, std::uint32_t seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float& value : values) {
        value = normal(generator);
    }
    return values;
}

} // namespace check

#define TEST(name)                                                                                                     \
    static void name();                                                                                                \
    static const check::Registration registration_##name(#name, name);                                                 \
    static void name()

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            check::fail(__FILE__, __LINE__, "expected " #condition);                                                   \
        }                                                                                                              \
    } while (false)

#define CHECK_EQUAL(a, b) check::equal((a), (b), #a " == " #b, __FILE__, __LINE__)
#define THROWN(Exception, body) check::thrown<Exception>([&] { body; }, __FILE__, __LINE__)

int main() {
    for (const check::Test& test : check::tests()) {
        const int before = check::failures();
        test.body();
        std::printf("%s %s\n", check::failures() == before ? "ok  " : "FAIL", test.name);
    }
    return check::failures() == 0 ? 0 : 1;
}
