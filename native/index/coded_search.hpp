// The pruned search over 8-bit codes: exact, and the same result whatever the plan.
//
// A tile of queries that are near each other visits clusters of items. A cluster is left out for a query once its bound
// is below the query's k-th best score; the rest is scanned as codes; what could still reach the top k is scored by the
// definition. After LEMP (Teflioudi & Gemulla, TODS 2016) and FEXIPRO (Li et al., SIGMOD 2017).
#pragma once

#include "index/search.hpp"

namespace annlib {

// Requires an index with codes. Results are to be padded beforehand.
SearchStats search_coded(const Index& index, const SearchRequest& request, Cancellation& cancellation,
                         std::int64_t* rows, float* scores);

} // namespace annlib
