//! The command line: arguments and environment in, calls of `ops`, text and an exit code out. Start reading at [`run`].
//!
//! Owns everything a person sees or types. The only place that prints, prompts or reads the environment, and the only
//! home of clap and its companions. Never decides what a verb does: it resolves settings, calls one op and shows the report.

mod absent;
mod args;
mod browser;
mod bug;
mod commands;
mod completion;
mod config_source;
mod env;
mod flag_env;
mod log_flags;
mod mistakes;
mod moment;
mod network;
mod output;
mod password;
mod person;
mod places;
mod reference;
mod run;
mod service_flags;
mod settings;
mod shell;
mod signals;
mod timetable;
mod tokens;
mod topics;
mod without_effect;
mod words;

pub use env::{Env, Input, Stream, Terminal};
pub use run::run;

#[cfg(test)]
mod tests;
