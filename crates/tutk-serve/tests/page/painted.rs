//! Pictures that say of themselves which they are: a camera's number and the picture's, in black
//! and white.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::SimulatorConfig;

use crate::common::{FPS, camera_config, tone_audio};

const WIDTH: usize = 320;
const HEIGHT: usize = 180;
/// Two rows of eight squares, one a bit: the camera's number, and below it the picture's.
const SQUARE: usize = 40;

/// Pictures until they begin anew: as many as a row of squares can tell apart.
pub(crate) const ROUND: u64 = 256;

/// Reads a video's picture: `[camera, picture]`, or `null` where it is not sure.
pub(crate) const READ: &str = "
    const reader = document.createElement('canvas');
    reader.width = 320;
    reader.height = 180;
    const pen = reader.getContext('2d', { willReadFrequently: true });
    const read = (video) => {
        pen.drawImage(video, 0, 0, 320, 180);
        const row = (y) => {
            let number = 0;
            for (let bit = 0; bit < 8; bit += 1) {
                const level = pen.getImageData(20 + 40 * bit, y, 1, 1).data[1];
                if (level > 90 && level < 165) return null;
                number = number * 2 + (level > 127 ? 1 : 0);
            }
            return number;
        };
        const both = [row(20), row(60)];
        return both.includes(null) ? null : both;
    };";

/// A camera that shows its number, and is heard.
pub(crate) fn painted(number: u8) -> SimulatorConfig {
    let mut config = camera_config(clip(number), FPS);
    config.audio = Some(tone_audio(Codec::Pcmu, 8_000, 1));
    config
}

/// A camera that shows a scene, a drawing that Chromium has made a picture of.
pub(crate) fn scene(png: &[u8]) -> SimulatorConfig {
    // Something moves, as on every camera's picture: its noise.
    let args = "-f png_pipe -loop 1 -framerate 20 -i pipe: -frames:v 40 -vf scale=640:360,noise=alls=3:allf=t \
        -pix_fmt yuv420p -crf 27";
    let mut config = camera_config(encode(args, vec![png.to_vec()]), FPS);
    config.audio = Some(tone_audio(Codec::Pcmu, 8_000, 1));
    config
}

/// A round of it.
fn clip(number: u8) -> &'static [u8] {
    let args =
        format!("-f rawvideo -pix_fmt yuv420p -s {WIDTH}x{HEIGHT} -r {FPS} -i pipe: -crf 24");
    let pictures = (0..ROUND).map(|picture| paint(number, picture as u8));
    encode(&args, pictures.collect())
}

/// H.264 as cameras send it: a key frame every two seconds, no frame behind another.
fn encode(args: &str, input: Vec<Vec<u8>>) -> &'static [u8] {
    let h264 = "-c:v libx264 -preset ultrafast -tune zerolatency -bf 0 -g 40 -threads 1 \
        -x264-params slices=1:aud=0:scenecut=0:open-gop=0 -f h264 -";
    let mut encoder = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(args.split_whitespace())
        .args(h264.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = encoder.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || {
        // It may have enough before that was all.
        input.iter().try_for_each(|part| pipe.write_all(part))
    });
    let stream = encoder.wait_with_output().unwrap().stdout;
    let _ = feeding.join().unwrap();
    // Test processes are short.
    Vec::leak(stream)
}

fn paint(camera: u8, picture: u8) -> Vec<u8> {
    let mut luma = vec![60; WIDTH * HEIGHT];
    for (y, line) in luma.chunks_mut(WIDTH).enumerate() {
        let number = match y / SQUARE {
            0 => camera,
            1 => picture,
            _ => {
                // What moves, so that there is something to encode.
                let at = usize::from(picture) * 3 % WIDTH;
                line[at..(at + 24).min(WIDTH)].fill(200);
                continue;
            }
        };
        for (bit, square) in line.chunks_mut(SQUARE).enumerate() {
            square.fill(if number & (0x80 >> bit) == 0 { 16 } else { 235 });
        }
    }
    luma.resize(WIDTH * HEIGHT * 3 / 2, 128);
    luma
}
