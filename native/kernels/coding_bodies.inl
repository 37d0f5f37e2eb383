// How vectors become codes, compiled once for each instruction set: float64, in one fixed order, so that the bytes of
// an index are the same on all of them. Included by bodies.inl.

typedef double Lanes8 __attribute__((vector_size(64)));
typedef long long Mask8 __attribute__((vector_size(64)));
typedef float Floats8 __attribute__((vector_size(32)));
typedef int Ints8 __attribute__((vector_size(32)));
typedef signed char Bytes8 __attribute__((vector_size(8)));

ANNLIB_INLINE Lanes8 load8(const double* values) {
    Lanes8 loaded;
    __builtin_memcpy(&loaded, values, sizeof loaded);
    return loaded;
}
ANNLIB_INLINE Lanes8 load8(const float* values) {
    Floats8 loaded;
    __builtin_memcpy(&loaded, values, sizeof loaded);
    return __builtin_convertvector(loaded, Lanes8);
}
// The first `count` values, and zeros.
template <class Value>
ANNLIB_INLINE Lanes8 load_first8(const Value* values, std::size_t count) {
    Value padded[8] = {};
    __builtin_memcpy(padded, values, count * sizeof(Value));
    return load8(padded);
}
ANNLIB_INLINE double sum8(Lanes8 v) {
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

// Calls body(i, count) for every eight places from i on, the last with a count of what is left.
template <class Body>
ANNLIB_INLINE void for_eights(std::size_t dim, const Body& body) {
    std::size_t i = 0;
    for (; i + 8 <= dim; i += 8) {
        body(i, std::size_t{8});
    }
    if (i < dim) {
        body(i, dim - i);
    }
}

template <class Value>
ANNLIB_INLINE Lanes8 load_up_to8(const Value* values, std::size_t count) {
    return count == 8 ? load8(values) : load_first8(values, count);
}

void place_about(const double* x, const float* direction, std::size_t dim, double* p, double* o_square) noexcept {
    Lanes8 product = {};
    for_eights(dim, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        product += load_up_to8(x + i, count) * load_up_to8(direction + i, count);
    });
    *p = sum8(product);
    Lanes8 square = {};
    for_eights(dim, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const Lanes8 rest = load_up_to8(x + i, count) - *p * load_up_to8(direction + i, count);
        square += rest * rest;
    });
    *o_square = sum8(square);
}

double largest_magnitude(const double* x, std::size_t dim) noexcept {
    Lanes8 largest = {};
    for_eights(dim, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const Lanes8 value = load_up_to8(x + i, count);
        const Lanes8 magnitude = value < 0.0 ? -value : value;
        largest = magnitude > largest ? magnitude : largest;
    });
    double result = 0.0;
    for (int lane = 0; lane < 8; ++lane) {
        result = largest[lane] > result ? largest[lane] : result;
    }
    return result;
}

CodeSums make_code(const double* x, double scale, double inverse_scale, std::size_t dim, std::int8_t* codes) noexcept {
    constexpr double to_nearest = 0x1.8p52; // added and taken away, it rounds to integers, ties to even
    Lanes8 sum = {};
    Lanes8 square = {};
    Lanes8 code_square = {};
    Lanes8 error_square = {};
    for_eights(dim, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const Lanes8 value = load_up_to8(x + i, count);
        const Lanes8 code = (value * inverse_scale + to_nearest) - to_nearest;
        const Lanes8 error = value - code * scale;
        sum += code;
        square += value * value;
        code_square += code * code;
        error_square += error * error;
        const Bytes8 bytes = __builtin_convertvector(__builtin_convertvector(code, Ints8), Bytes8);
        __builtin_memcpy(codes + i, &bytes, count);
    });
    return {
        .sum = sum8(sum), .square = sum8(square), .code_square = sum8(code_square), .error_square = sum8(error_square)};
}

// The fast Walsh-Hadamard transform, in place, after a change of signs.
void transform_signed(double* x, const double* signs, std::size_t width) noexcept {
    for (std::size_t i = 0; i < width; ++i) {
        x[i] *= signs[i];
    }
    std::size_t half = 1;
    if (width >= 8) { // the first three passes stay within eight values
        for (std::size_t i = 0; i < width; i += 8) {
            Lanes8 v = load8(x + i);
            v = __builtin_shuffle(v, Mask8{1, 0, 3, 2, 5, 4, 7, 6}) + v * Lanes8{1, -1, 1, -1, 1, -1, 1, -1};
            v = __builtin_shuffle(v, Mask8{2, 3, 0, 1, 6, 7, 4, 5}) + v * Lanes8{1, 1, -1, -1, 1, 1, -1, -1};
            v = __builtin_shuffle(v, Mask8{4, 5, 6, 7, 0, 1, 2, 3}) + v * Lanes8{1, 1, 1, 1, -1, -1, -1, -1};
            __builtin_memcpy(x + i, &v, sizeof v);
        }
        half = 8;
    }
    for (; half < width; half *= 2) {
        for (std::size_t begin = 0; begin < width; begin += 2 * half) {
            double* const low = x + begin;
            double* const high = low + half;
            for (std::size_t i = 0; i < half; ++i) {
                const double sum = low[i] + high[i];
                high[i] = low[i] - high[i];
                low[i] = sum;
            }
        }
    }
}
