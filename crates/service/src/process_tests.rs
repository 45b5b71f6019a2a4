//! What only a whole process shows: exit codes, the one line on stderr, signals, the drain, both ports.
//!
//! The tests start this test binary again, as a small service that behaves as it is told.

mod configuration;
mod fixture;
mod lifecycle;
mod ports;
