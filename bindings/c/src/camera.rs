//! A camera with its own thread and socket.

use std::ffi::c_char;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Runtime;
use tutk_bindings::tutk_session::CameraUrl;
use tutk_bindings::{CameraOptions, runtime};

use crate::arguments::{out, reference, take, text, texts};
use crate::client::media;
use crate::error::{Failure, Status, give_pointer, guard};
use crate::frame::{Frame, micros};
use crate::json::give;

/// For `tutk_camera_open`: reconnect after a failure. The frames continue with the next key frame.
/// There is no retry if the first session fails before the camera has authenticated the client.
pub const TUTK_RECONNECT: u32 = 4;

/// The time limit for the end of the thread.
const END: Duration = Duration::from_secs(3);

/// A camera with a thread of its own, which owns the socket and receives packets. Up to 1024 frames
/// wait for the caller. Then frames are dropped up to the next key frame.
///
/// All functions but `tutk_camera_free` may be called by several threads at the same time. Frames
/// must be read by one thread at a time.
pub struct Camera {
    runtime: Runtime,
    camera: tutk_bindings::Camera,
    /// What the newest frame borrows.
    frame: Mutex<Bytes>,
}

/// Starts to connect to a camera at `wyze://HOST?uid=…&enr=…&mac=…`, and returns at once.
///
/// Without a host, the camera is searched for by its UID. `flags` are TUTK_VIDEO, TUTK_AUDIO and
/// TUTK_RECONNECT. `*camera` is owned by the caller, who passes it to `tutk_camera_free`. On
/// failure it is null.
///
/// # Safety
/// `url` is a text that ends with NUL; `camera` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_camera_open(
    url: *const c_char,
    flags: u32,
    camera: *mut *mut Camera,
) -> Status {
    // SAFETY: as required of the caller.
    give_pointer(unsafe { out(camera, "camera") }, || {
        // SAFETY: as required of the caller.
        let url: CameraUrl = unsafe { text(url, "url") }?.parse()?;
        let media = media(flags, TUTK_RECONNECT)?;
        let options = CameraOptions {
            video: media.video,
            audio: media.audio,
            reconnect: flags & TUTK_RECONNECT != 0,
        };
        let runtime = runtime().map_err(|error| Failure::new(Status::System, error))?;
        let camera = tutk_bindings::Camera::open(runtime.handle(), url, options)?;
        Ok(Box::into_raw(Box::new(Camera {
            runtime,
            camera,
            frame: Mutex::default(),
        })))
    })
}

/// Waits for the next frame for at most `limit_ms` milliseconds.
///
/// The bytes of `*frame` are valid until the next call of this function or `tutk_camera_free` with
/// this camera. Returns TUTK_STATUS_TIMEOUT after the time limit, TUTK_STATUS_ENDED after
/// `tutk_camera_stop`, and the error that ended the session once.
///
/// # Safety
/// `camera` is from `tutk_camera_open`; `frame` is valid. No other thread reads a frame of this
/// camera meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_camera_next_frame(
    camera: *const Camera,
    limit_ms: u32,
    frame: *mut Frame,
) -> Status {
    guard(|| {
        // SAFETY: as required of the caller.
        let (camera, place) = unsafe { (reference(camera, "camera")?, out(frame, "frame")?) };
        let place = place.write(Frame::NONE);
        let limit = Duration::from_millis(limit_ms.into());
        let Some(next) = camera.camera.next_frame_within(limit) else {
            return Ok(Status::Timeout);
        };
        let Some(next) = next? else {
            return Ok(Status::Ended);
        };
        *place = Frame {
            unix_us: micros(next.unix),
            discontinuity: next.discontinuity,
            ..Frame::from(&next.frame)
        };
        *camera.frame.lock().unwrap_or_else(PoisonError::into_inner) = next.frame.data;
        Ok(Status::Ok)
    })
}

/// Reads a control of the camera, or sets it to `count` values if there are some. The names and
/// values are those of `tutk_controls_json`. Waits for the session and for the answer.
///
/// `*answer` is the value read as JSON, or "done" in quotes. The caller passes it to
/// `tutk_string_free`. On failure it is null.
///
/// # Safety
/// `camera` is from `tutk_camera_open`; `control` and the `count` values are texts that end with
/// NUL; `answer` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_camera_command(
    camera: *const Camera,
    control: *const c_char,
    values: *const *const c_char,
    count: usize,
    answer: *mut *mut c_char,
) -> Status {
    // SAFETY: as required of the caller.
    give(unsafe { out(answer, "answer") }, || {
        // SAFETY: as required of the caller.
        let camera = &unsafe { reference(camera, "camera") }?.camera;
        // SAFETY: as required of the caller.
        let control = unsafe { text(control, "control") }?;
        // SAFETY: as required of the caller.
        let values = unsafe { texts(values, count, "values") }?;
        let answer = camera.block_on(camera.command(control, &values))?;
        Ok(answer.to_string())
    })
}

/// Closes the session, and returns at once. A thread that waits for a frame gets those that were
/// received, then TUTK_STATUS_ENDED.
///
/// # Safety
/// `camera` is from `tutk_camera_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_camera_stop(camera: *const Camera) -> Status {
    guard(|| {
        // SAFETY: as required of the caller.
        unsafe { reference(camera, "camera") }?.camera.stop();
        Ok(Status::Ok)
    })
}

/// Closes the session, waits up to 6 seconds until the camera is informed and the thread has ended,
/// and frees the camera. Null is ignored.
///
/// # Safety
/// `camera` is null or from `tutk_camera_open`. No other thread uses it, now or afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_camera_free(camera: *mut Camera) {
    guard(|| {
        // SAFETY: it was made by `Box::into_raw`, and the caller gives it up.
        if let Some(camera) = unsafe { take(camera) } {
            let Camera {
                runtime, camera, ..
            } = *camera;
            runtime.block_on(camera.close());
            drop(camera);
            runtime.shutdown_timeout(END);
        }
        Ok(Status::Ok)
    });
}
