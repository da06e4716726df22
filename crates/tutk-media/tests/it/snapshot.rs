//! Snapshots, compared with pictures decoded by ffmpeg.

use tutk_media::{Codec, Error, MAX_SNAPSHOT_PIXELS, ParameterSets, SNAPSHOT_QUALITY, snapshot};

use crate::common::{File, H264, H265, access_unit, clip, has_ffmpeg, run, run_bytes, tool};

/// Decodes the first picture of a file with ffmpeg, as RGB.
fn pixels(file: &File) -> Vec<u8> {
    let mut ffmpeg = tool("ffmpeg -v error -i");
    ffmpeg.arg(&file.0).args(["-frames:v", "1"]);
    run_bytes(ffmpeg.args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]))
}

#[test]
fn snapshot_matches_ffmpeg() {
    if !has_ffmpeg() {
        return;
    }
    // The clip, and the same samples marked as BT.709 in full range.
    let bare = File::new("bare.h264", H264);
    let full = File::new("full.h264", b"");
    let filter = "h264_metadata=video_full_range_flag=1:matrix_coefficients=1";
    let mut ffmpeg = tool("ffmpeg -v error -y -i");
    ffmpeg.arg(&bare.0).args(["-c:v", "copy", "-bsf:v", filter]);
    run(ffmpeg.arg(&full.0));
    for file in [bare, full] {
        let clip = clip(&std::fs::read(&file.0).unwrap());
        let unit = clip.unit(0).unwrap();
        let jpeg = snapshot(&ParameterSets::new(Codec::H264), unit, SNAPSHOT_QUALITY).unwrap();
        let jpeg = File::new("out.jpg", &jpeg);
        let [expected, found] = [&file, &jpeg].map(pixels);
        assert_eq!(
            (expected.len(), found.len()),
            (640 * 360 * 3, 640 * 360 * 3)
        );
        let pairs = expected.iter().zip(&found);
        let total: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        // In 255ths. A wrong range or matrix gives three times the difference of JPEG itself.
        let mean = f64::from(total) / (640.0 * 360.0 * 3.0);
        println!("{}: {mean}", file.name());
        assert!(mean < 3.0, "{}: {mean}", file.name());
    }
}

#[test]
fn missing_parameter_sets_are_added() {
    let clip = clip(H264);
    let unit = clip.unit(0).unwrap();
    let sets = ParameterSets::of(unit);
    let slices: Vec<u8> = tutk_media::nal_units(unit.data())
        .filter(|nal| nal.payload[0] & 0x1f == 5)
        .flat_map(|nal| [&[0, 0, 0, 1], nal.payload].concat())
        .collect();
    let slices = access_unit(Codec::H264, &slices);
    let whole = snapshot(&sets, unit, 50).unwrap();
    assert_eq!(snapshot(&sets, &slices, 50).unwrap(), whole);
    assert!(whole.len() < snapshot(&sets, unit, 100).unwrap().len());
    let error = snapshot(&ParameterSets::new(Codec::H264), &slices, 50).unwrap_err();
    assert!(matches!(error, Error::NoKeyFrame { .. }), "{error}");
}

#[test]
fn corrupted_frames_do_not_panic_and_h265_is_an_error() {
    let h264 = clip(H264);
    let unit = h264.unit(0).unwrap();
    let sets = ParameterSets::of(unit);
    // A corrupted frame gives a picture or an error.
    let mut errors = 0;
    let data = unit.data();
    for at in (40..data.len()).step_by(data.len() / 50) {
        let mut corrupted = data.to_vec();
        corrupted[at] ^= 0x55;
        corrupted[at + 1] = 0xff;
        for bytes in [&corrupted[..], &data[..at]] {
            let unit = access_unit(Codec::H264, bytes);
            errors += usize::from(snapshot(&sets, &unit, 50).is_err());
        }
    }
    assert!(errors > 0);
    // A slice that needs the previous picture.
    let unit = h264.unit(1).unwrap();
    assert!(snapshot(&sets, unit, 50).is_err());

    let h265 = clip(H265);
    let unit = h265.unit(0).unwrap();
    let error = snapshot(&ParameterSets::new(Codec::H265), unit, 50).unwrap_err();
    assert_eq!(error, Error::SnapshotCodec { codec: Codec::H265 });
}

#[test]
fn large_pictures_are_refused() {
    let large = sps(0, 256, 0);
    // The cropped picture has 16x16 pixels.
    let cropped = sps(0, 256, 255);
    // The picture refers to the second set.
    let second = [sps(0, 1, 0), sps(1, 256, 0)].concat();
    for sets in [large, cropped, second] {
        let picture = [0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 1, 0x65, 0x88];
        let unit = access_unit(Codec::H264, &[&sets, &picture[..]].concat());
        let error = snapshot(&ParameterSets::new(Codec::H264), &unit, 50).unwrap_err();
        let expected = Error::SnapshotTooLarge {
            max: MAX_SNAPSHOT_PIXELS,
            found: 1 << 24,
        };
        assert_eq!(error, expected);
    }
}

/// A sequence parameter set of Baseline profile with its start code. `side` and the part of it that
/// is cropped are in macroblocks.
fn sps(id: u32, side: u32, cropped: u32) -> Vec<u8> {
    let mut bits = String::new();
    for byte in [0x67_u8, 66, 0, 52] {
        bits += &format!("{byte:08b}");
    }
    // Set id, frame number, order count, references; then the size in macroblocks minus one.
    for value in [id, 0, 2, 1] {
        bits += &golomb(value);
    }
    bits += &format!("0{}{}", golomb(side - 1), golomb(side - 1));
    // Frames only, 8x8 inference, cropping; no VUI; stop bit.
    bits += "111";
    for value in [0, 8 * cropped, 0, 8 * cropped] {
        bits += &golomb(value);
    }
    bits += "01";
    let mut out = vec![0, 0, 1];
    out.extend(bits.as_bytes().chunks(8).map(|bits| {
        let text = String::from_utf8(bits.to_vec()).unwrap();
        u8::from_str_radix(&format!("{text:0<8}"), 2).unwrap()
    }));
    out
}

/// ue(v) (H.264 9.1).
fn golomb(value: u32) -> String {
    let bits = format!("{:b}", value + 1);
    format!("{}{bits}", "0".repeat(bits.len() - 1))
}
