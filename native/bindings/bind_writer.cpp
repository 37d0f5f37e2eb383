#include "bindings/arrays.hpp"
#include "bindings/module.hpp"

#include "index/writer.hpp"

#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace annlib::bindings {
namespace {

// An IndexWriter that can be finished or abandoned once.
class Writer {
  public:
    Writer(const std::optional<py::bytes>& path, const std::string& metric, std::size_t dim,
           std::uint64_t expected_bytes) {
        const std::optional<Metric> known = metric_of_name(metric);
        if (!known) {
            throw std::invalid_argument("metric: unknown '" + metric + "'");
        }
        if (dim < 1 || dim > kMaxDim) {
            throw std::invalid_argument("vectors: expected 1 to " + std::to_string(kMaxDim) + " dimensions, got " +
                                        std::to_string(dim));
        }
        const std::string name = path ? std::string(*path) : "<memory>";
        std::unique_ptr<Sink> sink = path ? file_sink(name) : memory_sink(expected_bytes);
        writer_ = std::make_unique<IndexWriter>(std::move(sink), name, *known, dim);
        dim_ = dim;
    }

    void set_integer_ids(const IntArray& ids) {
        const std::span<const std::int64_t> values = integers(ids, "ids");
        writer().set_ids(std::vector<std::int64_t>(values.begin(), values.end()));
    }
    void set_string_ids(const py::bytes& bytes, const OffsetArray& offsets) {
        writer().set_ids(make_strings(bytes, offsets, "ids"));
    }
    void set_names(const py::bytes& bytes, const OffsetArray& offsets) {
        writer().set_names(make_strings(bytes, offsets, "names"));
    }

    void set_calibration_queries(const FloatArray& queries) {
        check_matrix(queries, dim_, "calibration_queries");
        writer().set_calibration_queries(std::vector<float>(queries.data(), queries.data() + queries.size()));
    }

    std::size_t append(const FloatArray& vectors) {
        check_matrix(vectors, dim_, "vectors");
        IndexWriter& target = writer();
        const float* data = vectors.data();
        const auto count = static_cast<std::size_t>(vectors.shape(0));
        const py::gil_scoped_release release;
        return target.append(data, count);
    }

    std::shared_ptr<Index> finish(const py::bytes& metadata, std::size_t num_threads) {
        const std::string text(metadata);
        const std::unique_ptr<IndexWriter> finished = std::move(writer_);
        if (!finished) {
            throw std::logic_error("the writer is finished");
        }
        Cancellation cancellation = python_signals();
        std::shared_ptr<Index> index;
        {
            const py::gil_scoped_release release;
            index = finished->finish(text, resolve_threads(num_threads), cancellation);
        }
        raise_pending();
        return index;
    }

    void abandon() noexcept { writer_.reset(); }

  private:
    IndexWriter& writer() const {
        if (!writer_) {
            throw std::logic_error("the writer is finished");
        }
        return *writer_;
    }

    std::unique_ptr<IndexWriter> writer_;
    std::size_t dim_ = 0;
};

} // namespace

void bind_writer(py::module_& module) {
    py::class_<Writer>(module, "Writer", py::is_final(), plain_metaclass())
        .def(py::init<const std::optional<py::bytes>&, const std::string&, std::size_t, std::uint64_t>(),
             py::arg("path"), py::arg("metric"), py::arg("dim"), py::arg("expected_bytes") = 0)
        .def("set_integer_ids", &Writer::set_integer_ids, py::arg("ids").noconvert())
        .def("set_string_ids", &Writer::set_string_ids, py::arg("joined"), py::arg("offsets").noconvert())
        .def("set_names", &Writer::set_names, py::arg("joined"), py::arg("offsets").noconvert())
        .def("set_calibration_queries", &Writer::set_calibration_queries, py::arg("queries").noconvert())
        .def("append", &Writer::append, py::arg("vectors").noconvert())
        .def("finish", &Writer::finish, py::arg("metadata"), py::kw_only(), py::arg("num_threads") = 0)
        .def("abandon", &Writer::abandon);
}

} // namespace annlib::bindings
