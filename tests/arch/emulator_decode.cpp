// SPDX-License-Identifier: Apache-2.0
//
// The emulator's decoder on bytes written by hand: lengths, operands, addresses, and above all what
// it must leave alone. That the assembler's encodings decode is checked by executing them.
#include "../catch.hpp"
#include "../emulator/decode.hpp"

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace emulator = ia_nn_test::emulator;
using emulator::op;

namespace {

emulator::machine_registers numbered() {
  emulator::machine_registers r{};
  for (unsigned i = 0; i < 16; ++i) r.general[i] = 0x1000U * (i + 1);
  r.rip = 0x700000;
  r.fs_base = 0x10000000;
  r.gs_base = 0x20000000;
  return r;
}

emulator::instruction decode(std::initializer_list<int> code) {
  std::vector<std::uint8_t> bytes;
  for (int b : code) bytes.push_back(static_cast<std::uint8_t>(b));
  bytes.resize(16, 0x90);
  return emulator::decode(bytes.data(), numbered());
}

op what(std::initializer_list<int> code) { return decode(code).what; }

} // namespace

TEST_CASE("emulator decode: operands of tile products") {
  auto const i = decode({0xc4, 0xe2, 0x73, 0x5e, 0xda}); // tdpbssd tmm3 += tmm2 * tmm1
  CHECK(i.what == op::tdpbssd);
  CHECK(i.length == 5);
  CHECK(i.reg == 3);
  CHECK(i.rm == 2);
  CHECK(i.vvvv == 1);
  CHECK(what({0xc4, 0xe2, 0x72, 0x5e, 0xda}) == op::tdpbsud);
  CHECK(what({0xc4, 0xe2, 0x71, 0x5e, 0xda}) == op::tdpbusd);
  CHECK(what({0xc4, 0xe2, 0x70, 0x5e, 0xda}) == op::tdpbuud);
  CHECK(what({0xc4, 0xe2, 0x72, 0x5c, 0xda}) == op::tdpbf16ps);
}

TEST_CASE("emulator decode: memory operands") {
  auto load = decode({0xc4, 0xe2, 0x7b, 0x4b, 0x34, 0xc8}); // tileloadd (rax + rcx*8)
  CHECK(load.what == op::tileloadd);
  CHECK(load.length == 6);
  CHECK(load.reg == 6);
  CHECK(load.address == 0x1000);
  CHECK(load.stride == 0x2000 * 8);
  load = decode({0xc4, 0xe2, 0x7b, 0x4b, 0x34, 0x0d, 0x78, 0x56, 0x34, 0x12}); // no base
  CHECK(load.length == 10);
  CHECK(load.address == 0x12345678);
  CHECK(load.stride == 0x2000);
  load = decode({0xc4, 0x82, 0x7b, 0x4b, 0x74, 0x65, 0xff}); // -1(r13 + r12*2)
  CHECK(load.length == 7);
  CHECK(load.address == 0xe000 - 1);
  CHECK(load.stride == 0xd000 * 2);
  load = decode({0xc4, 0xe2, 0x7b, 0x4b, 0x34, 0x24}); // rsp, and no index
  CHECK(load.address == 0x5000);
  CHECK(load.stride == 0);

  auto const relative = decode({0xc4, 0xe2, 0x78, 0x49, 0x05, 0xf0, 0xff, 0xff, 0xff});
  CHECK(relative.what == op::ldtilecfg);
  CHECK(relative.length == 9);
  CHECK(relative.address == 0x700000 + 9 - 16); // RIP is behind the instruction
  auto const thread = decode({0x64, 0xc4, 0xe2, 0x79, 0x49, 0x04, 0x25, 0x08, 0, 0, 0});
  CHECK(thread.what == op::sttilecfg);
  CHECK(thread.length == 11);
  CHECK(thread.address == 0x10000008);
  CHECK(decode({0x65, 0xc4, 0xe2, 0x79, 0x49, 0x00}).address == 0x20001000);
  CHECK(decode({0x2e, 0xc4, 0xe2, 0x79, 0x49, 0x00}).address == 0x1000);
  auto const short_address = decode({0x67, 0xc4, 0xe2, 0x79, 0x49, 0x80, 0, 0xe0, 0xff, 0xff});
  CHECK(short_address.address == 0xfffff000); // 0x1000 - 0x2000 in 32 bits
}

TEST_CASE("emulator decode: vector operands") {
  auto const i = decode({0xc4, 0x42, 0x15, 0x50, 0xf7}); // vpdpbusd ymm14, ymm13, ymm15
  CHECK(i.what == op::vpdpbusd);
  CHECK(i.wide);
  CHECK(i.reg == 14);
  CHECK(i.vvvv == 13);
  CHECK(i.rm == 15);
  auto const m = decode({0xc4, 0xa2, 0x71, 0x53, 0x44, 0xa0, 0x10}); // 16(rax + r12*4)
  CHECK(m.what == op::vpdpwssds);
  CHECK_FALSE(m.wide);
  CHECK(m.address == 0x1000 + 0xd000 * 4 + 16);
  CHECK(m.stride == 0);
}

TEST_CASE("emulator decode: loads between vector instructions") {
  auto const load = decode({0xc5, 0x7e, 0x6f, 0x68, 0x20}); // vmovdqu 32(rax), ymm13
  CHECK(load.what == op::load);
  CHECK(load.length == 5);
  CHECK(load.reg == 13);
  CHECK(load.wide);
  CHECK(load.address == 0x1020);
  auto const far = decode({0xc4, 0xc1, 0x78, 0x28, 0x04, 0xcc}); // vmovaps (r12 + rcx*8), xmm0
  CHECK(far.what == op::aligned_load);
  CHECK_FALSE(far.wide);
  CHECK(far.address == 0xd000 + 0x2000 * 8);
  CHECK(decode({0xc4, 0xe2, 0x7d, 0x58, 0x00}).what == op::broadcast); // vpbroadcastd
  CHECK(decode({0xc4, 0xe2, 0x7d, 0x18, 0x00}).what == op::broadcast); // vbroadcastss
  CHECK(what({0xc5, 0xfe, 0x6f, 0xc1}) == op::none);                   // between registers
  CHECK(what({0xc5, 0xfe, 0x7f, 0x00}) == op::none);                   // a store
  CHECK(what({0xc5, 0xfa, 0x10, 0x00}) == op::none);                   // vmovss
  CHECK(what({0xc5, 0xfb, 0x10, 0x00}) == op::none);                   // vmovsd
  CHECK(what({0xc5, 0x76, 0x6f, 0x00}) == op::none);                   // vvvv must be 1111
  CHECK(what({0xc5, 0xfd, 0x58, 0x00}) == op::none);                   // vaddpd
}

TEST_CASE("emulator decode: what a CPU refuses, or what is another instruction, is left alone") {
  CHECK(what({0x0f, 0x0b}) == op::none);                         // ud2
  CHECK(what({0x62, 0xf2, 0x75, 0x48, 0x50, 0xc2}) == op::none); // the EVEX vpdpbusd
  CHECK(what({0xc5, 0xf8, 0x77}) == op::none);                   // vzeroupper
  CHECK(what({0xc4, 0xe3, 0x73, 0x5e, 0xda}) == op::none);       // map 0F3A
  CHECK(what({0xc4, 0xe2, 0xf3, 0x5e, 0xda}) == op::none);       // VEX.W
  CHECK(what({0xc4, 0xe2, 0x77, 0x5e, 0xda}) == op::none);       // VEX.L
  CHECK(what({0xc4, 0x62, 0x73, 0x5e, 0xda}) == op::none);       // tmm11
  CHECK(what({0xc4, 0xc2, 0x73, 0x5e, 0xda}) == op::none);       // tmm10
  CHECK(what({0xc4, 0xe2, 0x33, 0x5e, 0xda}) == op::none);       // tmm9
  CHECK(what({0xc4, 0xe2, 0x73, 0x5e, 0x1a}) == op::none);       // a product with memory
  CHECK(what({0xc4, 0xe2, 0x70, 0x5c, 0xda}) == op::none);       // 5C without F3
  CHECK(what({0xc4, 0xe2, 0x7b, 0x4b, 0x30}) == op::none);       // no SIB byte
  CHECK(what({0xc4, 0xe2, 0x7b, 0x4b, 0xf4}) == op::none);       // no memory
  CHECK(what({0xc4, 0xe2, 0x73, 0x4b, 0x34, 0xc8}) == op::none); // vvvv must be 1111
  CHECK(what({0xc4, 0xe2, 0x78, 0x4b, 0x34, 0xc8}) == op::none); // no prefix
  CHECK(what({0xc4, 0xe2, 0x78, 0x49, 0xc8}) == op::none);       // tilerelease with reg 1
  CHECK(what({0xc4, 0xe2, 0x78, 0x49, 0x08}) == op::none);       // ldtilecfg with reg 1
  CHECK(what({0xc4, 0xe2, 0x7b, 0x49, 0xc1}) == op::none);       // tilezero with rm 1
  CHECK(what({0xc4, 0xe2, 0x74, 0x50, 0xc2}) == op::none);       // 50 without 66
  CHECK(what({0xc4, 0xe2, 0xf5, 0x50, 0xc2}) == op::none);       // vpdpbusd with VEX.W
  CHECK(what({0x66, 0xc4, 0xe2, 0x75, 0x50, 0xc2}) == op::none); // 66 in front of VEX
  CHECK(what({0xc4, 0xe2, 0x75, 0x54, 0xc2}) == op::none);       // the opcode behind ours
  CHECK(what({0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0xc4, 0xe2, 0x78,
              0x49}) == op::none); // over 15 bytes
}
