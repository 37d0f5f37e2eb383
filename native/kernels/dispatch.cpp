#include "kernels/table.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace annlib {
namespace {

std::atomic<const KernelTable*> in_use{nullptr};

const KernelTable& find_kernels(std::string_view name, std::string_view asked_by) {
    std::string host_names;
    for (const KernelTable* table : available_kernels()) {
        if (name == table->name) {
            return *table;
        }
        host_names += host_names.empty() ? "" : ", ";
        host_names += table->name;
    }
    const bool known = name == "scalar" || name == "avx2" || name == "avx512" || name == "amx";
    throw std::invalid_argument(std::string(asked_by) + ": expected an instruction set of this host (" + host_names +
                                "), got '" + std::string(name) + "', which " +
                                (known ? "this host does not support" : "does not exist"));
}

const KernelTable& choose_kernels() {
    const char* wanted = std::getenv("ANNLIB_ISA");
    if (wanted != nullptr && *wanted != '\0') {
        return find_kernels(wanted, "environment variable ANNLIB_ISA");
    }
    return *available_kernels().back();
}

} // namespace

std::vector<const KernelTable*> available_kernels() {
    std::vector<const KernelTable*> tables{&scalar_kernels()};
    for (const KernelTable* table : {avx2_kernels(), avx512_kernels(), amx_kernels()}) {
        if (table != nullptr) {
            tables.push_back(table);
        }
    }
    return tables;
}

const KernelTable& kernels() {
    const KernelTable* table = in_use.load(std::memory_order_acquire);
    if (table == nullptr) {
        table = &choose_kernels(); // two threads may both get here: they choose the same
        in_use.store(table, std::memory_order_release);
    }
    return *table;
}

void use_kernels(std::string_view name) {
    in_use.store(&find_kernels(name, "isa"), std::memory_order_release);
}

} // namespace annlib
