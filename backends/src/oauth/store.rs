//! Where a token is kept between runs, as far as this crate has to know.

use std::any::Any;
use std::fmt::Debug;

/// Keeps the token of one remote between runs. Its calls may block.
pub trait TokenStore: Send + Sync + Debug {
    /// The remote's name as a person types it, without the colon.
    fn name(&self) -> String;

    /// The time, in seconds since 1970.
    fn now(&self) -> i64;

    /// Waits until no other process is renewing this token, holds them back until what it returns is dropped, and reads the
    /// token as it is kept now.
    fn hold(&self) -> HeldToken;

    /// Keeps another token instead. Called while it is held. If it can't be kept it is for the store to say so: this run goes
    /// on with what it has.
    fn keep(&self, token: &str);
}

/// A token that no other process renews meanwhile.
pub struct HeldToken {
    /// What is kept, if anything is.
    pub token: Option<String>,
    /// Lets the others go on when it is dropped.
    pub guard: Box<dyn Any + Send>,
}
