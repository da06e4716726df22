//! Video whose pictures show the number of the camera and of the picture.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::SimulatorConfig;

use crate::common::{FPS, camera_config, tone_audio};

const WIDTH: usize = 320;
const HEIGHT: usize = 180;
/// The size of a square. The first row of eight squares is the camera number in binary, the second
/// row the picture number. White is 1.
const SQUARE: usize = 40;

/// The number of pictures. They repeat after that.
pub(crate) const PICTURES: u64 = 256;

/// JavaScript that defines `readPattern(video)`. It returns `[camera, picture]`, or `null` if the
/// pattern is not clear.
pub(crate) const READ_PATTERN: &str = "
    const canvas = document.createElement('canvas');
    canvas.width = 320;
    canvas.height = 180;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    globalThis.readPattern = (video) => {
        context.drawImage(video, 0, 0, 320, 180);
        const row = (y) => {
            let number = 0;
            for (let bit = 0; bit < 8; bit += 1) {
                const level = context.getImageData(20 + 40 * bit, y, 1, 1).data[1];
                if (level > 90 && level < 165) return null;
                number = number * 2 + (level > 127 ? 1 : 0);
            }
            return number;
        };
        const numbers = [row(20), row(60)];
        return numbers.includes(null) ? null : numbers;
    };";

/// A camera whose video shows its number, with audio.
pub(crate) fn pattern_camera(number: u8) -> SimulatorConfig {
    let args =
        format!("-f rawvideo -pix_fmt yuv420p -s {WIDTH}x{HEIGHT} -r {FPS} -i pipe: -crf 24");
    let pictures = (0..PICTURES).flat_map(|picture| draw(number, picture as u8));
    with_audio(encode(&args, pictures.collect()))
}

/// A camera whose video is an image with noise, with audio.
pub(crate) fn image_camera(png: Vec<u8>) -> SimulatorConfig {
    let args = "-f png_pipe -loop 1 -framerate 20 -i pipe: -frames:v 40 -vf scale=640:360,noise=alls=3:allf=t \
        -pix_fmt yuv420p -crf 27";
    with_audio(encode(args, png))
}

fn with_audio(h264: &'static [u8]) -> SimulatorConfig {
    let mut config = camera_config(h264, FPS);
    config.audio = Some(tone_audio(Codec::Pcmu, 8_000, 1));
    config
}

/// Encodes H.264 as cameras do: a key frame every two seconds, and no B frames.
fn encode(args: &str, input: Vec<u8>) -> &'static [u8] {
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
    let mut stdin = encoder.stdin.take().unwrap();
    // ffmpeg may close the pipe before the end of the input.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let stream = encoder.wait_with_output().unwrap().stdout;
    let _ = writer.join().unwrap();
    // The process is short-lived.
    Vec::leak(stream)
}

/// Draws a picture as YUV 4:2:0.
fn draw(camera: u8, picture: u8) -> Vec<u8> {
    let mut luma = vec![60; WIDTH * HEIGHT];
    for (y, line) in luma.chunks_mut(WIDTH).enumerate() {
        let number = match y / SQUARE {
            0 => camera,
            1 => picture,
            _ => {
                // A moving bar, so that the frames have a realistic size.
                let start = usize::from(picture) * 3 % WIDTH;
                line[start..(start + 24).min(WIDTH)].fill(200);
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
