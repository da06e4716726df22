//! TransCode of runs, compared with the byte-by-byte oracle of the tests.
#![allow(
    missing_docs,
    clippy::indexing_slicing,
    reason = "a benchmark, and code from criterion's macros"
)]

#[path = "../tests/oracle/mod.rs"]
mod oracle;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use disco_cipher::transcode;

/// The lengths in bytes of a control packet, a video datagram and a long run.
const LENGTHS: [usize; 3] = [64, 1200, 64 * 1024];

type Cipher = fn(&mut [u8]);

fn runs(criterion: &mut Criterion) {
    let directions: [(&str, Cipher, Cipher); 2] = [
        ("scramble", transcode::scramble_run, oracle::scramble_run),
        (
            "descramble",
            transcode::descramble_run,
            oracle::descramble_run,
        ),
    ];
    for (name, fast, naive) in directions {
        let mut group = criterion.benchmark_group(name);
        for len in LENGTHS {
            group.throughput(Throughput::Bytes(len as u64));
            let mut run = vec![0x5a; len];
            for (version, cipher) in [("disco-cipher", fast), ("byte-by-byte", naive)] {
                group.bench_function(BenchmarkId::new(version, len), |bencher| {
                    bencher.iter(|| cipher(black_box(&mut run)));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, runs);
criterion_main!(benches);
