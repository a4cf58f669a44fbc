// SPDX-License-Identifier: Apache-2.0
//
// The networks in 8 bits, on the best instruction set that the program is compiled for.
#include "dynamic_net.hpp"
#include "static_net.hpp"

namespace demo {

std::unique_ptr<classifier> make_dynamic(network const& n, parameters const& p,
                                         run_options const& o) {
  return std::make_unique<dynamic_net<isa::native>>(n, p, o);
}
std::unique_ptr<classifier> make_static(network const& n, parameters const& p,
                                        std::vector<value_range> const& ranges,
                                        run_options const& o) {
  return std::make_unique<static_net<isa::native>>(n, p, ranges, o);
}

} // namespace demo
