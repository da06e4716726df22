//! A client without I/O.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::net::SocketAddr;
use std::ptr;
use std::time::Duration;

use bytes::Bytes;
use tutk_bindings::decode_answer;
use tutk_bindings::tutk_session::hl_ioctl::Operation;
use tutk_bindings::tutk_session::models::command_context;
use tutk_bindings::tutk_session::{
    self, CameraUrl, ClientConfig, Credentials, Epoch, Event, Instant, MediaRequest, RequestId,
    Subtype,
};

use crate::address::{self, Address};
use crate::arguments::{bytes_mut, exclusive, optional_text, out, reference, take, text, texts};
use crate::error::{Failure, Status, c_string, give_pointer, guard};
use crate::frame::Frame;

/// Request video.
pub const TUTK_VIDEO: u32 = 1;
/// Request audio.
pub const TUTK_AUDIO: u32 = 2;

/// A client of one camera for one session, without I/O. The caller owns the socket and the clock.
///
/// Not safe for use by several threads at the same time. It may move from one thread to another.
pub struct Client {
    session: tutk_session::Client,
    epoch: Epoch,
    model: Option<String>,
    /// The commands that wait for an answer.
    commands: BTreeMap<RequestId, (u64, Operation)>,
    last_command: u64,
    /// What the newest output borrows.
    frame: Bytes,
    text: CString,
}

/// What to do next. Ignore other kinds: later versions can add some.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// Send `len` bytes at `data` as a UDP datagram to the address `to`.
    Transmit = 0,
    /// Nothing to do before `timeout_ns`. Then call `tutk_client_handle_timeout`, unless another
    /// input comes first.
    Timeout = 1,
    /// A phase has completed: `text` is its name, for example "dtls".
    Phase = 2,
    /// The camera has authenticated the client: `text` is the camera's model, or empty.
    Authenticated = 3,
    /// A frame: `frame`.
    Frame = 4,
    /// `lost` frames are lost.
    Lost = 5,
    /// The camera answered command `command`. With TUTK_STATUS_OK in `status`, `text` is the value
    /// read as JSON, or "done" in quotes. Otherwise it is an error message.
    Answer = 6,
    /// The camera did not answer command `command`. `text` is an error message.
    Unanswered = 7,
    /// The session has ended. `status` is TUTK_STATUS_OK after `tutk_client_close`. Otherwise it is
    /// the error, and `text` its message. Only timeouts follow.
    Ended = 8,
}

/// The output of a client. The fields that `kind` does not name have no meaning.
///
/// The bytes and the text belong to the library.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// The kind.
    pub kind: OutputKind,
    /// The status of an answer or of the end.
    pub status: Status,
    /// The destination of a datagram.
    pub to: Address,
    /// The bytes of a datagram.
    pub data: *const u8,
    /// The number of bytes.
    pub len: usize,
    /// When `tutk_client_handle_timeout` is due, in nanoseconds of the caller's clock.
    pub timeout_ns: u64,
    /// The frame.
    pub frame: Frame,
    /// The number of lost frames.
    pub lost: u32,
    /// The number of a command.
    pub command: u64,
    /// A text in UTF-8. Never null.
    pub text: *const c_char,
}

impl Output {
    fn new(kind: OutputKind) -> Self {
        Self {
            kind,
            status: Status::Ok,
            to: Address::NONE,
            data: ptr::null(),
            len: 0,
            timeout_ns: 0,
            frame: Frame::NONE,
            lost: 0,
            command: 0,
            text: c"".as_ptr(),
        }
    }
}

/// The time and the seed of a new client.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// 32 random bytes that are used for nothing else: all secrets of the session are derived from
    /// them.
    pub seed: [u8; 32],
    /// The time of the caller's monotonic clock in nanoseconds.
    pub now_ns: u64,
    /// The time in nanoseconds since 1970.
    pub unix_ns: u64,
    /// TUTK_VIDEO, TUTK_AUDIO, both or 0.
    pub flags: u32,
}

impl Client {
    fn new(
        mut config: ClientConfig,
        start: &Start,
        quality: Option<Subtype>,
    ) -> Result<Self, Failure> {
        config.media = media(start.flags, 0)?;
        let model = config.model.clone();
        let quality = quality.filter(|_| config.media.video);
        let epoch = Epoch {
            instant: Instant::from_nanos(start.now_ns),
            unix: Duration::from_nanos(start.unix_ns),
        };
        let mut session = tutk_session::Client::new(config, start.seed, epoch);
        if let Some(quality) = quality {
            session.command(epoch.instant, quality.request(model.as_deref()));
        }
        Ok(Self {
            session,
            epoch,
            model,
            commands: BTreeMap::new(),
            last_command: 0,
            frame: Bytes::new(),
            text: CString::default(),
        })
    }

    fn command(&mut self, now: Instant, name: &str, values: &[&str]) -> Result<u64, Failure> {
        let operation = Operation::parse(name, values.iter().copied())?;
        let unix = self.epoch.unix_at(now);
        let context = command_context(self.model.as_deref(), Some(unix));
        let id = self.session.command(now, operation.request(&context)?);
        self.last_command += 1;
        self.commands.insert(id, (self.last_command, operation));
        Ok(self.last_command)
    }

    fn poll_output(&mut self) -> Output {
        loop {
            let event = match self.session.poll_output() {
                tutk_session::Output::Transmit(datagram) => {
                    return Output {
                        to: datagram.to.into(),
                        data: datagram.payload.as_ptr(),
                        len: datagram.payload.len(),
                        ..Output::new(OutputKind::Transmit)
                    };
                }
                tutk_session::Output::Timeout(deadline) => {
                    return Output {
                        timeout_ns: deadline.as_nanos(),
                        ..Output::new(OutputKind::Timeout)
                    };
                }
                tutk_session::Output::Event(event) => event,
            };
            if let Some(output) = self.event(event) {
                return output;
            }
        }
    }

    /// Returns `None` for events that are not reported.
    fn event(&mut self, event: Event) -> Option<Output> {
        Some(match event {
            Event::Phase(report) => {
                let output = Output::new(OutputKind::Phase);
                self.with_text(output, report.phase.name().to_owned())
            }
            Event::Authenticated(result) => {
                let reported = result.model().map(str::to_owned);
                self.model = self.model.take().or(reported);
                let model = self.model.clone().unwrap_or_default();
                self.with_text(Output::new(OutputKind::Authenticated), model)
            }
            Event::Frame(frame) => {
                let output = Output {
                    frame: (&frame).into(),
                    ..Output::new(OutputKind::Frame)
                };
                self.frame = frame.data;
                output
            }
            Event::Lost(lost) => Output {
                lost: lost.last.wrapping_sub(lost.first).saturating_add(1),
                ..Output::new(OutputKind::Lost)
            },
            Event::Answer(answer) => {
                let (command, operation) = self.commands.remove(&answer.id)?;
                let (status, text) = match decode_answer(&operation, &answer.payload) {
                    Ok(value) => (Status::Ok, value.to_string()),
                    Err(error) => {
                        let Failure { status, message } = error.into();
                        (status, message)
                    }
                };
                let output = Output {
                    command,
                    status,
                    ..Output::new(OutputKind::Answer)
                };
                self.with_text(output, text)
            }
            Event::Unanswered { id, code } => {
                let (command, _) = self.commands.remove(&id)?;
                let output = Output {
                    command,
                    status: Status::Unanswered,
                    ..Output::new(OutputKind::Unanswered)
                };
                let message = format!("the camera did not answer command K{code}");
                self.with_text(output, message)
            }
            Event::Ended(result) => {
                // These are not answered any more.
                self.commands.clear();
                let output = Output::new(OutputKind::Ended);
                match result {
                    Ok(()) => output,
                    Err(error) => {
                        let Failure { status, message } = Failure::from(&error);
                        self.with_text(Output { status, ..output }, message)
                    }
                }
            }
            _ => return None,
        })
    }

    fn with_text(&mut self, output: Output, text: String) -> Output {
        self.text = c_string(text);
        Output {
            text: self.text.as_ptr(),
            ..output
        }
    }
}

/// Returns the media that the flags request. `others` are other flags that are allowed.
pub(crate) fn media(flags: u32, others: u32) -> Result<MediaRequest, Failure> {
    match flags & !(TUTK_VIDEO | TUTK_AUDIO | others) {
        0 => Ok(MediaRequest {
            video: flags & TUTK_VIDEO != 0,
            audio: flags & TUTK_AUDIO != 0,
        }),
        unknown => Err(Failure::argument(
            "flags",
            &format!("unknown bits {unknown:#x}"),
        )),
    }
}

/// Creates a client from a camera's address, `wyze://HOST?uid=…&enr=…&mac=…`. It starts to connect
/// at `start->now_ns`: call `tutk_client_poll_output` next.
///
/// `camera` is the IP address of the camera. It may be null if the host in the URL is one.
/// `*client` is owned by the caller, who passes it to `tutk_client_free`. On failure it is null.
///
/// # Safety
/// `url` is a text that ends with NUL; `camera` is null or valid; `start` and `client` are valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_client_new(
    url: *const c_char,
    camera: *const Address,
    start: *const Start,
    client: *mut *mut Client,
) -> Status {
    // SAFETY: as required of the caller.
    give_pointer(unsafe { out(client, "client") }, || {
        // SAFETY: as required of the caller.
        let url: CameraUrl = unsafe { text(url, "url") }?.parse()?;
        // SAFETY: as required of the caller.
        let start = unsafe { reference(start, "start") }?;
        let camera = match camera.is_null() {
            true => SocketAddr::new(address::literal(url.host.as_deref())?, url.port),
            // SAFETY: as required of the caller.
            false => unsafe { reference(camera, "camera") }?.to_socket("camera")?,
        };
        let quality = url.subtype;
        let config = ClientConfig::for_url(camera, url);
        Ok(Box::into_raw(Box::new(Client::new(
            config, start, quality,
        )?)))
    })
}

/// As `tutk_client_new`, from the camera's UID, ENR and MAC address. `model` is the vendor's name
/// of the model, such as "HL_CAM4", or null.
///
/// # Safety
/// The texts end with NUL; `model` may be null; `camera`, `start` and `client` are valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_client_new_from_keys(
    uid: *const c_char,
    enr: *const c_char,
    mac: *const c_char,
    model: *const c_char,
    camera: *const Address,
    start: *const Start,
    client: *mut *mut Client,
) -> Status {
    // SAFETY: as required of the caller.
    give_pointer(unsafe { out(client, "client") }, || {
        // SAFETY: as required of the caller.
        let (uid, enr) = unsafe { (text(uid, "uid")?, text(enr, "enr")?) };
        // SAFETY: as required of the caller.
        let (mac, model) = unsafe { (text(mac, "mac")?, optional_text(model, "model")?) };
        // SAFETY: as required of the caller.
        let (camera, start) = unsafe { (reference(camera, "camera")?, reference(start, "start")?) };
        let credentials = Credentials::new(uid, enr, mac)?;
        let mut config = ClientConfig::new(camera.to_socket("camera")?, credentials);
        config.model = model.map(str::to_owned);
        Ok(Box::into_raw(Box::new(Client::new(config, start, None)?)))
    })
}

/// Handles a UDP datagram that arrived from `from`. The `len` bytes at `data` are decrypted in
/// place, so their values afterwards have no meaning. Call `tutk_client_poll_output` next.
///
/// Datagrams that are invalid or from other addresses are ignored.
///
/// # Safety
/// `client` is from `tutk_client_new`; `from` and the bytes are valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_client_handle_datagram(
    client: *mut Client,
    now_ns: u64,
    from: *const Address,
    data: *mut u8,
    len: usize,
) -> Status {
    guard(|| {
        // SAFETY: as required of the caller.
        let client = unsafe { exclusive(client, "client") }?;
        // SAFETY: as required of the caller.
        let from = unsafe { reference(from, "from") }?.to_socket("from")?;
        // SAFETY: as required of the caller.
        let datagram = unsafe { bytes_mut(data, len, "data") }?;
        (client.session).handle_datagram(Instant::from_nanos(now_ns), from, datagram);
        Ok(Status::Ok)
    })
}

/// Does what is due at `now_ns`. An early call does no harm. Call `tutk_client_poll_output` next.
///
/// # Safety
/// `client` is from `tutk_client_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_client_handle_timeout(client: *mut Client, now_ns: u64) -> Status {
    guard(|| {
        // SAFETY: as required of the caller.
        let client = unsafe { exclusive(client, "client") }?;
        client.session.handle_timeout(Instant::from_nanos(now_ns));
        Ok(Status::Ok)
    })
}

/// Reads a control of the camera, or sets it to `count` values if there are some. The names and
/// values are those of `tutk_controls_json`. `*command` is the number of the command, which its
/// output has, and may be null. Call `tutk_client_poll_output` next.
///
/// # Safety
/// `client` is from `tutk_client_new`; `control` and the `count` values are texts that end with
/// NUL; `command` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_client_command(
    client: *mut Client,
    now_ns: u64,
    control: *const c_char,
    values: *const *const c_char,
    count: usize,
    command: *mut u64,
) -> Status {
    guard(|| {
        // SAFETY: as required of the caller.
        let client = unsafe { exclusive(client, "client") }?;
        // SAFETY: as required of the caller.
        let control = unsafe { text(control, "control") }?;
        // SAFETY: as required of the caller.
        let values = unsafe { texts(values, count, "values") }?;
        let number = client.command(Instant::from_nanos(now_ns), control, &values)?;
        // SAFETY: as required of the caller.
        if let Ok(command) = unsafe { out(command, "command") } {
            command.write(number);
        }
        Ok(Status::Ok)
    })
}

/// Closes the session. Call `tutk_client_poll_output` next, and send its datagrams, so that the
/// camera is informed.
///
/// # Safety
/// `client` is from `tutk_client_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_client_close(client: *mut Client, now_ns: u64) -> Status {
    guard(|| {
        // SAFETY: as required of the caller.
        let client = unsafe { exclusive(client, "client") }?;
        client.session.close(Instant::from_nanos(now_ns));
        Ok(Status::Ok)
    })
}

/// Returns the next output. Call it after each other function, until the kind is
/// TUTK_OUTPUT_KIND_TIMEOUT.
///
/// Bytes and text in `*output` are valid until the next call of a function with this client.
///
/// # Safety
/// `client` is from `tutk_client_new`; `output` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_client_poll_output(
    client: *mut Client,
    output: *mut Output,
) -> Status {
    guard(|| {
        // SAFETY: as required of the caller. The memory may be uninitialized: it is only written.
        let (client, output) = unsafe { (exclusive(client, "client")?, out(output, "output")?) };
        output.write(client.poll_output());
        Ok(Status::Ok)
    })
}

/// Frees a client, without informing the camera: see `tutk_client_close`. Null is ignored.
///
/// # Safety
/// `client` is null or from `tutk_client_new`, and not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tutk_client_free(client: *mut Client) {
    guard(|| {
        // SAFETY: it was made by `Box::into_raw`, and the caller gives it up.
        drop(unsafe { take(client) });
        Ok(Status::Ok)
    });
}
