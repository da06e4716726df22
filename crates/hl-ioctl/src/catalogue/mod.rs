//! The commands as named controls, for lists, command lines and HTTP APIs.
//!
//! ```
//! use hl_ioctl::{CATALOGUE, control};
//!
//! for control in CATALOGUE {
//!     println!("{:20} {}", control.name, control.summary);
//! }
//! let night_vision = control("night-vision").unwrap();
//! let request = night_vision.set(&["auto"])?;
//! assert_eq!((request.code, request.payload), (10042, vec![3]));
//! // The payload of K10041, the answer to K10040.
//! assert_eq!(night_vision.describe_answer(&[3])?, "auto");
//!
//! let error = night_vision.set(&["dim"]).unwrap_err().to_string();
//! assert_eq!(error, "night-vision, value: expected on, off or auto, got `dim`");
//! # Ok::<(), hl_ioctl::Error>(())
//! ```

mod control;
mod operation;
mod special;
pub(crate) mod table;

pub use control::{Context, Control};
pub use operation::{DONE, Operation};
pub use table::{CATALOGUE, control};
