//! A real Kafka broker, a private MariaDB and a small schema registry on this machine, for the demo and the tests.
//!
//! ```no_run
//! use local_stack::{Options, Stack, User};
//!
//! let stack = Stack::start(Options::default())?;
//! println!("Kafka is at {}", stack.kafka.bootstrap_servers());
//! println!("schemas are at {}", stack.registry.url());
//! println!("look inside with: {}", stack.mariadb.client_command(User::Reader));
//! # Ok::<(), local_stack::Error>(())
//! ```
//!
//! Everything listens on free ports of 127.0.0.1 and keeps its data in `target/local-stack/stacks/<n>`, which is
//! removed when the stack is dropped. If the process that owns a stack is killed, the kernel kills its children, and
//! the next start removes what they left. Each part can be stopped, killed and started again on the same port and data.
//!
//! What is made once is shared by all stacks, under `target/local-stack`: Kafka's jars (fetched by Maven), its formatted
//! storage and class-data archive, and MariaDB's system tables. Commands that the machine lacks are installed by
//! `deploy/local/install`.
//!
//! [`Jaeger`] is an extra for those who look at traces. Nobody's machine has it, so it is built by `deploy/jaeger/install`.
//!
//! Not for production: one node, one replica, and no encryption but with [`Security`], which is for tests of clients.

mod daemon;
mod error;
mod files;
mod folder;
mod jaeger;
mod kafka;
mod mariadb;
mod process;
mod progress;
mod registry;
mod security;
mod stack;
mod time;
mod tools;

pub use error::Error;
pub use folder::Folder;
pub use jaeger::Jaeger;
pub use kafka::{Jit, Kafka};
pub use mariadb::{MariaDb, User};
pub use process::Process;
pub use progress::Progress;
pub use registry::Registry;
pub use rustix::process::Signal;
pub use security::Security;
pub use stack::{Options, Stack};
