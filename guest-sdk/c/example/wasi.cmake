# For CMake's option --toolchain: clang makes a module that waits to be called.

set(WASM ON)
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_C_COMPILER_TARGET wasm32-wasi)
set(CMAKE_C_FLAGS_INIT "-O2 -msimd128")
# The stack first: one that is too deep traps instead of overwriting data.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-mexec-model=reactor -Wl,--stack-first,-z,stack-size=1048576,--gc-sections,--strip-debug")
