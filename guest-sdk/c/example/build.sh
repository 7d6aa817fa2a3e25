#!/bin/sh
# Makes the component kernel.wasm with clang and wasm-tools alone. COFFERDAM is a checkout of Cofferdam.
set -eu
sdk=${COFFERDAM:?names no checkout of Cofferdam}/guest-sdk/c
out=${1:-build}

mkdir -p "$out/wit/deps/op"
clang-19 --target=wasm32-wasi -mexec-model=reactor -O2 -msimd128 -I "$sdk/include" \
  -Wl,--stack-first,-z,stack-size=1048576,--gc-sections,--strip-debug \
  ops.c "$sdk"/src/*.c -o "$out/module.wasm"
# wasm-tools wants what the SDK's world is made of in its folder `deps`.
cp "$sdk/wit/library.wit" "$out/wit"
cp "$COFFERDAM"/wit/*.wit "$out/wit/deps/op"
wasm-tools component embed --world cofferdam:c/library "$out/wit" "$out/module.wasm" -o "$out/typed.wasm"
wasm-tools component new "$out/typed.wasm" -o "$out/kernel.wasm"
