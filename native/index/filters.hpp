// Which rows a query may not return, as the search asks it: often, and mostly of rows that it may.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace annlib {

// A bit for each row of an index.
class RowMask {
  public:
    RowMask() = default;
    // Ascending rows below `count`.
    RowMask(std::span<const std::int64_t> rows, std::size_t count) : words_((count + 63) / 64) {
        for (const std::int64_t row : rows) {
            words_[static_cast<std::size_t>(row) / 64] |= std::uint64_t{1} << (row % 64);
        }
    }
    bool contains(std::uint32_t row) const noexcept { return (words_[row / 64] >> (row % 64) & 1) != 0; }

  private:
    std::vector<std::uint64_t> words_;
};

// Excluded rows of some queries, each list behind a Bloom filter (Bloom, 1970) with one hash: the few rows that pass it
// are looked for.
class ExcludedRows {
  public:
    void clear() noexcept {
        lists_.clear();
        words_.clear();
    }

    // The next query's rows, ascending; they are not copied.
    void add(std::span<const std::int64_t> rows) {
        const std::size_t words = rows.empty() ? 0 : std::bit_ceil((rows.size() + kRowsPerWord - 1) / kRowsPerWord);
        const List list{.rows = rows, .first_word = words_.size(), .shift = 64 - std::countr_zero(words * 64)};
        words_.resize(words_.size() + words);
        for (const std::int64_t row : rows) {
            const std::uint64_t bit = hash(row) >> list.shift;
            words_[list.first_word + bit / 64] |= std::uint64_t{1} << (bit % 64);
        }
        lists_.push_back(list);
    }

    std::size_t count(std::size_t query) const noexcept { return lists_[query].rows.size(); }

    bool contains(std::size_t query, std::int64_t row) const noexcept {
        const List& list = lists_[query];
        if (list.rows.empty()) {
            return false;
        }
        const std::uint64_t bit = hash(row) >> list.shift;
        return (words_[list.first_word + bit / 64] >> (bit % 64) & 1) != 0 && is_listed(list.rows, row);
    }

  private:
    static constexpr std::size_t kRowsPerWord = 4; // 16 bits a row: one in 17 others passes

    struct List {
        std::span<const std::int64_t> rows;
        std::size_t first_word;
        int shift;
    };

    // Short lists are compared whole: no branch to guess.
    static bool is_listed(std::span<const std::int64_t> rows, std::int64_t row) noexcept {
        constexpr std::size_t short_list = 64;
        if (rows.size() > short_list) {
            return std::binary_search(rows.begin(), rows.end(), row);
        }
        bool found = false;
        for (const std::int64_t listed : rows) {
            found |= listed == row;
        }
        return found;
    }

    // Multiplicative (Knuth, The Art of Computer Programming 3, 6.4): its highest bits are the best.
    static std::uint64_t hash(std::int64_t row) noexcept {
        return static_cast<std::uint64_t>(row) * 0x9e3779b97f4a7c15;
    }

    std::vector<List> lists_;
    std::vector<std::uint64_t> words_;
};

} // namespace annlib
