#include "check.hpp"

#include "index/filters.hpp"

#include <algorithm>
#include <numeric>
#include <random>

namespace {

std::vector<std::int64_t> some_rows(std::mt19937& random, std::int64_t count, std::size_t wanted) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
    std::iota(rows.begin(), rows.end(), 0);
    std::shuffle(rows.begin(), rows.end(), random);
    rows.resize(wanted);
    std::sort(rows.begin(), rows.end());
    return rows;
}

TEST(a_mask_holds_its_rows) {
    std::mt19937 random(1);
    for (const std::int64_t count : {1, 63, 64, 65, 1000}) {
        for (const std::size_t wanted : {std::size_t{0}, std::size_t{1}, static_cast<std::size_t>(count)}) {
            const std::vector<std::int64_t> rows = some_rows(random, count, wanted);
            const annlib::RowMask mask(rows, static_cast<std::size_t>(count));
            for (std::int64_t row = 0; row < count; ++row) {
                CHECK(mask.contains(static_cast<std::uint32_t>(row)) ==
                      std::binary_search(rows.begin(), rows.end(), row));
            }
        }
    }
}

TEST(each_query_excludes_its_own_rows) {
    constexpr std::int64_t count = 5000;
    std::mt19937 random(2);
    std::vector<std::vector<std::int64_t>> lists;
    for (const std::size_t wanted : {0, 1, 2, 5, 33, 0, 700, 5000}) {
        lists.push_back(some_rows(random, count, wanted));
    }
    annlib::ExcludedRows excluded;
    for (int round = 0; round < 2; ++round) { // a workspace is used again
        excluded.clear();
        for (const auto& list : lists) {
            excluded.add(list);
        }
        for (std::size_t query = 0; query < lists.size(); ++query) {
            for (std::int64_t row = 0; row < count; ++row) {
                CHECK(excluded.contains(query, row) ==
                      std::binary_search(lists[query].begin(), lists[query].end(), row));
            }
        }
        std::reverse(lists.begin(), lists.end());
    }
}

} // namespace
