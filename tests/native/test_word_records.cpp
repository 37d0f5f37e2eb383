#include "check.hpp"

#include "storage/word_records.hpp"

#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace {

std::string record(const std::string& word, const std::vector<float>& vector) {
    std::string bytes = word + " ";
    bytes.append(reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float));
    return bytes;
}

struct Taken {
    annlib::WordRecords records;
    std::string words;
    std::vector<float> vectors;
};

Taken take(const std::string& bytes, std::size_t dim, std::size_t most) {
    Taken taken{.records = {}, .words = std::string(bytes.size(), '?'), .vectors = std::vector<float>(most * dim)};
    const std::vector<char> exact(bytes.begin(), bytes.end()); // for the sanitizers to see its end
    taken.records = annlib::take_word_records(exact, dim, most, taken.words.data(), taken.vectors.data());
    taken.words.resize(taken.records.word_bytes);
    return taken;
}

TEST(records_are_taken_while_they_are_whole) {
    // The bytes of the vectors have spaces and newlines among them.
    const std::vector<std::vector<float>> vectors{{1.0F, 0x1.40p-59F, -2.5F}, {1e-38F, 0x1.1414p+21F, 0.0F}};
    const std::string bytes = record("one", vectors[0]) + record("\ntwo", vectors[1]);
    for (std::size_t length = 0; length <= bytes.size(); ++length) {
        const Taken taken = take(bytes.substr(0, length), 3, 5);
        const std::size_t count = length == bytes.size() ? 2U : length >= 16 ? 1U : 0U;
        CHECK_EQUAL(taken.records.count, count);
        CHECK_EQUAL(taken.records.used, count == 2 ? bytes.size() : count * 16);
        CHECK(taken.words == std::string(count == 2 ? "one \ntwo " : count == 1 ? "one " : ""));
        CHECK(taken.records.finite);
        for (std::size_t i = 0; i < count; ++i) {
            CHECK(std::memcmp(taken.vectors.data() + i * 3, vectors[i].data(), 12) == 0);
        }
    }
    CHECK_EQUAL(take(bytes, 3, 1).records.used, std::size_t{16});
    CHECK_EQUAL(take(bytes, 3, 0).records.count, std::size_t{0});
}

TEST(what_is_not_finite_is_told) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    for (const float value : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
        CHECK(!take(record("a", {1.0F, value}) + record("b", {1.0F, 2.0F}), 2, 2).records.finite);
    }
    CHECK(take(record("a", {std::numeric_limits<float>::max(), -0.0F}), 2, 2).records.finite);
}

} // namespace
