//! The validator's executable.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// A thread takes what another frees, records in their thousands with the small pieces of letters and spans between them. glibc's memory
/// falls to pieces by that: the same records took 7 % more processor time as soon as one in a thousand was traced, here 1 %.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    service::run(&validator::DESCRIPTION, validator::run)
}
