#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: pkg_config.sh PKG_CONFIG PREFIX COMPILER WORK_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PKG_CONFIG_PATH=$2/share/pkgconfig
read -ra flags <<<"$("$1" --cflags ia_nn)"
[[ " ${flags[*]} " == *"$2"* ]] || { echo "pkg-config found another ia_nn: ${flags[*]}"; exit 1; }
"$3" "${flags[@]}" "$here/main.cpp" -o "$4/pkg_config_consumer"
"$4/pkg_config_consumer"
