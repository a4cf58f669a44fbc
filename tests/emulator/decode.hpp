// SPDX-License-Identifier: Apache-2.0
//
// Decodes the VEX encodings that the emulator knows: map 0F38, opcodes 49 4B 5C 5E (AMX), 50..53
// (AVX-VNNI), and the vector loads that stand between AVX-VNNI instructions. Everything else,
// including forms the CPU would refuse, decodes to op::none.
//
//   [segment or 67 prefixes]  C4 RXB.mmmmm W.vvvv.L.pp  opcode  modrm  [sib]  [disp8 | disp32]
//                             C5 R.vvvv.L.pp            (map 0F, W X B as if 0)
#pragma once

#include <cstdint>

namespace ia_nn_test::emulator {

enum class op : std::uint8_t {
  none,
  ldtilecfg,
  sttilecfg,
  tilerelease,
  tilezero,
  tileloadd,
  tileloaddt1,
  tilestored,
  tdpbssd,
  tdpbsud,
  tdpbusd,
  tdpbuud,
  tdpbf16ps,
  vpdpbusd,
  vpdpbusds,
  vpdpwssd,
  vpdpwssds,
  // Every CPU with AVX2 executes these: load 16 or 32 bytes, or 4 bytes into every element.
  load,
  aligned_load,
  broadcast
};

inline char const* name_of(op o) noexcept {
  static char const* const names[] = {"(none)",    "ldtilecfg", "sttilecfg",    "tilerelease",
                                      "tilezero",  "tileloadd", "tileloaddt1",  "tilestored",
                                      "tdpbssd",   "tdpbsud",   "tdpbusd",      "tdpbuud",
                                      "tdpbf16ps", "vpdpbusd",  "vpdpbusds",    "vpdpwssd",
                                      "vpdpwssds", "load",      "aligned load", "broadcast"};
  return names[static_cast<int>(o)];
}

inline bool is_vector(op o) noexcept { return o >= op::vpdpbusd; }
inline bool is_avx_vnni(op o) noexcept { return is_vector(o) && o <= op::vpdpwssds; }

/// General registers in the order of their encoding, RIP, and the bases of FS and GS.
struct machine_registers {
  std::uint64_t general[16]; // rax rcx rdx rbx rsp rbp rsi rdi r8 ... r15
  std::uint64_t rip;         // of the instruction
  std::uint64_t fs_base;
  std::uint64_t gs_base;
};

struct instruction {
  op what = op::none;
  std::uint8_t length = 0;   // bytes, prefixes included
  std::uint8_t reg = 0;      // ModRM.reg with its VEX bit
  std::uint8_t vvvv = 0;     // the second register operand, already un-inverted
  std::uint8_t rm = 0;       // ModRM.rm with its VEX bit, if not memory
  bool memory = false;       // ModRM names memory: `address`, and `stride` for tile rows
  bool wide = false;         // VEX.L: 256 bits
  std::uint64_t address = 0; // base + displacement (+ index * scale unless the op takes a stride)
  std::uint64_t stride = 0;  // index * scale, 0 without an index register
};

namespace decoding {

struct reader {
  std::uint8_t const* at;
  int used = 0;
  // Instruction bytes are read one at a time: the one behind the end may lie in an unmapped page.
  __attribute__((no_sanitize_address, no_sanitize_thread)) std::uint8_t byte() noexcept {
    return at[used++];
  }
  std::uint64_t displacement(int bytes) noexcept {
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= static_cast<std::uint32_t>(byte()) << (8 * i);
    std::int64_t const extended =
        bytes == 1 ? static_cast<std::int8_t>(value & 0xffU) : static_cast<std::int32_t>(value);
    return static_cast<std::uint64_t>(extended);
  }
};

enum prefix : unsigned { none = 0, p66 = 1, pf3 = 2, pf2 = 3 };

inline op find_load(unsigned map, unsigned opcode, unsigned pp, bool memory) noexcept {
  if (!memory) return op::none;
  if (map == 2) return pp == p66 && (opcode == 0x58 || opcode == 0x18) ? op::broadcast : op::none;
  switch (opcode) {
  case 0x6f:
    return pp == pf3 ? op::load : pp == p66 ? op::aligned_load : op::none;
  case 0x10:
    return pp == none || pp == p66 ? op::load : op::none;
  case 0x28:
    return pp == none || pp == p66 ? op::aligned_load : op::none;
  default:
    return op::none;
  }
}

inline op find(unsigned opcode, unsigned pp, bool memory, unsigned reg_field,
               unsigned rm_field) noexcept {
  switch (opcode) {
  case 0x49:
    if (memory && reg_field == 0) {
      if (pp == none) return op::ldtilecfg;
      if (pp == p66) return op::sttilecfg;
    }
    if (!memory && rm_field == 0) {
      if (pp == none && reg_field == 0) return op::tilerelease;
      if (pp == pf2) return op::tilezero;
    }
    return op::none;
  case 0x4b:
    if (!memory || rm_field != 4) return op::none; // a SIB byte is required
    if (pp == pf2) return op::tileloadd;
    if (pp == p66) return op::tileloaddt1;
    if (pp == pf3) return op::tilestored;
    return op::none;
  case 0x5c:
    return !memory && pp == pf3 ? op::tdpbf16ps : op::none;
  case 0x5e:
    if (memory) return op::none;
    if (pp == pf2) return op::tdpbssd;
    if (pp == pf3) return op::tdpbsud;
    return pp == p66 ? op::tdpbusd : op::tdpbuud;
  case 0x50:
    return pp == p66 ? op::vpdpbusd : op::none;
  case 0x51:
    return pp == p66 ? op::vpdpbusds : op::none;
  case 0x52:
    return pp == p66 ? op::vpdpwssd : op::none;
  case 0x53:
    return pp == p66 ? op::vpdpwssds : op::none;
  default:
    return op::none;
  }
}

} // namespace decoding

/// Decodes the instruction at `code`, which the registers describe (RIP is that of `code` in the
/// running program). `what == op::none` says: not an instruction of this emulator.
inline instruction decode(std::uint8_t const* code, machine_registers const& registers) noexcept {
  instruction r;
  decoding::reader in{code};
  std::uint64_t segment_base = 0;
  bool address32 = false;
  std::uint8_t byte = in.byte();
  for (;; byte = in.byte()) {
    if (byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e) continue; // base is 0
    if (byte == 0x64) segment_base = registers.fs_base;
    else if (byte == 0x65) segment_base = registers.gs_base;
    else if (byte == 0x67) address32 = true;
    else break;
    if (in.used > 14) return r;
  }
  if ((byte != 0xc4 && byte != 0xc5) || in.used > 8) return r;

  unsigned vex1 = in.byte(), vex2 = vex1 & 0x7fU;
  if (byte == 0xc5) vex1 = (vex1 & 0x80U) | 0x61U;
  else vex2 = in.byte();
  unsigned const map = vex1 & 0x1fU;
  unsigned const opcode = in.byte();
  bool const product_or_tile = map == 2 && (opcode == 0x49 || opcode == 0x4b || opcode == 0x5c ||
                                            opcode == 0x5e || (opcode >= 0x50 && opcode <= 0x53));
  bool const load = (map == 1 && (opcode == 0x6f || opcode == 0x10 || opcode == 0x28)) ||
                    (map == 2 && (opcode == 0x58 || opcode == 0x18));
  if (!product_or_tile && !load) return r; // before a byte that may not exist is read
  unsigned const modrm = in.byte();
  unsigned const high_reg = (~vex1 >> 7) & 1U;
  unsigned const high_index = (~vex1 >> 6) & 1U;
  unsigned const high_base = (~vex1 >> 5) & 1U;
  unsigned const vvvv = (~vex2 >> 3) & 15U;
  unsigned const mod = modrm >> 6;
  unsigned const reg_field = (modrm >> 3) & 7U;
  unsigned const rm_field = modrm & 7U;
  bool const memory = mod != 3;
  bool const wide = (vex2 & 4U) != 0;
  op const what = load ? decoding::find_load(map, opcode, vex2 & 3U, memory)
                       : decoding::find(opcode, vex2 & 3U, memory, reg_field, rm_field);
  if (what == op::none || (vex2 & 0x80U) != 0) return r; // VEX.W must be 0
  if (load && vvvv != 0) return r;
  if (!is_vector(what)) { // there are eight tiles, and vvvv is used by products only
    bool const product = what >= op::tdpbssd;
    if (wide || high_reg != 0 || (!memory && high_base != 0) || (product ? vvvv > 7 : vvvv != 0))
      return r;
  }

  r.reg = static_cast<std::uint8_t>(reg_field | high_reg << 3);
  r.rm = static_cast<std::uint8_t>(rm_field | high_base << 3);
  r.vvvv = static_cast<std::uint8_t>(vvvv);
  r.memory = memory;
  r.wide = wide;
  if (memory) {
    std::uint64_t base = 0;
    bool rip_relative = false;
    int displacement_bytes = mod == 1 ? 1 : mod == 2 ? 4 : 0;
    if (rm_field == 4) {
      unsigned const sib = in.byte();
      unsigned const index = ((sib >> 3) & 7U) | high_index << 3;
      if (index != 4) r.stride = registers.general[index] << (sib >> 6);
      if ((sib & 7U) == 5 && mod == 0) displacement_bytes = 4; // no base register
      else base = registers.general[(sib & 7U) | high_base << 3];
    } else if (rm_field == 5 && mod == 0) {
      displacement_bytes = 4;
      rip_relative = true;
    } else {
      base = registers.general[rm_field | high_base << 3];
    }
    r.address = base + in.displacement(displacement_bytes);
    if (rip_relative) r.address += registers.rip + static_cast<unsigned>(in.used);
    if (is_vector(what) ||
        opcode != 0x4b) { // an ordinary operand: the index is part of the address
      r.address += r.stride;
      r.stride = 0;
    }
    if (address32) r.address &= 0xffffffffU;
    r.address += segment_base;
  }
  if (in.used > 15) return instruction{};
  r.length = static_cast<std::uint8_t>(in.used);
  r.what = what;
  return r;
}

} // namespace ia_nn_test::emulator
