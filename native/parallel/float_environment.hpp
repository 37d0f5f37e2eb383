// The default floating-point environment, for as long as an object of this class lives.
//
// A library built with -ffast-math may have set flush-to-zero for the whole thread, which would change scores and
// files.
#pragma once

#include <cfenv>

namespace annlib {

class DefaultFloatEnvironment {
  public:
    DefaultFloatEnvironment() noexcept {
        std::fegetenv(&saved_);
        std::fesetenv(FE_DFL_ENV);
    }
    ~DefaultFloatEnvironment() { std::fesetenv(&saved_); }
    DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
    DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

  private:
    std::fenv_t saved_{};
};

} // namespace annlib
