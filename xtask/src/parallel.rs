//! Some things at a time.

use std::sync::Mutex;
use std::thread;

/// Does `work` with all of `items`, so many at a time, and hands over what came of each as soon as it is there. One
/// whose work panics is a panic here.
pub(crate) fn side_by_side<T: Send, R: Send>(
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    at_a_time: usize,
    work: impl Fn(T) -> R + Sync,
    take: impl FnMut(R) + Send,
) {
    let (items, take) = (Mutex::new(items.into_iter()), Mutex::new(take));
    let next = || items.lock().ok()?.next();
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some(item) = next() {
                    let done = work(item);
                    if let Ok(mut take) = take.lock() {
                        take(done);
                    }
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_done_once() {
        let mut done = Vec::new();
        side_by_side(0..100, 3, |number| number * 2, |double| done.push(double));
        done.sort_unstable();
        assert_eq!(done, (0..200).step_by(2).collect::<Vec<_>>());
    }
}
