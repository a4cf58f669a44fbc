// Ranges of a network's values, written by ia_nn.
#pragma once

#include <ia_nn/graph/ir/constant_ranges.hpp>

#include <array>

inline constexpr std::array<ia_nn::graph::constant_range, 5> written_ranges{{
    {"", -0x1p+0F, 0x1p+0F},
    {"any", -0x1.99999ap-4F, 0x1.fffffep+127F},
    {"conv1", 0.0F, 0x1.8p+2F},
    {"image", -0x1.0f177ap+1F, 0x1.51eb86p+1F},
    {"odd \"\\\?\?/\012\0013 \303\251", -0x0.000002p-126F, 0x1.12e0bep-30F},
}};
