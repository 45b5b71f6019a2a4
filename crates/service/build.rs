//! Compiles the control plane's interface without a system `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    let control = "turnpike/control/v1/control.proto";
    println!("cargo::rerun-if-changed={root}/{control}");
    let descriptors = protox::compile([control], [root])?;
    tonic_prost_build::configure().btree_map(".").compile_fds(descriptors)?;
    Ok(())
}
