//! Starts the program; everything else is in the library.

fn main() -> std::process::ExitCode {
    cryptsync::cli::run(cryptsync::cli::Env::from_os())
}
