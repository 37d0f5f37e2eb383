// An image with any byte flipped is refused or survives; none may crash.
#include "check.hpp"

#include "index/search.hpp"
#include "index/writer.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>

namespace {

using annlib::FormatError;
using annlib::Metric;

constexpr std::size_t kCount = 40;
constexpr std::size_t kDim = 5;

std::shared_ptr<annlib::Index> small_index(Metric metric, std::unique_ptr<annlib::Sink> sink) {
    const std::vector<float> vectors = check::random_floats(kCount * kDim, 1);
    annlib::IndexWriter writer(std::move(sink), "small.ann", metric, kDim);
    annlib::Strings ids;
    annlib::Strings names;
    for (std::size_t row = 0; row < kCount; ++row) {
        const std::string id = "id" + std::to_string(row * 7 % kCount);
        ids.bytes.insert(ids.bytes.end(), id.begin(), id.end());
        ids.offsets.push_back(ids.bytes.size());
        names.bytes.push_back('n');
        names.offsets.push_back(names.bytes.size());
    }
    writer.set_ids(std::move(ids));
    writer.set_names(std::move(names));
    for (std::size_t row = 0; row < kCount; row += 7) {
        writer.append(vectors.data() + row * kDim, std::min<std::size_t>(7, kCount - row));
    }
    annlib::Cancellation cancellation;
    return writer.finish("{\"a\": 1}", 2, cancellation);
}

std::vector<std::byte> image_of(Metric metric) {
    const auto index = small_index(metric, annlib::memory_sink(0));
    const std::span<const std::byte> bytes = index->image().bytes();
    return {bytes.begin(), bytes.end()};
}

annlib::Image image_from(const std::vector<std::byte>& bytes) {
    auto owner = std::make_shared<std::vector<std::byte>>(bytes);
    const std::span<const std::byte> view(*owner);
    return {annlib::Bytes{std::shared_ptr<const void>(owner, owner->data()), view}, "damaged.ann"};
}

void search_all(const annlib::Index& index) {
    std::vector<std::int64_t> rows(index.count() * 3);
    std::vector<float> scores(index.count() * 3);
    annlib::Cancellation cancellation;
    annlib::search(index,
                   {.queries = index.vectors().data(),
                    .query_count = index.count(),
                    .k = 3,
                    .own_rows = {},
                    .excluded = {},
                    .allowed = {},
                    .threads = 1},
                   cancellation, rows.data(), scores.data());
    for (const std::int64_t row : rows) {
        CHECK(row >= -1 && row < static_cast<std::int64_t>(index.count()));
    }
}

// Uses everything a reader may use; FormatError is the only way out.
void use(const annlib::Index& index) {
    search_all(index);
    try {
        for (std::size_t row = 0; row < index.count(); ++row) {
            index.ids().strings().at(static_cast<std::int64_t>(row));
            index.ids().row_of(std::string_view("id" + std::to_string(row)));
            index.names()->at(static_cast<std::int64_t>(row));
        }
    } catch (const FormatError&) {
        return;
    }
}

} // namespace

TEST(a_written_image_is_read) {
    for (const Metric metric :
         {Metric::inner_product, Metric::cosine, Metric::euclidean, Metric::manhattan, Metric::hamming}) {
        const annlib::Index index(image_from(image_of(metric)));
        index.verify();
        CHECK_EQUAL(index.metric(), metric);
        CHECK_EQUAL(index.count(), kCount);
        CHECK_EQUAL(index.dim(), kDim);
        for (const annlib::Section& section : index.image().header().sections) {
            CHECK_EQUAL(section.offset % annlib::kAlignment, 0U);
        }
        use(index);
    }
}

TEST(every_flipped_byte_is_found_and_none_crashes) {
    for (const Metric metric : {Metric::cosine, Metric::euclidean}) {
        const std::vector<std::byte> good = image_of(metric);
        for (std::size_t at = 0; at < good.size(); ++at) {
            std::vector<std::byte> bad = good;
            bad[at] ^= std::byte{0xff};
            bool found = false;
            try {
                const annlib::Index index(image_from(bad));
                use(index);
                index.verify();
            } catch (const FormatError&) {
                found = true;
            }
            CHECK(found);
        }
    }
}

TEST(every_truncation_is_refused) {
    const std::vector<std::byte> good = image_of(Metric::cosine);
    for (std::size_t size = 0; size < good.size(); ++size) {
        const std::vector<std::byte> cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
        THROWN(FormatError, annlib::Index{image_from(cut)});
    }
    std::vector<std::byte> longer = good;
    longer.push_back(std::byte{0});
    THROWN(FormatError, annlib::Index{image_from(longer)});
}

namespace {

// The image with one more section of an unknown kind at its end.
std::vector<std::byte> with_unknown_section(std::uint32_t flags) {
    std::vector<std::byte> bytes = image_of(Metric::cosine);
    annlib::Header header = annlib::decode_header(bytes, "x");
    bytes.resize(annlib::aligned(bytes.size()));
    header.sections.push_back({.kind = static_cast<annlib::SectionKind>(999),
                               .flags = flags,
                               .offset = bytes.size(),
                               .length = 3,
                               .checksum = annlib::kernels().crc32c(0, "new", 3)});
    for (const char c : {'n', 'e', 'w'}) {
        bytes.push_back(static_cast<std::byte>(c));
    }
    header.file_bytes = bytes.size();
    const auto encoded = annlib::encode_header(header);
    std::memcpy(bytes.data(), encoded.data(), encoded.size());
    return bytes;
}

} // namespace

TEST(unknown_sections_are_skipped_unless_required) {
    const annlib::Index index(image_from(with_unknown_section(0)));
    index.verify();
    use(index);
    const std::string message = THROWN(FormatError, annlib::Index{image_from(with_unknown_section(annlib::kRequired))});
    CHECK(message.find("does not know") != std::string::npos);
}

TEST(another_version_is_refused_by_number) {
    std::vector<std::byte> bytes = image_of(Metric::cosine);
    bytes[8] = std::byte{2};
    CHECK(THROWN(FormatError, annlib::Index{image_from(bytes)}).find("format version 2") == 0);
}

TEST(files_and_memory_hold_the_same_bytes) {
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("annlib-test-" + std::to_string(std::random_device{}()));
    std::filesystem::create_directory(folder);
    const std::string path = (folder / "small.ann").string();
    const auto streamed = small_index(Metric::cosine, annlib::file_sink(path));
    const std::vector<std::byte> expected = image_of(Metric::cosine);
    CHECK(std::equal(expected.begin(), expected.end(), streamed->image().bytes().begin(),
                     streamed->image().bytes().end()));
    annlib::Index::open(path)->verify();
    annlib::write_file(path, expected); // over the open one
    use(*streamed);
    {
        const std::unique_ptr<annlib::Sink> abandoned = annlib::file_sink(path);
    }
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) {
        ++files;
    }
    CHECK_EQUAL(files, 1U);
    std::filesystem::remove_all(folder);
}

TEST(a_vector_that_is_not_finite_is_counted_out) {
    annlib::IndexWriter writer(annlib::memory_sink(0), "<test>", Metric::cosine, 2);
    const std::vector<float> vectors{1.0F, 2.0F, 3.0F, std::numeric_limits<float>::infinity(), 5.0F, 6.0F};
    CHECK_EQUAL(writer.append(vectors.data(), 3), 1U);
    CHECK_EQUAL(writer.count(), 1U);
}
