# SPDX-License-Identifier: Apache-2.0
#
# ia_nn_find_onednn(VARIABLE): what ia_nn::onednn links: oneDNN, version 2 or 3, and OpenMP, the number of
# whose threads the backend sets. FALSE if there is no oneDNN.
#
# Taken is the target DNNL::dnnl if the project has it; else what lies in IA_NN_ONEDNN_DIR, a prefix,
# or where the system looks. oneDNN's own package is not asked: that of Debian wants OpenCL.
set(IA_NN_ONEDNN_DIR "" CACHE PATH "The prefix of a oneDNN for ia_nn::onednn: include/ and lib/ are there")

function(ia_nn_find_onednn found)
  set(${found} FALSE PARENT_SCOPE)
  if(TARGET DNNL::dnnl)
    set(parts DNNL::dnnl)
  else()
    set(places)
    if(IA_NN_ONEDNN_DIR)
      set(places HINTS "${IA_NN_ONEDNN_DIR}" NO_DEFAULT_PATH)
    endif()
    unset(ia_nn_onednn_include CACHE) # a changed folder is found without a fresh build folder
    unset(ia_nn_onednn_library CACHE)
    find_path(ia_nn_onednn_include NAMES oneapi/dnnl/dnnl.hpp ${places} PATH_SUFFIXES include)
    find_library(ia_nn_onednn_library NAMES dnnl ${places} PATH_SUFFIXES lib lib64)
    mark_as_advanced(ia_nn_onednn_include ia_nn_onednn_library)
    if(NOT ia_nn_onednn_include OR NOT ia_nn_onednn_library)
      if(IA_NN_ONEDNN_DIR)
        message(FATAL_ERROR "ia_nn: there is no include/oneapi/dnnl/dnnl.hpp and lib/libdnnl.so in "
          "IA_NN_ONEDNN_DIR '${IA_NN_ONEDNN_DIR}'")
      endif()
      return()
    endif()
    if(NOT TARGET ia_nn_onednn_library)
      add_library(ia_nn_onednn_library INTERFACE IMPORTED GLOBAL)
      target_link_libraries(ia_nn_onednn_library INTERFACE "${ia_nn_onednn_library}")
      if(NOT ia_nn_onednn_include IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
        target_include_directories(ia_nn_onednn_library SYSTEM INTERFACE "${ia_nn_onednn_include}")
      endif()
    endif()
    set(parts ia_nn_onednn_library)
  endif()
  find_package(OpenMP QUIET COMPONENTS CXX)
  if(OpenMP_CXX_FOUND)
    list(APPEND parts OpenMP::OpenMP_CXX)
  endif()
  set(${found} "${parts}" PARENT_SCOPE)
endfunction()
