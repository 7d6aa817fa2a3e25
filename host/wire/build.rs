//! Makes Rust of `proto/`, without protoc: protox compiles it here.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["cofferdam/v1/cluster.proto"], ["proto"])?;
    println!("cargo:rerun-if-changed=proto");
    tonic_prost_build::configure().bytes(".").compile_fds(files)?;
    Ok(())
}
