#include "bindings/arrays.hpp"
#include "bindings/module.hpp"

#include "index/index.hpp"
#include "index/search.hpp"
#include "storage/sink.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace annlib::bindings {
namespace {

using SharedIndex = std::shared_ptr<Index>;

std::string id_type_name(const Index& index) {
    switch (index.ids().type()) {
    case IdType::rows:
        return "rows";
    case IdType::integers:
        return "integers";
    case IdType::strings:
        return "strings";
    }
    return "unknown";
}

using SectionTuple = std::tuple<std::string, std::uint64_t, std::uint64_t, bool>;

std::vector<SectionTuple> sections(const Index& index) {
    std::vector<SectionTuple> result;
    for (const Section& section : index.image().header().sections) {
        result.emplace_back(section_name(section.kind), section.offset, section.length,
                            (section.flags & kRequired) != 0);
    }
    return result;
}

py::bytes metadata(const Index& index) {
    if (!index.image().has(SectionKind::metadata)) {
        return "{}";
    }
    const std::span<const std::byte> raw = index.image().section(SectionKind::metadata);
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
}

py::array vectors(const SharedIndex& index) {
    return view(index->vectors(), {static_cast<py::ssize_t>(index->count()), static_cast<py::ssize_t>(index->dim())},
                py::cast(index));
}

py::array integer_ids(const SharedIndex& index) {
    const std::span<const std::int64_t> ids = index->ids().integers();
    return view(ids, {static_cast<py::ssize_t>(ids.size())}, py::cast(index));
}

// The strings of `rows`; the empty string for rows of -1.
py::list strings_at(const Index& index, const StringSection& strings, SectionKind bytes_kind, const IntArray& rows) {
    const std::span<const std::int64_t> wanted = integers(rows, "rows");
    py::list result(wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] != kNoRow) {
            check_rows(wanted.subspan(i, 1), index.count(), "rows");
        }
        const std::string_view text = wanted[i] == kNoRow ? std::string_view{} : strings.at(wanted[i]);
        PyObject* decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()), nullptr);
        if (decoded == nullptr) {
            PyErr_Clear();
            index.image().fail(bytes_kind, 0,
                               "damaged: the text of row " + std::to_string(wanted[i]) + " is not UTF-8");
        }
        PyList_SET_ITEM(result.ptr(), static_cast<py::ssize_t>(i), decoded);
    }
    return result;
}

py::list string_ids(const Index& index, const IntArray& rows) {
    if (index.ids().type() != IdType::strings) {
        throw std::logic_error("the ids of this index are not strings");
    }
    return strings_at(index, index.ids().strings(), SectionKind::id_bytes, rows);
}

py::list names(const Index& index, const IntArray& rows) {
    if (!index.names()) {
        throw std::logic_error("this index has no names");
    }
    return strings_at(index, *index.names(), SectionKind::name_bytes, rows);
}

IntArray rows_of_integers(const Index& index, const IntArray& ids) {
    const std::span<const std::int64_t> wanted = integers(ids, "ids");
    IntArray rows(static_cast<py::ssize_t>(wanted.size()));
    std::int64_t* out = rows.mutable_data();
    const py::gil_scoped_release release;
    std::transform(wanted.begin(), wanted.end(), out, [&](std::int64_t id) { return index.ids().row_of(id); });
    return rows;
}

IntArray rows_of_strings(const Index& index, const std::vector<std::string>& ids) {
    IntArray rows(static_cast<py::ssize_t>(ids.size()));
    std::int64_t* out = rows.mutable_data();
    const py::gil_scoped_release release;
    std::transform(ids.begin(), ids.end(), out,
                   [&](const std::string& id) { return index.ids().row_of(std::string_view(id)); });
    return rows;
}

// Exclusions with the rows of each query in ascending order: the caller's where they are, else a sorted copy.
Exclusions sorted_exclusions(std::span<const std::int64_t> offsets, std::span<const std::int64_t> rows,
                             std::vector<std::int64_t>& copy) {
    const auto for_each_query = [&](const auto& apply) {
        for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
            if (!apply(offsets[i], offsets[i + 1])) {
                return false;
            }
        }
        return true;
    };
    if (for_each_query([&](auto from, auto to) { return std::is_sorted(rows.begin() + from, rows.begin() + to); })) {
        return {.offsets = offsets, .rows = rows};
    }
    copy.assign(rows.begin(), rows.end());
    for_each_query([&](auto from, auto to) {
        std::sort(copy.begin() + from, copy.begin() + to);
        return true;
    });
    return {.offsets = offsets, .rows = copy};
}

void check_offsets(std::span<const std::int64_t> offsets, std::size_t queries, std::size_t rows) {
    if (offsets.size() != queries + 1 || offsets.front() != 0 || static_cast<std::size_t>(offsets.back()) != rows ||
        !std::is_sorted(offsets.begin(), offsets.end())) {
        throw std::invalid_argument("exclude: expected ascending offsets, one more than there are queries");
    }
}

using Counts = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;
using SearchTuple = std::tuple<IntArray, FloatArray, Counts>;

SearchTuple search_rows(const Index& index, const FloatArray& queries, std::size_t k,
                        const std::optional<IntArray>& own_rows,
                        const std::optional<std::pair<IntArray, IntArray>>& exclude,
                        const std::optional<IntArray>& allow, double recall, std::size_t num_threads) {
    check_matrix(queries, index.dim(), "queries");
    const auto query_count = static_cast<std::size_t>(queries.shape(0));
    SearchRequest request{
        .queries = queries.data(),
        .query_count = query_count,
        .k = k,
        .own_rows = {},
        .excluded = {},
        .allowed = {},
        .threads = num_threads,
        .beta = beta_for(index.calibration(), own_rows ? QuerySource::items : QuerySource::queries, recall, k)};
    if (own_rows) {
        request.own_rows = integers(*own_rows, "own_rows");
        if (request.own_rows.size() != query_count) {
            throw std::invalid_argument("own_rows: expected one for each query");
        }
    }
    std::vector<std::int64_t> sorted;
    if (exclude) {
        const std::span<const std::int64_t> offsets = integers(exclude->first, "exclude");
        const std::span<const std::int64_t> rows = integers(exclude->second, "exclude");
        check_offsets(offsets, query_count, rows.size());
        check_rows(rows, index.count(), "exclude");
        request.excluded = sorted_exclusions(offsets, rows, sorted);
    }
    if (allow) {
        request.allowed = integers(*allow, "allow");
        request.beta = 1.0F; // it was calibrated among all items, which says nothing of these
        check_rows(*request.allowed, index.count(), "allow");
        if (std::adjacent_find(request.allowed->begin(), request.allowed->end(), std::greater_equal<>()) !=
            request.allowed->end()) {
            throw std::invalid_argument("allow: expected strictly ascending rows");
        }
    }
    const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(query_count), static_cast<py::ssize_t>(k)};
    IntArray rows(shape);
    FloatArray scores(shape);
    std::int64_t* rows_out = rows.mutable_data();
    float* scores_out = scores.mutable_data();
    Cancellation cancellation = python_signals();
    SearchStats stats;
    {
        const py::gil_scoped_release release;
        stats = search(index, request, cancellation, rows_out, scores_out);
    }
    raise_pending();
    return {std::move(rows), std::move(scores), Counts{stats.scanned, stats.contenders, stats.scored}};
}

// For each table: what it was measured on, how many queries, and the betas [k][recall].
py::list calibration(const Index& index) {
    py::list tables;
    for (const CalibrationTable& table : index.calibration()) {
        py::list betas;
        for (const auto& row : table.beta) {
            betas.append(std::vector<float>(std::begin(row), std::end(row)));
        }
        tables.append(py::make_tuple(table.source == QuerySource::items ? "items" : "queries", table.queries, betas));
    }
    return tables;
}

} // namespace

void bind_index(py::module_& module) {
    py::class_<Index, SharedIndex>(module, "Index", py::is_final(), plain_metaclass())
        .def_static(
            "open", [](const py::bytes& path) { return Index::open(std::string(path)); }, py::arg("path"))
        .def(
            "save",
            [](const Index& index, const py::bytes& path) {
                const std::string name(path);
                const py::gil_scoped_release release;
                write_file(name, index.image().bytes());
            },
            py::arg("path"))
        .def("verify", &Index::verify, py::call_guard<py::gil_scoped_release>())
        .def_property_readonly("metric", [](const Index& index) { return std::string(metric_name(index.metric())); })
        .def_property_readonly("dim", &Index::dim)
        .def_property_readonly("count", &Index::count)
        .def_property_readonly("id_type", &id_type_name)
        .def_property_readonly("has_names", [](const Index& index) { return index.names().has_value(); })
        .def_property_readonly("file_bytes", [](const Index& index) { return index.image().bytes().size(); })
        .def_property_readonly("sections", &sections)
        .def_property_readonly("metadata", &metadata)
        .def_property_readonly("calibration", &calibration)
        .def_property_readonly("vectors", &vectors)
        .def_property_readonly("integer_ids", &integer_ids)
        .def("string_ids", &string_ids, py::arg("rows").noconvert())
        .def("names", &names, py::arg("rows").noconvert())
        .def("rows_of_integers", &rows_of_integers, py::arg("ids").noconvert())
        .def("rows_of_strings", &rows_of_strings, py::arg("ids"))
        .def("search_rows", &search_rows, py::arg("queries").noconvert(), py::arg("k"), py::kw_only(),
             py::arg("own_rows") = py::none(), py::arg("exclude") = py::none(), py::arg("allow") = py::none(),
             py::arg("recall") = 1.0, py::arg("num_threads") = 0);
    module.attr("CALIBRATED_K") = py::cast(kCalibratedK);
    module.attr("CALIBRATED_RECALLS") = py::cast(kCalibratedRecalls);
    module.attr("FORMAT_VERSION") = kFormatVersion;
    module.attr("MAX_DIM") = kMaxDim;
}

} // namespace annlib::bindings
