//! The responses to requests (RFC 2326 section 10).

use std::net::SocketAddr;

use super::connection::{Connection, End, Event, MAX_REFUSALS, Waiting};
use super::message::{METHODS, Method, Request};
use super::outgoing::Path;
use super::ports::Ports;
use super::response::{Response, Status};
use super::session::Session;
use super::target::Target;
use super::transport::{Offer, offers};
use crate::accounts::{AuthError, Login, User};

/// The `Server` header.
const SERVER: &str = concat!("tutk/", env!("CARGO_PKG_VERSION"));

impl Connection {
    pub(super) fn request(&mut self, request: Request) {
        tracing::trace!(peer = %self.config.peer, method = request.name, uri = request.uri, "request");
        let Some(cseq) = cseq(&request) else {
            return self.refuse(&request, Status::BadRequest);
        };
        match request.method {
            Method::Options => {
                let response = self.response(Status::Ok, Some(cseq));
                return response.header("Public", METHODS).end();
            }
            Method::Unknown => return self.refuse(&request, Status::NotImplemented),
            Method::NotAllowed => {
                let response = self.response(Status::MethodNotAllowed, Some(cseq));
                return response.header("Allow", METHODS).end();
            }
            _ => {}
        }
        let header = request.header("Authorization");
        let asked = Target::parse(&request.uri).map(|target| target.camera);
        // Some clients sign the camera's URL in requests for its tracks.
        let accepts_uri = |signed: &str| {
            let camera = Target::parse(signed).map(|target| target.camera);
            signed == request.uri || camera.is_some() && camera == asked
        };
        let accounts = &self.config.accounts;
        let client = (self.now, self.config.peer.ip());
        let plain = self.config.allow_plain_passwords;
        let challenge = &mut self.challenge;
        let login = challenge.check(accounts, client, plain, &request.name, header, accepts_uri);
        match login {
            Login::Done(result) => self.logged_in(request, result),
            Login::Check(check) => {
                self.events.push_back(Event::CheckPassword(check.clone()));
                self.waiting = Some(Waiting::Password { check, request });
            }
        }
    }

    /// Continues with a request whose authentication is complete.
    pub(super) fn logged_in(&mut self, request: Request, result: Result<User, AuthError>) {
        match result {
            Ok(user) => {
                self.authenticated = true;
                self.authorized(request, &user);
            }
            Err(error) => self.unauthenticated(&request, error),
        }
    }

    fn authorized(&mut self, request: Request, user: &User) {
        let Some(cseq) = cseq(&request) else {
            return self.refuse(&request, Status::BadRequest);
        };
        if let Some(required) = request.header("Require") {
            let response = self.response(Status::OptionNotSupported, Some(cseq));
            return response.header("Unsupported", required).end();
        }
        let other = |id: &str| self.session_id().is_none_or(|own| own != id);
        // Parameters of the session id follow a semicolon.
        let id = request
            .header("Session")
            .and_then(|id| id.split(';').next());
        if id.is_some_and(|id| other(id.trim())) {
            return self.refuse(&request, Status::SessionNotFound);
        }
        let target = Target::parse(&request.uri);
        if target
            .as_ref()
            .is_some_and(|target| !user.sees(&target.camera))
        {
            return self.refuse(&request, Status::NotFound);
        }
        // Later URLs are made from `Content-Base`, which has no query.
        let delay = target.as_ref().and_then(|target| target.start_delay);
        if delay.is_some() || request.method == Method::Describe {
            self.start_delay = delay.unwrap_or_default();
        }
        match (request.method, target) {
            (Method::GetParameter | Method::SetParameter, _) => self.parameter(&request, cseq),
            (_, None) if request.uri == "*" => self.refuse(&request, Status::BadRequest),
            (_, None) => self.refuse(&request, Status::NotFound),
            (Method::Describe, Some(target)) => self.describe(target.camera, request),
            (Method::Setup, Some(target)) => self.setup(&target, request),
            (_, Some(target)) => self.control(&target, &request, cseq),
        }
    }

    /// Refuses a request without valid credentials.
    fn unauthenticated(&mut self, request: &Request, error: AuthError) {
        let peer = self.config.peer;
        // Clients send their first request without credentials.
        self.refusals += u32::from(request.header("Authorization").is_some());
        if error == AuthError::Wrong {
            self.events.push_back(Event::WrongPassword);
        }
        let plain = self.config.allow_plain_passwords;
        let headers = (self.challenge).headers(&self.config.accounts, plain, error);
        if let AuthError::Delayed(wait) = error {
            // RTSP 1.0 has no status for too many requests.
            let seconds = wait.as_secs_f32().ceil().to_string();
            let response = self.response(Status::ServiceUnavailable, cseq(request));
            response.header("Retry-After", &seconds).end();
        } else if headers.is_empty() {
            tracing::debug!(%peer, "passwords are accepted over TLS only");
            self.refuse(request, Status::Forbidden);
        } else {
            let mut response = self.response(Status::Unauthorized, cseq(request));
            for header in &headers {
                response = response.header("WWW-Authenticate", header);
            }
            response.end();
        }
        if self.refusals >= MAX_REFUSALS {
            self.end(End::Unauthorized);
        }
    }

    fn describe(&mut self, camera: String, request: Request) {
        self.events.push_back(Event::Describe {
            camera: camera.clone(),
        });
        self.waiting = Some(Waiting::Description { camera, request });
    }

    /// Answers a request that waited for the description.
    pub(super) fn described(&mut self, request: Request) {
        let (Some(target), Some(cseq)) = (Target::parse(&request.uri), cseq(&request)) else {
            return self.refuse(&request, Status::BadRequest);
        };
        if request.method == Method::Setup {
            return self.set_up(&target, &request, cseq);
        }
        let Some(offered) = &self.offered else {
            return self.refuse(&request, Status::ServiceUnavailable);
        };
        let sdp = offered.sdp(self.config.local);
        let base = format!("{}/", target.base);
        let response = self.response(Status::Ok, Some(cseq));
        let response = response.header("Content-Base", &base);
        response.body("application/sdp", &sdp);
    }

    fn setup(&mut self, target: &Target, request: Request) {
        let session = self.session.as_ref();
        // A session has one camera, and cannot change while it plays.
        if session.is_some_and(|session| session.playing || session.camera != target.camera) {
            return self.refuse(&request, Status::NotValidInThisState);
        }
        let offered = self.offered.as_ref();
        if offered.is_some_and(|offered| offered.camera == target.camera) {
            self.described(request);
        } else {
            self.describe(target.camera.clone(), request);
        }
    }

    fn set_up(&mut self, target: &Target, request: &Request, cseq: u32) {
        let Some(offered) = &self.offered else {
            return self.refuse(request, Status::ServiceUnavailable);
        };
        // The URL of a camera with one track also names the track.
        let number = match (target.track, offered.tracks.len()) {
            (Some(number), count) if number < count => number,
            (None, 1) => 0,
            (Some(_), _) => return self.refuse(request, Status::NotFound),
            (None, _) => return self.refuse(request, Status::BadRequest),
        };
        let Some(header) = request.header("Transport") else {
            return self.refuse(request, Status::BadRequest);
        };
        let udp = self.config.udp;
        let Some(offer) = offers(header, udp.is_some()).next() else {
            return self.refuse(request, Status::UnsupportedTransport);
        };
        let (path, transport) = match (offer, udp) {
            (Offer::Interleaved(channels), _) => {
                let (rtp, rtcp) = self.channels(number, channels);
                let path = Path::Interleaved { rtp, rtcp };
                (
                    path,
                    format!("RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp}"),
                )
            }
            (Offer::Udp(client), Some(server)) => {
                let to = |port| SocketAddr::new(self.config.peer.ip(), port);
                let path = Path::Udp {
                    rtp: to(client.rtp),
                    rtcp: to(client.rtcp),
                };
                let ports = |Ports { rtp, rtcp }| format!("{rtp}-{rtcp}");
                let (client, server) = (ports(client), ports(server));
                let transport =
                    format!("RTP/AVP;unicast;client_port={client};server_port={server}");
                (path, transport)
            }
            (Offer::Udp(_), None) => return self.refuse(request, Status::UnsupportedTransport),
        };
        let draw = self.rng.draw();
        let Some(track) = offered.track(number, path, draw, self.config.packet_bytes) else {
            return self.refuse(request, Status::NotFound);
        };
        let ssrc = track.ssrc();
        let (camera, id) = (target.camera.clone(), self.rng.id());
        let session = self.session.get_or_insert_with(|| Session::new(id, camera));
        session.tracks.retain(|(other, _)| *other != number);
        session.tracks.push((number, track));
        session.tracks.sort_unstable_by_key(|(number, _)| *number);
        let timeout = self.config.timeout.as_secs();
        let id = format!("{};timeout={timeout}", session.id);
        let response = self.response(Status::Ok, Some(cseq));
        let response = response.header("Transport", &format!("{transport};ssrc={ssrc:08X}"));
        response.header("Session", &id).end();
    }

    /// Returns the requested channels of a track, or a free pair.
    fn channels(&self, number: usize, requested: Option<(u8, u8)>) -> (u8, u8) {
        let session = self.session.as_ref();
        let free = |&(rtp, rtcp): &(u8, u8)| {
            session.is_none_or(|session| !session.uses(rtp, number) && !session.uses(rtcp, number))
        };
        let pairs = (0..=u8::MAX).step_by(2).map(|rtp| (rtp, rtp + 1));
        // A session has at most two tracks.
        requested
            .into_iter()
            .chain(pairs)
            .find(free)
            .unwrap_or((0, 1))
    }

    /// Handles `PLAY`, `PAUSE` and `TEARDOWN`.
    fn control(&mut self, target: &Target, request: &Request, cseq: u32) {
        let Some(session) = &mut self.session else {
            return self.refuse(request, Status::SessionNotFound);
        };
        if session.camera != target.camera {
            return self.refuse(request, Status::NotFound);
        }
        let has = |track| session.tracks.iter().any(|(number, _)| *number == track);
        match target.track {
            Some(track) if !has(track) => return self.refuse(request, Status::NotFound),
            Some(_) if session.tracks.len() > 1 && request.method != Method::Teardown => {
                return self.refuse(request, Status::OnlyAggregateOperation);
            }
            _ => {}
        }
        let base = &target.base;
        match request.method {
            Method::Play if session.playing => self.playing(base, cseq, None),
            Method::Play => {
                let camera = session.camera.clone();
                self.events.push_back(Event::Play { camera });
                self.waiting = Some(Waiting::Playing {
                    base: base.clone(),
                    cseq,
                });
            }
            Method::Teardown => {
                let kept =
                    |(number, _): &(usize, _)| target.track.is_some_and(|one| one != *number);
                session.tracks.retain(kept);
                if session.tracks.is_empty() {
                    self.session = None;
                    self.events.push_back(Event::Stop);
                }
                self.response(Status::Ok, Some(cseq)).end();
            }
            _ => {
                session.pause();
                self.events.push_back(Event::Stop);
                self.in_session(cseq).end();
            }
        }
    }

    /// Answers `PLAY`.
    pub(super) fn playing(&mut self, base: &str, cseq: u32, first: Option<std::time::Duration>) {
        let Some(session) = &mut self.session else {
            return;
        };
        let info = session.rtp_info(base, first);
        if !session.playing {
            let delayed = !self.start_delay.is_zero();
            session.play(delayed.then(|| self.now + self.start_delay));
        }
        let response = self.in_session(cseq).header("Range", "npt=now-");
        response.header("RTP-Info", &info).end();
    }

    /// Handles `GET_PARAMETER` and `SET_PARAMETER`. Without a body they are keep-alives.
    fn parameter(&mut self, request: &Request, cseq: u32) {
        match request.body.iter().all(u8::is_ascii_whitespace) {
            true => self.in_session(cseq).end(),
            false => self.refuse(request, Status::ParameterNotUnderstood),
        }
    }

    pub(super) fn refuse(&mut self, request: &Request, status: Status) {
        tracing::debug!(method = request.name, uri = request.uri, ?status, "refused");
        self.response(status, cseq(request)).end();
    }

    /// Starts a response with the `Session` header.
    fn in_session(&mut self, cseq: u32) -> Response<'_> {
        let id = self.session_id().map(str::to_owned);
        let response = self.response(Status::Ok, Some(cseq));
        match id {
            Some(id) => response.header("Session", &id),
            None => response,
        }
    }

    fn response(&mut self, status: Status, cseq: Option<u32>) -> Response<'_> {
        Response::begin(self.out.stream.own(), status, cseq).header("Server", SERVER)
    }
}

/// Returns the sequence number of a request.
fn cseq(request: &Request) -> Option<u32> {
    request.header("CSeq")?.parse().ok()
}
