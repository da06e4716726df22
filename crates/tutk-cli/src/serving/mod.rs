//! `tutk serve`: the cameras of the configuration file, their listeners and recordings.
//!
//! | module | contents |
//! |---|---|
//! | `plan` | the cameras and listeners that the file and the command line ask for |
//! | `service` | the running service, and how a new plan is applied to it |
//! | `listeners` | the outputs: RTSP and HTTP |
//! | `recorder` | keeps a camera's recording running |
//! | `status_log` | prints status changes of cameras |
//! | `demo` | simulated cameras for `--demo` |

pub(crate) mod demo;
mod listeners;
pub(crate) mod plan;
mod recorder;
pub(crate) mod service;
pub(crate) mod status_log;
