//! The memory that the validator's executable works in.

use std::process::Command;

/// It is jemalloc's, and has one arena: with more, the same records take more time. What is set when it is built comes from a file that
/// cargo looks for in the folder in which it is called.
#[test]
fn memory_is_one_arena() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_validator"));
    command.arg("--version").env("MALLOC_CONF", "confirm_conf:true");
    let told = command.output().expect("it starts").stderr;
    let told = String::from_utf8_lossy(&told);
    assert!(told.contains("narenas:1"), "{told}");
}
