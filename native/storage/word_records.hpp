// Records of word2vec's binary format: a word, a space, a vector of float32; perhaps a newline before the next word.
#pragma once

#include <cstddef>
#include <span>

namespace annlib {

// What was taken from the start of a buffer.
struct WordRecords {
    std::size_t count = 0;      // whole records
    std::size_t used = 0;       // bytes of the buffer
    std::size_t word_bytes = 0; // bytes of the words, each with the space after it
    bool finite = true;         // whether every component is
};

// Takes records from the start of `bytes` until one is not whole, `most` of them at most. Words, with any newline
// before them, go to `words` (as long as `bytes`), vectors of `dim` components to `vectors` ([most][dim]).
WordRecords take_word_records(std::span<const char> bytes, std::size_t dim, std::size_t most, char* words,
                              float* vectors) noexcept;

} // namespace annlib
