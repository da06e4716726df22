//! An RTSP session: its tracks, and the packets of their frames.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tutk_media::{AudioConfig, Codec, MediaDescription, RtpPayloads, RtpStream, rtp_timestamp};

use super::outgoing::{Outgoing, Path};
use super::rtcp::{self, Report};
use super::target::Target;
use crate::hub::{LiveFrame, StreamDescription};

/// The interval of sender reports (RFC 3550 section 6.2).
pub(super) const REPORTS: Duration = Duration::from_secs(5);

/// The payload types of video and audio, for codecs without a static one.
const PAYLOAD_TYPES: [u8; 2] = [96, 97];

/// The tracks of a camera.
#[derive(Debug, Clone)]
pub(super) struct Offered {
    pub(super) camera: String,
    pub(super) description: Arc<StreamDescription>,
    /// In the order of their numbers: video and audio at most.
    pub(super) tracks: Vec<(Media, MediaDescription)>,
    /// Why RTP cannot carry the audio, if so.
    pub(super) omitted_audio: Option<tutk_media::Error>,
}

/// The kind of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Video,
    Audio,
}

#[derive(Debug)]
pub(super) struct Session {
    /// The session id.
    pub(super) id: String,
    pub(super) camera: String,
    /// The tracks with their numbers.
    pub(super) tracks: Vec<(usize, Track)>,
    pub(super) playing: bool,
    /// When the first frame may be sent.
    starts_at: Option<Instant>,
    /// The newest sent frame: when it was sent, its timestamp, and its time of day.
    sent: Option<(Instant, Duration, SystemTime)>,
    /// When the next sender reports are due.
    report_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Track {
    media: Media,
    codec: Option<Codec>,
    pub(super) path: Path,
    rtp: RtpStream,
    /// The audio that was set up.
    audio: Option<AudioConfig>,
    packet_bytes: usize,
    clock_rate: u32,
    /// The offset of all timestamps.
    offset: u32,
    packets: u32,
    octets: u32,
    /// The number of frames that RTP cannot carry.
    unsent: u64,
}

/// The random values of a track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) offset: u32,
}

impl Offered {
    pub(super) fn new(camera: String, description: Arc<StreamDescription>) -> Self {
        let [video, audio] = PAYLOAD_TYPES;
        let mut tracks = Vec::new();
        let mut omitted_audio = None;
        if let Some(sets) = &description.video {
            tracks.push((Media::Video, MediaDescription::video(sets, video)));
        }
        if let Some(sound) = &description.sound {
            match MediaDescription::audio(sound.config, audio) {
                Ok(media) => tracks.push((Media::Audio, media)),
                Err(error) => omitted_audio = Some(error),
            }
        }
        Self {
            camera,
            description,
            tracks,
            omitted_audio,
        }
    }

    /// Returns the session description (RFC 8866) with the attributes of RTSP (RFC 2326 appendix
    /// C).
    pub(super) fn sdp(&self, host: IpAddr) -> String {
        let family = if host.is_ipv4() { "IP4" } else { "IP6" };
        let any = if host.is_ipv4() { "0.0.0.0" } else { "::" };
        let mut sdp = format!(
            "v=0\r\no=- 0 0 IN {family} {host}\r\ns={}\r\nc=IN {family} {any}\r\nt=0 0\r\n\
             a=control:*\r\na=range:npt=now-\r\n",
            self.camera
        );
        for (at, (_, media)) in self.tracks.iter().enumerate() {
            sdp += &format!("{media}a=control:{}\r\n", Target::control(at));
        }
        sdp
    }

    /// Sets up a track.
    pub(super) fn track(
        &self,
        number: usize,
        path: Path,
        draw: Draw,
        packet_bytes: usize,
    ) -> Option<Track> {
        let (media, described) = self.tracks.get(number)?;
        let video = self.description.video.as_ref();
        let audio = match media {
            Media::Video => None,
            Media::Audio => Some(self.description.sound?.config),
        };
        Some(Track {
            media: *media,
            codec: video.map(|sets| sets.codec()),
            path,
            rtp: RtpStream::new(described.payload_type, draw.ssrc, draw.sequence).ok()?,
            audio,
            packet_bytes,
            clock_rate: described.clock_rate,
            offset: draw.offset,
            packets: 0,
            octets: 0,
            unsent: 0,
        })
    }
}

impl Session {
    pub(super) fn new(id: String, camera: String) -> Self {
        Self {
            id,
            camera,
            tracks: Vec::new(),
            playing: false,
            starts_at: None,
            sent: None,
            report_at: None,
        }
    }

    /// Returns `true` if all tracks are interleaved in the connection.
    pub(super) fn is_interleaved(&self) -> bool {
        self.tracks
            .iter()
            .all(|(_, track)| track.path.is_interleaved())
    }

    /// Returns `true` if this is the RTCP address of one of the tracks.
    pub(super) fn has_rtcp_address(&self, from: SocketAddr) -> bool {
        let canonical = |at: SocketAddr| (at.ip().to_canonical(), at.port());
        self.tracks.iter().any(|(_, track)| match track.path {
            Path::Udp { rtcp, .. } => canonical(rtcp) == canonical(from),
            Path::Interleaved { .. } => false,
        })
    }

    /// Returns `true` if another track uses an interleaved channel.
    pub(super) fn uses(&self, channel: u8, but: usize) -> bool {
        let mut others = self.tracks.iter().filter(|(number, _)| *number != but);
        others.any(|(_, track)| match track.path {
            Path::Interleaved { rtp, rtcp } => channel == rtp || channel == rtcp,
            Path::Udp { .. } => false,
        })
    }

    /// Returns `true` if the description has the video codec of the tracks.
    pub(super) fn fits(&self, description: &StreamDescription) -> bool {
        let now = description.video.as_ref().map(|sets| sets.codec());
        let mut pictures = self
            .tracks
            .iter()
            .filter(|(_, track)| track.media == Media::Video);
        pictures.all(|(_, track)| now.is_none() || now == track.codec)
    }

    /// Returns the `RTP-Info` header (RFC 2326 section 12.33). `first` is the timestamp of the
    /// first frame, if known.
    pub(super) fn rtp_info(&self, base: &str, first: Option<Duration>) -> String {
        let track = |(number, track): &(usize, Track)| {
            let control = Target::control(*number);
            let sequence = track.rtp.sequence();
            let time = first.map(|first| format!(";rtptime={}", track.timestamp(first)));
            format!(
                "url={base}/{control};seq={sequence}{}",
                time.unwrap_or_default()
            )
        };
        let tracks: Vec<_> = self.tracks.iter().map(track).collect();
        tracks.join(",")
    }

    /// Starts or resumes playing. Frames may be sent from `starts_at` on.
    pub(super) fn play(&mut self, starts_at: Option<Instant>) {
        self.playing = true;
        self.starts_at = starts_at;
        // The first frame sends new reports.
        self.sent = None;
        self.report_at = None;
    }

    pub(super) fn pause(&mut self) {
        self.playing = false;
        self.report_at = None;
    }

    /// Sends a frame. Sender reports precede the first frame, and the first one after a gap, so
    /// that clients can synchronize video and audio.
    ///
    /// # Errors
    /// RTP cannot carry the frame. Reported once for each track.
    pub(super) fn frame(
        &mut self,
        now: Instant,
        frame: &LiveFrame,
        out: &mut Outgoing,
    ) -> Result<(), tutk_media::Error> {
        let report = self.sent.is_none() || frame.discontinuity;
        if self
            .sent
            .is_none_or(|(_, newest, _)| newest <= frame.timestamp)
        {
            self.sent = Some((now, frame.timestamp, frame.wall));
        }
        if report {
            self.report(now, out);
        }
        let media = match frame.kind.is_video() {
            true => Media::Video,
            false => Media::Audio,
        };
        let mut tracks = self.tracks.iter_mut();
        match tracks.find(|(_, track)| track.media == media) {
            Some((_, track)) => track.frame(frame, out),
            None => Ok(()),
        }
    }

    /// Returns when the first frame may be sent, if that is after `now`.
    pub(super) fn starts_at(&self, now: Instant) -> Option<Instant> {
        self.starts_at.filter(|at| self.playing && *at > now)
    }

    /// Returns when [`report`](Self::report) is due.
    pub(super) fn report_at(&self) -> Option<Instant> {
        self.report_at
    }

    /// Sends a sender report for each track.
    pub(super) fn report(&mut self, now: Instant, out: &mut Outgoing) {
        self.report_at = now.checked_add(REPORTS);
        self.reports(now, false, out);
    }

    /// Postpones reports because the client does not read.
    pub(super) fn postpone_report(&mut self, now: Instant) {
        self.report_at = now.checked_add(REPORTS);
    }

    /// Sends sender reports with an RTCP goodbye, and stops playing.
    pub(super) fn goodbye(&mut self, now: Instant, out: &mut Outgoing) {
        self.reports(now, true, out);
        self.pause();
    }

    fn reports(&mut self, now: Instant, goodbye: bool, out: &mut Outgoing) {
        // Without a frame there is no time to report.
        let Some((at, timestamp, wall)) = self.sent else {
            return;
        };
        let since = now.saturating_duration_since(at);
        let timestamp = timestamp.saturating_add(since);
        for (_, track) in &self.tracks {
            let report = Report {
                ssrc: track.rtp.ssrc(),
                name: &self.id,
                wall: wall.checked_add(since).unwrap_or(wall),
                rtp: track.timestamp(timestamp),
                packets: track.packets,
                octets: track.octets,
            };
            let mut packet = [0; rtcp::MAX_BYTES];
            let written = rtcp::write(report, goodbye, &mut packet);
            if let Some(written) = written.ok().and_then(|len| packet.get(..len)) {
                out.rtcp(track.path, written);
            }
        }
    }
}

impl Track {
    pub(super) const fn ssrc(&self) -> u32 {
        self.rtp.ssrc()
    }

    /// Returns the RTP timestamp of a time on the camera's time line.
    fn timestamp(&self, time: Duration) -> u32 {
        rtp_timestamp(time, self.clock_rate).wrapping_add(self.offset)
    }

    fn frame(&mut self, frame: &LiveFrame, out: &mut Outgoing) -> Result<(), tutk_media::Error> {
        let timestamp = self.timestamp(frame.timestamp);
        let current = frame.description.sound.map(|audio| audio.config);
        let payloads = match self.audio {
            // The payloads of other audio are not those of this track.
            Some(config) if current != Some(config) => {
                RtpPayloads::audio(config, &frame.data, self.packet_bytes).map(Arc::new)
            }
            _ => frame.rtp_payloads(self.packet_bytes),
        };
        let payloads = match payloads {
            Ok(payloads) => payloads,
            Err(error) => {
                self.unsent += 1;
                return if self.unsent == 1 { Err(error) } else { Ok(()) };
            }
        };
        for payload in payloads.iter() {
            let header = self.rtp.next_header(payload, timestamp);
            if !out.rtp(self.path, header, payload) {
                break;
            }
            self.packets = self.packets.wrapping_add(1);
            let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            self.octets = self.octets.wrapping_add(bytes);
        }
        Ok(())
    }
}
