//! Lines for whoever reads standard output. A reader that has seen enough (`| head`) is no fault.

use std::{
    fmt::Arguments,
    io::{ErrorKind, Write as _, stderr, stdout},
    process::exit,
};

/// What a shell shows of a program that writes to a pipe nobody reads: 128 and SIGPIPE.
const NOBODY_READS: i32 = 141;

/// `println!` for commands: ends the program quietly where that one would panic.
macro_rules! say {
    ($($what:tt)*) => { $crate::say::line(format_args!($($what)*)) };
}
pub(crate) use say;

/// One line. If it cannot be written there is nothing left to say it to.
pub(crate) fn line(what: Arguments<'_>) {
    match writeln!(stdout().lock(), "{what}") {
        Ok(()) => {}
        Err(why) if why.kind() == ErrorKind::BrokenPipe => exit(NOBODY_READS),
        Err(why) => {
            // Standard error may be gone as well.
            let _ = writeln!(stderr(), "error: standard output cannot be written to: {why}");
            exit(1);
        }
    }
}
