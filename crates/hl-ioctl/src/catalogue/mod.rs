//! The commands as named controls: what a list, a command line or an HTTP API is made from.
//!
//! ```
//! use hl_ioctl::{CATALOGUE, entry};
//!
//! for entry in CATALOGUE {
//!     println!("{:20} {}", entry.name, entry.summary);
//! }
//! let night_vision = control("night-vision").unwrap();
//! let request = night_vision.set(&["auto"])?;
//! assert_eq!((request.code, request.payload), (10042, vec![3]));
//! // K10041, when K10040 has been answered.
//! assert_eq!(night_vision.describe_answer(&[3])?, "auto");
//!
//! let error = night_vision.set(&["dim"]).unwrap_err().to_string();
//! assert_eq!(error, "night-vision, value: expected on, off or auto, got `dim`");
//! # Ok::<(), hl_ioctl::Error>(())
//! ```

mod control;
mod operation;
mod table;

pub use control::{Context, Control};
pub use operation::{DONE, Operation};
pub use table::{CATALOGUE, control};
