// SPDX-License-Identifier: Apache-2.0
//
// A folder for a test's files.
#pragma once

#include "catch.hpp"

#include <filesystem>
#include <fstream>
#include <set>
#include <stdlib.h>
#include <string>

namespace ia_nn_test {

/// An empty folder that exists as long as this object.
struct temporary_folder {
  std::string path = std::filesystem::temp_directory_path() / "ia_nn_io_XXXXXX";

  temporary_folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }

  void write(std::string const& name, std::string const& bytes) const {
    std::ofstream(path + '/' + name, std::ios::binary) << bytes;
  }
  std::set<std::string> names() const {
    std::set<std::string> all;
    for (auto const& entry : std::filesystem::directory_iterator(path))
      all.insert(entry.path().filename());
    return all;
  }
};

} // namespace ia_nn_test
