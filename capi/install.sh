#!/usr/bin/env bash
# Installs the C interface: capi/install.sh PREFIX [FOLDER OF THE BUILT LIBRARY]
# Without the second argument the library is built first (Rust is needed for nothing else).
set -euo pipefail
if (($# < 1 || $# > 2)); then echo "usage: $0 PREFIX [FOLDER OF libtensorjump.so]" >&2; exit 2; fi
capi="$(cd "$(dirname "$0")" && pwd)"
mkdir -p "$1"
prefix="$(cd "$1" && pwd)"
if (($# == 2)); then
    built="$2"
else
    cargo build --release --locked --manifest-path "$capi/Cargo.toml" --lib
    built="${CARGO_TARGET_DIR:-$capi/../target}/release"
fi
version="$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$capi/../Cargo.toml")"
major="${version%%.*}" minor="${version#*.}"
abi="$major"
if [[ $major == 0 ]]; then abi="0.${minor%%.*}"; fi # as build.rs names it

lib="$prefix/lib" include="$prefix/include"
mkdir -p "$lib/pkgconfig" "$lib/cmake/tensorjump" "$include" "$prefix/share/tensorjump"
install -m 644 "$capi"/include/tensorjump.{h,hpp} "$include"
install -m 644 "$capi"/include/tensorjump.f90 "$prefix/share/tensorjump" # a module: compiled with each program
cp -R "$capi/julia" "$prefix/share/tensorjump"
if [[ -e $built/libtensorjump.dylib ]]; then
    file=libtensorjump.dylib
    install -m 755 "$built/$file" "$lib"
    install_name_tool -id "$lib/$file" "$lib/$file"
else
    file="libtensorjump.so.$version"
    install -m 755 "$built/libtensorjump.so" "$lib/$file"
    ln -sf "$file" "$lib/libtensorjump.so.$abi"
    ln -sf "libtensorjump.so.$abi" "$lib/libtensorjump.so"
fi
install -m 644 "$built/libtensorjump.a" "$lib"
system="-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc" # what the static library needs
if [[ $file == *.dylib ]]; then system="-lSystem -lm"; fi

cat > "$lib/pkgconfig/tensorjump.pc" <<END
prefix=$prefix

Name: tensorjump
Description: tensor-network samplers for lattice systems
Version: $version
Cflags: -I\${prefix}/include
Libs: -L\${prefix}/lib -Wl,-rpath,\${prefix}/lib -ltensorjump
Libs.private: $system
END

cat > "$lib/cmake/tensorjump/tensorjump-config-version.cmake" <<END
set(PACKAGE_VERSION "$version")
string(REGEX MATCH "^[0-9]+\\\\.[0-9]+" wanted "\${PACKAGE_FIND_VERSION}")
if(NOT PACKAGE_FIND_VERSION OR (PACKAGE_VERSION MATCHES "^\${wanted}(\\\\.|$)" AND NOT PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION))
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
END

cat > "$lib/cmake/tensorjump/tensorjump-config.cmake" <<END
# Targets tensorjump::tensorjump (shared) and tensorjump::static.
get_filename_component(_tensorjump "\${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET tensorjump::tensorjump)
  add_library(tensorjump::tensorjump SHARED IMPORTED)
  set_target_properties(tensorjump::tensorjump PROPERTIES
    IMPORTED_LOCATION "\${_tensorjump}/lib/$file"
    IMPORTED_SONAME "libtensorjump.so.$abi"
    INTERFACE_INCLUDE_DIRECTORIES "\${_tensorjump}/include")
  add_library(tensorjump::static STATIC IMPORTED)
  set_target_properties(tensorjump::static PROPERTIES
    IMPORTED_LOCATION "\${_tensorjump}/lib/libtensorjump.a"
    INTERFACE_INCLUDE_DIRECTORIES "\${_tensorjump}/include"
    INTERFACE_LINK_LIBRARIES "$system")
  set(tensorjump_FORTRAN_MODULE "\${_tensorjump}/share/tensorjump/tensorjump.f90")
endif()
END
echo "tensorjump $version in $prefix: PKG_CONFIG_PATH=$lib/pkgconfig, CMAKE_PREFIX_PATH=$prefix"
