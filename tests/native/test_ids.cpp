#include "check.hpp"

#include "index/ids.hpp"
#include "index/writer.hpp"

#include <limits>

namespace {

annlib::Strings strings_of(const std::vector<std::string>& values) {
    annlib::Strings strings;
    for (const std::string& value : values) {
        strings.bytes.insert(strings.bytes.end(), value.begin(), value.end());
        strings.offsets.push_back(strings.bytes.size());
    }
    return strings;
}

annlib::IndexWriter writer_of(std::size_t count) {
    annlib::IndexWriter writer(annlib::memory_sink(0), "<test>", annlib::Metric::hamming, 1);
    const std::vector<float> zeros(count);
    writer.append(zeros.data(), count);
    return writer;
}

std::shared_ptr<annlib::Index> finished(annlib::IndexWriter& writer) {
    annlib::Cancellation cancellation;
    return writer.finish("{}", 1, cancellation);
}

} // namespace

TEST(integers_are_found) {
    constexpr std::int64_t smallest = std::numeric_limits<std::int64_t>::min();
    const std::vector<std::int64_t> ids{42, -7, 0, smallest, 1000000007};
    annlib::IndexWriter writer = writer_of(ids.size());
    writer.set_ids(ids);
    const auto index = finished(writer);
    for (std::size_t row = 0; row < ids.size(); ++row) {
        CHECK_EQUAL(index->ids().row_of(ids[row]), static_cast<std::int64_t>(row));
    }
    for (const std::int64_t unknown : {std::int64_t{1}, std::int64_t{43}, std::int64_t{-8}, smallest + 1}) {
        CHECK_EQUAL(index->ids().row_of(unknown), annlib::kNoRow);
    }
    CHECK_EQUAL(index->ids().row_of(std::string_view("42")), annlib::kNoRow);
    index->verify();
}

TEST(strings_are_found) {
    const std::vector<std::string> ids{"b", "", "a", std::string("a\0b", 3), "\xc3\xa9", "aa"};
    annlib::IndexWriter writer = writer_of(ids.size());
    writer.set_ids(strings_of(ids));
    const auto index = finished(writer);
    for (std::size_t row = 0; row < ids.size(); ++row) {
        CHECK_EQUAL(index->ids().row_of(std::string_view(ids[row])), static_cast<std::int64_t>(row));
        CHECK_EQUAL(index->ids().strings().at(static_cast<std::int64_t>(row)), std::string_view(ids[row]));
    }
    CHECK_EQUAL(index->ids().row_of(std::string_view("ab")), annlib::kNoRow);
    CHECK_EQUAL(index->ids().row_of(std::string_view("zz")), annlib::kNoRow);
    index->verify();
}

TEST(rows_are_their_own_ids) {
    annlib::IndexWriter writer = writer_of(3);
    const auto index = finished(writer);
    CHECK_EQUAL(index->ids().row_of(std::int64_t{2}), 2);
    CHECK_EQUAL(index->ids().row_of(std::int64_t{3}), annlib::kNoRow);
    CHECK_EQUAL(index->ids().row_of(std::int64_t{-1}), annlib::kNoRow);
}

TEST(duplicates_are_named) {
    annlib::IndexWriter writer = writer_of(4);
    std::string message = THROWN(std::invalid_argument, writer.set_ids(std::vector<std::int64_t>{5, 9, 5, 1}));
    CHECK(message.find("got 5 in rows 0 and 2") != std::string::npos);
    message = THROWN(std::invalid_argument, writer.set_ids(strings_of({"x", "y", "z", "y"})));
    CHECK(message.find("got 'y' in rows 1 and 3") != std::string::npos);
}

TEST(a_wrong_number_of_ids_or_names_is_refused) {
    annlib::IndexWriter few = writer_of(4);
    few.set_ids(std::vector<std::int64_t>{1, 2, 3});
    CHECK(THROWN(std::invalid_argument, finished(few)).find("ids: expected one for each of the 4") == 0);
    annlib::IndexWriter many = writer_of(1);
    many.set_names(strings_of({"a", "b"}));
    CHECK(THROWN(std::invalid_argument, finished(many)).find("names: expected one for each of the 1") == 0);
}
