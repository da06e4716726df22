//! Capture files.

use std::time::Duration;

use tutk_dissect::Error;
use tutk_dissect::capture::{
    Block, CaptureReader, CaptureWriter, Datagram, MAX_BLOCK, WriterOptions, udp_packet,
};

const TIME: Duration = Duration::new(1_760_000_000, 123_456_789);

fn file() -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), WriterOptions::default()).unwrap();
    let [from, to] = ["192.0.2.1:50000", "192.0.2.7:32761"].map(|end| end.parse().unwrap());
    writer.datagram(TIME, from, to, b"one").unwrap();
    writer.key_log("CLIENT_RANDOM 00 11\n").unwrap();
    writer.datagram(TIME, to, from, b"three").unwrap();
    writer.statistics(TIME, 2, 1).unwrap();
    assert_eq!(writer.packets(), 2);
    let bytes = writer.bytes();
    let file = writer.into_inner();
    assert_eq!(u64::try_from(file.len()).unwrap(), bytes);
    file
}

/// Reads payloads and key logs as texts.
fn read(file: &[u8]) -> Vec<String> {
    let mut reader = CaptureReader::new(file).unwrap();
    let mut found = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        found.push(match block {
            Block::Packet(packet) => {
                assert_eq!(packet.time, TIME);
                let datagram = Datagram::parse(packet.link, packet.data).unwrap();
                let payload = String::from_utf8(datagram.payload.to_vec()).unwrap();
                format!("{} {payload}", packet.number)
            }
            Block::KeyLog(log) => String::from_utf8(log.to_vec()).unwrap(),
        });
    }
    if reader.is_cut_off() {
        found.push("cut off".to_owned());
    }
    found
}

#[test]
fn packets_and_key_log_survive() {
    assert_eq!(read(&file()), ["1 one", "CLIENT_RANDOM 00 11\n", "2 three"]);
}

#[test]
fn file_that_is_cut_off_is_read_up_to_its_last_block() {
    let file = file();
    let found = read(&file[..file.len() - 20]);
    assert_eq!(
        found,
        ["1 one", "CLIENT_RANDOM 00 11\n", "2 three", "cut off"]
    );
    assert!(CaptureReader::new(&file[..7]).is_err());
    assert!(CaptureReader::new(&b""[..]).is_err());
}

#[test]
fn classic_pcap_is_read_in_both_byte_orders_and_resolutions() {
    let packet = udp_packet(
        "192.0.2.1:50000".parse().unwrap(),
        "192.0.2.7:32761".parse().unwrap(),
        b"classic",
    )
    .unwrap();
    let len = u32::try_from(packet.len()).unwrap();
    // Nanoseconds, in the writer's byte order.
    let fields = [0xa1b2_3c4d, 0x0004_0002, 0, 0, 65_535, 101];
    let record = [1_760_000_000, 123_456_789, len, len];
    for (to_bytes, version) in [
        (u32::to_le_bytes as fn(u32) -> [u8; 4], 0x0004_0002),
        (u32::to_be_bytes, 0x0002_0004),
    ] {
        let mut fields = fields;
        fields[1] = version;
        let mut file: Vec<u8> = fields
            .into_iter()
            .chain(record)
            .flat_map(to_bytes)
            .collect();
        file.extend_from_slice(&packet);
        assert_eq!(read(&file), ["1 classic"]);
    }
}

#[test]
fn block_that_is_too_long_is_an_error() {
    let mut too_long = file();
    too_long.extend([6, 0, 0, 0]);
    too_long.extend(0x7fff_fff0_u32.to_le_bytes());
    too_long.resize(too_long.len() + 3 * MAX_BLOCK, 0);
    for file in [too_long, with_unknown_block(MAX_BLOCK + 16)] {
        assert_block_too_long(&file);
    }
}

#[test]
fn block_of_the_maximum_length_is_read() {
    assert_eq!(
        read(&with_unknown_block(MAX_BLOCK)),
        [
            "1 one",
            "CLIENT_RANDOM 00 11\n",
            "2 three",
            "3 one",
            "CLIENT_RANDOM 00 11\n",
            "4 three"
        ]
    );
}

/// A file with a block of an unknown type between packets.
fn with_unknown_block(len: usize) -> Vec<u8> {
    let bytes = u32::try_from(len).unwrap().to_le_bytes();
    let content = vec![0; len - 12];
    let block = [&[0, 0x0b, 0, 0x0b][..], &bytes, &content, &bytes].concat();
    [file(), block, file()].concat()
}

fn assert_block_too_long(file: &[u8]) {
    let mut reader = CaptureReader::new(file).unwrap();
    let error = loop {
        match reader.next_block() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no error"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::BlockTooLong { .. }), "{error:?}");
}
