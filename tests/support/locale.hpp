// SPDX-License-Identifier: Apache-2.0
//
// Runs code where numbers are written 1.234,5: C's locale, on which printf and std::to_string
// depend, and the global locale of C++, on which streams do.
#pragma once

#include "catch.hpp"

#include <clocale>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <locale>
#include <sstream>
#include <stdlib.h>
#include <string>

namespace ia_nn_test {

class comma_locale {
public:
  comma_locale() : cxx_(std::locale::global(std::locale(std::locale::classic(), new punctuation))) {
    std::ostringstream stream;
    stream << 1234.5;
    REQUIRE(stream.str() == "1.234,5");
#if defined(__GLIBC__)
    // Few machines have another locale than C, so here is one, as localedef would compile it.
    REQUIRE(::mkdtemp(folder_.data()) != nullptr);
    REQUIRE(std::filesystem::create_directory(folder_ + "/comma"));
    std::ofstream(folder_ + "/comma/LC_NUMERIC", std::ios::binary) << compiled();
    REQUIRE(::setenv("LOCPATH", folder_.c_str(), 1) == 0);
    REQUIRE(std::setlocale(LC_NUMERIC, "comma") != nullptr);
    REQUIRE(std::to_string(1.5) == "1,500000");
#endif
  }
  comma_locale(comma_locale const&) = delete;
  comma_locale& operator=(comma_locale const&) = delete;
  ~comma_locale() {
    std::setlocale(LC_NUMERIC, "C");
    std::locale::global(cxx_);
    ::unsetenv("LOCPATH");
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

private:
  struct punctuation : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };

  // A magic number, how many items there are, where each begins, the items.
  static std::string compiled() {
    auto const word = [](std::uint32_t x) {
      return std::string(reinterpret_cast<char const*>(&x), sizeof x);
    };
    std::string const items[] = {{",\0\0\0", 4}, {".\0\0\0", 4}, {"\3\3\0\0", 4},
                                 word(','),      word('.'),      {"UTF-8\0\0\0", 8}};
    std::string head = word(0x20031115U ^ LC_NUMERIC) + word(6), all;
    for (std::string const& item : items) {
      head += word(static_cast<std::uint32_t>(8 + 4 * 6 + all.size()));
      all += item;
    }
    return head + all;
  }

  std::locale cxx_;
  std::string folder_ = std::filesystem::temp_directory_path() / "ia_nn_locale_XXXXXX";
};

/// f(), there, and wherever this machine has a German locale.
template <class F> void in_other_locales(F&& f) {
  {
    comma_locale const comma;
    INFO("a locale made here");
    f();
  }
  for (char const* const name : {"de_DE.UTF-8", "de_DE.utf8", "de_DE"}) {
    if (!std::setlocale(LC_ALL, name)) continue;
    INFO("locale " << name);
    REQUIRE(std::to_string(1.5) == "1,500000");
    f();
    std::setlocale(LC_ALL, "C");
    break;
  }
}

} // namespace ia_nn_test
