// SPDX-License-Identifier: Apache-2.0
//
// The suite `peak`: what the machine can do, and nothing else. The driver measures that at the
// start of every suite; this one has no instruction set to add.
#include "harness.hpp"

int main(int argc, char** argv) { return bench::drive(argc, argv, "peak", {}); }
