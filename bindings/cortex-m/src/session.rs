//! A client whose inputs and outputs can be compared with those of another run.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;

use sha2::{Digest as _, Sha256};
use tutk_session::{
    Client, ClientConfig, Credentials, CredentialsError, Epoch, Error, Event, Frame, Instant,
    Limits, Output,
};

/// The camera's address.
pub const CAMERA: SocketAddr =
    SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 32_761);

/// The client's address.
pub const CLIENT: SocketAddr =
    SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 50_000);

/// The limit of a frame's bytes.
pub const LARGEST_FRAME: usize = 40 << 10;

/// An input of the client.
pub enum Input<'a> {
    /// A datagram of the camera.
    Datagram(&'a mut [u8]),
    /// The time has passed.
    Timeout,
    /// The session is to be closed.
    Close,
}

/// A client with a fixed seed.
pub struct Session {
    client: Client,
    digest: Sha256,
    end: Option<Result<(), Error>>,
}

impl Session {
    /// A client that starts to connect at [`epoch`].
    pub fn new() -> Result<Self, CredentialsError> {
        let mut config = ClientConfig::new(CAMERA, credentials()?);
        config.media.audio = false;
        config.limits = Limits {
            frames: 4,
            frame_bytes: LARGEST_FRAME,
            slices: 64,
            reorder_window: 2,
            events: 8,
            ..Limits::default()
        };
        // A real program takes the seed from its generator of random numbers.
        Ok(Self {
            client: Client::new(config, [1; 32], epoch()),
            digest: Sha256::new(),
            end: None,
        })
    }

    /// Passes an input to the client.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram(datagram) => self.client.handle_datagram(now, CAMERA, datagram),
            Input::Timeout => self.client.handle_timeout(now),
            Input::Close => self.client.close(now),
        }
    }

    /// Handles all outputs of the client.
    pub fn drain(&mut self, mut transmit: impl FnMut(&[u8]), mut frame: impl FnMut(&Frame)) {
        loop {
            match self.client.poll_output() {
                Output::Transmit(datagram) => {
                    self.digest.update(datagram.payload);
                    transmit(datagram.payload);
                }
                Output::Event(Event::Frame(received)) => {
                    self.digest.update(&received.data);
                    frame(&received);
                }
                Output::Event(Event::Ended(result)) => self.end = Some(result),
                Output::Event(_) => {}
                Output::Timeout(_) => return,
            }
        }
    }

    /// Returns how the session ended; `None` if it has not.
    pub fn end(&self) -> Option<&Result<(), Error>> {
        self.end.as_ref()
    }

    /// Returns the digest of all datagrams and frames that the client has put out.
    pub fn digest(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }
}

/// The camera's identity and keys.
pub fn credentials() -> Result<Credentials, CredentialsError> {
    Credentials::new("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "AABBCCDDEEFF")
}

/// The start of the session.
pub fn epoch() -> Epoch {
    Epoch {
        instant: Instant::ZERO,
        unix: Duration::from_secs(1_760_000_000),
    }
}
