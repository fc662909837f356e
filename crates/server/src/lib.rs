//! Config, build, run, drain.
