// SPDX-License-Identifier: Apache-2.0
//
// The AMX state of one thread (palette 1: eight tiles of up to 16 rows of 64 bytes) and what the
// AMX instructions do to it. Loads zero what lies outside the configured rows and columns; products
// may leave anything in the columns behind, which no instruction can bring to light. Where the CPU
// would raise #GP or #UD, the reason is printed and the program aborts.
#pragma once

#include "decode.hpp"

#include <cstdint>

namespace ia_nn_test::emulator {

class tiles {
public:
  /// Performs one AMX instruction.
  void execute(instruction const& i) noexcept;

private:
  static constexpr unsigned count = 8, max_rows = 16, max_bytes = 64;

  void load_configuration(instruction const& i) noexcept;
  void store_configuration(instruction const& i) const noexcept;
  void load(instruction const& i) noexcept;
  void store(instruction const& i) noexcept;
  void check_tile(instruction const& i, unsigned t) const noexcept;
  void check_product(instruction const& i) const noexcept;
  template <bool SignedA, bool SignedB> void product_int8(instruction const& i) noexcept;
  void product_bf16(instruction const& i) noexcept;

  // All of it plain data that starts as zero: it lives in thread storage that no constructor may
  // touch, because its first use is inside a signal handler.
  std::uint8_t palette_;
  std::uint8_t start_row_;
  std::uint8_t rows_[count];
  std::uint16_t bytes_[count]; // colsb: bytes per row
  alignas(64) std::uint8_t data_[count][max_rows][max_bytes];
};

} // namespace ia_nn_test::emulator
