//! wasmtime, limits, capabilities and the cache of compiled components
