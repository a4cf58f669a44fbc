// SPDX-License-Identifier: Apache-2.0
#include "tiles.hpp"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

// Only copies to and from the program's memory are left to the sanitizers, which thereby check
// the addresses of tile loads and stores; arithmetic inside the tiles is ours and has to be quick.
#define IA_NN_TEST_TILE_MATH                                                                       \
  __attribute__((noinline, target("avx2,fma"), no_sanitize_address, no_sanitize_thread,            \
                 no_sanitize("undefined")))

namespace ia_nn_test::emulator {
namespace {

using u32x8 = std::uint32_t __attribute__((vector_size(32)));
using s32x8 = std::int32_t __attribute__((vector_size(32)));
using f32x8 = float __attribute__((vector_size(32)));

[[noreturn]] __attribute__((format(printf, 2, 3))) void refuse(instruction const& i,
                                                               char const* format, ...) noexcept {
  char text[320];
  int const head = std::snprintf(text, sizeof text, "ia_nn emulator: %s: ", name_of(i.what));
  std::va_list values;
  va_start(values, format);
  std::vsnprintf(text + head, sizeof text - static_cast<std::size_t>(head) - 1, format, values);
  va_end(values);
  std::size_t length = std::strlen(text);
  text[length++] = '\n';
  [[maybe_unused]] auto const written = ::write(2, text, length);
  std::abort();
}

void* pointer(std::uint64_t address) noexcept {
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(address));
}

// The CPU multiplies bf16 with denormals as zero, results flushed, round to nearest even and no
// exceptions, whatever the program's MXCSR says.
class bf16_rounding {
public:
  bf16_rounding() noexcept {
    unsigned const flush_all_masked = 0x9fc0;
    asm volatile("stmxcsr %0" : "=m"(saved_));
    asm volatile("ldmxcsr %0" : : "m"(flush_all_masked));
  }
  ~bf16_rounding() { asm volatile("ldmxcsr %0" : : "m"(saved_)); }
  bf16_rounding(bf16_rounding const&) = delete;
  bf16_rounding& operator=(bf16_rounding const&) = delete;

private:
  unsigned saved_;
};

} // namespace

void tiles::execute(instruction const& i) noexcept {
  switch (i.what) {
  case op::ldtilecfg:
    load_configuration(i);
    break;
  case op::sttilecfg:
    store_configuration(i);
    break;
  case op::tilerelease:
    std::memset(static_cast<void*>(this), 0, sizeof *this);
    break;
  case op::tilezero:
    check_tile(i, i.reg);
    std::memset(data_[i.reg], 0, sizeof data_[i.reg]);
    start_row_ = 0;
    break;
  case op::tileloadd:
  case op::tileloaddt1:
    load(i);
    break;
  case op::tilestored:
    store(i);
    break;
  case op::tdpbssd:
    product_int8<true, true>(i);
    break;
  case op::tdpbsud:
    product_int8<true, false>(i);
    break;
  case op::tdpbusd:
    product_int8<false, true>(i);
    break;
  case op::tdpbuud:
    product_int8<false, false>(i);
    break;
  case op::tdpbf16ps:
    product_bf16(i);
    break;
  default:
    std::abort();
  }
}

void tiles::load_configuration(instruction const& i) noexcept {
  std::uint8_t raw[64];
  std::memcpy(raw, pointer(i.address), sizeof raw);
  if (raw[0] > 1) refuse(i, "palette %d does not exist", raw[0]);
  if (raw[0] == 0) { // the initial state; the other bytes are not looked at
    std::memset(static_cast<void*>(this), 0, sizeof *this);
    return;
  }
  std::uint8_t rows[count];
  std::uint16_t bytes[count];
  for (unsigned b = 2; b < 64; ++b) {
    bool const reserved = b < 16 || (b >= 32 && b < 48) || b >= 56;
    if (reserved && raw[b] != 0) refuse(i, "reserved byte %u is %d instead of 0", b, raw[b]);
  }
  for (unsigned t = 0; t < count; ++t) {
    std::memcpy(&bytes[t], raw + 16 + 2 * t, 2);
    rows[t] = raw[48 + t];
    if (bytes[t] > max_bytes) refuse(i, "tmm%u: %d bytes per row, at most 64", t, bytes[t]);
    if (rows[t] > max_rows) refuse(i, "tmm%u: %d rows, at most 16", t, rows[t]);
    if ((rows[t] == 0) != (bytes[t] == 0))
      refuse(i, "tmm%u: %d rows of %d bytes; both are zero or neither", t, rows[t], bytes[t]);
  }
  std::memset(static_cast<void*>(this), 0, sizeof *this);
  palette_ = raw[0];
  start_row_ = raw[1];
  std::memcpy(rows_, rows, sizeof rows);
  std::memcpy(bytes_, bytes, sizeof bytes);
}

void tiles::store_configuration(instruction const& i) const noexcept {
  std::uint8_t raw[64] = {};
  raw[0] = palette_;
  raw[1] = start_row_;
  std::memcpy(raw + 16, bytes_, sizeof bytes_);
  std::memcpy(raw + 48, rows_, sizeof rows_);
  std::memcpy(pointer(i.address), raw, sizeof raw);
}

void tiles::check_tile(instruction const& i, unsigned t) const noexcept {
  if (palette_ == 0) refuse(i, "no tile configuration is loaded in this thread");
  if (rows_[t] == 0) refuse(i, "tmm%u is not part of the tile configuration", t);
}

void tiles::load(instruction const& i) noexcept {
  unsigned const t = i.reg;
  check_tile(i, t);
  if (bytes_[t] % 4 != 0) refuse(i, "tmm%u: %d bytes per row, no multiple of 4", t, bytes_[t]);
  if (start_row_ >= rows_[t]) refuse(i, "start row %d of %d", start_row_, rows_[t]);
  for (unsigned row = start_row_; row < max_rows; ++row) {
    std::memset(data_[t][row], 0, max_bytes);
    if (row < rows_[t]) std::memcpy(data_[t][row], pointer(i.address + row * i.stride), bytes_[t]);
  }
  start_row_ = 0;
}

void tiles::store(instruction const& i) noexcept {
  unsigned const t = i.reg;
  check_tile(i, t);
  if (bytes_[t] % 4 != 0) refuse(i, "tmm%u: %d bytes per row, no multiple of 4", t, bytes_[t]);
  if (start_row_ >= rows_[t]) refuse(i, "start row %d of %d", start_row_, rows_[t]);
  for (unsigned row = start_row_; row < rows_[t]; ++row)
    std::memcpy(pointer(i.address + row * i.stride), data_[t][row], bytes_[t]);
  start_row_ = 0;
}

// C (m x n) += A (m x k) B (k x n), in 32-bit elements: dst = C, ModRM.rm = A, vvvv = B.
void tiles::check_product(instruction const& i) const noexcept {
  unsigned const c = i.reg, a = i.rm, b = i.vvvv;
  if (c == a || c == b || a == b)
    refuse(i, "tmm%u += tmm%u * tmm%u: the three tiles must differ", c, a, b);
  check_tile(i, c);
  check_tile(i, a);
  check_tile(i, b);
  unsigned const operands[] = {c, a, b};
  for (unsigned t : operands)
    if (bytes_[t] % 4 != 0) refuse(i, "tmm%u: %d bytes per row, no multiple of 4", t, bytes_[t]);
  if (rows_[c] != rows_[a])
    refuse(i, "tmm%u += tmm%u * tmm%u: C has %d rows, A has %d", c, a, b, rows_[c], rows_[a]);
  if (bytes_[c] != bytes_[b])
    refuse(i, "tmm%u += tmm%u * tmm%u: C has %d bytes per row, B has %d", c, a, b, bytes_[c],
           bytes_[b]);
  if (bytes_[a] / 4 != rows_[b])
    refuse(i, "tmm%u += tmm%u * tmm%u: A has %d bytes per row, B has %d rows (not a quarter)", c, a,
           b, bytes_[a], rows_[b]);
}

// C.s32[m][n] += sum over k and j < 4 of A[m][4k+j] * B[k][4n+j], wrapping.
template <bool SignedA, bool SignedB>
IA_NN_TEST_TILE_MATH void tiles::product_int8(instruction const& i) noexcept {
  check_product(i);
  unsigned const depth = rows_[i.vvvv];
  u32x8 b[max_rows][4][2]; // B widened, the four bytes of a column apart
  for (unsigned k = 0; k < depth; ++k)
    for (unsigned half = 0; half < 2; ++half) {
      u32x8 columns;
      __builtin_memcpy(&columns, data_[i.vvvv][k] + 32 * half, 32);
      for (int j = 0; j < 4; ++j) {
        if constexpr (SignedB) b[k][j][half] = (u32x8)((s32x8)(columns << (24 - 8 * j)) >> 24);
        else b[k][j][half] = (columns >> (8 * j)) & 255U;
      }
    }
  for (unsigned m = 0; m < rows_[i.reg]; ++m) {
    u32x8 low, high; // all 16 columns; those behind the last are never stored
    __builtin_memcpy(&low, data_[i.reg][m], 32);
    __builtin_memcpy(&high, data_[i.reg][m] + 32, 32);
    for (unsigned k = 0; k < depth; ++k)
      for (unsigned j = 0; j < 4; ++j) {
        std::uint8_t const value = data_[i.rm][m][4 * k + j];
        std::uint32_t const a =
            SignedA ? static_cast<std::uint32_t>(static_cast<std::int8_t>(value)) : value;
        low += a * b[k][j][0];
        high += a * b[k][j][1];
      }
    __builtin_memcpy(data_[i.reg][m], &low, 32);
    __builtin_memcpy(data_[i.reg][m] + 32, &high, 32);
  }
  start_row_ = 0;
}

// C.f32[m][n] += even + odd, each a chain of fused multiply-adds over k that begins at zero.
IA_NN_TEST_TILE_MATH void tiles::product_bf16(instruction const& i) noexcept {
  check_product(i);
  unsigned const depth = rows_[i.vvvv];
  u32x8 b[max_rows][2][2]; // B as bits of f32, even and odd elements apart
  for (unsigned k = 0; k < depth; ++k)
    for (unsigned half = 0; half < 2; ++half) {
      u32x8 pairs;
      __builtin_memcpy(&pairs, data_[i.vvvv][k] + 32 * half, 32);
      b[k][0][half] = pairs << 16;
      b[k][1][half] = pairs & 0xffff0000U;
    }
  bf16_rounding const rounding;
  for (unsigned m = 0; m < rows_[i.reg]; ++m)
    for (unsigned n = 0; n < 16; n += 8) {
      f32x8 sums[2] = {};
      for (unsigned k = 0; k < depth; ++k)
        for (unsigned j = 0; j < 2; ++j) {
          std::uint8_t const* const value = data_[i.rm][m] + 4 * k + 2 * j;
          u32x8 const a = (std::uint32_t{value[0]} << 16 | std::uint32_t{value[1]} << 24) | u32x8{};
          // In asm so that nothing is contracted, reordered or moved across the change of MXCSR.
          asm volatile("vfmadd231ps %2, %1, %0" : "+x"(sums[j]) : "x"(a), "x"(b[k][j][n / 8]));
        }
      f32x8 c;
      __builtin_memcpy(&c, data_[i.reg][m] + 4 * n, 32);
      asm volatile("vaddps %2, %1, %0" : "=x"(sums[0]) : "x"(sums[0]), "x"(sums[1]));
      asm volatile("vaddps %2, %1, %0" : "=x"(c) : "x"(c), "x"(sums[0]));
      __builtin_memcpy(data_[i.reg][m] + 4 * n, &c, 32);
    }
  start_row_ = 0;
}

} // namespace ia_nn_test::emulator
