#!/usr/bin/env bash
# The C interface from outside: installed, built against by one command a language, run, and run under AddressSanitizer
# and valgrind. Takes about half a minute. Needs the built library (cargo build --release --workspace), a C and a C++
# compiler; uses pkg-config, Fortran, CMake, valgrind, MPI and Julia where they are, and says what it left out.
# STRICT=1: nothing but Julia and MPI may be left out.
set -euo pipefail
capi="$(cd "$(dirname "$0")" && pwd)"
built="${CARGO_TARGET_DIR:-$capi/../target}/release"
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
prefix="$out/prefix"
cc="${CC:-cc}" cxx="${CXX:-c++}" fc="${FC:-gfortran}"

have() {
    if command -v "$1" > /dev/null; then return 0; fi
    echo "LEFT OUT: no $1"
    if [[ ${STRICT:-} == 1 && $1 != julia && $1 != mpicc ]]; then exit 1; fi
    return 1
}
echo "── install"
"$capi/install.sh" "$prefix" "$built"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
flags="-I$prefix/include -L$prefix/lib -Wl,-rpath,$prefix/lib -ltensorjump"
if have pkg-config; then flags="$(pkg-config --cflags --libs tensorjump)"; fi
static="-I$prefix/include $prefix/lib/libtensorjump.a"
system="$(sed -n 's/^Libs.private: //p' "$PKG_CONFIG_PATH/tensorjump.pc")"
cd "$out"
export RUST_BACKTRACE=0
warn="-Wall -Wextra -pedantic -Werror"

# No `a && b`: errexit looks at the last command of a list only.
# shellcheck disable=SC2086
{
    echo "── programs, each against an exact value"
    $cc -std=c99 $warn -O2 "$capi/examples/ising.c" -o ising $flags -lm; ./ising
    $cc -O2 "$capi/examples/ising.c" -o ising_static $static $system; ./ising_static
    $cxx -std=c++17 $warn -O2 "$capi/examples/fredkin.cpp" -o fredkin $flags; ./fredkin
    if have "$fc"; then
        $fc -std=f2018 -O2 "$prefix/share/tensorjump/tensorjump.f90" "$capi/examples/glass.f90" -o glass $flags; ./glass
    fi
    if have julia; then
        TENSORJUMP_LIB="$prefix/lib/libtensorjump.so" julia --project="$prefix/share/tensorjump/julia" "$capi/examples/ring.jl"
    fi
    if have mpicc; then
        mpicc -std=c99 -Wall -Wextra -Werror -O2 "$capi/examples/ranks_mpi.c" -o ranks_mpi $flags -lm
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
        export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
        for n in 1 2 3; do
            echo "$n ranks:"; mpirun -n $n ./ranks_mpi | tee "ranks_$n"
            cmp ranks_1 "ranks_$n"
        done
    fi
    if have cmake; then
        cp "$capi/tests/CMakeLists.txt" .; EXAMPLES="$capi/examples" cmake -S . -B cmake -DCMAKE_PREFIX_PATH="$prefix" > cmake.log
        cmake --build cmake > cmake.log; ./cmake/ising_shared; ./cmake/ising_static
    fi

    echo "── tests"
    test_flags="-I$capi/tests $flags -lm -pthread"
    for standard in c++17 c++20; do
        $cxx -std=$standard $warn -O1 "$capi/tests/wrapper.cpp" -o wrapper $flags -pthread; ./wrapper
    done
    for name in exact errors threads ranks; do $cc -std=gnu11 $warn -g -O1 "$capi/tests/$name.c" -o $name $test_flags; done
    ./exact; ./threads; ./threads 1; ./threads 2; ./ranks; ./ranks 1

    echo "── over and over, for AddressSanitizer"
    $cc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined "$capi/tests/errors.c" -o errors_asan $test_flags
    $cc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined "$capi/tests/ranks.c" -o ranks_asan $test_flags
    $cxx -std=c++17 -g -O1 -fsanitize=address,undefined "$capi/tests/wrapper.cpp" -o wrapper_asan $flags -pthread
    ./errors_asan 770; ./ranks_asan; ./wrapper_asan
    if have valgrind; then
        echo "── and for valgrind"
        memcheck="valgrind -q --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=3"
        $memcheck ./errors 770; $memcheck ./ranks
        $memcheck ./wrapper
    fi
}
echo "── the C interface passed in $SECONDS s"
