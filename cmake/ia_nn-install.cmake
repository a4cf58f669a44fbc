# SPDX-License-Identifier: Apache-2.0
#
# Installs the headers, the CMake package and the pkg-config file. All of it is text, the same for
# every architecture.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(ia_nn_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/ia_nn")

install(TARGETS ia_nn EXPORT ia_nnTargets
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT ia_nnTargets NAMESPACE ia_nn:: DESTINATION "${ia_nn_package_dir}")

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/ia_nnConfig.cmake.in" "${PROJECT_BINARY_DIR}/ia_nnConfig.cmake"
  INSTALL_DESTINATION "${ia_nn_package_dir}")
# Before 1.0 a minor version may break the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ia_nnConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  "${PROJECT_BINARY_DIR}/ia_nnConfig.cmake"
  "${PROJECT_BINARY_DIR}/ia_nnConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/ia_nn-onednn.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/ia_nn-variants.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/ia_nn-xsimd.cmake"
  DESTINATION "${ia_nn_package_dir}")

# The prefix is found from the file's own place, so that `cmake --install --prefix` and moving the
# tree later both work.
file(RELATIVE_PATH ia_nn_pc_prefix
  "/prefix/${CMAKE_INSTALL_DATADIR}/pkgconfig" "/prefix")
configure_file("${PROJECT_SOURCE_DIR}/cmake/ia_nn.pc.in" "${PROJECT_BINARY_DIR}/ia_nn.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/ia_nn.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
