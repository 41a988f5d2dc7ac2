# SPDX-License-Identifier: MIT
# Shared by quickstart, check and the like: what a machine needs, and how a build directory is made.
# Sourced by bash with `root` set to the top of the tree.

say() { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Debian package | a command that succeeds where it is there | what it is called elsewhere
needed='
meson|command -v meson|meson 1.0 or newer
ninja-build|command -v ninja|ninja
g++|command -v g++|a C and a C++20 compiler (g++ 12 or newer)
pkg-config|command -v pkg-config|pkg-config
ccache|command -v ccache|ccache
mold|command -v mold|mold (a fast linker)
llvm-22-dev|command -v llvm-config-22|LLVM 22 with its headers and llvm-config-22
llvm-22-tools|command -v FileCheck-22|FileCheck, not and lit of LLVM 22
libgtest-dev|pkg-config --exists gtest_main|GoogleTest
libb2-dev|pkg-config --exists libb2|libb2 (BLAKE2)
nlohmann-json3-dev|pkg-config --exists nlohmann_json|nlohmann-json 3
python3|command -v python3|python 3.11 or newer
python3-dev|python3 -c "import os, sysconfig; os.stat(sysconfig.get_path(\"include\") + \"/Python.h\")"|Python.h, the headers of python3
python3-numpy|python3 -c "import numpy"|numpy for python3
'

missing_packages() {
  local package probe other
  while IFS='|' read -r package probe other; do
    [ -n "$package" ] || continue
    eval "$probe" >/dev/null 2>&1 || printf '%s\n' "$package"
  done <<<"$needed"
}

explain_missing() {
  local package probe other
  while IFS='|' read -r package probe other; do
    [ -n "$package" ] || continue
    for wanted in "$@"; do
      if [ "$wanted" = "$package" ]; then printf '  %-20s (Debian: %s)\n' "$other" "$package"; fi
    done
  done <<<"$needed"
}

# Installs what is missing from Debian's packages; elsewhere names it and stops.
ensure_packages() {
  say "what this machine has"
  # A python of another origin may come first in PATH and lack numpy while Debian's has it.
  if ! python3 -c 'import numpy' >/dev/null 2>&1 && /usr/bin/python3 -c 'import numpy' >/dev/null 2>&1; then
    export PATH="/usr/bin:$PATH"
  fi
  local missing
  mapfile -t missing < <(missing_packages)
  if [ ${#missing[@]} -eq 0 ]; then
    note "everything needed is installed"
    return
  fi
  if ! command -v apt-get >/dev/null || [ ! -e /etc/debian_version ]; then
    printf 'This is not a Debian machine. Please install, then start again:\n' >&2
    explain_missing "${missing[@]}" >&2
    exit 1
  fi
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "not root and no sudo; as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  note "installing: ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
  "${apt[@]}" update >/dev/null || note "apt-get update failed; trying with the lists that are there"
  "${apt[@]}" install --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install: ${missing[*]}"
  # Debian's numpy serves Debian's python only.
  python3 -c 'import numpy' >/dev/null 2>&1 || export PATH="/usr/bin:$PATH"
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -eq 0 ] || die "still missing after the installation: ${missing[*]}"
}

# The compiler wrapper and linker that are there. Meson finds ccache by itself.
use_fast_tools() {
  if [ -z "${CXX_LD:-}" ] && command -v mold >/dev/null; then export CXX_LD=mold CC_LD=mold; fi
}

# configure_build DIR OPTION...: a fresh configuration, or the one that is there brought to these options.
configure_build() {
  local dir=$1
  shift
  use_fast_tools
  local log
  log=$(mktemp)
  if [ -e "$dir/build.ninja" ]; then
    meson setup --reconfigure "$dir" "$root" "$@" >"$log" 2>&1 || {
      note "the old configuration of ${dir#"$root"/} cannot be used; starting it afresh"
      meson setup --wipe "$dir" "$root" "$@" >"$log" 2>&1
    }
  else
    meson setup "$dir" "$root" "$@" >"$log" 2>&1
  fi || {
    cat "$log" >&2
    rm -f "$log"
    die "meson could not configure $dir"
  }
  rm -f "$log"
}

# build_dir DIR [TARGET...]: builds, with one progress line per ten steps where there is no terminal.
build_dir() {
  local dir=$1
  shift
  if [ -t 1 ]; then
    ninja -C "$dir" "$@"
  else
    set -o pipefail
    ninja -C "$dir" "$@" 2>&1 |
      awk '/^\[[0-9]+\/[0-9]+\]/ { split(substr($1, 2), p, "/"); n = p[1] + 0;
             if (n % 10 == 0 || n == p[2] + 0) { print "   " $1 " " $2 " " $3; fflush() } next }
           { print; fflush() }'
  fi || die "the build in ${dir#"$root"/} failed"
}
