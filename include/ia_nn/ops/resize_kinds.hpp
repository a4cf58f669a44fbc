// SPDX-License-Identifier: Apache-2.0
//
// The ways to resize an image (resize.hpp) and to shuffle pixels (pixel_shuffle.hpp).
#pragma once

#include <ia_nn/config.hpp>

#include <ia_nn/begin.hpp>

/// Where an element of a resized image is read.
enum class resize_places : unsigned char { half_pixel, align_corners, asymmetric };
/// Of places between two elements: halves down, halves up, always down, always up.
enum class resize_rounding : unsigned char { half_down, half_up, down, up };
/// Which channels become which pixels.
enum class shuffle_order : unsigned char { column_row_depth, depth_column_row };

IA_NN_END
