#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# No vector intrinsics, vector register types or inline assembly outside arch/: an instruction set is
# a folder there and nothing anywhere else has to change for a new one.
# Allowed everywhere is what touches no data and exists on every CPU: pause, rdtsc, reading and
# writing MXCSR (as intrinsics or builtins), and the empty asm that only stops the compiler from
# moving code across it.
#
#   check_intrinsics.sh [DIR]       DIR: include/ia_nn
#   check_intrinsics.sh --self-test
set -euo pipefail
export LC_ALL=C

# Prints file:line:code of every offence below $1, without comments and string literals.
offences() {
  local dir=$1 file
  while IFS= read -r -d '' file; do
    # shellcheck disable=SC2016
    awk -v name="$file" '
      {
        line = $0
        gsub(/asm (volatile|__volatile__)[ ]*\(""[^()]*\)/, "", line)
        gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
        while (1) {
          if (inside) {
            if ((at = index(line, "*/")) == 0) { line = ""; break }
            line = substr(line, at + 2); inside = 0
          }
          slashes = index(line, "//"); stars = index(line, "/*")
          if (stars && (!slashes || stars < slashes)) {
            rest = substr(line, stars + 2)
            if ((at = index(rest, "*/")) > 0)
              line = substr(line, 1, stars - 1) " " substr(rest, at + 2)
            else { line = substr(line, 1, stars - 1); inside = 1; break }
          } else { if (slashes) line = substr(line, 1, slashes - 1); break }
        }
        code = line
        gsub(/_mm_(pause|getcsr|setcsr)|__builtin_ia32_(pause|rdtsc|ldmxcsr|stmxcsr)/, "", line)
        gsub(/#[ \t]*include[ \t]*<xmmintrin\.h>/, "", line) # home of those
        if (line ~ /(^|[^A-Za-z0-9_])(_mm[0-9]*_|_tile_|__m(64|128|256|512)[a-z]*([^A-Za-z0-9_]|$)|__mmask|__builtin_ia32_|__asm__|asm([^A-Za-z0-9_]|$))/ ||
            line ~ /<[a-z0-9]*intrin\.h>/)
          printf "%s:%d:%s\n", name, NR, code
      }' "$file"
  done < <(find "$dir" -path "$dir/arch" -prune -o -name '*.hpp' -print0 | sort -z)
}

if [[ ${1:-} == --self-test ]]; then
  tmp=$(mktemp -d)
  trap 'rm -rf "$tmp"' EXIT
  mkdir -p "$tmp/arch/avx2" "$tmp/core"
  echo '__m256 v = _mm256_setzero_ps();' > "$tmp/arch/avx2/fine.hpp"
  {
    echo '// _mm256_add_ps is what this becomes'
    echo 'asm volatile("" ::: "memory"); asm volatile("" ::: ""); __builtin_ia32_rdtsc();'
    echo '/* asm("nop") and _mm_add_ps'
    echo '   __m512 */ int plasma = 1; auto s = "asm"; _mm_pause(); int a_mm256_b = __builtin_ia32_stmxcsr();'
  } > "$tmp/core/fine.hpp"
  [[ -z $(offences "$tmp") ]] || { echo "reported a clean tree:"; offences "$tmp"; exit 1; }
  while IFS= read -r bad; do
    echo "$bad" > "$tmp/core/bad.hpp"
    [[ $(offences "$tmp" | wc -l) == 1 ]] || { echo "missed: $bad"; exit 1; }
  done <<'BAD'
auto v = _mm512_setzero_ps();
int f() { asm volatile("nop"); }
  __asm__("nop");
void f(__m256i v);
#include <immintrin.h>
_tile_zero(0);
x = __builtin_ia32_addps(a, b); // y
/* c */ __mmask16 m;
BAD
  echo "check_intrinsics.sh: self-test passed"
  exit 0
fi

dir=${1:-$(dirname "$0")/../include/ia_nn}
[[ -d $dir ]] || { echo "check_intrinsics.sh: no folder $dir"; exit 2; }
found=$(offences "$dir")
if [[ -n $found ]]; then
  echo "$found"
  echo "intrinsics and inline assembly belong under arch/"
  exit 1
fi
echo "no intrinsics or inline assembly outside arch/"
