//! TOML and YAML in, definitions and run config with spans out
