// SPDX-License-Identifier: Apache-2.0
#include "../dcgan.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::dcgans() {
  return {
      entry_of<dcgan_generator<>>("dcgan_generator", "DCGAN", meaning::image),
      entry_of<dcgan_discriminator<>>("dcgan_discriminator", "DCGAN", meaning::number, from_minus_one_to_one),
  };
}
