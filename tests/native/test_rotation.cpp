#include "check.hpp"

#include "index/rotation.hpp"
#include "kernels/table.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace {

double dot(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        sum += a[i] * b[i];
    }
    return sum;
}

std::vector<double> normal(std::mt19937& random, std::size_t dim) {
    std::normal_distribution<double> distribution;
    std::vector<double> x(dim);
    std::generate(x.begin(), x.end(), [&] { return distribution(random); });
    return x;
}

TEST(dot_products_stay_and_are_the_same_on_every_instruction_set) {
    std::mt19937 random(1);
    for (const std::size_t dim : {1, 2, 3, 7, 8, 9, 16, 20, 64, 100, 300, 784, 1024, 2048}) {
        const annlib::Rotation rotation(dim);
        const std::vector<double> a = normal(random, dim);
        const std::vector<double> b = normal(random, dim);
        std::vector<double> first;
        for (const annlib::KernelTable* table : annlib::available_kernels()) {
            annlib::use_kernels(table->name);
            std::vector<double> rotated_a = a;
            std::vector<double> rotated_b = b;
            rotation.apply(rotated_a);
            rotation.apply(rotated_b);
            const double scale = std::sqrt(dot(a, a) * dot(b, b));
            CHECK(std::abs(dot(rotated_a, rotated_b) - dot(a, b)) <= scale * 0x1p-44);
            CHECK(std::abs(dot(rotated_a, rotated_a) - dot(a, a)) <= dot(a, a) * 0x1p-44);
            if (first.empty()) {
                first = rotated_a;
            }
            CHECK(first == rotated_a);
        }
    }
}

TEST(one_large_component_is_spread) {
    for (const std::size_t dim : {64, 100, 512, 784}) {
        const annlib::Rotation rotation(dim);
        for (const std::size_t place : {std::size_t{0}, dim / 2, dim - 1}) {
            std::vector<double> x(dim);
            x[place] = 1.0;
            rotation.apply(x);
            const auto largest =
                std::max_element(x.begin(), x.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
            CHECK(std::abs(*largest) < 6.0 / std::sqrt(static_cast<double>(dim)));
        }
    }
}

TEST(codes_and_sums_are_the_same_on_every_instruction_set) {
    std::mt19937 random(3);
    for (const std::size_t dim : {1, 5, 8, 13, 64, 100}) {
        const std::vector<double> x = normal(random, dim);
        const std::vector<double> values = normal(random, dim);
        const std::vector<float> direction(values.begin(), values.end());
        const annlib::KernelTable& scalar = annlib::scalar_kernels();
        const double scale = scalar.largest_magnitude(x.data(), dim) / annlib::kLargestCode;
        std::vector<std::int8_t> expected(dim);
        const annlib::CodeSums sums = scalar.make_code(x.data(), scale, 1.0 / scale, dim, expected.data());
        double error_square = 0.0;
        for (std::size_t i = 0; i < dim; ++i) {
            CHECK(expected[i] == static_cast<std::int8_t>(std::nearbyint(x[i] / scale)));
            error_square += (x[i] - expected[i] * scale) * (x[i] - expected[i] * scale);
        }
        CHECK(std::abs(sums.error_square - error_square) <= error_square * 1e-12);
        double p = 0.0;
        double o_square = 0.0;
        scalar.place_about(x.data(), direction.data(), dim, &p, &o_square);
        for (const annlib::KernelTable* table : annlib::available_kernels()) {
            std::vector<std::int8_t> codes(dim);
            const annlib::CodeSums found = table->make_code(x.data(), scale, 1.0 / scale, dim, codes.data());
            CHECK(codes == expected);
            CHECK(found.sum == sums.sum && found.square == sums.square && found.code_square == sums.code_square &&
                  found.error_square == sums.error_square);
            CHECK(table->largest_magnitude(x.data(), dim) == scalar.largest_magnitude(x.data(), dim));
            double other_p = 0.0;
            double other_o_square = 0.0;
            table->place_about(x.data(), direction.data(), dim, &other_p, &other_o_square);
            CHECK(other_p == p && other_o_square == o_square);
        }
    }
}

} // namespace
