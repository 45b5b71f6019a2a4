//! Feeds as their users meet them: mapping files, the ones that we ship, and the mistakes in others.

mod mistakes;
mod shipped;
