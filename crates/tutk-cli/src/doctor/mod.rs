//! `tutk doctor`: finds out why a camera does not stream.
//!
//! The steps of an [`Examination`] do the I/O and gather
//! [`Observations`](observations::Observations). [`diagnose()`] turns them into a
//! [`Verdict`](verdict::Verdict) and has no other input.

mod attempt;
mod diagnose;
mod examination;
mod neighbours;
mod notes;
mod observations;
mod query;
mod reach;
mod recorder;
mod report_file;
mod route;
mod schedule;
mod session;
mod step;
mod stream;
mod verdict;

pub(crate) use self::diagnose::diagnose;
pub(crate) use self::examination::{Examination, Findings};
pub(crate) use self::notes::notes;
pub(crate) use self::recorder::Recorder;
pub(crate) use self::report_file::Contents;
pub(crate) use self::schedule::Schedule;
pub(crate) use self::step::Step;
