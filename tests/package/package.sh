#!/bin/bash
# SPDX-License-Identifier: MIT
# The installed copy, as a program of somebody else finds it: installs a build into a directory,
# moves that, and builds and runs programs against it with CMake and pkg-config.
#
#   tests/package/package.sh BUILD_DIR
set -eu
build=$(cd "${1:?usage: tests/package/package.sh BUILD_DIR}" && pwd)
source=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

fail() {
    echo "package: $*" >&2
    exit 1
}

# What `make install` does; the tree is then moved: nothing in it may know where it was.
DESTDIR=$scratch/staging cmake --install "$build" --prefix /opt/troupe > install.log ||
    { cat install.log; fail "it does not install"; }
mv staging/opt/troupe prefix
prefix=$scratch/prefix
lib=$(dirname "$(find "$prefix" -name libtroupe.so)")
include=$prefix/include
for file in bin/troupe share/man/man1/troupe.1 share/man/man3/libtroupe.3 share/man/man5/troupe.conf.5; do
    [ -e "$prefix/$file" ] || fail "$file is not installed"
done
if grep -rlF -e "$scratch/staging" -e /opt/troupe -e "$source" "$lib/cmake" "$lib/pkgconfig" "$include"; then
    fail "the files above know where they were made"
fi

# Every public header alone, as C11 and as C++17.
strict="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only -I$include"
for header in "$include"/troupe/*.h; do
    name=troupe/$(basename "$header")
    [ -e "$source/include/$name" ] || fail "$name is installed, but not public"
    echo "#include <$name>" > alone.c
    # shellcheck disable=SC2086 # a list of options
    cc -std=c11 $strict -Wstrict-prototypes alone.c || fail "$name alone is not C11"
    # shellcheck disable=SC2086
    c++ -std=c++17 $strict -x c++ alone.c || fail "$name alone is not C++17"
done

# Nothing but troupe_* is exported, or global in the archives.
for file in "$lib"/libtroupe*.so; do
    nm -D --defined-only "$file" | awk 'NF == 3 { print $3 }' > symbols
    [ -s symbols ] || fail "$file exports nothing"
    ! grep -v '^troupe_' symbols || fail "$file exports the names above"
done
for file in "$lib"/libtroupe*.a; do
    nm -g --defined-only "$file" | awk 'NF == 3 { print $3 }' > symbols
    [ -s symbols ] || fail "$file defines nothing"
    ! grep -v '^troupe_' symbols || fail "$file defines the names above for all"
done

# libtroupe needs nng and msgpack-c (which the linker drops as long as its headers suffice).
needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
soname() { readelf -d "$1" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p'; }
! needed "$lib/libtroupe.so" | grep -vE '^(libnng|libmsgpack|libc\.|libm\.|libpthread|ld-linux)' ||
    fail "libtroupe.so needs the libraries above"
needed "$lib/libtroupe-host.so" | grep -qxF "$(soname "$lib/libtroupe.so")" ||
    fail "libtroupe-host.so does not name the libtroupe that it was built with"
for name in troupe troupe-host; do
    [ -e "$lib/$(soname "$lib/lib$name.so")" ] || fail "lib$name.so: nothing has its SONAME"
done

# 1. CMake: the examples, which find an installed copy when they stand alone; C++; static libraries.
cmake_build() {
    { cmake -G Ninja -S "$1" -B "$2" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Debug \
        -DEXAMPLES="$source/examples" && cmake --build "$2"; } > cmake.log 2>&1 ||
        { cat cmake.log; fail "$1 does not build with CMake"; }
}
cp -r "$source/examples" examples
cmake_build "$scratch/examples" by-cmake
(cd by-cmake && ctest -Q --output-on-failure -E embed_host) ||
    { cat by-cmake/Testing/Temporary/LastTest.log; fail "an example fails"; }
by-cmake/example_embed_host > embed.log 2>&1 || { cat embed.log; fail "embed_host fails"; }
cmake_build "$source/tests/package/project" project
project/cpp_shared || fail "actor.cpp, shared, fails"
project/cpp_static "$prefix/bin/troupe" > cpp.log 2>&1 || { cat cpp.log; fail "actor.cpp, static, fails"; }
project/hello_static > hello.log || fail "hello, built with CMake, fails"
! ldd project/cpp_static project/hello_static | grep libtroupe || fail "that is not static"

# 2. pkg-config, shared and static.
export PKG_CONFIG_PATH=$lib/pkgconfig
flags() { pkg-config "$@" || fail "pkg-config $*"; }
# shellcheck disable=SC2046 # lists of options
{
    cc -std=c11 $(flags --cflags troupe) examples/hello.c -o hello $(flags --libs troupe)
    cc -std=c11 -D_GNU_SOURCE $(flags --cflags troupe-host) examples/embed_host.c -o embed_host \
        $(flags --libs troupe-host)
    cc -std=c11 $(flags --cflags troupe) -static examples/hello.c -o hello_static \
        $(flags --static --libs troupe)
}
LD_LIBRARY_PATH=$lib ldd hello | grep -q "$prefix" || fail "that is not the installed libtroupe"
LD_LIBRARY_PATH=$lib ./hello > hello.log || fail "hello, shared, fails"
LD_LIBRARY_PATH=$lib ./embed_host --keeper 2> keeper.log && fail "a keeper without a browser is content"
grep -q "host's own use" keeper.log || { cat keeper.log; fail "embed_host is no keeper"; }
! readelf -d hello_static | grep NEEDED || fail "that is not static"
./hello_static > hello.log || fail "hello, all static, fails"

# The manual page is clean, names every function, and its example works.
page=$prefix/share/man/man3/libtroupe.3
groff -man -Tutf8 -ww -z "$page" 2> groff.log
[ ! -s groff.log ] || { cat groff.log; fail "libtroupe(3) has warnings"; }
nm -D --defined-only "$lib"/libtroupe.so "$lib"/libtroupe-host.so | awk 'NF == 3 { print $3 }' |
    while read -r name; do grep -qw "$name" "$page" || echo "$name"; done > unnamed
[ ! -s unnamed ] || { cat unnamed; fail "libtroupe(3) does not name the functions above"; }
grep -oP '(?<!::)\btroupe_[a-z_]*[a-z]' "$page" | sort -u | while read -r name; do
    grep -rqw "$name" "$include" || echo "$name"; done > unknown
[ ! -s unknown ] || { cat unknown; fail "libtroupe(3) names what no header has"; }
sed -n '/^\.EX$/,/^\.EE$/{//!p}' "$page" | sed 's/\\e/\\/g' > manual.c
# shellcheck disable=SC2046 # lists of options
cc -std=c11 -Wall -Wextra -Werror $(flags --cflags troupe) manual.c -o manual $(flags --libs troupe)
[ "$(LD_LIBRARY_PATH=$lib ./manual)" = "1 (no error)" ] || fail "the manual's example fails"

[ "$(pkg-config --modversion troupe)" = "$("$prefix/bin/troupe" --version | sed 's/[^0-9]*//')" ] ||
    fail "troupe.pc and troupe --version differ"
echo "package: all well"
