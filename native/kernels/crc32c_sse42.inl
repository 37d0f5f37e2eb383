// CRC-32C by the instruction made for it. Included like bodies.inl by the instruction sets that imply SSE 4.2.

std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t size) noexcept {
    const auto* bytes = static_cast<const unsigned char*>(data);
    std::uint64_t state = static_cast<std::uint32_t>(~crc);
    for (; size >= 8; size -= 8, bytes += 8) {
        std::uint64_t word;
        __builtin_memcpy(&word, bytes, sizeof word);
        state = _mm_crc32_u64(state, word);
    }
    auto state32 = static_cast<std::uint32_t>(state);
    for (; size > 0; --size, ++bytes) {
        state32 = _mm_crc32_u8(state32, *bytes);
    }
    return ~state32;
}
