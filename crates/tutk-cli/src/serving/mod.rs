//! `tutk serve`: the cameras of the configuration file, their listeners and recordings.
//!
//! | module | contents |
//! |---|---|
//! | `plan` | the cameras and listeners that the file and the command line ask for |
//! | `service` | the running service, and how a new plan is applied to it |
//! | `listeners` | the outputs: RTSP and HTTP |
//! | `certificate` | the certificate of HTTPS and RTSPS |
//! | `descriptors` | the limit of open files |
//! | `recorder`, `retry` | keeps a camera's recording running |
//! | `service_manager` | tells systemd that the service is ready and alive |
//! | `status_log` | prints status changes of cameras |
//! | `demo` | simulated cameras for `--demo` |

mod certificate;
pub(crate) mod demo;
mod descriptors;
mod listeners;
pub(crate) mod plan;
mod recorder;
mod retry;
pub(crate) mod service;
pub(crate) mod service_manager;
pub(crate) mod status_log;
