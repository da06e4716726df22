//! The challenge exchange, both sides (summary.md phase 5, wire.md section 9).
//!
//! ```text
//! client                                camera
//!   K10000 connect request  ───────────►
//!          ◄───────────  K10001 challenge
//!   acknowledgement, count ≥ 2  ───────►        (an AV packet `09 00`, no HL message)
//!   K10002 answer, index and flag 1  ──►
//!          ◄───────────  K10003 result, JSON
//! ```
//!
//! A client that names its user says K10006 (doorbells) or K10008 (other models) in place of K10002, and is
//! answered K10007 or K10009 (commands.md).
//!
//! Packets get lost and come twice. The client repeats its last message each second (its session has the
//! clock); the camera answers the same question with the same bytes.

pub(crate) mod auth;
pub(crate) mod camera;
pub(crate) mod client;
