# SPDX-License-Identifier: Apache-2.0
#
# Flags for the library's own tests, examples and benchmarks. Users of ia_nn::ia_nn see none of it.
set(IA_NN_MARCH "native" CACHE STRING "-march of the tests, examples and benchmarks")
set(IA_NN_OPTIMIZE "-O2" CACHE STRING "Optimization flags of the tests, examples and benchmarks")
set(IA_NN_SANITIZE "" CACHE STRING "Value of -fsanitize= for the tests: address,undefined or thread")

set(CMAKE_CXX_EXTENSIONS OFF) # -std=c++20, as users may have it

# Language, warnings and instruction set: what every compilation here has in common.
add_library(ia_nn_dev INTERFACE)
separate_arguments(ia_nn_optimize UNIX_COMMAND "${IA_NN_OPTIMIZE}")
set(ia_nn_dev_options -Wall -Wextra -Wconversion -Wshadow -Werror ${ia_nn_optimize})
if(IA_NN_MARCH)
  list(APPEND ia_nn_dev_options "-march=${IA_NN_MARCH}")
endif()
# g++ collects its garbage less often where there is memory for it: a tenth less time for large tests.
cmake_host_system_information(RESULT ia_nn_memory QUERY TOTAL_PHYSICAL_MEMORY) # MiB
cmake_host_system_information(RESULT ia_nn_cores QUERY NUMBER_OF_LOGICAL_CORES)
math(EXPR ia_nn_memory "${ia_nn_memory} / ${ia_nn_cores}")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND ia_nn_memory GREATER 4000)
  list(APPEND ia_nn_dev_options --param=ggc-min-heapsize=1500000)
endif()
if(IA_NN_SANITIZE)
  list(APPEND ia_nn_dev_options "-fsanitize=${IA_NN_SANITIZE}" -fno-sanitize-recover=all
    -fno-omit-frame-pointer -g1)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumentation makes GCC 12 see uninitialized members in its own std::function, and copies of
    # a negative number of bytes.
    list(APPEND ia_nn_dev_options -Wno-maybe-uninitialized -Wno-stringop-overflow)
  endif()
  target_link_options(ia_nn_dev INTERFACE "-fsanitize=${IA_NN_SANITIZE}")
endif()
target_compile_options(ia_nn_dev INTERFACE ${ia_nn_dev_options})
target_link_libraries(ia_nn_dev INTERFACE ia_nn::ia_nn)
# The opt-in headers are compiled by the tests too, so their flags belong to all of them.
# libgomp is not built for the thread sanitizer and every barrier of it would look like a race.
set(IA_NN_DEV_OPENMP OFF)
if(TARGET ia_nn::threads)
  target_link_libraries(ia_nn_dev INTERFACE ia_nn::threads)
endif()
if(TARGET ia_nn::openmp AND NOT IA_NN_SANITIZE MATCHES "thread")
  set(IA_NN_DEV_OPENMP ON)
  target_link_libraries(ia_nn_dev INTERFACE ia_nn::openmp)
endif()
# Readers of packed files and of safetensors: a user finds and links these too, see docs/files.md.
find_package(ZLIB QUIET)
find_package(nlohmann_json QUIET)
foreach(library IN ITEMS ZLIB::ZLIB nlohmann_json::nlohmann_json)
  if(TARGET ${library})
    target_link_libraries(ia_nn_dev INTERFACE ${library})
  endif()
endforeach()

# The same with preconditions checked inside `run`.
add_library(ia_nn_dev_checked INTERFACE)
target_compile_definitions(ia_nn_dev_checked INTERFACE IA_NN_CHECKED)
target_link_libraries(ia_nn_dev_checked INTERFACE ia_nn_dev)

# The command line of ia_nn_dev_checked for tests that call the compiler themselves.
set(IA_NN_DEV_COMMAND_LINE
  -std=c++20 ${ia_nn_dev_options} -DIA_NN_CHECKED "-I${PROJECT_SOURCE_DIR}/include")
foreach(dir IN LISTS ia_nn_xsimd_dirs)
  if(NOT dir IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
    list(APPEND IA_NN_DEV_COMMAND_LINE -isystem "${dir}")
  endif()
endforeach()

# Every header must compile alone: `cmake --build … --target all_verify_interface_header_sets`.
# A target of its own, so that it happens under the flags above. Headers whose dependency is not
# installed cannot compile and are left out by name.
set(ia_nn_alone ${ia_nn_headers})
list(FILTER ia_nn_alone EXCLUDE REGEX "/ia_nn/begin\\.hpp$") # opens a namespace that others close
if(NOT IA_NN_DEV_OPENMP)
  list(FILTER ia_nn_alone EXCLUDE REGEX "/exec/openmp\\.hpp$")
endif()
if(NOT TARGET ia_nn::threads)
  list(FILTER ia_nn_alone EXCLUDE REGEX "/exec/")
endif()
if(NOT TARGET ZLIB::ZLIB)
  list(FILTER ia_nn_alone EXCLUDE REGEX "/io/gzip\\.hpp$")
endif()
if(NOT TARGET nlohmann_json::nlohmann_json)
  list(FILTER ia_nn_alone EXCLUDE REGEX "/io/safetensors")
endif()
find_path(IA_NN_DNNL_HEADER dnnl.hpp)
mark_as_advanced(IA_NN_DNNL_HEADER)
if(NOT IA_NN_DNNL_HEADER)
  list(FILTER ia_nn_alone EXCLUDE REGEX "/onednn/")
endif()
add_library(ia_nn_headers INTERFACE)
target_sources(ia_nn_headers INTERFACE
  FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${ia_nn_alone})
target_link_libraries(ia_nn_headers INTERFACE ia_nn_dev_checked)
set_target_properties(ia_nn_headers PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
