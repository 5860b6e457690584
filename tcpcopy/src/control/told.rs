//! What several workers have to say of one intercept is said by one of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common_core::time::Time;

/// The other workers' links meet with the same within this time.
const PERIOD: Duration = Duration::from_secs(10);

/// Lines remembered. More different ones within the period are all logged.
const LINES: usize = 32;

/// The lines that the workers have logged of late.
#[derive(Debug, Default)]
pub struct Told(Mutex<Vec<Line>>);

/// What a worker's links have to say, and when.
#[derive(Debug, Clone, Default)]
pub struct Speaker {
    /// What the workers have said: one for all of them.
    pub told: Arc<Told>,
    /// Also what goes wrong before a link has ever been up: or a caller that waits for that moment says it himself.
    pub from_start: bool,
}

#[derive(Debug)]
struct Line {
    text: String,
    /// The number of the worker who said it.
    by: u16,
    at: Time,
}

impl Told {
    /// Whether this is news, coming from worker `by`: no other has said it of late. Whether a worker repeats itself is its
    /// own concern.
    pub(super) fn is_news(&self, now: Time, by: u16, text: &str) -> bool {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The workers' readings of the clock differ a little.
        lines.retain(|line| now.since(line.at) < PERIOD);
        if let Some(line) = lines.iter_mut().find(|line| line.text == text) {
            let news = line.by == by;
            if news {
                line.at = now;
            }
            return news;
        }
        if lines.len() < LINES {
            lines.push(Line { text: text.to_owned(), by, at: now });
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_speaks() {
        let told = Told::default();
        let news = |seconds, by, text| told.is_news(Time::ZERO + Duration::from_secs(seconds), by, text);
        assert_eq!((0..64).filter(|by| news(1, *by, "refused")).count(), 1);
        assert!(news(1, 5, "silent"), "something else");
        assert!(news(2, 0, "refused"), "its own once more");
        assert!(!news(11, 7, "refused"));
        assert!(news(12, 7, "refused"), "a worker whose link is down later than the others'");
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let told = Told::default();
        for number in 0..1000 {
            assert!(told.is_news(Time::ZERO, 0, &number.to_string()));
        }
        assert_eq!(told.0.lock().unwrap().len(), LINES);
    }
}
