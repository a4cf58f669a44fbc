# SPDX-License-Identifier: Apache-2.0
#
# ia_nn_add_variants(<target>
#   SOURCES <file>...     the user's sources that use the library
#   ISAS    <isa>...      scalar avx2 avx2_vnni avx512 avx512_vnni avx512_bf16 amx
#   ENTRY   <function>... their entry points, extern "C"
#   [LINK   <target>...]) further libraries they use
#
# makes the static library <target>, which holds the sources once per instruction set. The variant
# for avx2 was compiled with the compiler flags of AVX2 and -DIA_NN_VARIANT=avx2, and its function
# `make_model` is called `make_model_avx2`; nothing else in it is visible to the linker. Declare
#     extern "C" model* make_model_avx2();
# in the program (which is compiled for any x86-64 CPU) and call the best one the CPU has.
#
# Why symbols are made local: a template of the standard library that two files instantiate is one
# function in the program. If the linker keeps the copy that was compiled with AVX-512, every other
# caller stops with an illegal instruction on a smaller CPU. Here each variant keeps its own copy,
# and its own static variables.
#
# This needs GNU ld and objcopy. Variants take no part in link-time optimization.

# ---- as a script: relinks one variant ----------------------------------------------------------
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  # No message about policies in script mode.
  cmake_minimum_required(VERSION 3.25)
  string(REPLACE "|" ";" OBJECTS "${OBJECTS}")
  string(REPLACE "|" ";" ENTRY "${ENTRY}")
  # The groups in which the compiler puts templates must be dissolved first: the linker picks one
  # group of each name and would drop the others although their symbols are local by then.
  execute_process(COMMAND "${LD}" -r --force-group-allocation -o "${OUTPUT}.tmp" ${OBJECTS}
    COMMAND_ERROR_IS_FATAL ANY)
  set(rename)
  set(keep)
  foreach(function IN LISTS ENTRY)
    list(APPEND rename "--redefine-sym=${function}=${function}_${ISA}")
    list(APPEND keep "--keep-global-symbol=${function}_${ISA}")
  endforeach()
  execute_process(COMMAND "${OBJCOPY}" ${rename} "${OUTPUT}.tmp" COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND "${OBJCOPY}" ${keep} "${OUTPUT}.tmp" COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND "${NM}" --defined-only --extern-only --format=posix "${OUTPUT}.tmp"
    OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" symbols "${symbols}")
  list(TRANSFORM symbols REPLACE " .*" "")
  foreach(function IN LISTS ENTRY)
    if(NOT "${function}_${ISA}" IN_LIST symbols)
      message(FATAL_ERROR
        "ia_nn: ENTRY ${function} is not defined in the sources (extern \"C\", not static)")
    endif()
    list(REMOVE_ITEM symbols "${function}_${ISA}")
  endforeach()
  if(symbols)
    message(FATAL_ERROR "ia_nn: symbols remain visible in the ${ISA} variant: ${symbols}")
  endif()
  file(RENAME "${OUTPUT}.tmp" "${OUTPUT}")
  return()
endif()

# ---- as part of a project -----------------------------------------------------------------------
set(IA_NN_VARIANTS_SCRIPT "${CMAKE_CURRENT_LIST_FILE}" CACHE INTERNAL "")

# -march names a base level first, so that an -march in the project's own flags has no effect.
function(ia_nn_flags_of_isa isa result)
  set(scalar -march=x86-64 -mtune=generic)
  set(avx2 -march=x86-64-v3 -mtune=generic)
  set(avx2_vnni ${avx2} -mavxvnni)
  set(avx512 -march=x86-64-v4 -mtune=generic)
  set(avx512_vnni ${avx512} -mavx512vnni)
  set(avx512_bf16 ${avx512_vnni} -mavx512bf16)
  set(amx ${avx512_bf16} -mamx-tile -mamx-int8 -mamx-bf16)
  if(NOT isa MATCHES "^(scalar|avx2|avx2_vnni|avx512|avx512_vnni|avx512_bf16|amx)$")
    message(FATAL_ERROR "ia_nn: unknown ISA '${isa}'; known are scalar avx2 avx2_vnni avx512 "
      "avx512_vnni avx512_bf16 amx")
  endif()
  set(${result} ${${isa}} PARENT_SCOPE)
endfunction()

function(ia_nn_add_variants target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;ISAS;ENTRY;LINK")
  foreach(needed IN ITEMS SOURCES ISAS ENTRY)
    if(NOT arg_${needed})
      message(FATAL_ERROR "ia_nn: ia_nn_add_variants(${target}) needs ${needed}")
    endif()
  endforeach()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR
      "ia_nn: ia_nn_add_variants(${target}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  find_program(IA_NN_LD NAMES ld.bfd x86_64-linux-gnu-ld.bfd ld REQUIRED)
  find_program(IA_NN_OBJCOPY NAMES objcopy REQUIRED)
  find_program(IA_NN_NM NAMES nm REQUIRED)
  mark_as_advanced(IA_NN_LD IA_NN_OBJCOPY IA_NN_NM)

  list(JOIN arg_ENTRY "|" entries)
  set(relinked)
  foreach(isa IN LISTS arg_ISAS)
    ia_nn_flags_of_isa(${isa} flags)
    set(objects ${target}_${isa}_objects)
    add_library(${objects} OBJECT ${arg_SOURCES})
    target_compile_definitions(${objects} PRIVATE IA_NN_VARIANT=${isa})
    # GCC marks static variables of inline functions "unique in the process", which objcopy cannot
    # make local. Clang's address-significance table does not survive objcopy.
    target_compile_options(${objects} PRIVATE ${flags} -fno-lto
      $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique> $<$<CXX_COMPILER_ID:Clang>:-fno-addrsig>)
    target_link_libraries(${objects} PRIVATE ia_nn::ia_nn ${arg_LINK})
    # Like a library's, so that shared libraries can hold variants too.
    set_target_properties(${objects} PROPERTIES
      POSITION_INDEPENDENT_CODE ON INTERPROCEDURAL_OPTIMIZATION OFF)
    set(output "${CMAKE_CURRENT_BINARY_DIR}/${target}_${isa}${CMAKE_CXX_OUTPUT_EXTENSION}")
    add_custom_command(OUTPUT "${output}"
      COMMAND "${CMAKE_COMMAND}" "-DLD=${IA_NN_LD}" "-DOBJCOPY=${IA_NN_OBJCOPY}"
        "-DNM=${IA_NN_NM}" "-DISA=${isa}" "-DENTRY=${entries}" "-DOUTPUT=${output}"
        "-DOBJECTS=$<JOIN:$<TARGET_OBJECTS:${objects}>,|>" -P "${IA_NN_VARIANTS_SCRIPT}"
      DEPENDS $<TARGET_OBJECTS:${objects}> "${IA_NN_VARIANTS_SCRIPT}"
      COMMENT "Relinking the ${isa} variant of ${target}" VERBATIM)
    list(APPEND relinked "${output}")
  endforeach()
  set_source_files_properties(${relinked} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  add_library(${target} STATIC ${relinked})
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
  if(arg_LINK)
    target_link_libraries(${target} PUBLIC ${arg_LINK})
  endif()
endfunction()
