//! `tutk serve`: cameras of the file, for whoever watches.
//!
//! | module | what it is |
//! |---|---|
//! | `plan` | what is to be served, by file and command line |
//! | `house` | what is served now, and how it becomes what another plan says |
//! | `listeners` | the outputs: RTSP and HTTP |
//! | `recorder` | a camera's frames into segments |
//! | `chronicle` | what becomes of the cameras, for people |
//! | `demo` | simulated cameras instead of the file's |

pub(crate) mod chronicle;
pub(crate) mod demo;
pub(crate) mod house;
mod listeners;
pub(crate) mod plan;
mod recorder;
