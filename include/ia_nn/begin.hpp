// ia_nn: neural-network kernels for Intel-architecture CPUs
// SPDX-License-Identifier: Apache-2.0
//
// Opens the library's namespace; IA_NN_END closes it. In between, names that other people's headers
// define as macros mean what they mean in this library, and IA_NN_END gives the macros back. No
// #pragma once: every header includes this file, behind its other includes. Warnings that g++ can
// give and that say nothing here are off in between.
//
//   I              complex.h, with -std=gnu++20
//   emit slots     Qt
//   columns lines  term.h of ncurses
//   direct         sys/dir.h
//   K              linux/keyboard.h
//   index          X11/Xos.h
//   far near       of 16-bit times, minwindef.h
//   min max        X11/Xlibint.h, minwindef.h, and many a program
#include <ia_nn/config.hpp>

#pragma push_macro("I")
#undef I
#pragma push_macro("K")
#undef K
#pragma push_macro("columns")
#undef columns
#pragma push_macro("direct")
#undef direct
#pragma push_macro("emit")
#undef emit
#pragma push_macro("far")
#undef far
#pragma push_macro("index")
#undef index
#pragma push_macro("lines")
#undef lines
#pragma push_macro("max")
#undef max
#pragma push_macro("min")
#undef min
#pragma push_macro("near")
#undef near
#pragma push_macro("slots")
#undef slots

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion" // of arrays whose extents are signed constants
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuseless-cast" // std::uint64_t to std::size_t
#pragma GCC diagnostic ignored "-Wduplicated-branches" // that are the same for some types
#pragma GCC diagnostic ignored "-Wrestrict" // in std::string of g++ 12, with -O3
#endif

namespace ia_nn {
inline namespace IA_NN_ABI {
