# SPDX-License-Identifier: Apache-2.0
#
# Included behind find_package(xsimd), by the project and by its package: ia_nn_xsimd_dirs, the
# include path of an xsimd that ia_nn was tested with.
#
# xsimd's include path is taken and its target not linked: Debian's target names the library xtl,
# which no Debian package installs, so that linking it ends in "cannot find -lxtl". The path and not
# a reference to the target, which is visible in its folder only and not in a user's.

# An xsimd that is part of the same build need not have the variable.
if(xsimd_VERSION AND xsimd_VERSION VERSION_LESS 8.1)
  message(FATAL_ERROR "ia_nn: needs xsimd 8.1 or newer, found ${xsimd_VERSION}")
elseif(xsimd_VERSION AND NOT xsimd_VERSION VERSION_LESS 14.4)
  message(STATUS "ia_nn: tested with xsimd 8.1 to 14.3, found ${xsimd_VERSION}")
endif()
if(TARGET xsimd)
  get_target_property(ia_nn_xsimd_dirs xsimd INTERFACE_INCLUDE_DIRECTORIES)
endif()
