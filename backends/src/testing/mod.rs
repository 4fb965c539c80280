//! For tests of this crate and of its users (feature `testing`): the suite that every remote runs, a remote that
//! remembers its calls and one that fails as it is told.

mod contract;
mod faulty;
mod recorder;

pub use contract::contract;
pub use faulty::{FaultPlan, Faulty, When};
pub use recorder::{Call, Recorder};
