// SPDX-License-Identifier: Apache-2.0
//
// Numbers as text, in every locale the same.
#include "support/locale.hpp"

#include <ia_nn/core/text.hpp>

#include <limits>

using ia_nn::detail::number_text;

TEST_CASE("text: numbers are the same in every locale", "[core]") {
  auto const check = [] {
    CHECK(number_text(0.1F) == "0.1");
    CHECK(number_text(0.1) == "0.1");
    CHECK(number_text(1e-9F) == "1e-09");
    CHECK(number_text(12345.6789) == "12345.6789");
    CHECK(number_text(-0.0F) == "-0");
    CHECK(number_text(std::numeric_limits<float>::infinity()) == "inf");
    CHECK(number_text(std::numeric_limits<double>::quiet_NaN()) == "nan");
    CHECK(number_text(-std::numeric_limits<double>::denorm_min()) == "-5e-324");
    CHECK(number_text(1234567.25, 0) == "1234567");
    CHECK(number_text(1234567.25, 1) == "1234567.2");
    CHECK(number_text(0.0, 3) == "0.000");
    CHECK(number_text(-2.5, 6) == "-2.500000");
    std::string const most = number_text(std::numeric_limits<double>::max(), 9);
    CHECK(most.size() == 309 + 1 + 9);
    CHECK(most.find(',') == most.npos);
  };
  check();
  ia_nn_test::in_other_locales(check);
}
